/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Signal watches report signals of the process in the loop's thread, where everything is allowed that a signal handler
 * must not do. A signal may have any number of watches, in any number of loops, and each of them reports it.
 *
 * The first watch of a signal installs a handler, sigaction(2), and the last one puts back what was there before. While
 * the signal is watched it does not do what it does by default: SIGTERM does not end the process. A function that
 * handled it before is still called. So do not watch the signals of a host that has handlers for them, such as an
 * interpreter: in Ruby use `trap`.
 *
 * No signal is blocked. The signal may arrive in any thread of the process. System calls that it interrupts are
 * restarted (SA_RESTART, signal(7)).
 *
 * The system may merge signals that follow each other faster than they are handled, and so does a watch: it reports
 * them once, with a count. For SIGCHLD, wait for children until there is none left; or use em_loop_start_process, which
 * needs no signal.
 *
 * Fork: a forked child inherits the handler, but its watches report nothing unless it takes over the loop
 * (em_loop_take_over). Until then a signal does there what it did before it was watched.
 */
#ifndef EVENTMACHINE_SIGNAL_WATCH_H
#define EVENTMACHINE_SIGNAL_WATCH_H

#include <eventmachine/loop.h>

EM_BEGIN_DECLARATIONS

/** A watch of a signal. It is valid until its `unbind` has returned. */
typedef struct em_signal_watch em_signal_watch;

/** What a watch reports. Callbacks that are not needed may be NULL. The struct must outlive the watch. */
typedef struct em_signal_watch_handler {
    /** The signal has arrived. count: how often the process has handled it since the last call, at least once. */
    void (*signal_received)(em_signal_watch *watch, uint64_t count);

    /** The watch has ended. Called once, at the end of a turn, as the last callback. reason: EM_OK. */
    void (*unbind)(em_signal_watch *watch, em_status reason);

    void (*reserved[2])(void);
} em_signal_watch_handler;

/** Options of em_loop_watch_signal. Begin with `em_signal_watch_options options = { .size = sizeof options };`. */
typedef struct em_signal_watch_options {
    size_t size; /**< sizeof (em_signal_watch_options), so that the struct can grow */
    void *user;  /**< em_signal_watch_get_user returns it */
} em_signal_watch_options;

/**
 * Watches a signal, such as SIGTERM. options: NULL for all defaults. watch: may be NULL.
 *
 * EM_INVALID_ARGUMENT, with details: SIGKILL and SIGSTOP cannot be watched, nor can signals that report a fault of the
 * program itself (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT), nor numbers that are no signal.
 * EM_NO_MEMORY, EM_FORKED; EM_INVALID_STATE while the loop is being destroyed. EM_UNSUPPORTED: not on this system.
 */
EM_API em_status em_loop_watch_signal(em_loop *loop, int signal_number, const em_signal_watch_handler *handler,
                                      const em_signal_watch_options *options, em_signal_watch **watch);

/** Ends a watch: nothing more is reported, not even what has arrived already, and `unbind` is called at the end of the
 * turn. Does nothing for a watch that has ended, and for NULL. */
EM_API void em_signal_watch_stop(em_signal_watch *watch);

/** Returns the number of the signal; 0 for NULL. */
EM_API int em_signal_watch_get_signal_number(const em_signal_watch *watch);

/** Returns the loop of the watch; NULL for NULL. */
EM_API em_loop *em_signal_watch_get_loop(const em_signal_watch *watch);

/** Returns the number of the watch; 0 for NULL. */
EM_API em_signature em_signal_watch_get_signature(const em_signal_watch *watch);

/** Returns the watch with a number; NULL if its `unbind` has returned, or if it never was one. */
EM_API em_signal_watch *em_loop_find_signal_watch(const em_loop *loop, em_signature signature);

/** Returns the user's pointer; NULL for NULL. */
EM_API void *em_signal_watch_get_user(const em_signal_watch *watch);

/** Sets the user's pointer. Does nothing for NULL. */
EM_API void em_signal_watch_set_user(em_signal_watch *watch, void *user);

EM_END_DECLARATIONS

#endif
