/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The batcher in builds without liburing: none can be created.
 */
#include "base/features.h"

#if !EMI_HAVE_URING

#include "io/batcher.h"

em_status emi_batcher_create(emi_batcher **batcher)
{
    (void)batcher;
    return EM_UNKNOWN_BACKEND;
}

void emi_batcher_destroy(emi_batcher *batcher)
{
    (void)batcher;
}

bool emi_batcher_run(emi_batcher *batcher, emi_call *calls, unsigned count)
{
    (void)batcher;
    emi_calls_run(calls, count);
    return false;
}

const char *emi_batcher_refusal(void)
{
    return "io_uring: built without liburing";
}

#endif
