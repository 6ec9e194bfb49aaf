/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the proxies of a loop share, as a part of the loop. If the loop limits the bytes of all outboxes, and other
 * connections have used them up, no event of a proxy's target reports that there is room again. So those proxies wait
 * in a list, which a turn serves when there is.
 */
#include "base/invariant.h"
#include "net/proxy_private.h"
#include "system/thread.h"

/* With less room than this, pieces would become too small to be worth it. */
enum { WORTHWHILE_BYTES = 4096 };

/* Pipes have two descriptors each, and the system limits the pages of all pipes of a user, by default to 64 MiB,
 * pipe(7). A pipe of 256 KiB costs almost half as much processor time again per byte. */
enum { MOST_PIPES = 32, PIPE_BYTES = 1024 * 1024, LEAST_PIPE_BYTES = 64 * 1024 };

typedef struct proxies {
    emi_service service;
    em_loop *loop;
    emi_list waiting;
    emi_list spare;      /* pipes */
    unsigned pipes;      /* that are open */
    unsigned most_pipes; /* that may be */
} proxies;

static proxies *proxies_of(emi_service *service)
{
    return EMI_CONTAINER(service, proxies, service);
}

static proxies *proxies_at(const em_loop *loop)
{
    return proxies_of(loop->services[EMI_SERVICE_PROXIES]);
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
        emi_list_append(&proxies_at(loop)->waiting, &proxy->waiting);
}

/* Pipes */

static bool open_pipe(emi_proxy_pipe *pipe)
{
    if (emi_pipe_open(&pipe->pipe, PIPE_BYTES) != EM_OK)
        return false;
    if (pipe->pipe.capacity_bytes >= LEAST_PIPE_BYTES)
        return true;
    emi_pipe_close(&pipe->pipe);
    return false;
}

/* Where the system gives no more pipes, it is not asked again for each piece. */
static emi_proxy_pipe *new_pipe(proxies *shared)
{
    const emi_memory *memory = &shared->loop->memory;
    if (shared->pipes >= shared->most_pipes)
        return NULL;
    emi_proxy_pipe *pipe = emi_allocate_zeroed(memory, sizeof *pipe);
    if (!pipe)
        return NULL;
    if (!open_pipe(pipe)) {
        shared->most_pipes = shared->pipes;
        emi_release(memory, pipe);
        return NULL;
    }
    emi_list_init(&pipe->spare);
    pipe->fork_count = emi_fork_count();
    shared->pipes++;
    return pipe;
}

/* Of spare pipes, a child that has taken the loop over uses none that it shares with its parent. */
static emi_proxy_pipe *spare_pipe(proxies *shared)
{
    for (emi_list *link; (link = emi_list_take_first(&shared->spare));) {
        emi_proxy_pipe *pipe = EMI_CONTAINER(link, emi_proxy_pipe, spare);
        if (!emi_is_forked_since(pipe->fork_count))
            return pipe;
        emi_proxies_close_pipe(shared->loop, pipe);
    }
    return NULL;
}

emi_proxy_pipe *emi_proxies_take_pipe(em_loop *loop)
{
    proxies *shared = proxies_at(loop);
    emi_proxy_pipe *pipe = spare_pipe(shared);
    return pipe ? pipe : new_pipe(shared);
}

void emi_proxies_give_back(em_loop *loop, emi_proxy_pipe *pipe)
{
    EMI_INVARIANT(pipe->pipe.bytes == 0);
    emi_list_append(&proxies_at(loop)->spare, &pipe->spare);
}

void emi_proxies_close_pipe(em_loop *loop, emi_proxy_pipe *pipe)
{
    proxies_at(loop)->pipes--;
    emi_pipe_close(&pipe->pipe);
    emi_release(&loop->memory, pipe);
}

/* Turns */

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
    for (emi_list *link; (link = emi_list_take_first(&shared->spare));)
        emi_proxies_close_pipe(shared->loop, EMI_CONTAINER(link, emi_proxy_pipe, spare));
    EMI_INVARIANT(shared->pipes == 0);
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
    made->most_pipes = MOST_PIPES;
    emi_list_init(&made->waiting);
    emi_list_init(&made->spare);
    emi_loop_add_service(loop, EMI_SERVICE_PROXIES, &made->service);
    return EM_OK;
}
