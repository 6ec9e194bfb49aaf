/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The monotonic clock on POSIX systems.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <time.h>

#include "system/clock.h"

uint64_t emi_clock_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

#endif
