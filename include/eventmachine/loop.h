/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The loop (the reactor): one thread's event loop. A process may have any number of loops, which are independent of
 * each other.
 *
 * Threads: a loop belongs to the thread that runs it. Every function that takes a loop, or an object of a loop such as
 * a connection, may be called by that thread only. Before the loop first runs, any one thread at a time may call it.
 * Functions marked "any thread" are the exceptions.
 *
 * Each turn of the loop goes through these steps: timers that are due, posted calls, next ticks; sending; waiting;
 * receiving; sending; `unbind` of the connections that have ended. The loop's time (em_loop_get_time_ns) is read before
 * the timers run and after waiting, and stands still in between.
 */
#ifndef EVENTMACHINE_LOOP_H
#define EVENTMACHINE_LOOP_H

#include <stddef.h>
#include <stdint.h>

#include <eventmachine/export.h>
#include <eventmachine/status.h>

EM_BEGIN_DECLARATIONS

/** A loop. Created by em_loop_create, destroyed by em_loop_destroy. */
typedef struct em_loop em_loop;

/**
 * Identifies an object of a loop: a connection, a server, a datagram socket, a process, a watch, a job or a timer. It
 * is greater than 0 and unique within its loop. The signature of an object that has ended is not reused while anyone
 * can still hold it, so a stale signature is recognised and harmless.
 */
typedef uint64_t em_signature;

/** "No time limit", wherever a time in nanoseconds is expected. */
#define EM_FOREVER 18446744073709551615ULL

/** A yes-or-no option. Options that are zero-initialised keep the default. */
typedef enum em_switch { EM_DEFAULT = 0, EM_ON = 1, EM_OFF = 2 } em_switch;

/** A function to be called by the loop. user: the pointer passed along with it. */
typedef void (*em_call)(em_loop *loop, void *user);

/**
 * Frees what `user` points to. It is called in place of a callback that will never be called, so that `user` always has
 * exactly one owner; see em_loop_post and em_loop_add_timer. It is called by the loop's thread, and within
 * em_loop_destroy by the thread that destroys the loop.
 */
typedef void (*em_dispose)(void *user);

/** How serious a log message is. */
typedef enum em_log_level { EM_LOG_INFO = 0, EM_LOG_WARNING = 1, EM_LOG_ERROR = 2 } em_log_level;

/**
 * A source of memory. reallocate(user, NULL, bytes) allocates, reallocate(user, pointer, bytes) resizes, and
 * reallocate(user, pointer, 0) frees and returns NULL. Memory is aligned as by malloc(3). The function may return NULL
 * if there is no memory: the call that needed it then fails with EM_NO_MEMORY and nothing is lost. It must be
 * thread-safe if other threads call em_loop_post. Work in other threads (names that the system looks up, jobs) always
 * uses malloc(3), because these threads may outlive the loop. c-ares uses malloc(3), too.
 */
typedef struct em_allocator {
    void *(*reallocate)(void *user, void *pointer, size_t bytes);
    void *user;
} em_allocator;

/**
 * Options of em_loop_create. Begin with `em_loop_options options = { .size = sizeof options };`. A field that is zero
 * keeps the default. The options are copied; strings need not outlive the call.
 */
