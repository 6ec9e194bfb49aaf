/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Stands in for src/system/clock_posix.c, which it contains under another name: the linker prefers it to the library's.
 */
#include "support/test_clock.h"

#include "system/clock.h"

#define emi_clock_now_ns system_clock_now_ns
#include "../../src/system/clock_posix.c" /* NOLINT(bugprone-suspicious-include) */
#undef emi_clock_now_ns

static bool stopped;
static uint64_t stopped_at_ns;

uint64_t emi_clock_now_ns(void)
{
    return stopped ? stopped_at_ns : system_clock_now_ns();
}

void test_clock_stop(void)
{
    stopped_at_ns = system_clock_now_ns();
    stopped = true;
}

void test_clock_resume(void)
{
    stopped = false;
}

bool test_clock_is_stopped(void)
{
    return stopped;
}

void test_clock_advance(uint64_t ns)
{
    stopped_at_ns += ns;
}
