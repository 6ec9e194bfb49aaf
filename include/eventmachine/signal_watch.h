/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Signal watches report signals of the process in the loop's thread, where everything is allowed that a signal handler
 * must not do. A signal may have any number of watches, in any number of loops, and each of them reports it.
 *
 * The first watch of a signal installs a handler, sigaction(2), and the last one restores the former action. While a
 * signal is watched, its default action does not take place: SIGTERM does not end the process. A handler that was
 * installed before is still called. So do not watch the signals of a host that has handlers for them, such as an
 * interpreter: in Ruby use `trap`.
 *
 * No signal is blocked. The signal may arrive in any thread of the process. System calls that it interrupts are
 * restarted (SA_RESTART, signal(7)).
 *
 * The system may merge signals that arrive faster than they are handled, and so does a watch: it reports them once,
 * with a count. For SIGCHLD, wait for children until none is left, or use em_loop_start_process, which needs no signal.
 *
 * Fork: a forked child inherits the handler, but its watches report nothing unless it takes over the loop
 * (em_loop_take_over). Until then a signal has the effect there that it had before it was watched.
 *
 * All functions here are for the loop's thread, and any callback may call them. If the watch is NULL, functions that
 * return a status return EM_INVALID_ARGUMENT, and the others return 0 or NULL unless stated otherwise.
 */
#ifndef EVENTMACHINE_SIGNAL_WATCH_H
#define EVENTMACHINE_SIGNAL_WATCH_H

#include <eventmachine/loop.h>

EM_BEGIN_DECLARATIONS

/** A watch of a signal. Owned by its loop; valid until its unbind has returned. */
typedef struct em_signal_watch em_signal_watch;

/** The callbacks of a signal watch, which the loop's thread calls. Any of them may be NULL. The struct is not copied
 * and must outlive the watches that use it. The `reserved` fields are for future callbacks and must be NULL. A callback
 * that this library does not know is refused with EM_INVALID_ARGUMENT, never ignored. */
typedef struct em_signal_watch_handler {
    /** The signal has arrived. count: how often the process has handled it since the last call; at least 1. */
    void (*signal_received)(em_signal_watch *watch, uint64_t count);

    /** The watch has ended. Called exactly once, as the last callback, at the end of a turn or within em_loop_destroy.
     * reason: EM_OK. */
    void (*unbind)(em_signal_watch *watch, em_status reason);

    void (*reserved[2])(void);
} em_signal_watch_handler;

/** Options of em_loop_watch_signal. Begin with `.size = sizeof options`; zero means the default. Copied. */
typedef struct em_signal_watch_options {
    size_t size; /**< sizeof (em_signal_watch_options) */
    void *user;  /**< the watch's user pointer */
} em_signal_watch_options;

/**
 * Watches a signal, such as SIGTERM. handler: required. options: NULL for defaults. watch: set to the handle, NULL on
 * failure; may be NULL.
 *
 * EM_INVALID_ARGUMENT, with details: SIGKILL and SIGSTOP cannot be watched, nor signals that report a fault of the
 * program itself (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT), nor numbers that are not signals.
 * EM_UNSUPPORTED: not on this system. EM_NO_MEMORY, EM_FORKED, EM_INVALID_STATE (the loop is being destroyed).
 */
EM_API em_status em_loop_watch_signal(em_loop *loop, int signal_number, const em_signal_watch_handler *handler,
                                      const em_signal_watch_options *options, em_signal_watch **watch);

/** Ends the watch: nothing more is reported, not even what has arrived already. unbind(EM_OK) follows at the end of the
 * present turn. Does nothing for a watch that has ended, and for NULL. */
EM_API void em_signal_watch_stop(em_signal_watch *watch);

/** Returns the number of the signal that is watched; 0 for NULL. */
EM_API int em_signal_watch_get_signal_number(const em_signal_watch *watch);

/** Returns the loop that the watch belongs to. NULL for NULL. */
EM_API em_loop *em_signal_watch_get_loop(const em_signal_watch *watch);

/** Returns the watch's signature; 0 for NULL. */
EM_API em_signature em_signal_watch_get_signature(const em_signal_watch *watch);

/** Returns the watch with this signature; NULL if its unbind has returned or it never existed. */
EM_API em_signal_watch *em_loop_find_signal_watch(const em_loop *loop, em_signature signature);

/** Returns the user's pointer, at first that of the options. The library does not use it. NULL for NULL. */
EM_API void *em_signal_watch_get_user(const em_signal_watch *watch);

/** Sets the user's pointer. Does nothing for NULL. */
EM_API void em_signal_watch_set_user(em_signal_watch *watch, void *user);

EM_END_DECLARATIONS

#endif
