/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * An allocator that fails when told to and knows what was not given back. Any thread.
 */
#ifndef TEST_FAILING_ALLOCATOR_H
#define TEST_FAILING_ALLOCATOR_H

#include <stdatomic.h>
#include <stdbool.h>

#include <eventmachine/loop.h>

typedef struct failing_allocator {
    em_allocator allocator; /* to be handed to the library */
    atomic_ulong requests;  /* allocations and resizings asked for */
    atomic_ulong failures;
    atomic_ulong fail_at;    /* the request of this number fails, counted from 1; 0: none */
    atomic_bool fail_after;  /* so do all that follow it */
    atomic_ulong fail_every; /* one of so many requests fails; 0: none */
    atomic_long live;        /* allocations not given back */
} failing_allocator;

/** Never fails, at first. */
void failing_allocator_init(failing_allocator *allocator);

/** Has the n-th request from now fail, and with `EM_ON` all later ones; n = 0: none. */
void failing_allocator_fail(failing_allocator *allocator, unsigned long n, em_switch all_later_ones);

/** Has one of so many requests fail from now on; 0: none. */
void failing_allocator_fail_every(failing_allocator *allocator, unsigned long n);

#endif
