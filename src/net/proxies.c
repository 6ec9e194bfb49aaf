/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the proxies of a loop share, as a part of the loop. If the loop limits the bytes of all outboxes, and other
 * connections have used them up, no event of a proxy's target reports that there is room again. So those proxies wait
 * in a list, which a turn serves when there is.
 */
#include "net/proxy_private.h"

/* With less room than this, pieces would become too small to be worth it. */
enum { WORTHWHILE_BYTES = 4096 };

typedef struct proxies {
    emi_service service;
    em_loop *loop;
    emi_list waiting;
} proxies;

static proxies *proxies_of(emi_service *service)
{
    return EMI_CONTAINER(service, proxies, service);
}

size_t emi_proxies_room_bytes(const em_loop *loop)
{
    const emi_outbox_pool *pool = &loop->outboxes;
    if (pool->limit_bytes == SIZE_MAX)
        return SIZE_MAX;
    return pool->bytes < pool->limit_bytes ? pool->limit_bytes - pool->bytes : 0;
}

bool emi_proxies_have_room(const em_loop *loop)
{
    size_t limit_bytes = loop->outboxes.limit_bytes;
    return emi_proxies_room_bytes(loop) >= (limit_bytes < WORTHWHILE_BYTES ? limit_bytes : WORTHWHILE_BYTES);
}

void emi_proxies_add_waiting(emi_proxy *proxy)
{
    em_loop *loop = proxy->from->loop;
    if (loop->outboxes.limit_bytes != SIZE_MAX && !emi_list_is_linked(&proxy->waiting))
        emi_list_append(&proxies_of(loop->services[EMI_SERVICE_PROXIES])->waiting, &proxy->waiting);
}

static bool has_work(const emi_service *service)
{
    const proxies *shared = (const proxies *)(const void *)service;
    return !emi_list_is_empty(&shared->waiting) && emi_proxies_have_room(shared->loop);
}

/* Those that still have to wait, for their targets, remain in the list. */
static void turn(emi_service *service)
{
    proxies *shared = proxies_of(service);
    if (!has_work(service))
        return;
    emi_list waiting;
    emi_list_init(&waiting);
    emi_list_move_all(&waiting, &shared->waiting);
    for (emi_list *link; (link = emi_list_take_first(&waiting));)
        emi_proxy_note_room(EMI_CONTAINER(link, emi_proxy, waiting));
}

static void destroy(emi_service *service)
{
    proxies *shared = proxies_of(service);
    emi_release(&shared->loop->memory, shared);
}

static const emi_service_operations operations = {
    .turn = turn,
    .has_work = has_work,
    .destroy = destroy,
};

em_status emi_proxies_prepare(em_loop *loop)
{
    if (loop->services[EMI_SERVICE_PROXIES])
        return EM_OK;
    proxies *made = emi_allocate_zeroed(&loop->memory, sizeof *made);
    if (!made)
        return EM_NO_MEMORY;
    made->service.operations = &operations;
    made->loop = loop;
    emi_list_init(&made->waiting);
    loop->services[EMI_SERVICE_PROXIES] = &made->service;
    return EM_OK;
}
