/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A pool of threads for work that blocks. Results are delivered in the loop's thread. Threads are started when they are
 * first needed, and end with the loop. A thread that is in a system call then ends when that call returns.
 *
 * At most em_loop_options.pool_threads threads work on jobs that were not given up. A thread whose job was given up
 * does not count, and another one may be started in its place, but there are never more than 64 threads beyond
 * pool_threads. When all threads are stuck, jobs wait until one returns.
 */
#ifndef EMI_POOL_H
#define EMI_POOL_H

#include <eventmachine/loop.h>

#include "base/list.h"

/**
 * A piece of work, embedded in its owner. Its memory must not come from the loop's allocator, since it may outlive the
 * loop.
 */
typedef struct emi_job emi_job;

/** Where a job is: see pool.c. */
typedef enum emi_job_stage { EMI_JOB_WAITING, EMI_JOB_RUNNING, EMI_JOB_GIVEN_UP, EMI_JOB_FINISHED } emi_job_stage;

struct emi_job {
    emi_list link; /**< the pool's, like the three that follow */
    emi_list in_all;
    struct emi_pool *pool;
    emi_job_stage stage;
    void (*work)(emi_job *); /**< in a thread of the pool */
    void (*done)(emi_job *); /**< in the loop's thread, once `work` has returned; frees the job */
    void (*dispose)(
        emi_job *); /**< instead of `done`, in any thread, if it was given up or the loop ended; frees the job */
};

/** Queues the job. EM_NO_MEMORY, EM_LIMIT (no thread can be started): then nothing was called. */
em_status emi_pool_submit(em_loop *loop, emi_job *job);

/**
 * Gives up a job that is not done: `done` is not called. Disposes of it now or, if a thread works on it, when its work
 * returns; in a forked child always now. Takes constant time. In the loop's thread, until `done` is called or the loop
 * has closed the pool.
 */
void emi_pool_give_up(emi_job *job);

#endif
