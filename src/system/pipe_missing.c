/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Pipes for splice(2), where there is none.
 */
#include "base/features.h"

#if !EMI_HAVE_SPLICE

#include "system/pipe.h"

em_status emi_pipe_open(emi_pipe *pipe, size_t capacity_bytes)
{
    (void)pipe;
    (void)capacity_bytes;
    return EM_UNSUPPORTED;
}

void emi_pipe_close(const emi_pipe *pipe)
{
    (void)pipe;
}

em_status emi_pipe_fill(emi_pipe *pipe, int socket, size_t most, size_t *length)
{
    (void)pipe;
    (void)socket;
    (void)most;
    *length = 0;
    return EM_UNSUPPORTED;
}

em_status emi_pipe_drain(emi_pipe *pipe, int socket, size_t *length)
{
    (void)pipe;
    (void)socket;
    *length = 0;
    return EM_UNSUPPORTED;
}

size_t emi_pipe_read(emi_pipe *pipe, void *memory, size_t capacity)
{
    (void)pipe;
    (void)memory;
    (void)capacity;
    return 0;
}

#endif
