/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A turn of the loop:
 *
 *   timers → posted calls → ticks → flush → wait → dispatch → flush → reap
 *
 * If there is work already, the wait does not block. If the host releases a lock around the wait, a wait of zero length
 * without releasing it comes first, so that a busy loop never releases the lock.
 */
#include <stdio.h>

#include "loop/loop_private.h"
#include "system/clock.h"

/* Channels served before the next turn begins and timers run. */
enum { DISPATCH_BUDGET = 512 };

/* In a child that was forked by a call, the calls after it are left to em_loop_take_over. */
static void run_calls(em_loop *loop, emi_call_queue *queue, uint64_t *counter)
{
    while (queue->first < queue->count && !emi_loop_is_forked(loop)) {
        emi_call_entry entry = queue->entries[queue->first++];
        ++*counter;
        entry.call(loop, entry.user);
    }
    if (queue->first == queue->count)
        emi_call_queue_clear(queue, &loop->memory);
}

static void swap(emi_call_queue *a, emi_call_queue *b)
{
    emi_call_queue saved = *a;
    *a = *b;
    *b = saved;
}

static void take_posts(em_loop *loop)
{
    emi_mutex_lock(&loop->posts_mutex);
    atomic_store(&loop->has_posts, false);
    swap(&loop->posts, &loop->posts_running);
    emi_mutex_unlock(&loop->posts_mutex);
}

static void run_posts(em_loop *loop)
{
    if (loop->posts_running.count == 0 && atomic_load(&loop->has_posts))
        take_posts(loop);
    if (loop->posts_running.count > 0)
        run_calls(loop, &loop->posts_running, &loop->stats.posts_run);
}

static void run_ticks(em_loop *loop)
{
    if (loop->ticks_running.count == 0)
        swap(&loop->ticks, &loop->ticks_running);
    if (loop->ticks_running.count > 0)
        run_calls(loop, &loop->ticks_running, &loop->stats.ticks_run);
}

static void run_services(em_loop *loop)
{
    for (unsigned kind = 0; kind < loop->service_limit; kind++)
        if (loop->services[kind] && loop->services[kind]->operations->turn)
            loop->services[kind]->operations->turn(loop->services[kind]);
}

static void reap(em_loop *loop)
{
    emi_objects_reap(loop);
    if (!emi_loop_is_forked(loop))
        loop->backend->operations->reap(loop->backend);
}

static bool has_work(const em_loop *loop)
{
    if (loop->ticks.count > 0 || loop->ticks_running.count > 0 || loop->posts_running.count > 0)
        return true;
    if (emi_objects_have_work(loop) || atomic_load(&loop->has_posts) || atomic_load(&loop->backend->stopping))
        return true;
    for (unsigned kind = 0; kind < loop->service_limit; kind++) {
        const emi_service *service = loop->services[kind];
        if (service && service->operations->has_work && service->operations->has_work(service))
            return true;
    }
    return loop->backend->operations->has_work(loop->backend);
}

uint64_t em_loop_get_timeout_ns(em_loop *loop)
{
    if (!loop)
        return EM_FOREVER;
    if (has_work(loop))
        return 0;
    uint64_t due_ns = emi_timer_queue_next_ns(&loop->timers);
    if (due_ns == UINT64_MAX)
        return EM_FOREVER;
    /* Not the loop's time, because callbacks may have taken long since it was read. */
    uint64_t now_ns = emi_clock_now_ns();
    return due_ns > now_ns ? due_ns - now_ns : 0;
}

int em_loop_get_timeout_ms(em_loop *loop)
{
    return emi_clock_to_milliseconds(em_loop_get_timeout_ns(loop));
}

typedef struct blocking_wait {
    emi_backend *backend;
    uint64_t timeout_ns;
} blocking_wait;

static void wait_without_lock(void *wait_data)
{
    blocking_wait *given = wait_data;
    given->backend->operations->wait(given->backend, given->timeout_ns);
}

void emi_loop_wait(em_loop *loop, uint64_t timeout_ns)
{
    blocking_wait given = {.backend = loop->backend, .timeout_ns = timeout_ns};
    if (loop->around_wait)
        loop->around_wait(loop->around_wait_user, wait_without_lock, &given);
    else
        wait_without_lock(&given);
}

