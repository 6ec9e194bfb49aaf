/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The loop's timers: those of the user, which have numbers, and those of the library, which are embedded in their
 * owners.
 */
#include "base/features.h"
#include "base/invariant.h"
#include "loop/loop_private.h"

/* In the numbers of the library's own timers, which have no index. */
#define NO_INDEX ((UINT64_C(1) << EMI_HANDLE_INDEX_BITS) - 1)

/* Fills one cache line. `dispose` is kept apart, so that timers without it cost nothing. */
typedef struct user_timer {
    emi_timer timer; /* of a free one: its signature is only the index, and `child` is the next free one */
    em_timer_callback callback;
    void *user;
    uint64_t period_ns : 63; /* 0: one-shot */
    uint64_t has_dispose : 1;
} user_timer;

/* 292 years. */
#define LONGEST_PERIOD_NS (UINT64_MAX >> 1)

enum { CHUNK_TIMERS = 1024, CACHE_LINE_BYTES = 64 };

_Static_assert(sizeof(user_timer) <= CACHE_LINE_BYTES, "one cache line each");

/* User timers live in chunks that never move; their indices count through all chunks. */
struct emi_timer_chunk {
    void *memory; /* as allocated; the timers are aligned within */
    user_timer *timers;
    em_dispose *disposes; /* of the timers that have one; NULL as long as none has */
};

static user_timer *timer_at(const emi_user_timers *all, uint32_t index)
{
    return &all->chunks[index / CHUNK_TIMERS].timers[index % CHUNK_TIMERS];
}

/* Of a timer that has one. */
static em_dispose dispose_of(const emi_user_timers *all, const user_timer *timer)
{
    uint32_t index = (uint32_t)(timer->timer.handle.signature & NO_INDEX);
    return all->chunks[index / CHUNK_TIMERS].disposes[index % CHUNK_TIMERS];
}

static user_timer *find(const em_loop *loop, em_timer timer)
{
    const emi_user_timers *all = &loop->user_timers;
    uint32_t index = (uint32_t)(timer & NO_INDEX);
    if (index >= all->used || timer == index)
        return NULL;
    user_timer *found = timer_at(all, index);
    return found->timer.handle.signature == timer ? found : NULL;
}

