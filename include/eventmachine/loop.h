/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The loop (the reactor): one thread's event loop. Any number of loops live side by side in one process and know
 * nothing of each other.
 *
 * Threads: a loop belongs to the thread that runs it. Every function that takes a loop, a connection or a server is for
 * that thread only (before the loop first runs: for any one thread at a time), but for those marked "any thread".
 *
 * A turn of the loop: timers that are due, posted calls, next ticks; sending; waiting; what arrived; sending;
 * connections that ended get `unbind`. em_loop_get_time_ns does not change within a turn's first part and again after
 * waiting.
 */
#ifndef EVENTMACHINE_LOOP_H
#define EVENTMACHINE_LOOP_H

#include <stddef.h>
#include <stdint.h>

#include <eventmachine/export.h>
#include <eventmachine/status.h>

EM_BEGIN_DECLARATIONS

/** A loop. Made by em_loop_create, ended by em_loop_destroy. */
typedef struct em_loop em_loop;

/**
 * The number of a handle (connection, server or timer). Greater than 0, unique within its loop: a number whose object
 * has ended is never given again while anyone can still hold it, so a stale one is recognised and harmless.
 */
typedef uint64_t em_signature;

/** "No time limit" where a time in nanoseconds is asked for. */
#define EM_FOREVER 18446744073709551615ULL

/** Zero-initialised options mean "the default"; these two say it. */
typedef enum em_switch { EM_DEFAULT = 0, EM_ON = 1, EM_OFF = 2 } em_switch;

/** A call to be made by the loop. user: what was given along with it. */
typedef void (*em_call)(em_loop *loop, void *user);

/**
 * Frees what `user` points to. Called by the loop's thread in place of a callback that will never be called, so that
 * the pointer's owner is always known; see em_loop_post and em_loop_add_timer.
 */
typedef void (*em_dispose)(void *user);

/** How serious a log message is. */
typedef enum em_log_level { EM_LOG_INFO = 0, EM_LOG_WARNING = 1, EM_LOG_ERROR = 2 } em_log_level;

/**
 * A source of memory. reallocate(user, NULL, bytes) allocates, reallocate(user, pointer, bytes) resizes,
 * reallocate(user, pointer, 0) frees and returns NULL. Alignment as malloc's. It may return NULL for "no memory": the
 * call concerned then fails with EM_NO_MEMORY and nothing is lost. Must be thread-safe if em_loop_post is called from
 * other threads. Work for other threads that may outlive the loop (name resolution) takes its memory from malloc(3)
 * always.
 */
typedef struct em_allocator {
    void *(*reallocate)(void *user, void *pointer, size_t bytes);
    void *user;
} em_allocator;

/**
 * Options of em_loop_create. Begin with `em_loop_options options = { .size = sizeof options };`: all else at zero means
 * the default. Copied; the strings need not outlive the call.
 */
typedef struct em_loop_options {
    size_t size; /**< sizeof (em_loop_options), so that the struct can grow */

    /**
     * How to wait for events and make calls: "uring" (epoll, and calls in batches by io_uring; Linux), "epoll" (Linux),
     * "poll"; NULL for the best there is. The environment variable EM_BACKEND takes its place where this is NULL. They
     * differ in speed only. Unknown or unavailable: EM_UNKNOWN_BACKEND, and `log` gets the name, why it is refused, and
     * the choices.
     */
    const char *backend;

    /** Where memory comes from; NULL: malloc(3). Copied. */
    const em_allocator *allocator;

    /**
     * Called around every wait that may block, for hosts with a lock to give up while sleeping: it must call
     * wait(wait_data) exactly once, from the loop's thread. Waits of zero length are made without it. NULL: none.
     */
    void (*around_wait)(void *user, void (*wait)(void *wait_data), void *wait_data);
    void *around_wait_user; /**< given to it as `user` */

    /** Called in the loop's thread for events that no call can return (descriptors exhausted, say), and within
     * em_loop_create for the reason why a backend is unavailable. The message is lent until it returns. NULL: nothing
     * is logged. */
    void (*log)(void *user, em_log_level level, const char *message);
    void *log_user; /**< given to it as `user` */

    /** How much all connections together may have waiting to be sent, in bytes. 0: no limit. */
    size_t outbox_limit_bytes;

    /** The largest piece that arrives at once, in bytes; one such buffer per loop. 0: 65536. At most 16 MiB. */
    size_t receive_buffer_bytes;

    /** Threads for name resolution, started when first needed. 0: 4. At most 64. One that hangs in a look-up that
     * nobody waits for any more (closed, timed out) does not count: another is started in its place, up to 64 of them.
     * Beyond that, names wait until a look-up returns. */
    unsigned pool_threads;
} em_loop_options;

