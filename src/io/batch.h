/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * How many callbacks run before what they have to send is sent: in a row each kind of work finds its code in the processor's
 * cache, but where callbacks are slow, nobody's answer is to wait for all the others'. So a batch ends by the clock, which is
 * looked at rarely as long as callbacks are fast. And much is sent at once, while it is in the cache.
 */
#ifndef EMI_BATCH_H
#define EMI_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "system/clock.h"

enum { EMI_BATCH_NS = 200000, EMI_BATCH_LONGEST_STRIDE = 16, EMI_BATCH_SMALL_BYTES = 2048 };

/** Whether what was gathered is too much to wait for others. */
static inline bool emi_batch_is_large(const emi_span *spans, unsigned count)
{
    return count > 1 || spans[0].length > EMI_BATCH_SMALL_BYTES;
}

typedef struct emi_batch {
    uint64_t begun_ns;
    uint64_t looked_ns; /* at the clock */
    unsigned stride;    /* callbacks between two looks … */
    unsigned left;      /* … and from now to the next */
} emi_batch;

/** A batch begins, at any moment. Zeroed memory will do before the first. */
static inline void emi_batch_begin(emi_batch *batch)
{
    batch->begun_ns = batch->looked_ns = emi_clock_now_ns();
}

/** After a callback: whether it is time to send. Then the next batch has begun. */
static inline bool emi_batch_is_over(emi_batch *batch)
{
    if (batch->left > 0) {
        batch->left--;
        return false;
    }
    uint64_t now_ns = emi_clock_now_ns();
    uint64_t passed_ns = now_ns - batch->looked_ns;
    if (passed_ns > EMI_BATCH_NS / 4)
        batch->stride = 0;
    else if (batch->stride < EMI_BATCH_LONGEST_STRIDE)
        batch->stride = batch->stride * 2 + 1;
    batch->left = batch->stride;
    batch->looked_ns = now_ns;
    if (now_ns - batch->begun_ns < EMI_BATCH_NS)
        return false;
    batch->begun_ns = now_ns;
    return true;
}

#endif
