/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Lookups from beginning to end: what is known without a query, which resolver is responsible, the deadline.
 */
#include <string.h>

#include "dns/resolver_blocking.h"
#include "dns/resolver_private.h"

void emi_resolution_make_ready(emi_resolution *resolution)
{
    if (!emi_list_is_linked(&resolution->ready))
        emi_list_append(&resolution->resolver->ready, &resolution->ready);
}

static void end_searches(emi_resolution *resolution, em_status status)
{
    for (unsigned i = 0; i < resolution->search_count; i++) {
        emi_search *search = &resolution->searches[i];
        if (search->has_ended)
            continue;
        emi_search_clear(search);
        search->status = status;
        search->has_ended = true;
    }
    emi_resolution_make_ready(resolution);
}

static void give_up_system(emi_resolution *resolution)
{
    if (resolution->system)
        emi_system_lookup_cancel(resolution->system);
    resolution->system = NULL;
}

/* The deadline. */
static void fire(emi_loop_timer *timer)
{
    emi_resolution *resolution = EMI_CONTAINER(timer, emi_resolution, deadline);
    give_up_system(resolution);
    end_searches(resolution, EM_RESOLVE_TIMEOUT);
}

static void set_deadline(emi_resolution *resolution, uint64_t timeout_ns)
{
    em_loop *loop = resolution->resolver->loop;
    if (timeout_ns > 0 && timeout_ns != EM_FOREVER)
        emi_loop_timer_set(loop, &resolution->deadline, emi_loop_due_ns(loop, timeout_ns));
}

/* Without a query */

static em_status set_known(emi_resolution *resolution, const emi_addresses *addresses)
{
    const emi_memory *memory = &resolution->resolver->loop->memory;
    resolution->known = emi_allocate(memory, sizeof *resolution->known);
    if (!resolution->known)
        return EM_NO_MEMORY;
    *resolution->known = *addresses;
    end_searches(resolution, EM_OK); /* per family, see resolver_report.c */
    return EM_OK;
}

static void finish_system(void *user, em_status status, const emi_addresses *addresses)
{
    emi_resolution *resolution = user;
    resolution->system = NULL;
    if (status == EM_OK)
        status = set_known(resolution, addresses);
    if (status != EM_OK)
        end_searches(resolution, status);
}

/* EM_OK: found. EM_IN_PROGRESS: not found. */
static em_status find_in_hosts(const emi_resolution *resolution, const em_resolver_options *options,
                               emi_addresses *addresses)
{
    emi_hosts own = {.memory = NULL};
    bool has_own = options && options->hosts_file;
    em_status status = has_own ? emi_resolver_read_hosts(resolution->resolver, options->hosts_file, &own) : EM_OK;
    if (status != EM_OK)
        return status;
    const emi_hosts *hosts = has_own ? &own : &resolution->resolver->hosts;
    bool is_found = emi_hosts_find(hosts, resolution->name, resolution->port, addresses);
    emi_hosts_clear(&own);
    return is_found ? EM_OK : EM_IN_PROGRESS;
}

/* A literal, a name under localhost, a name in the hosts file. */
static em_status find_known(const emi_resolution *resolution, const em_resolver_options *options,
                            emi_addresses *addresses)
{
    const char *name = resolution->name;
    addresses->count = 1;
    if (em_address_from_text(name, resolution->port, &addresses->list[0]) == EM_OK ||
        emi_resolve_known(name, resolution->port, addresses) == EM_OK)
        return EM_OK;
    return find_in_hosts(resolution, options, addresses);
}

/* Names under .local are those of multicast DNS (RFC 6762), which only the system may know. */
static bool is_for_system(const emi_resolution *resolution)
{
    return resolution->config->use_system || !resolution->resolver->transport ||
           emi_name_is_under(resolution->name, "local");
}

