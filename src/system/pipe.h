/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Pipes that move bytes from one socket to another within the kernel, splice(2). Nothing raises SIGPIPE, and nothing
 * waits. Where the system has no splice, no pipe can be opened.
 */
#ifndef EMI_PIPE_H
#define EMI_PIPE_H

#include <stdbool.h>
#include <stddef.h>

#include <eventmachine/status.h>

typedef struct emi_pipe {
    int read_end;
    int write_end;
    size_t capacity_bytes; /* of an empty one */
    size_t bytes;          /* in it */
} emi_pipe;

/** Opens a pipe of this capacity, or of what the system allows. EM_UNSUPPORTED, EM_NO_DESCRIPTORS. */
em_status emi_pipe_open(emi_pipe *pipe, size_t capacity_bytes);

/** Closes it. What is in it is lost. */
void emi_pipe_close(const emi_pipe *pipe);

/** Moves up to `most` bytes that have arrived on a socket into an empty pipe. *length: set to how many; 0 with EM_OK:
 * the end, probably. EM_WOULD_BLOCK: nothing has arrived. */
em_status emi_pipe_fill(emi_pipe *pipe, int socket, size_t most, size_t *length);

/** Moves bytes from the pipe to a socket. *length: set to how many. EM_WOULD_BLOCK: the socket accepts none. */
em_status emi_pipe_drain(emi_pipe *pipe, int socket, size_t *length);

/** Reads up to `capacity` bytes, at most those in it. Returns how many. */
size_t emi_pipe_read(emi_pipe *pipe, void *memory, size_t capacity);

#endif
