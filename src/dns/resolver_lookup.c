/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Lookups from beginning to end: what is known without a query, when the system is asked, and the deadline.
 */
#include <string.h>

#include "dns/resolver_private.h"

void emi_lookup_make_ready(emi_lookup *lookup)
{
    if (!emi_list_is_linked(&lookup->ready))
        emi_list_append(&lookup->resolver->ready, &lookup->ready);
}

static void end_searches(emi_lookup *lookup, em_status status)
{
    for (unsigned i = 0; i < lookup->search_count; i++) {
        emi_search *search = &lookup->searches[i];
        if (search->has_ended)
            continue;
        emi_search_clear(search);
        search->status = status;
        search->has_ended = true;
    }
    emi_lookup_make_ready(lookup);
}

static void cancel_system_lookup(emi_lookup *lookup)
{
    if (lookup->system)
        emi_system_lookup_cancel(lookup->system);
    lookup->system = NULL;
}

/* The deadline. Many lookups may have the same one: what costs more is left to the turn that reports them, a few in
 * each turn. */
static void fire(emi_loop_timer *timer)
{
    emi_lookup *lookup = EMI_CONTAINER(timer, emi_lookup, deadline);
    lookup->is_overdue = true;
    emi_lookup_make_ready(lookup);
}

void emi_lookup_end_overdue(emi_lookup *lookup)
{
    cancel_system_lookup(lookup);
    end_searches(lookup, EM_RESOLVE_TIMEOUT);
}

static void set_deadline(emi_lookup *lookup, uint64_t timeout_ns)
{
    em_loop *loop = lookup->resolver->loop;
    if (timeout_ns > 0 && timeout_ns != EM_FOREVER)
        emi_loop_timer_set(loop, &lookup->deadline, emi_loop_due_ns(loop, timeout_ns));
}

/* Without a query */

static em_status set_known(emi_lookup *lookup, const emi_addresses *addresses)
{
    const emi_memory *memory = &lookup->resolver->loop->memory;
    lookup->known = emi_allocate(memory, sizeof *lookup->known);
    if (!lookup->known)
        return EM_NO_MEMORY;
    *lookup->known = *addresses;
    end_searches(lookup, EM_OK); /* resolver_report.c finds out which family has none */
    return EM_OK;
}

static void finish_system(void *user, em_status status, const emi_addresses *addresses)
{
    emi_lookup *lookup = user;
    lookup->system = NULL;
    if (status == EM_OK)
        status = set_known(lookup, addresses);
    if (status != EM_OK)
        end_searches(lookup, status);
}

/* EM_OK: found. EM_IN_PROGRESS: not found. */
static em_status find_in_hosts(const emi_lookup *lookup, const em_resolver_options *options, emi_addresses *addresses)
{
    emi_hosts own = {.memory = NULL};
    bool has_own = options && options->hosts_file;
    em_status status = has_own ? emi_resolver_read_hosts(lookup->resolver, options->hosts_file, &own) : EM_OK;
    if (status != EM_OK)
        return status;
    const emi_hosts *hosts = has_own ? &own : &lookup->resolver->hosts;
    bool is_found = emi_hosts_find(hosts, lookup->name, lookup->port, addresses);
    emi_hosts_clear(&own);
    return is_found ? EM_OK : EM_IN_PROGRESS;
}

/* A literal, a name under localhost, a name in the hosts file. */
static em_status find_known(const emi_lookup *lookup, const em_resolver_options *options, emi_addresses *addresses)
{
    const char *name = lookup->name;
    addresses->count = 1;
    if (em_address_from_text(name, lookup->port, &addresses->list[0]) == EM_OK ||
        (emi_name_is_under(name, "localhost") && emi_resolve_known(name, lookup->port, addresses) == EM_OK))
        return EM_OK;
    return find_in_hosts(lookup, options, addresses);
}

/* Names under .local are resolved by multicast DNS (RFC 6762), which only the system may know. */
static bool is_for_system(const emi_lookup *lookup)
{
    return lookup->config->use_system || !lookup->resolver->transport || emi_name_is_under(lookup->name, "local");
}

