/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Process watches report when a process ends. They work for any process whose process ID is known, a child of this
 * program or not. A child is not waited for, so the program can still get its status, waitpid(2). To start programs and
 * to get their statuses from the loop, see process.h.
 *
 * On Linux the process is watched by means of a descriptor, pidfd_open(2), which is exact. Where the system has no such
 * descriptors, or does not allow them, the loop checks at growing intervals, up to 0.1 seconds, whether the process ID
 * still exists. It then misses the end if another process has been given the same process ID in the meantime.
 *
 * All functions here are for the loop's thread, and any callback may call them. If the watch is NULL, functions that
 * return a status return EM_INVALID_ARGUMENT, and the others return 0 or NULL unless stated otherwise.
 */
#ifndef EVENTMACHINE_PROCESS_WATCH_H
#define EVENTMACHINE_PROCESS_WATCH_H

#include <eventmachine/loop.h>

EM_BEGIN_DECLARATIONS

/** A watch of a process. Owned by its loop; valid until its unbind has returned. */
typedef struct em_process_watch em_process_watch;

/** The callbacks of a process watch, which the loop's thread calls. Any of them may be NULL. The struct is not copied
 * and must outlive the watches that use it. The `reserved` fields are for future callbacks and must be NULL. A callback
 * that this library does not know is refused with EM_INVALID_ARGUMENT, never ignored. */
typedef struct em_process_watch_handler {
    /** The process has ended. Called once. The watch ends: unbind follows. */
    void (*process_exited)(em_process_watch *watch);

    /** The watch has ended. Called exactly once, as the last callback, at the end of a turn or within em_loop_destroy.
     * reason: EM_OK. */
    void (*unbind)(em_process_watch *watch, em_status reason);

    void (*reserved[4])(void);
} em_process_watch_handler;

/** Options of em_loop_watch_process. Begin with `.size = sizeof options`; zero means the default. Copied. */
typedef struct em_process_watch_options {
    size_t size; /**< sizeof (em_process_watch_options) */
    void *user;  /**< the watch's user pointer */
} em_process_watch_options;

/**
 * Watches a process, which may have several watches. pid: its process ID, at least 1. handler: required. options: NULL
 * for defaults. watch: set to the handle, NULL on failure; may be NULL.
 *
 * EM_NO_SUCH_PROCESS: there is no process with this process ID. If descriptors are exhausted, the process is watched
 * without one, see above. EM_INVALID_ARGUMENT, EM_NO_MEMORY, EM_FORKED, EM_INVALID_STATE (the loop is being destroyed).
 */
EM_API em_status em_loop_watch_process(em_loop *loop, int pid, const em_process_watch_handler *handler,
                                       const em_process_watch_options *options, em_process_watch **watch);

/** Ends the watch: process_exited is not called any more. unbind(EM_OK) follows at the end of the present turn. Does
 * nothing for a watch that has ended, and for NULL. */
EM_API void em_process_watch_stop(em_process_watch *watch);

/** Returns the process ID of the process that is watched; 0 for NULL. */
EM_API int em_process_watch_get_pid(const em_process_watch *watch);

/** Returns the loop that the watch belongs to. NULL for NULL. */
EM_API em_loop *em_process_watch_get_loop(const em_process_watch *watch);

/** Returns the user's pointer, at first that of the options. The library does not use it. NULL for NULL. */
EM_API void *em_process_watch_get_user(const em_process_watch *watch);

/** Sets the user's pointer. Does nothing for NULL. */
EM_API void em_process_watch_set_user(em_process_watch *watch, void *user);

/** Returns the watch's signature; 0 for NULL. */
EM_API em_signature em_process_watch_get_signature(const em_process_watch *watch);

/** Returns the watch with this signature; NULL if its unbind has returned or it never existed. */
EM_API em_process_watch *em_loop_find_process_watch(const em_loop *loop, em_signature signature);

EM_END_DECLARATIONS

#endif
