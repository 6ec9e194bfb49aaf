/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A waker by eventfd(2).
 */
#include "base/features.h"

#if EMI_HAVE_EVENTFD

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "system/system_error.h"
#include "system/waker.h"

em_status emi_waker_open(emi_waker *waker)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return emi_last_status();
    *waker = (emi_waker){.poll_descriptor = fd, .write_descriptor = fd};
    return EM_OK;
}

void emi_waker_close(emi_waker *waker)
{
    close(waker->poll_descriptor);
}

void emi_waker_wake(const emi_waker *waker)
{
    int saved = errno;
    uint64_t one = 1;
    /* It fails with EAGAIN only after 2^64 - 2 wakes, when the descriptor is readable anyway. */
    ssize_t ignored = write(waker->write_descriptor, &one, sizeof one);
    (void)ignored;
    errno = saved;
}

void emi_waker_drain(const emi_waker *waker)
{
    uint64_t count;
    ssize_t ignored = read(waker->poll_descriptor, &count, sizeof count);
    (void)ignored;
}

#endif
