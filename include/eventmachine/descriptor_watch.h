/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Descriptor watches report when a descriptor can be read or written, and the program reads and writes it itself. They
 * are meant for libraries that have their own sockets, such as database clients. For connections over a descriptor,
 * which the library reads and writes, see attach.h.
 *
 * All functions here are for the loop's thread, and any callback may call them. Once a watch has ended, also within
 * unbind, the functions that change it return EM_CLOSED. The others still report its last state. If the watch is NULL,
 * functions that return a status return EM_INVALID_ARGUMENT, and the others return 0 or NULL unless stated otherwise.
 */
#ifndef EVENTMACHINE_DESCRIPTOR_WATCH_H
#define EVENTMACHINE_DESCRIPTOR_WATCH_H

#include <eventmachine/loop.h>

EM_BEGIN_DECLARATIONS

/** A watch of a descriptor. Owned by its loop; valid until its unbind has returned. */
typedef struct em_descriptor_watch em_descriptor_watch;

/** The callbacks of a descriptor watch, which the loop's thread calls. Any of them may be NULL. The struct is not
 * copied and must outlive the watches that use it. The `reserved` fields are for future callbacks and must be NULL. A
 * callback that this library does not know is refused with EM_INVALID_ARGUMENT, never ignored. */
typedef struct em_descriptor_watch_handler {
    /**
     * The descriptor can be read without waiting: bytes, the end or an error can be read, or it is hung up. Called once
     * in each turn of the loop while this is so (level-triggered) and notification is on. Another callback of the same
     * turn may have read the bytes in between, so a descriptor that others read as well should be non-blocking.
     */
    void (*notify_readable)(em_descriptor_watch *watch);

    /** The descriptor can be written without waiting, or a write would fail. Called like notify_readable, and after it
     * if both apply. */
    void (*notify_writable)(em_descriptor_watch *watch);

    /** The watch has ended. Called exactly once, as the last callback, at the end of a turn or within em_loop_destroy.
     * reason: EM_OK after em_descriptor_watch_detach and when the loop is destroyed; EM_BAD_DESCRIPTOR if the program
     * closed the descriptor before the watch was detached. */
    void (*unbind)(em_descriptor_watch *watch, em_status reason);

    void (*reserved[5])(void);
} em_descriptor_watch_handler;

/** Options of em_loop_watch_descriptor. Begin with `.size = sizeof options`; zero means the default. Copied. */
typedef struct em_descriptor_watch_options {
    size_t size;               /**< sizeof (em_descriptor_watch_options) */
    void *user;                /**< the watch's user pointer */
    em_switch notify_readable; /**< whether notify_readable is called from the start. Default: off */
    em_switch notify_writable; /**< the same for notify_writable. Default: off */
} em_descriptor_watch_options;

/**
 * Watches a descriptor: a socket of any type, a pipe, a terminal, a device. The watch never changes its modes, and
 * never reads, writes or closes it. The first callback comes in the next turn at the earliest. A regular file is always
 * ready.
 *
 * A descriptor may have up to 256 watches, and a connection as well. All of them are served. A duplicate made by dup(2)
 * counts as another descriptor.
 *
 * The descriptor must stay open until the watch is detached. If the program closes it earlier, the watch ends with
 * EM_BAD_DESCRIPTOR where the system reports this (poll), and is silent where it does not (epoll). If a copy of the
 * descriptor is still open elsewhere, for instance in a child, the system goes on reporting. epoll does so even after
 * em_descriptor_watch_detach, because a registration can only be removed by means of the descriptor. Then no callback
 * is called, but the loop does not sleep while the copy is open and ready.
 *
 * handler: required. options: NULL for defaults. watch: set to the handle, NULL on failure; may be NULL.
 * EM_BAD_DESCRIPTOR (not open); EM_INVALID_ARGUMENT (a directory, invalid options); EM_LIMIT (it has 256 watches);
 * EM_NO_MEMORY, EM_NO_DESCRIPTORS, EM_FORKED, EM_INVALID_STATE (the loop is being destroyed).
 */
EM_API em_status em_loop_watch_descriptor(em_loop *loop, int descriptor, const em_descriptor_watch_handler *handler,
                                          const em_descriptor_watch_options *options, em_descriptor_watch **watch);

/** Sets whether notify_readable is called: EM_ON or EM_OFF. Takes effect at once: after EM_OFF it is not called again,
 * not even in the present turn. EM_BAD_DESCRIPTOR if the program has closed the descriptor and the system reports this;
 * EM_CLOSED; EM_INVALID_ARGUMENT; EM_NO_MEMORY, EM_NO_DESCRIPTORS, EM_LIMIT. */
EM_API em_status em_descriptor_watch_set_notify_readable(em_descriptor_watch *watch, em_switch notify);

/** The same for notify_writable. Keep it off while there is nothing to write, because most descriptors can be written
 * most of the time. */
EM_API em_status em_descriptor_watch_set_notify_writable(em_descriptor_watch *watch, em_switch notify);

/** Returns 1 if notification of readability is on, otherwise 0. */
EM_API int em_descriptor_watch_is_notify_readable(const em_descriptor_watch *watch);

/** Returns 1 if notification of writability is on, otherwise 0. */
EM_API int em_descriptor_watch_is_notify_writable(const em_descriptor_watch *watch);

/** Ends the watch. When this returns, the loop no longer uses the descriptor, which may be closed or watched again at
 * once. unbind(EM_OK) follows at the end of the present turn, and no other callback. EM_CLOSED if it has ended already.
 */
EM_API em_status em_descriptor_watch_detach(em_descriptor_watch *watch);

/** Returns the loop that the watch belongs to. NULL for NULL. */
EM_API em_loop *em_descriptor_watch_get_loop(const em_descriptor_watch *watch);

/** Returns the user's pointer, at first that of the options. The library does not use it. NULL for NULL. */
EM_API void *em_descriptor_watch_get_user(const em_descriptor_watch *watch);

/** Sets the user's pointer. Does nothing for NULL. */
EM_API void em_descriptor_watch_set_user(em_descriptor_watch *watch, void *user);

/** Returns the descriptor; -1 for NULL, or once the watch has ended. */
EM_API int em_descriptor_watch_get_descriptor(const em_descriptor_watch *watch);

/** Returns the nanoseconds of loop time since a callback was last called, or since the watch was created. */
EM_API uint64_t em_descriptor_watch_get_idle_ns(const em_descriptor_watch *watch);

/** Returns the watch's signature; 0 for NULL. */
EM_API em_signature em_descriptor_watch_get_signature(const em_descriptor_watch *watch);

/** Returns the watch with this signature; NULL if its unbind has returned or it never existed. */
EM_API em_descriptor_watch *em_loop_find_descriptor_watch(const em_loop *loop, em_signature signature);

EM_END_DECLARATIONS

#endif
