/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * malloc(3), with failures by number.
 */
#include "support/failing_allocator.h"

#include <stdlib.h>

static void *reallocate(void *user, void *pointer, size_t bytes)
{
    failing_allocator *allocator = user;
    if (bytes == 0) {
        if (pointer)
            atomic_fetch_sub(&allocator->live, 1);
        free(pointer);
        return NULL;
    }
    unsigned long number = atomic_fetch_add(&allocator->requests, 1) + 1;
    unsigned long fail_at = atomic_load(&allocator->fail_at);
    unsigned long fail_every = atomic_load(&allocator->fail_every);
    if ((fail_at != 0 && (number == fail_at || (number > fail_at && atomic_load(&allocator->fail_after)))) ||
        (fail_every != 0 && number % fail_every == 0)) {
        atomic_fetch_add(&allocator->failures, 1);
        return NULL;
    }
    if (!pointer)
        atomic_fetch_add(&allocator->live, 1);
    return realloc(pointer, bytes);
}

void failing_allocator_init(failing_allocator *allocator)
{
    allocator->allocator = (em_allocator){.reallocate = reallocate, .user = allocator};
    atomic_init(&allocator->requests, 0);
    atomic_init(&allocator->failures, 0);
    atomic_init(&allocator->fail_at, 0);
    atomic_init(&allocator->fail_after, false);
    atomic_init(&allocator->fail_every, 0);
    atomic_init(&allocator->live, 0);
}

void failing_allocator_fail(failing_allocator *allocator, unsigned long n, em_switch all_later_ones)
{
    atomic_store(&allocator->fail_after, all_later_ones == EM_ON);
    atomic_store(&allocator->fail_at, n == 0 ? 0 : atomic_load(&allocator->requests) + n);
}

void failing_allocator_fail_every(failing_allocator *allocator, unsigned long n)
{
    atomic_store(&allocator->fail_every, n);
}
