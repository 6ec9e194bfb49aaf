/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What all system tests share: each test runs on every backend of the machine, with a fresh loop as its state, and
 * under a watchdog. After each test the loop is destroyed and every descriptor must be closed again.
 */
#ifndef TEST_SYSTEM_TEST_H
#define TEST_SYSTEM_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <eventmachine.h>

#define SYSTEM_TEST(function) cmocka_unit_test_setup_teardown(function, system_set_up, system_tear_down)
#define SYSTEM_RUN(tests) system_run(tests, sizeof(tests) / sizeof *(tests))

/** Runs the tests on each backend; the result is main's. */
int system_run(const struct CMUnitTest *tests, size_t count);

/* Before and after each test. A test that destroys the loop itself sets *state to NULL. */
int system_set_up(void **state);
int system_tear_down(void **state);

/** Zeroed memory that lives until the test's loop is gone: for what callbacks refer to. */
void *system_memory(size_t bytes);

/** The backend that is being tested. */
const char *system_backend(void);

/** A loop over that backend; options.size and options.backend are filled in. */
em_loop *system_create_loop(em_loop_options options);

/** One turn of the loop that waits for some milliseconds at most: for tests that look at something else meanwhile. */
void system_turn(em_loop *loop);

/** Runs the loop for so long: for tests of what must not happen, or how often. */
void system_run_for(em_loop *loop, uint64_t duration_ns);

em_loop_stats system_stats(const em_loop *loop);

/** The monotonic clock. */
uint64_t system_now_ns(void);

/** What this process has used of the processors, in user and kernel mode. */
uint64_t system_cpu_ns(void);

/**
 * For upper bounds on time: measures until the time is below the bound, some dozens of times at most. A busy machine
 * makes any attempt slow, a fault makes all of them slow.
 */
void system_expect_at_best(uint64_t bound_ns, uint64_t (*measure)(em_loop *loop), em_loop *loop);

/** How many descriptors are open. */
unsigned system_descriptors(void);

/** For programs whose descriptors are not all their own: from now on tests may end with others open than they began
 * with. */
void system_share_descriptors(void);

/** Skips the test, and says why. */
void system_skip(const char *reason);

#endif
