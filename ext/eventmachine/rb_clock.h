/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The clock of the loop's time.
 */
#ifndef RB_CLOCK_H
#define RB_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC, read now. The loop's time is the same clock, but stands still within a turn. */
uint64_t rb_em_clock_ns(void);

#endif
