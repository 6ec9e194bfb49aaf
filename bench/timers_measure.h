/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The interface between timers_measure.c and the library that it measures: timers numbered from 0, each of which is
 * added, cancelled and added again, and a loop that runs until all have fired. Times are milliseconds, because not
 * every library has a finer unit.
 */
#ifndef BENCH_TIMERS_MEASURE_H
#define BENCH_TIMERS_MEASURE_H

#include <stdint.h>

/* Creates the loop, with room for the handles of the given number of timers, none of it touched yet. */
void timers_open(uint32_t count);

/* Adds timer i, which is not pending. When it fires, it calls timers_fired. */
void timers_add(uint32_t i, uint32_t delay_ms);

/* Cancels timer i, which is pending. */
void timers_cancel(uint32_t i);

/* Runs the loop until timers_stop is called. It first calls `measure` from within the loop, because programs use timers
 * in callbacks. */
void timers_run(void (*measure)(void));
void timers_stop(void);

/* Defined in timers_measure.c: counts, and calls timers_stop after the last timer. */
void timers_fired(void);

#endif
