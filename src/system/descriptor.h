/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Descriptors of any kind: what they can do, reading and writing them, and their blocking mode. Each function returns
 * at once if the descriptor is non-blocking, and none raises SIGPIPE.
 */
#ifndef EMI_DESCRIPTOR_H
#define EMI_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>

#include <eventmachine/status.h>

#include "base/span.h"

/** The kinds of descriptors that are read or written differently. */
typedef enum emi_descriptor_kind {
    EMI_SOCKET,          /**< of any type; see socket.h */
    EMI_PIPE,            /**< pipe(7), FIFOs included: writing may raise SIGPIPE */
    EMI_TERMINAL_MASTER, /**< the master of a pseudoterminal, pty(7): EIO is its end */
    EMI_OTHER_DESCRIPTOR /**< a terminal, a file, a device, an eventfd, … */
} emi_descriptor_kind;

/** What a descriptor can do. */
typedef struct emi_descriptor {
    emi_descriptor_kind kind;
    bool can_receive; /**< open for reading */
    bool can_send;    /**< open for writing */
    int status_flags; /**< fcntl(2) */
} emi_descriptor;

/** Finds out what a descriptor can do. EM_BAD_DESCRIPTOR if it is not open, or open for nothing (O_PATH);
 * EM_INVALID_ARGUMENT for a directory. */
em_status emi_descriptor_examine(int descriptor, emi_descriptor *found);

/** Reads up to `capacity` bytes, read(2). EM_OK with *length 0 is the end. */
em_status emi_descriptor_read(int descriptor, emi_descriptor_kind kind, void *buffer, size_t capacity, size_t *length);

/** Writes bytes of the spans, writev(2), at most 256 KiB, so that writing a file takes little time; *length: how many
 * the system took. Not for sockets. */
em_status emi_descriptor_write(int descriptor, emi_descriptor_kind kind, const emi_span *spans, unsigned count,
                               size_t *length);

/** Whether a read would not wait, by poll(2): there are bytes, or the end, or an error. */
bool emi_descriptor_is_readable(int descriptor);

/** Whether it is standard input, output or error, whose blocking mode is shared with other processes. */
static inline bool emi_descriptor_is_standard(int descriptor)
{
    return descriptor >= 0 && descriptor <= 2;
}

/** Sets or clears O_NONBLOCK, and nothing else. *was_blocking: what it was before; may be NULL. */
em_status emi_descriptor_set_blocking(int descriptor, bool blocking, bool *was_blocking);

#endif
