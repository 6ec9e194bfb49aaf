/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Counts the memory of a loop and of OpenSSL, for tests that nothing grows.
 */
#ifndef TEST_COUNTED_MEMORY_H
#define TEST_COUNTED_MEMORY_H

#include <eventmachine/loop.h>

/** What is allocated now, all together. */
typedef struct counted_memory {
    long allocations;
    long bytes;
} counted_memory;

/** For loops. */
const em_allocator *counted_memory_allocator(void);

/** From now on OpenSSL's memory is counted. Must come before its first allocation; ends the program otherwise. */
void counted_memory_count_openssl(void);

counted_memory counted_memory_get(void);

#endif