typedef struct em_loop_options {
    size_t size; /**< sizeof (em_loop_options), so that the struct can grow */

    /**
     * How to wait for events and make system calls: "uring" (epoll, with system calls batched through io_uring; Linux),
     * "epoll" (Linux) or "poll". They differ in speed only. NULL: the environment variable EM_BACKEND or, where that is
     * not set, the fastest one available. If the backend is unknown or unavailable, em_loop_create returns
     * EM_UNKNOWN_BACKEND, and `log` gets a message with the name, the reason and the choices.
     */
    const char *backend;

    /** Where memory comes from. NULL: malloc(3). Copied; its function must not be NULL. */
    const em_allocator *allocator;

    /**
     * Called around every wait that may block, for hosts that release a lock while they sleep. It must call
     * wait(wait_data) exactly once, in the loop's thread. Waits of zero length are made without it. NULL: none.
     */
    void (*around_wait)(void *user, void (*wait)(void *wait_data), void *wait_data);
    void *around_wait_user; /**< given to it as `user` */

    /**
     * Called in the loop's thread for events that no function can return, for instance that descriptors are exhausted,
     * and within em_loop_create for the reason why a backend is unavailable. The message is valid until the function
     * returns. NULL: nothing is logged.
     */
    void (*log)(void *user, em_log_level level, const char *message);
    void *log_user; /**< given to it as `user` */

    /** The most that all connections together may have waiting to be sent, in bytes. 0: no limit. */
    size_t outbox_limit_bytes;

    /** The most that is received at once, in bytes. Each loop has one buffer of this size. 0: 65536. At most 16 MiB. */
    size_t receive_buffer_bytes;

    /**
     * The most threads for each kind of work that blocks: names that the system looks up (see resolver.h), reading
     * files, and the program's jobs (see pool.h). No kind waits for another. Threads are started when they are needed.
     * 0: 32 for names, 4 for the others. At most 64.
     *
     * A lookup that was given up, because of a close or a timeout, may still block its thread. Such a thread does not
     * count, and another one is started in its place. There are at most 64 such threads. Beyond that, names wait until
     * one of them returns.
     */
    unsigned pool_threads;

    /** The most jobs that may be submitted and not done at once, see em_loop_submit_job. 0: 1024. At most 2^28. */
    unsigned job_limit;

    /** How long a thread waits for work before it ends. 0: 10 seconds. EM_FOREVER: until the loop is destroyed. */
    uint64_t pool_idle_ns;
} em_loop_options;

/**
 * Counters of a loop since its creation; those marked "now" are present values. New counters are added at the end only,
 * see em_loop_get_stats.
 */
typedef struct em_loop_stats {
    uint64_t turns;                /**< turns of the loop */
    uint64_t waits;                /**< waits that may have blocked */
    uint64_t timers_pending;       /**< now */
    uint64_t timers_fired;         /**< includes the library's own */
    uint64_t ticks_run;            /**< calls queued by em_loop_next_tick */
    uint64_t posts_run;            /**< calls queued by em_loop_post */
    uint64_t connections_open;     /**< now; includes those being established and those ending */
    uint64_t servers_open;         /**< now */
    uint64_t connections_accepted; /**< by servers */
    uint64_t connections_opened;   /**< by em_loop_connect, its variants and em_loop_attach; includes failures */
    uint64_t connections_closed;   /**< by `unbind`, whatever the reason */
    uint64_t connections_shed;     /**< accepted and closed at once because descriptors or memory were exhausted */

    /** Times that a listening socket stopped accepting, for at most a second, because accepting had failed: descriptors
     * or memory were exhausted, for instance. */
    uint64_t accept_back_offs;

    uint64_t bytes_received; /**< by all connections */
    uint64_t bytes_sent;     /**< by all connections: accepted by the system */
    uint64_t outbox_bytes;   /**< now; waiting to be sent */
    uint64_t jobs_open;      /**< now; submitted by em_loop_submit_job and not done yet */
    uint64_t jobs_done;      /**< includes those that were cancelled */
    uint64_t jobs_cancelled; /**< by em_loop_cancel_job, before they began */
    uint64_t pool_threads;   /**< now; for names, files and jobs together */

    uint64_t file_watches_open;     /**< now; includes those that are ending */
    uint64_t signal_watches_open;   /**< now; includes those that are ending */
    uint64_t datagram_sockets_open; /**< now; includes those that are ending */
    uint64_t datagrams_received;    /**< by all datagram sockets */
    uint64_t datagrams_sent;        /**< by all datagram sockets: accepted by the system */
} em_loop_stats;

/**
 * Creates a loop. options: NULL for all defaults. On failure *loop is NULL.
 * EM_NO_MEMORY, EM_INVALID_ARGUMENT, EM_UNKNOWN_BACKEND, EM_NO_DESCRIPTORS.
 */