static em_status add_chunk(em_loop *loop)
{
    emi_user_timers *all = &loop->user_timers;
    if (all->used > NO_INDEX - CHUNK_TIMERS)
        return EM_LIMIT;
    if (all->chunk_count == all->chunk_capacity) {
        uint32_t capacity = all->chunk_capacity ? all->chunk_capacity * 2 : 4;
        emi_timer_chunk *chunks = emi_reallocate(&loop->memory, all->chunks, capacity * sizeof *chunks);
        if (!chunks)
            return EM_NO_MEMORY;
        all->chunks = chunks;
        all->chunk_capacity = capacity;
    }
    emi_timer_chunk chunk;
    chunk.memory = emi_allocate(&loop->memory, CHUNK_TIMERS * sizeof *chunk.timers + CACHE_LINE_BYTES);
    if (!chunk.memory)
        return EM_NO_MEMORY;
    uintptr_t address = ((uintptr_t)chunk.memory + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
    chunk.timers = (user_timer *)address;
    chunk.disposes = NULL;
    all->chunks[all->chunk_count++] = chunk;
    return EM_OK;
}

/* Returns a timer with a number. The one freed last is reused first, because it is still in the cache. */
static user_timer *take_timer(em_loop *loop, em_status *status)
{
    emi_user_timers *all = &loop->user_timers;
    user_timer *timer;
    if (all->first_free) {
        timer = EMI_CONTAINER(all->first_free, user_timer, timer);
        all->first_free = timer->timer.child;
    } else {
        *status = all->used == all->chunk_count * CHUNK_TIMERS ? add_chunk(loop) : EM_OK;
        if (*status != EM_OK)
            return NULL;
        timer = timer_at(all, all->used);
        timer->timer.handle.signature = all->used++;
    }
    EMI_INVARIANT(timer->timer.handle.signature <= NO_INDEX &&
                  timer_at(all, (uint32_t)timer->timer.handle.signature) == timer);
    timer->timer.handle.signature |= emi_next_serial(&loop->serial);
    return timer;
}

static void free_timer(em_loop *loop, user_timer *timer)
{
    emi_user_timers *all = &loop->user_timers;
    EMI_INVARIANT(timer->timer.handle.signature > NO_INDEX && !emi_timer_is_pending(&timer->timer));
    timer->timer.handle.signature &= NO_INDEX;
    timer->timer.child = all->first_free;
    all->first_free = &timer->timer;
}

static em_status set_dispose(em_loop *loop, user_timer *timer, em_dispose dispose)
{
    timer->has_dispose = dispose != NULL;
    if (!dispose)
        return EM_OK;
    uint32_t index = (uint32_t)(timer->timer.handle.signature & NO_INDEX);
    emi_timer_chunk *chunk = &loop->user_timers.chunks[index / CHUNK_TIMERS];
    if (!chunk->disposes)
        chunk->disposes = emi_allocate(&loop->memory, CHUNK_TIMERS * sizeof *chunk->disposes);
    if (!chunk->disposes)
        return EM_NO_MEMORY;
    chunk->disposes[index % CHUNK_TIMERS] = dispose;
    return EM_OK;
}

/* Returns a timer with a number and all that the user passed; NULL on failure. */
static user_timer *make_timer(em_loop *loop, em_timer_callback callback, void *user, em_dispose dispose,
                              em_status *status)
{
    user_timer *timer = take_timer(loop, status);
    if (!timer)
        return NULL;
    timer->callback = callback;
    timer->user = user;
    timer->period_ns = 0;
    *status = set_dispose(loop, timer, dispose);
    if (*status == EM_OK)
        return timer;
    emi_timer_init(&timer->timer);
    free_timer(loop, timer);
    return NULL;
}

em_status em_loop_add_timer(em_loop *loop, uint64_t delay_ns, em_timer_callback callback, void *user,
                            em_dispose dispose, em_timer *timer)
{
    em_status status = loop && callback ? EM_OK : EM_INVALID_ARGUMENT;
    if (status == EM_OK && loop->disposing)
        status = EM_INVALID_STATE;
    user_timer *added = status == EM_OK ? make_timer(loop, callback, user, dispose, &status) : NULL;
    if (timer)
        *timer = added ? added->timer.handle.signature : 0;
    if (!added)
        return status;
    emi_loop_refresh_time(loop);
    emi_timer_queue_add(&loop->timers, &added->timer, emi_loop_due_ns(loop, delay_ns));
    return EM_OK;
}

em_status em_loop_add_periodic_timer(em_loop *loop, uint64_t period_ns, em_timer_callback callback, void *user,
                                     em_dispose dispose, em_timer *timer)
{
    em_timer added = 0;
    em_status status = EM_INVALID_ARGUMENT;
    if (period_ns > 0)
        status = em_loop_add_timer(loop, period_ns, callback, user, dispose, &added);
    if (status == EM_OK)
        find(loop, added)->period_ns = period_ns < LONGEST_PERIOD_NS ? period_ns : LONGEST_PERIOD_NS;
    if (timer)
        *timer = added;
    return status;
}

/* Within the timer's own callback, which may still use `user`, `dispose` is left to fire_user_timer. */
static void free_and_dispose(em_loop *loop, user_timer *timer)
{
    emi_user_timers *all = &loop->user_timers;
    em_dispose dispose = dispose_of(all, timer);
    void *user = timer->user;
    bool is_running = timer->timer.handle.signature == all->running;
    free_timer(loop, timer);
    if (is_running) {
        all->dispose_later = dispose;
        return;
    }
    emi_loop_begin_callback(loop);
    dispose(user);
    emi_loop_end_callback(loop);
}

/* A timer that is not pending has fired, so that its `dispose` is not called. */
static void end_timer(em_loop *loop, user_timer *timer)
{
    bool was_pending = emi_timer_is_pending(&timer->timer);
    if (was_pending)
        emi_timer_queue_remove(&loop->timers, &timer->timer);
    if (EMI_UNLIKELY(timer->has_dispose) && was_pending)
        free_and_dispose(loop, timer);
    else
        free_timer(loop, timer);
}

em_status em_loop_cancel_timer(em_loop *loop, em_timer timer)
{
    if (!loop)
        return EM_INVALID_ARGUMENT;
    user_timer *found = find(loop, timer);
    if (!found)
        return EM_NOT_FOUND;
    end_timer(loop, found);
    return EM_OK;
}

em_status em_loop_rearm_timer(em_loop *loop, em_timer timer, uint64_t delay_ns)
{
    if (!loop)
        return EM_INVALID_ARGUMENT;
    user_timer *found = find(loop, timer);
    if (!found)
        return EM_NOT_FOUND;
    if (emi_timer_is_pending(&found->timer))
        emi_timer_queue_remove(&loop->timers, &found->timer);
    emi_loop_refresh_time(loop);
    emi_timer_queue_add(&loop->timers, &found->timer, emi_loop_due_ns(loop, delay_ns));
    return EM_OK;
}

/* Returns the first multiple of the period after now, which skips the periods that were missed. */
static uint64_t next_due_ns(const em_loop *loop, const user_timer *timer)
{
    uint64_t late_ns = loop->now_ns - timer->timer.due_ns;
    uint64_t step_ns = late_ns - late_ns % timer->period_ns;
    if (timer->period_ns > UINT64_MAX - timer->timer.due_ns - step_ns)
        return UINT64_MAX;
    return timer->timer.due_ns + step_ns + timer->period_ns;
}

static void fire_user_timer(em_loop *loop, user_timer *timer)
{
    emi_user_timers *all = &loop->user_timers;
    em_timer handle = timer->timer.handle.signature;
    void *user = timer->user;
    EMI_INVARIANT(all->running == 0 && !all->dispose_later);
    if (timer->period_ns > 0)
        emi_timer_queue_add(&loop->timers, &timer->timer, next_due_ns(loop, timer));
    all->running = handle;
    timer->callback(loop, handle, user);
    all->running = 0;
    /* The callback may have cancelled or re-armed it. */
    timer = find(loop, handle);
    if (timer && !emi_timer_is_pending(&timer->timer))
        free_timer(loop, timer);
    em_dispose dispose = all->dispose_later;
    all->dispose_later = NULL;
    if (dispose)
        dispose(user);
}

/* After a callback that has forked: in the child the other timers are still due. */
static void put_back(em_loop *loop, emi_list *due)
{
    while (!emi_list_is_empty(due)) {
        emi_timer *timer = EMI_CONTAINER(due->next, emi_timer, link);
        emi_timer_queue_remove(&loop->timers, timer);
        emi_timer_queue_add(&loop->timers, timer, timer->due_ns);
    }
}

void emi_loop_run_timers(em_loop *loop)
{
    emi_list due;
    emi_list_init(&due);
    emi_timer_queue_expire(&loop->timers, loop->now_ns, &due);
    while (!emi_list_is_empty(&due) && !emi_loop_is_forked(loop)) {
        emi_timer *timer = EMI_CONTAINER(due.next, emi_timer, link);
        emi_timer_queue_remove(&loop->timers, timer);
        loop->stats.timers_fired++;
        if ((timer->handle.signature & NO_INDEX) == NO_INDEX) {
            emi_loop_timer *own = EMI_CONTAINER(timer, emi_loop_timer, timer);
            own->fire(own);
        } else {
            fire_user_timer(loop, EMI_CONTAINER(timer, user_timer, timer));
        }
    }
    put_back(loop, &due);
}

/* A `dispose` may cancel any of them, but cannot add one. */
void emi_loop_dispose_timers(em_loop *loop)
{
    emi_user_timers *all = &loop->user_timers;
    for (uint32_t index = 0; index < all->used; index++) {
        user_timer *timer = timer_at(all, index);
        if (timer->timer.handle.signature != index) /* else it is free */
            end_timer(loop, timer);
    }
}

void emi_loop_free_timers(em_loop *loop)
{
    emi_user_timers *all = &loop->user_timers;
    for (uint32_t chunk = 0; chunk < all->chunk_count; chunk++) {
        emi_release(&loop->memory, all->chunks[chunk].memory);
        emi_release(&loop->memory, all->chunks[chunk].disposes);
    }
    emi_release(&loop->memory, all->chunks);
    *all = (emi_user_timers){.chunks = NULL};
}

void emi_loop_timer_init(emi_loop_timer *timer, void (*fire)(emi_loop_timer *timer))
{
    emi_timer_init(&timer->timer);
    timer->timer.handle.signature = 0;
    timer->fire = fire;
}

void emi_loop_timer_set(em_loop *loop, emi_loop_timer *timer, uint64_t due_ns)
{
    emi_loop_timer_cancel(loop, timer);
    timer->timer.handle.signature = emi_next_serial(&loop->serial) | NO_INDEX;
    emi_timer_queue_add(&loop->timers, &timer->timer, due_ns);
}

void emi_loop_timer_cancel(em_loop *loop, emi_loop_timer *timer)
{
    if (emi_timer_is_pending(&timer->timer))
        emi_timer_queue_remove(&loop->timers, &timer->timer);
}
