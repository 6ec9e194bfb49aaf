/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Watches of descriptors: they report when a descriptor can be read or written, and the program reads and writes it
 * itself. They are meant for libraries that have their own sockets, such as database clients. Connections over a
 * descriptor, which the library reads and writes, are in attach.h.
 *
 * All functions here are for the loop's thread, and any callback may call them. Once a watch has ended, also within
 * unbind, the functions that change it return EM_CLOSED. The others still report its last state. For a watch of NULL,
 * functions with a status return EM_INVALID_ARGUMENT, and the others return 0 or NULL if nothing else is said.
 */
#ifndef EVENTMACHINE_DESCRIPTOR_WATCH_H
#define EVENTMACHINE_DESCRIPTOR_WATCH_H

#include <eventmachine/loop.h>

EM_BEGIN_DECLARATIONS

/** A watch of a descriptor. Valid until its unbind has returned. */
typedef struct em_descriptor_watch em_descriptor_watch;

/** The callbacks of a watch. Each may be NULL. Must outlive the watch, and `reserved` must be NULL. */
typedef struct em_descriptor_watch_handler {
    /**
     * The descriptor can be read without waiting: there are bytes, or its end, or an error, or it is hung up. Called
     * once in each turn of the loop as long as this is so (level-triggered) and notification is on. Another callback of
     * the same turn may have read the bytes in between, so a descriptor that others read as well should be
     * non-blocking.
     */
    void (*notify_readable)(em_descriptor_watch *watch);

    /** The descriptor can be written without waiting, or a write would fail. Called like notify_readable, and after it
     * if both apply. */
    void (*notify_writable)(em_descriptor_watch *watch);

    /** The watch has ended, and nothing follows. EM_OK after em_descriptor_watch_detach, or because the loop is being
     * destroyed. EM_BAD_DESCRIPTOR: the program has closed the descriptor before. */
    void (*unbind)(em_descriptor_watch *watch, em_status reason);

    void (*reserved[5])(void);
} em_descriptor_watch_handler;

/** Options of em_loop_watch_descriptor. Begin with `.size = sizeof options`; zero means the default. Copied. */
typedef struct em_descriptor_watch_options {
    size_t size;               /**< sizeof (em_descriptor_watch_options) */
    void *user;                /**< the watch's user pointer */
    em_switch notify_readable; /**< whether notify_readable is called from the beginning. Default: off */
    em_switch notify_writable; /**< the same for notify_writable. Default: off */
} em_descriptor_watch_options;

/**
 * Watches a descriptor: a socket of any type, a pipe, a terminal, a device. Its modes are not changed, and it is never
 * read, written or closed. The first callback comes in the next turn at the earliest. A regular file is always ready.
 *
 * A descriptor may have several watches, up to 256, and a connection as well; each is served. A descriptor that the
 * program has created by dup(2) is another one.
 *
 * The descriptor must stay open until the watch is detached. If the program closes it before, nothing worse happens
 * than this: where the system reports it (poll), the watch ends with EM_BAD_DESCRIPTOR; where it does not (epoll), the
 * watch is silent. But if a copy of the descriptor is open elsewhere, in a child for instance, the system goes on
 * reporting. epoll does so even after em_descriptor_watch_detach, because what was registered can only be removed by
 * the descriptor: no callback is called then, but the loop does not sleep while the copy is open and ready.
 *
 * handler: required. options: NULL for defaults. watch: set to the handle, NULL on failure; may be NULL.
 * EM_BAD_DESCRIPTOR (not open); EM_INVALID_ARGUMENT (a directory, invalid options); EM_LIMIT (it has 256 watches);
 * EM_NO_MEMORY, EM_NO_DESCRIPTORS, EM_FORKED, EM_INVALID_STATE (the loop is being destroyed).
 */
EM_API em_status em_loop_watch_descriptor(em_loop *loop, int descriptor, const em_descriptor_watch_handler *handler,
                                          const em_descriptor_watch_options *options, em_descriptor_watch **watch);

/** Sets whether notify_readable is called: EM_ON or EM_OFF. Takes effect at once: after EM_OFF it is not called any
 * more in the present turn either. EM_BAD_DESCRIPTOR if the program has closed the descriptor, as far as the system
 * says so; EM_CLOSED; EM_INVALID_ARGUMENT; EM_NO_MEMORY, EM_NO_DESCRIPTORS, EM_LIMIT. */
EM_API em_status em_descriptor_watch_set_notify_readable(em_descriptor_watch *watch, em_switch notify);

/** The same for notify_writable. Keep it off while there is nothing to write, because most descriptors can be written
 * most of the time. */
EM_API em_status em_descriptor_watch_set_notify_writable(em_descriptor_watch *watch, em_switch notify);

/** Returns 1 if notify_readable is called, otherwise 0. */
EM_API int em_descriptor_watch_is_notify_readable(const em_descriptor_watch *watch);

/** Returns 1 if notify_writable is called, otherwise 0. */
EM_API int em_descriptor_watch_is_notify_writable(const em_descriptor_watch *watch);

/** Ends the watch. When this returns, the loop no longer uses the descriptor, which may be closed or watched again at
 * once. unbind(EM_OK) follows at the end of the present turn, and no other callback. EM_CLOSED if it has ended already.
 */
EM_API em_status em_descriptor_watch_detach(em_descriptor_watch *watch);

/** Returns the loop that the watch belongs to. */
EM_API em_loop *em_descriptor_watch_get_loop(const em_descriptor_watch *watch);

/** Returns the user's pointer, which the library does not use. */
EM_API void *em_descriptor_watch_get_user(const em_descriptor_watch *watch);

/** Sets the user's pointer. Does nothing for NULL. */
EM_API void em_descriptor_watch_set_user(em_descriptor_watch *watch, void *user);

/** Returns the descriptor; -1 for NULL, or once the watch has ended. */
EM_API int em_descriptor_watch_get_descriptor(const em_descriptor_watch *watch);

/** Returns the nanoseconds of loop time since a callback was last called, or since the watch was made. */
EM_API uint64_t em_descriptor_watch_get_idle_ns(const em_descriptor_watch *watch);

/** Returns the watch's number; 0 for NULL. */
EM_API em_signature em_descriptor_watch_get_signature(const em_descriptor_watch *watch);

/** Returns the watch with this number; NULL if its unbind has returned or it never existed. */
EM_API em_descriptor_watch *em_loop_find_descriptor_watch(em_loop *loop, em_signature signature);

EM_END_DECLARATIONS

#endif
