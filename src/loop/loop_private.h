/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The loop's internals, for the layers above.
 */
#ifndef EMI_LOOP_PRIVATE_H
#define EMI_LOOP_PRIVATE_H

#include <stdatomic.h>
#include <stdbool.h>

#include <eventmachine/loop.h>
#include <eventmachine/timer.h>

#include "base/outbox.h"
#include "base/timer_queue.h"
#include "io/backend.h"
#include "loop/object.h"
#include "system/thread.h"

/** A part of the loop that a layer above adds when it is first needed. It is embedded in a struct of that layer. */
typedef struct emi_service emi_service;

typedef struct emi_service_operations {
    /** Called in every turn, after posted calls. May be NULL. */
    void (*turn)(emi_service *service);
    /** Returns whether `turn` has something to do. May be NULL. */
    bool (*has_work)(const emi_service *service);
    /** A descriptor that the loop had was closed. Called for EMI_SERVICE_NET only, whose servers may wait for one. */
    void (*descriptor_freed)(emi_service *service);
    /** Releases its channels, because the loop is being destroyed and waits for them next. Calls nothing of the
     * program. May be NULL. */
    void (*release)(emi_service *service);
    /** Ends everything, because the loop is being destroyed; its objects have ended. May be NULL. */
    void (*close)(emi_service *service);
    /** Replaces what the parent's threads may have held, in a forked child that takes over the loop. May be NULL. */
    void (*renew)(emi_service *service);
    /** Frees everything; in a forked child (see emi_loop_is_forked) also what `close` could not close. */
    void (*destroy)(emi_service *service);
} emi_service_operations;

struct emi_service {
    const emi_service_operations *operations;
};

/** The kinds of services, in the order in which they are closed. */
typedef enum emi_service_kind {
    EMI_SERVICE_NET,
    EMI_SERVICE_PROXIES,
    EMI_SERVICE_DNS,
    EMI_SERVICE_POOL,
    EMI_SERVICE_JOBS,
    EMI_SERVICE_FILE_WATCHES,
    EMI_SERVICE_SIGNAL_WATCHES,
    EMI_SERVICE_KINDS
} emi_service_kind;

/** A queue of calls, in order. */
typedef struct emi_call_entry {
    em_call call;
    void *user;
} emi_call_entry;

typedef struct emi_call_queue {
    emi_call_entry *entries;
    em_dispose *disposes; /* of the entries, each may be NULL; NULL as long as no entry has had one */
    size_t first;         /* the next one to be made */
    size_t count;
    size_t capacity;
} emi_call_queue;

/** A timer used by the library itself. To be initialised by emi_loop_timer_init. */
typedef struct emi_loop_timer emi_loop_timer;
struct emi_loop_timer {
    emi_timer timer;
    void (*fire)(emi_loop_timer *timer);
};

/** The timers of em_loop_add_timer, see loop_timers.c. */
typedef struct emi_timer_chunk emi_timer_chunk;

typedef struct emi_user_timers {
    emi_timer_chunk *chunks;
    uint32_t chunk_count;
    uint32_t chunk_capacity;
    uint32_t used; /* indices below this one have been used */
    emi_timer *first_free;
    em_timer running;         /* the one whose callback is being called, or 0 */
    em_dispose dispose_later; /* of the running one, which its callback has cancelled; or NULL */
} emi_user_timers;

struct em_loop {
    emi_memory memory;
    emi_backend *backend;
    uint64_t now_ns;
    em_loop_stats stats;
    emi_outbox_pool outboxes;

    uint64_t serial; /* of handles */
    emi_timer_queue timers;
    emi_user_timers user_timers;

    emi_call_queue ticks;
    emi_call_queue ticks_running;

    emi_mutex posts_mutex;
    emi_call_queue posts; /* guarded by the mutex */
    emi_call_queue posts_running;
    atomic_bool has_posts;

    atomic_bool woken; /* the backend was woken since the last wait ended */
    atomic_bool running;
    atomic_bool handed_over; /* to a forked child */
    bool in_turn;
    unsigned callbacks; /* of the program that are running, where a turn may not be; see emi_loop_begin_callback */
    bool found_events;  /* by the last wait */
    bool logged_failure;
    bool closing;
    bool disposing; /* em_loop_destroy calls `dispose`: nothing is accepted any more */
    unsigned fork_count;
    uint64_t runner; /* the thread that ran it last, see emi_thread_number */
    emi_objects objects;
    emi_service *services[EMI_SERVICE_KINDS]; /* NULL: not opened yet; see emi_loop_add_service */
    unsigned service_limit;                   /* each turn looks at the kinds below it */

