/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A histogram of latencies with 128 linear buckets in each power of two. So no figure is off by more than 0.8 %,
 * whether it is a microsecond or an hour, and adding one costs a few instructions.
 */
#include "load.h"

#include <string.h>

enum { LINEAR_BITS = 7, LINEAR = 1 << LINEAR_BITS, BUCKETS = (64 - LINEAR_BITS + 1) * LINEAR };

static uint64_t buckets[BUCKETS];
static uint64_t total;

void load_histogram_clear(void)
{
    memset(buckets, 0, sizeof buckets);
    total = 0;
}

void load_histogram_add(uint64_t latency_ns)
{
    unsigned shift = 0;

    if (latency_ns >= LINEAR)
        shift = 63 - LINEAR_BITS - (unsigned)__builtin_clzll(latency_ns);
    buckets[(size_t)shift * LINEAR + (latency_ns >> shift)]++;
    total++;
}

/* Bucket i >= 2 * LINEAR contains the values that are LINEAR + i % LINEAR when shifted right by (i / LINEAR - 1). Its
 * middle is reported. */
static double bucket_ns(unsigned index)
{
    unsigned shift;

    if (index < 2 * LINEAR)
        return index;
    shift = index / LINEAR - 1;
    return ((double)(LINEAR + index % LINEAR) + 0.5) * (double)(UINT64_C(1) << shift);
}

double load_histogram_percentile_us(double percentile)
{
    uint64_t rank = (uint64_t)((double)total * percentile / 100);
    uint64_t seen = 0;

    for (unsigned i = 0; i < BUCKETS; i++) {
        seen += buckets[i];
        if (seen > rank)
            return bucket_ns(i) / 1000;
    }
    return 0;
}
