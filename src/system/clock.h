/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The monotonic clock.
 */
#ifndef EMI_CLOCK_H
#define EMI_CLOCK_H

#include <stdint.h>

/** Returns CLOCK_MONOTONIC in nanoseconds, clock_gettime(2). Any thread may call it. */
uint64_t emi_clock_now_ns(void);

/** Returns the time in milliseconds, rounded up so that a wait never ends early; -1 for UINT64_MAX. */
int emi_clock_to_milliseconds(uint64_t timeout_ns);

#endif