    void (*around_wait)(void *user, void (*wait)(void *wait_data), void *wait_data);
    void *around_wait_user;
    void (*log)(void *user, em_log_level level, const char *message);
    void *log_user;
    unsigned pool_threads; /* 0: the defaults of the pool */
    atomic_uint pool_threads_open;
    uint64_t pool_idle_ns;
    unsigned job_limit;
    void *user;
};

/** Makes the backend of a loop; see emi_loop_create_over. */
typedef em_status (*emi_backend_maker)(void *argument, const emi_backend_settings *settings, emi_backend **backend);

/** em_loop_create with a backend made by the caller; options->backend is ignored. */
em_status emi_loop_create_over(const em_loop_options *options, emi_backend_maker make_backend, void *argument,
                               em_loop **loop);

/** Returns whether the loop belongs to another process: this one is its forked child, or its parent that has handed
 * over the loop. */
bool emi_loop_is_forked(const em_loop *loop);

/** EM_OK if connections and servers can be made; otherwise EM_INVALID_ARGUMENT for NULL, EM_FORKED, or EM_INVALID_STATE
 * while the loop is being destroyed. */
em_status emi_loop_check(const em_loop *loop);

/** Updates the loop's time outside of a turn, where it does not advance, so that no timeout that begins now is early.
 */
void emi_loop_refresh_time(em_loop *loop);

/** Waits for the backend's events, within the host's around_wait if there is one; see turn.c. */
void emi_loop_wait(em_loop *loop, uint64_t timeout_ns);

/**
 * Around each callback of the program that a function may call outside of a turn, such as post_init within
 * em_loop_connect: the function still uses the loop afterwards, so that em_loop_destroy and em_loop_run refuse within
 * the callback. Those that are given back with a block of an outbox count in emi_outbox_pool.
 */
static inline void emi_loop_begin_callback(em_loop *loop)
{
    loop->callbacks++;
}

static inline void emi_loop_end_callback(em_loop *loop)
{
    loop->callbacks--;
}

/** Returns whether a callback of the program is running. */
static inline bool emi_loop_is_in_callback(const em_loop *loop)
{
    return loop->in_turn || loop->callbacks > 0 || loop->outboxes.releases > 0;
}

/** Passes a message on to the user's log. */
void emi_loop_log(em_loop *loop, em_log_level level, const char *message);

/* Call queues, see call_queue.c. */

em_status emi_call_queue_add(emi_call_queue *queue, const emi_memory *memory, em_call call, void *user,
                             em_dispose dispose);
void emi_call_queue_clear(emi_call_queue *queue, const emi_memory *memory);

/** Calls `dispose` of the calls that were not made. */
void emi_call_queue_dispose(emi_call_queue *queue);

/** Frees the memory of a queue, which is empty then. */
void emi_call_queue_free(emi_call_queue *queue, const emi_memory *memory);

/** From now on the loop has this service. A turn of a loop that only has the first ones looks at no others. */
static inline void emi_loop_add_service(em_loop *loop, emi_service_kind kind, emi_service *service)
{
    loop->services[kind] = service;
    if (loop->service_limit <= (unsigned)kind)
        loop->service_limit = (unsigned)kind + 1;
}

/* Timers used by the library itself, see loop_timers.c. */

void emi_loop_timer_init(emi_loop_timer *timer, void (*fire)(emi_loop_timer *timer));

/** Schedules the timer, pending or not, for this time. */
void emi_loop_timer_set(em_loop *loop, emi_loop_timer *timer, uint64_t due_ns);
void emi_loop_timer_cancel(em_loop *loop, emi_loop_timer *timer);

/** Returns the loop's time plus a delay, or UINT64_MAX, which means never, if that overflows. */
static inline uint64_t emi_loop_due_ns(const em_loop *loop, uint64_t delay_ns)
{
    return delay_ns > UINT64_MAX - loop->now_ns ? UINT64_MAX : loop->now_ns + delay_ns;
}

/** Fires the timers that are due. */
void emi_loop_run_timers(em_loop *loop);

/** Cancels all timers of em_loop_add_timer, which calls their `dispose`. */
void emi_loop_dispose_timers(em_loop *loop);

/** Frees the memory of all timers of em_loop_add_timer. */
void emi_loop_free_timers(em_loop *loop);

#endif
