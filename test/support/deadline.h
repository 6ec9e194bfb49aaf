/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Bounds a test in time, and ends the program where a check within a callback cannot go on.
 */
#ifndef TEST_DEADLINE_H
#define TEST_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

/** From now on the program ends with a message unless deadline_stop is called within so many seconds. */
void deadline_start(unsigned seconds);
void deadline_stop(void);

/** For cmocka: a deadline of 300 seconds, for tests that need nothing else. */
int deadline_set_up(void **state);
int deadline_tear_down(void **state);

/** Ends the program with a message. For checks within callbacks, which cannot leave the test function. */
_Noreturn void stop_test(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Waits until a descriptor polls readable, at most so many milliseconds. */
bool wait_until_readable(int descriptor, int timeout_ms);

#endif