static em_status begin_addresses(emi_lookup *lookup, const em_resolver_options *options)
{
    emi_addresses addresses;
    em_status status = find_known(lookup, options, &addresses);
    if (status == EM_OK)
        return set_known(lookup, &addresses);
    if (status != EM_IN_PROGRESS || !is_for_system(lookup))
        return status;
    return emi_system_lookup_start(lookup->resolver->loop, lookup->name, lookup->port, finish_system, lookup,
                                   &lookup->system);
}

/* Creating and freeing */

static em_status choose_config(emi_lookup *lookup, const em_resolver_options *options)
{
    emi_resolver *resolver = lookup->resolver;
    if (!options) {
        lookup->config = emi_dns_config_retain(resolver->config);
        return EM_OK;
    }
    const char *path = options->resolv_conf ? options->resolv_conf : "/etc/resolv.conf";
    return emi_resolver_make_config(resolver, path[0] ? path : NULL, options, &lookup->config);
}

static emi_lookup *allocate(emi_resolver *resolver, const emi_lookup_request *request)
{
    size_t length = strlen(request->name);
    emi_lookup *lookup = emi_allocate_zeroed(&resolver->loop->memory, sizeof *lookup + length + 1);
    if (!lookup)
        return NULL;
    memcpy(lookup->name, request->name, length);
    lookup->resolver = resolver;
    lookup->port = request->port;
    lookup->report = request->is_query ? EMI_REPORT_ANSWER : EMI_REPORT_ADDRESSES;
    lookup->search_count = request->type_count;
    for (unsigned i = 0; i < request->type_count; i++) {
        emi_search *search = &lookup->searches[i];
        emi_list_init(&search->link);
        search->lookup = lookup;
        search->type = request->types[i];
    }
    emi_loop_timer_init(&lookup->deadline, fire);
    emi_list_init(&lookup->ready);
    emi_list_init(&lookup->in_all);
    emi_list_append(&resolver->all, &lookup->in_all);
    return lookup;
}

static em_status begin(emi_lookup *lookup, const emi_lookup_request *request)
{
    em_status status = choose_config(lookup, request->resolver);
    if (status == EM_OK && request->is_query)
        status = lookup->resolver->transport ? EM_IN_PROGRESS : EM_UNSUPPORTED;
    else if (status == EM_OK)
        status = begin_addresses(lookup, request->resolver);
    if (status != EM_IN_PROGRESS)
        return status;
    for (unsigned i = 0; i < lookup->search_count; i++)
        emi_search_begin(&lookup->searches[i]);
    return EM_OK;
}

em_status emi_lookup_create(emi_resolver *resolver, const emi_lookup_request *request, emi_lookup **created)
{
    em_status status = emi_resolver_refresh(resolver);
    if (status != EM_OK)
        return status;
    emi_lookup *lookup = allocate(resolver, request);
    if (!lookup)
        return EM_NO_MEMORY;
    status = begin(lookup, request);
    if (status != EM_OK) {
        emi_lookup_free(lookup);
        return status;
    }
    set_deadline(lookup, request->timeout_ns);
    *created = lookup;
    return EM_OK;
}

void emi_lookup_free(emi_lookup *lookup)
{
    emi_resolver *resolver = lookup->resolver;
    if (resolver->reporting == lookup)
        resolver->reporting = NULL;
    for (unsigned i = 0; i < lookup->search_count; i++)
        emi_search_clear(&lookup->searches[i]);
    cancel_system_lookup(lookup);
    emi_loop_timer_cancel(resolver->loop, &lookup->deadline);
    emi_list_remove(&lookup->ready);
    emi_list_remove(&lookup->in_all);
    emi_handle_table_remove(&resolver->handles, &lookup->handle);
    emi_dns_config_release(lookup->config);
    emi_release(&resolver->loop->memory, lookup->known);
    emi_release(&resolver->loop->memory, lookup);
}
