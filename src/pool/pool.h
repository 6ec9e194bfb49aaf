/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A pool of threads for work that blocks; results come back to the loop's thread. The threads start when they are first
 * needed, and end with the loop; one that is stuck in a system call then is left behind and ends when that call returns.
 */
#ifndef EMI_POOL_H
#define EMI_POOL_H

#include <eventmachine/loop.h>

#include "base/list.h"

/**
 * A piece of work, embedded in its owner. Its memory must not come from the loop's allocator, since it may outlive the loop.
 */
typedef struct emi_job emi_job;
struct emi_job {
    emi_list link;              /**< the pool's */
    void (*work)(emi_job *);    /**< in a thread of the pool */
    void (*done)(emi_job *);    /**< in the loop's thread, once `work` has returned; frees the job */
    void (*dispose)(emi_job *); /**< instead of `done`, in any thread, if the loop ended before; frees the job */
};

/** Has the job done. EM_NO_MEMORY, EM_LIMIT (no thread can be started): then nothing was called. */
em_status emi_pool_submit(em_loop *loop, emi_job *job);

#endif
