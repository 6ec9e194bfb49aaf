/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What a library has to offer to timers_measure.c, which measures it: timers numbered from 0, of which each is added,
 * taken out and put in again, and a loop that runs until they have all fired. Milliseconds, since not every library
 * counts finer.
 */
#ifndef BENCH_TIMERS_MEASURE_H
#define BENCH_TIMERS_MEASURE_H

#include <stdint.h>

/* Makes the loop, with room for handles of so many timers, none of it touched yet. */
void timers_open(uint32_t count);

/* Adds timer i, which is not pending. When due it calls timers_fired. */
void timers_add(uint32_t i, uint32_t delay_ms);

/* Cancels timer i, which is pending. */
void timers_cancel(uint32_t i);

/* Runs the loop until timers_stop is called. Its first act is to call `measure`, as programs use timers: from
 * callbacks. */
void timers_run(void (*measure)(void));
void timers_stop(void);

/* By timers_measure.c: counts, and calls timers_stop after the last. */
void timers_fired(void);

#endif
