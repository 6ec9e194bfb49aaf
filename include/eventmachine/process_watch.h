/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Process watches report when a process ends: any process whose number is known, a child of this program or not. A
 * child is not waited for, so the program can still get its status, waitpid(2). To start programs and to get their
 * statuses from the loop, see process.h.
 *
 * On Linux the process is watched by its descriptor, pidfd_open(2), which is exact. Where the system has none, or does
 * not allow it, the loop looks for the process's number at growing intervals, up to 0.1 seconds, and is wrong if the
 * number was given to another process in between.
 *
 * All functions are for the loop's thread, and any callback may call them.
 */
#ifndef EVENTMACHINE_PROCESS_WATCH_H
#define EVENTMACHINE_PROCESS_WATCH_H

#include <eventmachine/loop.h>

EM_BEGIN_DECLARATIONS

/** A watch of a process. It is valid until its `unbind` has returned. */
typedef struct em_process_watch em_process_watch;

/** What a watch reports. Callbacks that are not needed may be NULL. The struct must outlive the watch. */
typedef struct em_process_watch_handler {
    /** The process has ended. Called once. The watch ends: `unbind` follows. */
    void (*process_exited)(em_process_watch *watch);

    /** The watch has ended. Called once, at the end of a turn, as the last callback. reason: EM_OK. */
    void (*unbind)(em_process_watch *watch, em_status reason);

    void (*reserved[4])(void);
} em_process_watch_handler;

/** Options of em_loop_watch_process. Begin with `em_process_watch_options options = { .size = sizeof options };`. */
typedef struct em_process_watch_options {
    size_t size; /**< sizeof (em_process_watch_options), so that the struct can grow */
    void *user;  /**< em_process_watch_get_user returns it */
} em_process_watch_options;

/**
 * Watches a process, several times if desired. pid: its number, at least 1. handler: required. options: NULL for all
 * defaults. watch: set to the watch, NULL on failure; may be NULL.
 *
 * EM_NO_SUCH_PROCESS: there is none of that number. EM_INVALID_ARGUMENT, EM_NO_MEMORY, EM_FORKED; EM_INVALID_STATE
 * while the loop is being destroyed. If no descriptor is left, the process is watched by its number.
 */
EM_API em_status em_loop_watch_process(em_loop *loop, int pid, const em_process_watch_handler *handler,
                                       const em_process_watch_options *options, em_process_watch **watch);

/** Ends a watch: process_exited is not called any more, and `unbind` is called at the end of the turn. Does nothing for
 * a watch that has ended, and for NULL. */
EM_API void em_process_watch_stop(em_process_watch *watch);

/** Returns the number of the process that is watched; 0 for NULL. */
EM_API int em_process_watch_get_pid(const em_process_watch *watch);

/** Returns the loop of the watch; NULL for NULL. */
EM_API em_loop *em_process_watch_get_loop(const em_process_watch *watch);

/** Returns the user's pointer; NULL for NULL. */
EM_API void *em_process_watch_get_user(const em_process_watch *watch);

/** Sets the user's pointer. Does nothing for NULL. */
EM_API void em_process_watch_set_user(em_process_watch *watch, void *user);

/** Returns the signature of the watch; 0 for NULL. */
EM_API em_signature em_process_watch_get_signature(const em_process_watch *watch);

/** Returns the watch with a signature; NULL if its `unbind` has returned, or if it never was one. */
EM_API em_process_watch *em_loop_find_process_watch(const em_loop *loop, em_signature signature);

EM_END_DECLARATIONS

#endif