EM_API em_status em_loop_create(const em_loop_options *options, em_loop **loop);

/**
 * Destroys the loop. Every remaining connection gets `unbind` (reason EM_OK), sockets are closed, and data that was not
 * sent is dropped. Then `dispose` is called for every posted call and every tick that did not run, in order, and for
 * every timer that is still pending. A `dispose` may use the loop, but cannot post or add anything: EM_INVALID_STATE.
 * NULL is allowed.
 *
 * In a forked child, only the child's copies are closed; the parent's connections go on. `dispose` is called there as
 * well, because the child has its own copy of what `user` points to. The exception is the `user` of a callback that was
 * being called at the fork: it stays with that callback.
 *
 * Within a callback of this loop it returns EM_INVALID_STATE and does nothing. This includes the callbacks that a
 * function calls while the loop does not run, such as post_init within em_loop_connect. In a forked child it may be
 * called there, but then the callback must not return.
 */
EM_API em_status em_loop_destroy(em_loop *loop);

/**
 * Runs the loop until em_loop_stop is called, even when there is nothing left to do.
 * EM_OK after em_loop_stop; EM_INVALID_STATE if the loop is running already, or within a callback of this loop;
 * EM_FORKED in a forked child (see em_loop_take_over). If waiting for events has become impossible, for instance
 * because the loop's own descriptor was closed, it returns the reason (such as EM_BAD_DESCRIPTOR) after that turn, and
 * `log` is called once. Such a loop can only be destroyed.
 */
EM_API em_status em_loop_run(em_loop *loop);

/**
 * Runs one turn, which waits for events for at most timeout_ns. 0: does not wait. EM_FOREVER: no limit.
 * Errors as for em_loop_run. To embed the loop in another, see em_loop_get_descriptor.
 */
EM_API em_status em_loop_run_once(em_loop *loop, uint64_t timeout_ns);

/**
 * Makes em_loop_run return at the end of the present turn. If the loop is not running, its next run ends after one
 * turn, and until then em_loop_run_once does not wait. No connection is accepted until that run has returned, so that
 * another process that shares the listening socket can serve the clients in its queue. Any thread, and signal handlers.
 */
EM_API em_status em_loop_stop(em_loop *loop);

/** Returns 1 if em_loop_stop was called and the run has not ended yet, otherwise 0. Any thread. */
EM_API int em_loop_is_stopping(const em_loop *loop);

/** Ends the present or the next wait at once. Several wakes may count as one. Any thread, and signal handlers.
 * EM_FORKED. */
EM_API em_status em_loop_wake(em_loop *loop);

/**
 * Queues a call. The loop's thread calls queued functions in the order in which they were posted. Any thread, but not
 * while the loop is being destroyed.
 *
 * dispose: called with `user` if the loop is destroyed first; NULL for none. So exactly one of `call` and `dispose` is
 * called. If em_loop_post itself fails, neither is, and the caller keeps `user`.
 * EM_NO_MEMORY, EM_INVALID_ARGUMENT, EM_FORKED; EM_INVALID_STATE within a `dispose` that em_loop_destroy calls.
 */
EM_API em_status em_loop_post(em_loop *loop, em_call call, void *user, em_dispose dispose);

/**
 * Queues a call for the next tick, which runs after the present callback has returned and before the loop waits. Ticks
 * run in the order in which they were queued. A tick that is queued by a tick runs in the following turn, so that input
 * is served in between. Loop's thread. dispose: as for em_loop_post.
 * EM_NO_MEMORY, EM_INVALID_ARGUMENT; EM_INVALID_STATE within a `dispose` that em_loop_destroy calls.
 */
EM_API em_status em_loop_next_tick(em_loop *loop, em_call call, void *user, em_dispose dispose);

/**
 * Returns the loop's time in nanoseconds of the monotonic clock (clock_gettime(2), CLOCK_MONOTONIC). The clock is read
 * once before timers run and once after each wait. 0 for NULL.
 */
EM_API uint64_t em_loop_get_time_ns(const em_loop *loop);