/** Counters of a loop since its creation, but for those marked "now"; see em_loop_get_stats. */
typedef struct em_loop_stats {
    uint64_t turns;                /**< turns of the loop */
    uint64_t waits;                /**< waits that may have blocked */
    uint64_t timers_pending;       /**< now */
    uint64_t timers_fired;         /**< the library's own included */
    uint64_t ticks_run;            /**< calls by em_loop_next_tick */
    uint64_t posts_run;            /**< calls by em_loop_post */
    uint64_t connections_open;     /**< now, those being established and those ending included */
    uint64_t servers_open;         /**< now */
    uint64_t connections_accepted; /**< by servers */
    uint64_t connections_opened;   /**< by em_loop_connect and its like, whether they succeeded or not */
    uint64_t connections_closed;   /**< unbound, for whatever reason */
    uint64_t connections_shed;     /**< accepted and closed at once, for want of descriptors */
    uint64_t accept_pauses;  /**< how often a server stopped accepting for a while, for want of descriptors or memory */
    uint64_t bytes_received; /**< by all connections */
    uint64_t bytes_sent;     /**< taken by the system, of all connections */
    uint64_t outbox_bytes;   /**< waiting to be sent, now */
} em_loop_stats;

/**
 * Makes a loop. options: NULL for all defaults. On failure *loop is NULL.
 * EM_NO_MEMORY, EM_INVALID_ARGUMENT, EM_UNKNOWN_BACKEND, EM_NO_DESCRIPTORS.
 */
EM_API em_status em_loop_create(const em_loop_options *options, em_loop **loop);

/**
 * Ends the loop. Every remaining connection gets `unbind` (reason EM_OK), sockets are closed, and what was not sent is
 * dropped. Then `dispose` is called for every posted call and every tick that did not run, in order, and for every
 * timer that is still pending. A `dispose` may use the loop, but nothing new can be posted or added there:
 * EM_INVALID_STATE. NULL is allowed.
 *
 * In a forked child it closes the child's copies only: the parent's connections go on. There `dispose` is called, too,
 * because the child has its own copy of what `user` points to, but not for the pointer that a callback in progress at
 * the fork was given.
 *
 * Not from within a callback of this loop: EM_INVALID_STATE, and nothing happens. In a forked child it may be called
 * there, but then the callback must not return.
 */
EM_API em_status em_loop_destroy(em_loop *loop);

/**
 * Runs the loop until em_loop_stop. It does not end by itself when nothing is left to do.
 * EM_OK after em_loop_stop; EM_INVALID_STATE if it is running already; EM_FORKED in a forked child (see
 * em_loop_take_over). Where the system cannot wait for events any more (somebody has closed the loop's own descriptor,
 * say): EM_BAD_DESCRIPTOR or what else is wrong, after the turn that found it; `log` is called once. All that is left
 * then is em_loop_destroy.
 */
EM_API em_status em_loop_run(em_loop *loop);

/**
 * Runs one turn, waiting at most timeout_ns for something to happen (0: does not wait; EM_FOREVER).
 * Errors as em_loop_run. To embed the loop in another, see em_loop_get_descriptor.
 */
EM_API em_status em_loop_run_once(em_loop *loop, uint64_t timeout_ns);

/**
 * Asks em_loop_run to return at the end of the present turn. If it is not running, its next run ends after one turn;
 * until then em_loop_run_once does not wait. Until that run has returned no connection is accepted: clients in a
 * listening socket's queue may be served by another process that shares it. Any thread, and signal handlers.
 */
EM_API em_status em_loop_stop(em_loop *loop);

/** Whether em_loop_stop was called and the run has not ended yet: 1 or 0. Any thread. */
EM_API int em_loop_is_stopping(const em_loop *loop);

/** Ends the present or the next wait at once. Any thread, and signal handlers. Several wakes may count as one.
 * EM_FORKED. */
EM_API em_status em_loop_wake(em_loop *loop);

/**
 * Queues `call` to be made by the loop's thread, in the order posted. Any thread, but not while the loop is being
 * destroyed. dispose: called with `user` if the loop is destroyed before the call was made; NULL for none. So each call
 * that is accepted ends in exactly one of `call` and `dispose`. On failure neither is called and the caller keeps
 * `user`. EM_NO_MEMORY, EM_INVALID_ARGUMENT, EM_FORKED; EM_INVALID_STATE from a `dispose` that em_loop_destroy calls.
 */
