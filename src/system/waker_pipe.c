/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A waker by pipe(2), for POSIX systems without eventfd(2).
 */
#include "base/features.h"

#if EMI_HAVE_POSIX && !EMI_HAVE_EVENTFD

#include <errno.h>
#include <unistd.h>

#include "system/socket.h"
#include "system/system_error.h"
#include "system/waker.h"

em_status emi_waker_open(emi_waker *waker)
{
    int ends[2];
    if (pipe(ends) < 0)
        return emi_last_status();
    *waker = (emi_waker){.poll_descriptor = ends[0], .write_descriptor = ends[1]};
    em_status status = emi_socket_set_nonblocking(ends[0]);
    if (status == EM_OK)
        status = emi_socket_set_nonblocking(ends[1]);
    if (status != EM_OK)
        emi_waker_close(waker);
    return status;
}

void emi_waker_close(emi_waker *waker)
{
    close(waker->poll_descriptor);
    close(waker->write_descriptor);
}

void emi_waker_wake(const emi_waker *waker)
{
    int saved = errno;
    char byte = 0;
    /* It fails with EAGAIN if the pipe is full, and so readable. */
    ssize_t ignored = write(waker->write_descriptor, &byte, 1);
    (void)ignored;
    errno = saved;
}

void emi_waker_drain(const emi_waker *waker)
{
    char bytes[64];
    while (read(waker->poll_descriptor, bytes, sizeof bytes) == (ssize_t)sizeof bytes)
        ;
}

#endif
