/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Reads the clock of the loop's time.
 */
#include "rb_clock.h"

#include <time.h>

#include <eventmachine.h>

uint64_t rb_em_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * EM_SECONDS + (uint64_t)now.tv_nsec;
}