EM_API em_status em_loop_post(em_loop *loop, em_call call, void *user, em_dispose dispose);

/**
 * Queues `call` for the next tick: after the callback that asks for it has returned, and before the loop sleeps. Ticks
 * run in the order queued. One queued by another runs in the turn after, so that input gets its turn. Loop's thread.
 * dispose: as for em_loop_post. EM_NO_MEMORY, EM_INVALID_ARGUMENT, EM_INVALID_STATE as there.
 */
EM_API em_status em_loop_next_tick(em_loop *loop, em_call call, void *user, em_dispose dispose);

/**
 * The loop's time: nanoseconds of the monotonic clock (clock_gettime(2), CLOCK_MONOTONIC), read once before timers run
 * and once after each wait.
 */
EM_API uint64_t em_loop_get_time_ns(const em_loop *loop);

/**
 * In a forked child: takes the parent's loop over, as a program does that goes into the background while its loop runs.
 * Everything goes on in the child: servers, connections, what waits to be sent, timers, ticks, posted calls, look-ups
 * of names. What the two processes would share in the kernel (an epoll instance, an eventfd) is made anew; what arrived
 * and was not yet delivered is delivered in the child. The loop's descriptor (em_loop_get_descriptor) is another one
 * afterwards.
 *
 * May be called within the callback that has forked, and then the turn goes on; or outside of the loop, after
 * em_loop_run has returned EM_FORKED, to be followed by em_loop_run. By the thread that has forked. Until then the loop
 * can only be stopped (which takes effect in the run after it) or destroyed in the child, and the turn ends when the
 * callback returns.
 *
 * The parent must let go of the loop: it ends by _exit(2), or at least without em_loop_destroy, or calls
 * em_loop_hand_over before that. Otherwise both processes serve the same connections.
 *
 * EM_INVALID_STATE: this is no forked child, or the loop is being destroyed, or another thread was within a turn of the
 * loop at the fork. EM_NO_DESCRIPTORS, EM_NO_MEMORY: nothing has changed, and it may be tried again.
 * EM_INVALID_ARGUMENT for NULL.
 */
EM_API em_status em_loop_take_over(em_loop *loop);

/**
 * In the parent: leaves the loop to the child. This process keeps copies of the sockets only, and em_loop_destroy
 * closes those without touching what the child shares: connections get `unbind`, but their peers notice nothing.
 * Without this call em_loop_destroy ends the connections for good, whoever holds copies of their sockets. A run of the
 * loop ends at once with EM_FORKED. It cannot be undone. Loop's thread. EM_INVALID_ARGUMENT for NULL.
 */
EM_API em_status em_loop_hand_over(em_loop *loop);

/** The name of the backend in use: "uring", "epoll" or "poll"; "none" for NULL. Static text. */
EM_API const char *em_loop_get_backend(const em_loop *loop);

/** Why a better backend is not in use: "io_uring: forbidden, …"; NULL if this one is the best there is, or was asked
 * for by name. Static text. */
EM_API const char *em_loop_get_backend_reason(const em_loop *loop);

/**
 * For embedding in another event loop: a descriptor that polls readable when something has happened that
 * em_loop_run_once(loop, 0) is to look at. What the loop knows already (timers, work left over) does not show there:
 * wait for em_loop_get_timeout_ns at most. EM_UNSUPPORTED with the "poll" backend, EM_INVALID_ARGUMENT for NULL. Owned
 * by the loop; do not read it or close it.
 */
EM_API em_status em_loop_get_descriptor(em_loop *loop, int *descriptor);

/** How long em_loop_run_once may wait at most, for embedding: 0 if there is work now, EM_FOREVER if no timer is
 * pending. */
EM_API uint64_t em_loop_get_timeout_ns(em_loop *loop);

/**
 * Fills in the counters. stats_bytes: sizeof (em_loop_stats) of the caller, so that the struct can grow.
 * EM_INVALID_ARGUMENT.
 */
EM_API em_status em_loop_get_stats(const em_loop *loop, em_loop_stats *stats, size_t stats_bytes);

/** The user's pointer, NULL at first; the library does nothing with it. A loop of NULL has none. */
EM_API void *em_loop_get_user(const em_loop *loop);
EM_API void em_loop_set_user(em_loop *loop, void *user);

EM_END_DECLARATIONS

#endif
