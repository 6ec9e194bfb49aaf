/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The monotonic clock on POSIX systems.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <limits.h>
#include <time.h>

#include "system/clock.h"

uint64_t emi_clock_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

int emi_clock_to_milliseconds(uint64_t timeout_ns)
{
    if (timeout_ns == UINT64_MAX)
        return -1;
    uint64_t milliseconds = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
    return milliseconds > INT_MAX ? INT_MAX : (int)milliseconds;
}

#endif
