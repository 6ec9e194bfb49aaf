/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A slice: callbacks that run in a row before their replies are sent in a row. Work of one kind done in a row finds its
 * code in the processor's cache. But if callbacks are slow, a reply must not wait for all of them, so a slice ends by
 * the clock. The clock is read rarely while callbacks are fast. Large replies are sent at once, while they are in the
 * cache.
 */
#ifndef EMI_SLICE_H
#define EMI_SLICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"
#include "system/clock.h"

enum { EMI_SLICE_NS = 200000, EMI_SLICE_LONGEST_STRIDE = 2, EMI_SLICE_SMALL_BYTES = 2048 };

/** Whether gathered bytes are too many to wait for the end of the slice. */
static inline bool emi_slice_is_large(const emi_span *spans, unsigned count)
{
    return count > 1 || spans[0].length > EMI_SLICE_SMALL_BYTES;
}

typedef struct emi_slice {
    uint64_t begun_ns;
    uint64_t read_ns; /* when the clock was last read */
    unsigned stride;  /* callbacks between two readings of the clock … */
    unsigned left;    /* … and those left until the next */
} emi_slice;

/** Begins a slice. Before the first one, the memory must be zeroed. */
static inline void emi_slice_begin(emi_slice *slice)
{
    slice->begun_ns = slice->read_ns = emi_clock_now_ns();
}

/** To be called after each callback. Returns true if the slice is over; the next one has begun then. */
static inline bool emi_slice_is_over(emi_slice *slice)
{
    if (slice->left > 0) {
        slice->left--;
        return false;
    }
    uint64_t now_ns = emi_clock_now_ns();
    uint64_t passed_ns = now_ns - slice->read_ns;
    if (passed_ns > EMI_SLICE_NS / 4)
        slice->stride = 0;
    else if (slice->stride < EMI_SLICE_LONGEST_STRIDE)
        slice->stride = slice->stride * 2 + 1;
    slice->left = slice->stride;
    slice->read_ns = now_ns;
    if (now_ns - slice->begun_ns < EMI_SLICE_NS)
        return false;
    slice->begun_ns = now_ns;
    return true;
}

#endif