/**
 * Takes over the parent's loop in a forked child, for programs that go into the background while their loop runs.
 * Everything continues in the child: servers, connections, data waiting to be sent, timers, ticks, posted calls and
 * name resolution. Kernel objects that the two processes would share (an epoll instance, an eventfd) are replaced. Data
 * that was received but not delivered is delivered in the child. The loop's descriptor (em_loop_get_descriptor)
 * changes.
 *
 * It must be called by the thread that has forked: either within the callback that forked, and then the turn continues,
 * or after em_loop_run has returned EM_FORKED, and then em_loop_run continues. Until then the child can only stop the
 * loop, which takes effect in the run that follows, or destroy it. Without it the turn ends when the callback returns.
 *
 * The parent must give up the loop. It either ends without em_loop_destroy, best by _exit(2), or calls
 * em_loop_hand_over. Otherwise both processes serve the same connections.
 *
 * EM_INVALID_STATE: this is not a forked child, the loop is being destroyed, or another thread was within a turn of the
 * loop at the fork. EM_NO_DESCRIPTORS, EM_NO_MEMORY: nothing has changed, and the call may be repeated.
 * EM_INVALID_ARGUMENT for NULL.
 */
EM_API em_status em_loop_take_over(em_loop *loop);

/**
 * Leaves the loop to a forked child; called in the parent. The parent keeps only copies of the sockets. em_loop_destroy
 * then closes these without affecting the child: connections get `unbind`, but their peers notice nothing. Without this
 * call em_loop_destroy ends the connections, even where another process has copies of their sockets. A run of the loop
 * returns EM_FORKED at once. It cannot be undone. Loop's thread. EM_INVALID_ARGUMENT for NULL.
 */
EM_API em_status em_loop_hand_over(em_loop *loop);

/** Returns the name of the backend in use: "uring", "epoll" or "poll"; "none" for NULL. Static text. */
EM_API const char *em_loop_get_backend(const em_loop *loop);

/** Returns why no faster backend is in use, for instance "io_uring: forbidden, …"; NULL if there is none or if this one
 * was chosen by name. Static text. */
EM_API const char *em_loop_get_backend_reason(const em_loop *loop);

/**
 * For embedding in another event loop: sets *descriptor to a descriptor that becomes readable when
 * em_loop_run_once(loop, 0) has events to serve. Timers and work left over do not make it readable, so wait for at most
 * em_loop_get_timeout_ns or em_loop_get_timeout_ms. The loop owns the descriptor; do not read or close it.
 * EM_UNSUPPORTED with the "poll" backend, which the environment variable EM_BACKEND may have chosen;
 * EM_INVALID_ARGUMENT for NULL.
 */
EM_API em_status em_loop_get_descriptor(em_loop *loop, int *descriptor);

/** For embedding: returns how long to wait at most before em_loop_run_once is called again. 0 if there is work now,
 * EM_FOREVER if no timer is pending. */
EM_API uint64_t em_loop_get_timeout_ns(em_loop *loop);

/** The same in the form that poll(2) takes: milliseconds, rounded up so that nothing is polled in vain just before a
 * timer is due, and INT_MAX at most; -1 for EM_FOREVER. */
EM_API int em_loop_get_timeout_ms(em_loop *loop);

/**
 * Fills in the counters. stats_bytes: sizeof *stats, so that the struct can grow: a program built against older headers
 * gets the counters that it knows; a program built against newer ones gets 0 for those that this library does not have.
 * EM_INVALID_ARGUMENT for NULL, or for stats_bytes of 0.
 */
EM_API em_status em_loop_get_stats(const em_loop *loop, em_loop_stats *stats, size_t stats_bytes);

/** Returns the user's pointer, NULL at first. The library does not use it. NULL for NULL. */
EM_API void *em_loop_get_user(const em_loop *loop);

/** Sets the user's pointer. Does nothing for NULL. */
EM_API void em_loop_set_user(em_loop *loop, void *user);

EM_END_DECLARATIONS

#endif
