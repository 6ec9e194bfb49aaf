/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The resolver as a service of its loop.
 */
#include "dns/resolver_private.h"

#include <string.h>

static emi_resolver *resolver_at(emi_service *service)
{
    return EMI_CONTAINER(service, emi_resolver, service);
}

static void turn(emi_service *service)
{
    emi_resolver *resolver = resolver_at(service);
    if (!emi_list_is_empty(&resolver->ready))
        emi_resolver_report(resolver);
    if (resolver->transport && !emi_loop_is_forked(resolver->loop))
        emi_transport_turn(resolver->transport);
}

static bool has_work(const emi_service *service)
{
    const emi_resolver *resolver = (const emi_resolver *)(const void *)service;
    return !emi_list_is_empty(&resolver->ready) || (resolver->transport && emi_transport_has_work(resolver->transport));
}

static void renew(emi_service *service)
{
    emi_resolver *resolver = resolver_at(service);
    if (resolver->transport)
        emi_transport_renew(resolver->transport);
}

static emi_lookup *first_of(emi_list *all)
{
    return EMI_CONTAINER(all->next, emi_lookup, in_all);
}

/* Gives up what is in progress. The lookups themselves stay, because those who have begun them may still cancel them.
 */
static void release(emi_service *service)
{
    emi_resolver *resolver = resolver_at(service);
    for (emi_list *link = resolver->all.next; link != &resolver->all; link = link->next) {
        emi_lookup *lookup = EMI_CONTAINER(link, emi_lookup, in_all);
        for (unsigned i = 0; i < lookup->search_count; i++)
            emi_search_clear(&lookup->searches[i]);
        emi_loop_timer_cancel(resolver->loop, &lookup->deadline);
    }
    if (resolver->transport)
        emi_transport_close(resolver->transport);
}

static void close_resolver(emi_service *service)
{
    emi_resolver *resolver = resolver_at(service);
    release(service); /* again, in a child that a callback has forked */
    while (!emi_list_is_empty(&resolver->all)) {
        emi_lookup *lookup = first_of(&resolver->all);
        em_dispose dispose = lookup->dispose;
        void *user = lookup->user;
        emi_lookup_free(lookup);
        if (!dispose)
            continue;
        emi_loop_begin_callback(resolver->loop);
        dispose(user);
        emi_loop_end_callback(resolver->loop);
    }
}

static void destroy(emi_service *service)
{
    emi_resolver *resolver = resolver_at(service);
    emi_dns_cache_free(&resolver->cache);
    emi_handle_table_clear(&resolver->handles);
    emi_resolver_free_files(resolver);
    if (resolver->transport)
        emi_transport_destroy(resolver->transport);
    emi_release(&resolver->loop->memory, resolver);
}

static const emi_service_operations operations = {
    .turn = turn,
    .has_work = has_work,
    .renew = renew,
    .release = release,
    .close = close_resolver,
    .destroy = destroy,
};

static em_status open_resolver(em_loop *loop, emi_resolver **opened)
{
    emi_resolver *resolver = emi_allocate_zeroed(&loop->memory, sizeof *resolver);
    if (!resolver)
        return EM_NO_MEMORY;
    em_status status = emi_transport_open(loop, &resolver->transport);
    if (status != EM_OK && status != EM_UNSUPPORTED) {
        emi_release(&loop->memory, resolver);
        return status;
    }
    resolver->service.operations = &operations;
    resolver->loop = loop;
    emi_dns_cache_init(&resolver->cache, &loop->memory, EMI_CACHE_ENTRIES);
    emi_handle_table_init(&resolver->handles, &loop->memory, &loop->serial);
    emi_list_init(&resolver->all);
    emi_list_init(&resolver->ready);
    emi_loop_add_service(loop, EMI_SERVICE_DNS, &resolver->service);
    *opened = resolver;
    return EM_OK;
}

em_status emi_resolver_of(em_loop *loop, emi_resolver **resolver)
{
    emi_service *service = loop->services[EMI_SERVICE_DNS];
    if (!service)
        return open_resolver(loop, resolver);
    *resolver = resolver_at(service);
    return EM_OK;
}

/* For the library's own use */

static em_status begin(em_loop *loop, const char *name, int port, void *user, emi_lookup **begun)
{
    em_status status = emi_name_check(name);
    emi_resolver *resolver;
    if (status == EM_OK)
        status = emi_resolver_of(loop, &resolver);
    if (status != EM_OK)
        return status;
    emi_lookup_request request = {
        .name = name,
        .port = port,
        .types = {EM_RECORD_AAAA, EM_RECORD_A},
        .type_count = 2,
    };
    status = emi_lookup_create(resolver, &request, begun);
    if (status == EM_OK)
        (*begun)->user = user;
    return status;
}

em_status emi_resolve(em_loop *loop, const char *name, int port,
                      void (*done)(void *user, em_status status, const emi_addresses *addresses), void *user,
                      emi_lookup **lookup)
{
    em_status status = begin(loop, name, port, user, lookup);
    if (status != EM_OK)
        return status;
    (*lookup)->report = EMI_REPORT_ALL;
    (*lookup)->callback.all = done;
    return EM_OK;
}

em_status emi_resolve_families(em_loop *loop, const char *name, int port, emi_family_resolved resolved, void *user,
                               emi_lookup **lookup)
{
    em_status status = begin(loop, name, port, user, lookup);
    if (status != EM_OK)
        return status;
    (*lookup)->report = EMI_REPORT_FAMILIES;
    (*lookup)->callback.families = resolved;
    return EM_OK;
}

void emi_resolve_cancel(emi_lookup *lookup)
{
    emi_lookup_free(lookup);
}