/* The host keeps its lock while there are events; after a wait that found none, it is released at once. */
static void wait_for_events(em_loop *loop, uint64_t longest_ns)
{
    emi_backend *backend = loop->backend;
    uint64_t timeout_ns = em_loop_get_timeout_ns(loop);
    if (timeout_ns > longest_ns)
        timeout_ns = longest_ns;
    bool found = false;
    bool short_wait_first = timeout_ns == 0 || (loop->around_wait && loop->found_events);
    if (short_wait_first)
        found = backend->operations->wait(backend, 0);
    /* The short wait may have consumed a wake meant for this one. */
    if (!found && timeout_ns > 0 && !(short_wait_first && atomic_load(&loop->woken))) {
        loop->stats.waits++;
        emi_loop_wait(loop, timeout_ns);
        found = backend->operations->has_work(backend);
    }
    loop->found_events = found;
    /* What a wake before this point was for is served before the next wait. A later wake ends that wait. */
    atomic_store(&loop->woken, false);
}

/* Returns whether the turn continues. In a child it ends after the callback that has forked, because everything left,
 * including locks, is the parent's. */
static bool goes_on(const em_loop *loop)
{
    return !emi_loop_is_forked(loop);
}

static bool run_what_is_due(em_loop *loop)
{
    if (loop->timers.count > 0) {
        loop->now_ns = emi_clock_now_ns();
        emi_loop_run_timers(loop);
    }
    if (goes_on(loop))
        run_posts(loop);
    if (goes_on(loop))
        run_services(loop);
    if (goes_on(loop))
        run_ticks(loop);
    return goes_on(loop);
}

static bool exchange_data(em_loop *loop, uint64_t longest_wait_ns)
{
    const emi_backend_operations *io = loop->backend->operations;
    io->flush(loop->backend);
    if (goes_on(loop))
        wait_for_events(loop, longest_wait_ns);
    loop->now_ns = emi_clock_now_ns();
    if (goes_on(loop))
        io->dispatch(loop->backend, DISPATCH_BUDGET);
    if (goes_on(loop))
        io->flush(loop->backend);
    return goes_on(loop);
}

static void turn(em_loop *loop, uint64_t longest_wait_ns)
{
    loop->in_turn = true;
    loop->runner = emi_thread_number();
    loop->stats.turns++;
    if (run_what_is_due(loop) && exchange_data(loop, longest_wait_ns))
        reap(loop);
    loop->in_turn = false;
}

/* Logs a failure of the backend once, however often the loop is run again. */
static em_status check_backend(em_loop *loop)
{
    em_status failure = loop->backend->failure;
    if (failure == EM_OK || loop->logged_failure)
        return failure;
    char message[160];
    snprintf(message, sizeof message, "the loop can no longer wait for events: %s (%s)", em_status_get_text(failure),
             loop->backend->name);
    loop->logged_failure = true;
    emi_loop_log(loop, EM_LOG_ERROR, message);
    return failure;
}

static em_status begin(em_loop *loop)
{
    if (!loop)
        return EM_INVALID_ARGUMENT;
    if (emi_loop_is_forked(loop))
        return EM_FORKED;
    if (loop->closing || emi_loop_is_in_callback(loop) || atomic_exchange(&loop->running, true))
        return EM_INVALID_STATE;
    loop->now_ns = emi_clock_now_ns();
    return EM_OK;
}

/* After a turn: returns EM_OK if there may be another one. */
static em_status check(em_loop *loop)
{
    return emi_loop_is_forked(loop) ? EM_FORKED : check_backend(loop);
}

em_status em_loop_run(em_loop *loop)
{
    em_status status = begin(loop);
    if (status != EM_OK)
        return status;
    do {
        turn(loop, EM_FOREVER);
        status = check(loop);
    } while (status == EM_OK && !atomic_load(&loop->backend->stopping));
    if (status == EM_OK)
        atomic_store(&loop->backend->stopping, false);
    atomic_store(&loop->running, false);
    return status;
}

em_status em_loop_run_once(em_loop *loop, uint64_t timeout_ns)
{
    em_status status = begin(loop);
    if (status != EM_OK)
        return status;
    turn(loop, timeout_ns);
    atomic_store(&loop->running, false);
    return check(loop);
}