static em_status begin_addresses(emi_resolution *resolution, const em_resolver_options *options)
{
    emi_addresses addresses;
    em_status status = find_known(resolution, options, &addresses);
    if (status == EM_OK)
        return set_known(resolution, &addresses);
    if (status != EM_IN_PROGRESS || !is_for_system(resolution))
        return status;
    emi_system_lookup *started;
    status = emi_system_lookup_start(resolution->resolver->loop, resolution->name, resolution->port, finish_system,
                                     resolution, &started);
    if (status == EM_OK)
        resolution->system = started;
    return status;
}

/* Creating and freeing */

static em_status choose_config(emi_resolution *resolution, const em_resolver_options *options)
{
    emi_resolver *resolver = resolution->resolver;
    if (!options) {
        resolution->config = emi_dns_config_retain(resolver->config);
        return EM_OK;
    }
    resolution->is_private = true;
    const char *path = options->resolv_conf ? options->resolv_conf : "/etc/resolv.conf";
    return emi_resolver_make_config(resolver, path[0] ? path : NULL, options, &resolution->config);
}

static emi_resolution *allocate(emi_resolver *resolver, const emi_lookup_request *request)
{
    size_t length = strlen(request->name);
    emi_resolution *resolution = emi_allocate_zeroed(&resolver->loop->memory, sizeof *resolution + length + 1);
    if (!resolution)
        return NULL;
    memcpy(resolution->name, request->name, length);
    resolution->resolver = resolver;
    resolution->port = request->port;
    resolution->report = request->is_query ? EMI_REPORT_ANSWER : EMI_REPORT_ADDRESSES;
    resolution->search_count = request->type_count;
    for (unsigned i = 0; i < request->type_count; i++) {
        emi_search *search = &resolution->searches[i];
        emi_list_init(&search->link);
        search->resolution = resolution;
        search->type = request->types[i];
    }
    emi_loop_timer_init(&resolution->deadline, fire);
    emi_list_init(&resolution->ready);
    emi_list_init(&resolution->in_all);
    emi_list_append(&resolver->all, &resolution->in_all);
    return resolution;
}

static em_status begin(emi_resolution *resolution, const emi_lookup_request *request)
{
    em_status status = choose_config(resolution, request->resolver);
    if (status == EM_OK && request->is_query)
        status = resolution->resolver->transport ? EM_IN_PROGRESS : EM_UNSUPPORTED;
    else if (status == EM_OK)
        status = begin_addresses(resolution, request->resolver);
    if (status != EM_IN_PROGRESS)
        return status;
    for (unsigned i = 0; i < resolution->search_count; i++)
        emi_search_begin(&resolution->searches[i]);
    return EM_OK;
}

em_status emi_resolution_create(emi_resolver *resolver, const emi_lookup_request *request, emi_resolution **created)
{
    em_status status = emi_resolver_refresh(resolver);
    if (status != EM_OK)
        return status;
    emi_resolution *resolution = allocate(resolver, request);
    if (!resolution)
        return EM_NO_MEMORY;
    status = begin(resolution, request);
    if (status != EM_OK) {
        emi_resolution_free(resolution);
        return status;
    }
    set_deadline(resolution, request->timeout_ns);
    *created = resolution;
    return EM_OK;
}

void emi_resolution_free(emi_resolution *resolution)
{
    emi_resolver *resolver = resolution->resolver;
    if (resolver->reporting == resolution)
        resolver->reporting = NULL;
    for (unsigned i = 0; i < resolution->search_count; i++)
        emi_search_clear(&resolution->searches[i]);
    give_up_system(resolution);
    emi_loop_timer_cancel(resolver->loop, &resolution->deadline);
    emi_list_remove(&resolution->ready);
    emi_list_remove(&resolution->in_all);
    emi_handle_table_remove(&resolver->handles, &resolution->handle);
    emi_dns_config_release(resolution->config);
    emi_release(&resolver->loop->memory, resolution->known);
    emi_release(&resolver->loop->memory, resolution);
}
