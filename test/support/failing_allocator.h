/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * An allocator that fails on request and counts what was not freed. Any thread may use it.
 */
#ifndef TEST_FAILING_ALLOCATOR_H
#define TEST_FAILING_ALLOCATOR_H

#include <stdatomic.h>
#include <stdbool.h>

#include <eventmachine/loop.h>

typedef struct failing_allocator {
    em_allocator allocator; /* for the library */
    atomic_ulong requests;  /* allocations and resizings asked for */
    atomic_ulong failures;
    atomic_ulong fail_at;    /* the request of this number fails, counted from 1; 0: none */
    atomic_bool fail_after;  /* so do all that follow it */
    atomic_ulong fail_every; /* one of so many requests fails; 0: none */
    atomic_long live;        /* allocations that were not freed */
} failing_allocator;

/** At first it never fails. */
void failing_allocator_init(failing_allocator *allocator);

/** Makes the n-th request from now fail, and all later ones if `EM_ON`; n = 0: none. */
void failing_allocator_fail(failing_allocator *allocator, unsigned long n, em_switch all_later_ones);

/** Makes one of n requests fail from now on; n = 0: none. */
void failing_allocator_fail_every(failing_allocator *allocator, unsigned long n);

#endif
