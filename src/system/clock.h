/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The monotonic clock.
 */
#ifndef EMI_CLOCK_H
#define EMI_CLOCK_H

#include <stdint.h>

/** Nanoseconds of CLOCK_MONOTONIC, clock_gettime(2). Any thread. */
uint64_t emi_clock_now_ns(void);

/** For waits that count milliseconds: rounded up, since they must not end before their time; -1 for UINT64_MAX. */
int emi_clock_to_milliseconds(uint64_t timeout_ns);

#endif
