/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Counts the system calls of a piece of work, which a forked child does while this process traces it, ptrace(2).
 */
#ifndef TEST_SYSTEM_CALLS_H
#define TEST_SYSTEM_CALLS_H

#include <stdbool.h>

enum { SYSTEM_CALL_PARTS = 4, SYSTEM_CALL_NUMBERS = 512 };

/** How often each system call was made, in each part of the work. */
typedef struct system_calls {
    unsigned part_count;
    unsigned counts[SYSTEM_CALL_PARTS][SYSTEM_CALL_NUMBERS];
} system_calls;

/**
 * Lets a child do the work. It returns whether all went well, and cannot use assertions. What its calling thread does
 * between system_calls_begin_part and system_calls_end_part is counted. Skips the test if processes cannot be traced
 * here.
 */
void system_calls_count(bool (*work)(void *user), void *user, system_calls *calls);

void system_calls_begin_part(void);
void system_calls_end_part(void);

/** All calls of a part. */
unsigned system_calls_sum(const system_calls *calls, unsigned part);

#endif
