/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The pool's two halves: pool_service.c, which is the loop's side, and pool_threads.c, which is that of the threads.
 */
#ifndef EMI_POOL_PRIVATE_H
#define EMI_POOL_PRIVATE_H

#include "loop/loop_private.h"
#include "pool/pool.h"
#include "system/thread.h"

typedef struct emi_pool emi_pool;

/** The threads and the queue of one kind of work. Guarded by the pool's mutex. */
typedef struct emi_lane {
    emi_pool *pool;
    emi_condition work_to_do;
    emi_list waiting;
    unsigned waiting_count;
    unsigned most_threads; /* that are not stuck */
    unsigned threads;      /* all of them */
    unsigned idle;
    unsigned stuck;     /* threads whose job was given up */
    bool lacks_threads; /* the loop thread's own: none could be started for the jobs of renew */
} emi_lane;

struct emi_pool {
    emi_service service;
    em_loop *loop; /* NULL when it ends; guarded by the mutex, like all that follows */
    bool is_kept;  /* by the loop, until its very end */
    emi_mutex mutex;
    emi_lane lanes[EMI_POOL_LANES];
    emi_list finished;
    emi_list delivering;      /* the loop thread's own */
    emi_list all;             /* the loop thread's own: every job, wherever it is */
    atomic_bool has_finished; /* also read without the mutex */
    unsigned threads;         /* of all lanes */
    uint64_t idle_ns;         /* how long a thread waits for work */
};

/** Takes the first job off a list; NULL if it is empty. */
static inline emi_job *emi_take_job(emi_list *jobs)
{
    emi_list *link = emi_list_take_first(jobs);
    return link ? EMI_CONTAINER(link, emi_job, link) : NULL;
}

/* With the mutex held: */

/** Queues a job that is in no list. */
void emi_lane_add(emi_lane *lane, emi_job *job);

/** Notes that a job has its result, which the loop's thread delivers. */
void emi_pool_note_finished(emi_pool *pool, emi_job *job);

/** Starts a thread if the jobs that wait need one and there may be one. */
em_status emi_lane_start_thread(emi_lane *lane);

/** If it returns true, the caller is the last user and must free the pool. */
static inline bool emi_pool_is_unused(const emi_pool *pool)
{
    return !pool->is_kept && pool->threads == 0;
}

/* Without the mutex: */

/** Starts a thread for each waiting job, up to the limit. With at least one thread all jobs get done. */
void emi_lane_start_threads(emi_lane *lane);

/** Opens the locks of the pool, or replaces those that a fork may have left locked. */
em_status emi_pool_open_locks(emi_pool *pool);

void emi_pool_free(emi_pool *pool);

#endif
