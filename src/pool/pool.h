/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A pool of threads for work that blocks. Results are delivered in the loop's thread. Threads are started when they are
 * first needed, and end when they have been idle for em_loop_options.pool_idle_ns, or with the loop. A thread that is
 * in a system call then ends when that call returns.
 *
 * The pool has lanes, each with threads and a queue of its own, so that no kind of work waits for another: a name does
 * not wait behind the program's jobs, nor a file behind names whose servers do not answer.
 *
 * In each lane at most em_loop_options.pool_threads threads work on jobs that were not given up. A thread whose job was
 * given up does not count, and another one may be started in its place, but there are never more than 64 threads beyond
 * pool_threads. When all threads are stuck, jobs wait until one returns.
 */
#ifndef EMI_POOL_H
#define EMI_POOL_H

#include <eventmachine/loop.h>

#include "base/list.h"

/** What a job is for. */
typedef enum emi_pool_lane {
    EMI_POOL_NAMES, /**< lookups, which may take as long as a name server that does not answer */
    EMI_POOL_FILES, /**< reading and writing files, which takes as long as a disk */
    EMI_POOL_JOBS,  /**< the program's, see pool_jobs.c */
    EMI_POOL_LANES
} emi_pool_lane;

/**
 * A piece of work, embedded in its owner. Its memory must not come from the loop's allocator, since it may outlive the
 * loop. The owner zeroes it and sets the fields that say so.
 */
typedef struct emi_job emi_job;

/** Where a job is: see pool_service.c. */
typedef enum emi_job_stage { EMI_JOB_WAITING, EMI_JOB_RUNNING, EMI_JOB_GIVEN_UP, EMI_JOB_FINISHED } emi_job_stage;

struct emi_job {
    emi_list link; /**< the pool's, like the three that follow */
    emi_list in_all;
    struct emi_pool *pool;
    emi_job_stage stage;
    emi_pool_lane lane; /**< the owner's */
    /** The owner's: work that a fork has interrupted is not repeated in the child that takes over the loop. Instead
     * `done` is called there with `interrupted` set. */
    bool works_once;
    bool interrupted;
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

/**
 * Takes a job that waits for a thread out of the queue: `work` is never called, and `done` is called in a later turn.
 * Returns false, and does nothing, if a thread has begun. In the loop's thread, until `done` is called or the loop has
 * closed the pool.
 */
bool emi_pool_cancel(emi_job *job);

#endif
