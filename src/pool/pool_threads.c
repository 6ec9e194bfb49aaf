/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The threads of the pool: starting them, and what they do until they end.
 */
#include <limits.h>
#include <stdlib.h>

#include "base/invariant.h"
#include "pool/pool_private.h"

/* The most threads of a lane beyond most_threads: enough for bursts of names whose servers do not answer. */
enum { MOST_STUCK_THREADS = 64 };

static em_status open_conditions(emi_pool *pool)
{
    for (unsigned i = 0; i < EMI_POOL_LANES; i++) {
        em_status status = emi_condition_open(&pool->lanes[i].work_to_do);
        if (status == EM_OK)
            continue;
        while (i > 0)
            emi_condition_close(&pool->lanes[--i].work_to_do);
        return status;
    }
    return EM_OK;
}

em_status emi_pool_open_locks(emi_pool *pool)
{
    em_status status = emi_mutex_open(&pool->mutex);
    if (status != EM_OK)
        return status;
    status = open_conditions(pool);
    if (status != EM_OK)
        emi_mutex_close(&pool->mutex);
    return status;
}

void emi_pool_free(emi_pool *pool)
{
    for (unsigned i = 0; i < EMI_POOL_LANES; i++)
        emi_condition_close(&pool->lanes[i].work_to_do);
    emi_mutex_close(&pool->mutex);
    free(pool);
}

void emi_lane_add(emi_lane *lane, emi_job *job)
{
    job->stage = EMI_JOB_WAITING;
    emi_list_append(&lane->waiting, &job->link);
    lane->waiting_count++;
}

void emi_pool_note_finished(emi_pool *pool, emi_job *job)
{
    job->stage = EMI_JOB_FINISHED;
    emi_list_append(&pool->finished, &job->link);
    atomic_store(&pool->has_finished, true);
}

/* The mutex is unlocked while the job works. */
static void work_on(emi_lane *lane, emi_job *job)
{
    emi_pool *pool = lane->pool;
    emi_mutex_unlock(&pool->mutex);
    job->work(job);
    emi_mutex_lock(&pool->mutex);
    if (job->stage != EMI_JOB_GIVEN_UP && pool->loop) {
        emi_pool_note_finished(pool, job);
        em_loop_wake(pool->loop);
        return;
    }
    if (job->stage == EMI_JOB_GIVEN_UP) {
        EMI_INVARIANT(lane->stuck > 0 && lane->stuck <= lane->threads);
        lane->stuck--;
    }
    /* Not with the mutex held: a program's own function is called. */
    emi_mutex_unlock(&pool->mutex);
    job->dispose(job);
    emi_mutex_lock(&pool->mutex);
}

/* After a stuck thread has returned while another was started in its place, there is one too many. */
static bool has_too_many_threads(const emi_lane *lane)
{
    return lane->threads - lane->stuck > lane->most_threads;
}

/* A parent that has handed over its loop begins nothing that its child does, too. */
static emi_job *take_waiting(emi_lane *lane)
{
    if (lane->waiting_count == 0 || emi_loop_is_forked(lane->pool->loop))
        return NULL;
    emi_job *job = emi_take_job(&lane->waiting);
    EMI_INVARIANT(job && job->stage == EMI_JOB_WAITING);
    lane->waiting_count--;
    job->stage = EMI_JOB_RUNNING;
    return job;
}

/* Works until there is nothing to do for long, or no more for this thread. */
static void work(emi_lane *lane)
{
    emi_pool *pool = lane->pool;
    bool was_called = true;
    while (pool->loop && !has_too_many_threads(lane)) {
        emi_job *job = take_waiting(lane);
        if (job) {
            work_on(lane, job);
            was_called = true;
            continue;
        }
        if (!was_called)
            return;
        lane->idle++;
        was_called = emi_condition_wait_for(&lane->work_to_do, &pool->mutex, pool->idle_ns);
        lane->idle--;
    }
}

static void run_thread(void *argument)
{
    emi_lane *lane = argument;
    emi_pool *pool = lane->pool;
    emi_mutex_lock(&pool->mutex);
    work(lane);
    lane->threads--;
    pool->threads--;
    if (pool->loop)
        atomic_store(&pool->loop->pool_threads_open, pool->threads);
    bool is_unused = emi_pool_is_unused(pool);
    emi_mutex_unlock(&pool->mutex);
    if (is_unused)
        emi_pool_free(pool);
}

/* A thread that was woken counts as idle until it runs, and the job it was woken for counts as waiting until then. */
em_status emi_lane_start_thread(emi_lane *lane)
{
    emi_pool *pool = lane->pool;
    if (lane->waiting_count <= lane->idle || lane->threads - lane->stuck >= lane->most_threads ||
        lane->threads >= lane->most_threads + MOST_STUCK_THREADS)
        return EM_OK;
    em_status status = emi_thread_start(run_thread, lane);
    if (status != EM_OK)
        return status;
    lane->threads++;
    pool->threads++;
    atomic_store(&pool->loop->pool_threads_open, pool->threads);
    return EM_OK;
}

void emi_lane_start_threads(emi_lane *lane)
{
    emi_mutex_lock(&lane->pool->mutex);
    em_status status = EM_OK;
    for (unsigned before = UINT_MAX;
         status == EM_OK && lane->threads < lane->waiting_count && lane->threads != before;) {
        before = lane->threads;
        status = emi_lane_start_thread(lane);
    }
    lane->lacks_threads = lane->waiting_count > 0 && lane->threads == 0;
    emi_mutex_unlock(&lane->pool->mutex);
}
