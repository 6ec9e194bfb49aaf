/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The clock as the library under test sees it: the system's, or one that stands still until the test, or the simulated
 * backend's wait, moves it. So timeouts are tested to the nanosecond and no test sleeps.
 */
#ifndef TEST_CLOCK_H
#define TEST_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/** The function under test_clock's: the system's clock, whatever the rest says. */
uint64_t system_clock_now_ns(void);

/** From now on the clock stands at some time and moves by hand only. */
void test_clock_stop(void);

/** Back to the system's clock. */
void test_clock_resume(void);

bool test_clock_is_stopped(void);

/** Moves a stopped clock on. */
void test_clock_advance(uint64_t ns);

#endif
