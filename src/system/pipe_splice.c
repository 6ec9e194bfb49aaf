/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Pipes for splice(2).
 */
#include "base/features.h"

#if EMI_HAVE_SPLICE

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "system/pipe.h"
#include "system/pipe_signal.h"
#include "system/system_error.h"

em_status emi_pipe_open(emi_pipe *pipe, size_t capacity_bytes)
{
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
        return emi_last_status();
    int capacity = fcntl(ends[1], F_SETPIPE_SZ, (int)capacity_bytes);
    if (capacity < 0) /* the user has too many pages in pipes, pipe(7) */
        capacity = fcntl(ends[1], F_GETPIPE_SZ);
    *pipe =
        (emi_pipe){.read_end = ends[0], .write_end = ends[1], .capacity_bytes = capacity > 0 ? (size_t)capacity : 0};
    return EM_OK;
}

void emi_pipe_close(const emi_pipe *pipe)
{
    close(pipe->read_end);
    close(pipe->write_end);
}

em_status emi_pipe_fill(emi_pipe *pipe, int socket, size_t most, size_t *length)
{
    *length = 0;
    ssize_t n = splice(socket, NULL, pipe->write_end, NULL, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n < 0)
        return emi_last_status();
    *length = (size_t)n;
    pipe->bytes += *length;
    return EM_OK;
}

/* splice(2) has no MSG_NOSIGNAL. */
static ssize_t splice_without_signal(const emi_pipe *pipe, int socket)
{
    emi_pipe_signal state;
    emi_pipe_signal_block(&state);
    ssize_t n = splice(pipe->read_end, NULL, socket, NULL, pipe->bytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    int error = n < 0 ? errno : 0;
    emi_pipe_signal_restore(&state, error == EPIPE || (n > 0 && (size_t)n < pipe->bytes));
    errno = error;
    return n;
}

em_status emi_pipe_drain(emi_pipe *pipe, int socket, size_t *length)
{
    *length = 0;
    ssize_t n = splice_without_signal(pipe, socket);
    if (n <= 0)
        return n < 0 ? emi_last_status() : EM_IO_ERROR;
    *length = (size_t)n;
    pipe->bytes -= *length;
    return EM_OK;
}

size_t emi_pipe_read(emi_pipe *pipe, void *memory, size_t capacity)
{
    ssize_t n = read(pipe->read_end, memory, capacity < pipe->bytes ? capacity : pipe->bytes);
    size_t length = n > 0 ? (size_t)n : 0;
    pipe->bytes -= length;
    return length;
}

#endif
