/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The pool of threads, as the loop's thread sees it. The part that threads share lives until the last of them has
 * ended, which may be after the loop.
 *
 *   waiting ───► running ───► finished ───► done
 *    │    │         │         ▲   │
 *    │    └─────────┼─────────┘   │
 *    │ cancelled    ▼             │
 *    │           given up         │
 *    ▼              ▼             ▼
 *   disposed     disposed      disposed
 *
 * Waiting and finished jobs are in lists, from which they are removed when they are given up. A running job cannot be
 * taken from its thread: the thread counts as stuck until the job returns, and another one may be started in its place.
 */
#include "pool/pool.h"

#include <stdlib.h>

#include "base/invariant.h"
#include "pool/pool_private.h"

/* Those for names wait for a server most of the time. */
enum { DEFAULT_THREADS = 4, DEFAULT_NAME_THREADS = 32 };

static emi_pool *pool_of(emi_service *service)
{
    return EMI_CONTAINER(service, emi_pool, service);
}

static emi_lane *lane_of(const emi_job *job)
{
    return &job->pool->lanes[job->lane];
}

/* Where a job goes in the child: work that was interrupted is repeated unless the owner forbids it. */
static void renew_job(emi_pool *pool, emi_job *job)
{
    emi_list_init(&job->link);
    if (job->works_once && job->stage != EMI_JOB_WAITING) {
        job->interrupted = job->stage == EMI_JOB_RUNNING;
        emi_pool_note_finished(pool, job);
    } else
        emi_lane_add(lane_of(job), job);
}

/*
 * The threads were the parent's. The fork may have interrupted their work, and their changes of the lists. So the lists
 * are rebuilt from the one that only this thread changes.
 */
static void renew(emi_service *service)
{
    emi_pool *pool = pool_of(service);
    if (!pool->loop)
        return;
    emi_pool_open_locks(pool);
    emi_list_init(&pool->finished);
    emi_list_init(&pool->delivering);
    atomic_store(&pool->has_finished, false);
    pool->threads = 0;
    atomic_store(&pool->loop->pool_threads_open, 0);
    for (unsigned i = 0; i < EMI_POOL_LANES; i++) {
        emi_lane *lane = &pool->lanes[i];
        emi_list_init(&lane->waiting);
        lane->waiting_count = lane->threads = lane->idle = lane->stuck = 0;
    }
    for (emi_list *link = pool->all.next; link != &pool->all; link = link->next)
        renew_job(pool, EMI_CONTAINER(link, emi_job, in_all));
    for (unsigned i = 0; i < EMI_POOL_LANES; i++)
        emi_lane_start_threads(&pool->lanes[i]);
}

static void start_lacking_threads(emi_pool *pool)
{
    for (unsigned i = 0; i < EMI_POOL_LANES; i++)
        if (pool->lanes[i].lacks_threads)
            emi_lane_start_threads(&pool->lanes[i]);
}

static void deliver(emi_service *service)
{
    emi_pool *pool = pool_of(service);
    start_lacking_threads(pool);
    if (!atomic_load(&pool->has_finished))
        return;
    emi_list finished;
    emi_list_init(&finished);
    emi_mutex_lock(&pool->mutex);
    atomic_store(&pool->has_finished, false);
    emi_list_move_all(&finished, &pool->finished);
    emi_mutex_unlock(&pool->mutex);
    emi_list_move_all(&pool->delivering, &finished);
    /* In a child that was forked in `done`, the others are left to renew. */
    emi_job *job;
    while (!emi_loop_is_forked(pool->loop) && (job = emi_take_job(&pool->delivering))) {
        EMI_INVARIANT(job->stage == EMI_JOB_FINISHED && job->pool == pool);
        emi_list_remove(&job->in_all);
        job->done(job);
    }
}

static bool has_finished(const emi_service *service)
{
    return atomic_load(&((const emi_pool *)(const void *)service)->has_finished);
}

/* A forked child has none of the threads, and the mutex may be locked forever. So what is shared with a thread is
 * leaked there: the pool, and jobs that a thread was working on. */
static void dispose_in_child(emi_pool *pool)
{
    for (emi_list *link = pool->all.next, *next; link != &pool->all; link = next) {
        emi_job *job = EMI_CONTAINER(link, emi_job, in_all);
        next = link->next;
        if (job->stage != EMI_JOB_RUNNING)
            job->dispose(job);
    }
    emi_list_init(&pool->all);
}

/* Before the backend is destroyed, because threads wake the loop. */
static void close_pool(emi_service *service)
{
    emi_pool *pool = pool_of(service);
    if (emi_is_forked_since(pool->loop->fork_count)) {
        dispose_in_child(pool);
        return;
    }
    emi_list jobs;
    emi_list_init(&jobs);
    emi_mutex_lock(&pool->mutex);
    pool->loop = NULL;
    emi_list_move_all(&jobs, &pool->delivering);
    emi_list_move_all(&jobs, &pool->finished);
    for (unsigned i = 0; i < EMI_POOL_LANES; i++) {
        emi_list_move_all(&jobs, &pool->lanes[i].waiting);
        pool->lanes[i].waiting_count = 0;
        emi_condition_broadcast(&pool->lanes[i].work_to_do);
    }
    emi_mutex_unlock(&pool->mutex);
    for (emi_job *job; (job = emi_take_job(&jobs));)
        job->dispose(job);
}

static void leave_pool(emi_service *service)
{
    emi_pool *pool = pool_of(service);
    if (pool->loop)
        return; /* of a forked child */
    emi_mutex_lock(&pool->mutex);
    pool->is_kept = false;
    bool is_unused = emi_pool_is_unused(pool);
    emi_mutex_unlock(&pool->mutex);
    if (is_unused)
        emi_pool_free(pool);
}

static const emi_service_operations operations = {
    .turn = deliver,
    .has_work = has_finished,
    .renew = renew,
    .close = close_pool,
    .destroy = leave_pool,
};

static unsigned most_threads(const em_loop *loop, emi_pool_lane lane)
{
    if (loop->pool_threads > 0)
        return loop->pool_threads;
    return lane == EMI_POOL_NAMES ? DEFAULT_NAME_THREADS : DEFAULT_THREADS;
}

static em_status open_pool(em_loop *loop, emi_pool **opened)
{
    emi_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return EM_NO_MEMORY;
    em_status status = emi_pool_open_locks(pool);
    if (status != EM_OK) {
        free(pool);
        return status;
    }
    pool->service.operations = &operations;
    pool->loop = loop;
    pool->is_kept = true;
    pool->idle_ns = loop->pool_idle_ns;
    emi_list_init(&pool->finished);
    emi_list_init(&pool->delivering);
    emi_list_init(&pool->all);
    for (unsigned i = 0; i < EMI_POOL_LANES; i++) {
        pool->lanes[i].pool = pool;
        pool->lanes[i].most_threads = most_threads(loop, (emi_pool_lane)i);
        emi_list_init(&pool->lanes[i].waiting);
    }
    emi_loop_add_service(loop, EMI_SERVICE_POOL, &pool->service);
    *opened = pool;
    return EM_OK;
}

em_status emi_pool_submit(em_loop *loop, emi_job *job)
{
    emi_pool *pool = loop->services[EMI_SERVICE_POOL] ? pool_of(loop->services[EMI_SERVICE_POOL]) : NULL;
    em_status status = pool ? EM_OK : open_pool(loop, &pool);
    if (status != EM_OK)
        return status;
    job->pool = pool;
    emi_lane *lane = lane_of(job);
    emi_mutex_lock(&pool->mutex);
    emi_list_append(&pool->all, &job->in_all);
    emi_lane_add(lane, job);
    status = emi_lane_start_thread(lane);
    if (lane->threads > 0) {
        emi_condition_signal(&lane->work_to_do);
        status = EM_OK;
    } else {
        emi_list_remove(&job->in_all);
        emi_list_remove(&job->link);
        lane->waiting_count--;
    }
    emi_mutex_unlock(&pool->mutex);
    return status;
}

void emi_pool_give_up(emi_job *job)
{
    emi_pool *pool = job->pool;
    emi_lane *lane = lane_of(job);
    emi_list_remove(&job->in_all);
    /* In a forked child the mutex may be locked forever, and no thread can be working on the job. */
    if (emi_is_forked_since(pool->loop->fork_count)) {
        job->dispose(job);
        return;
    }
    emi_mutex_lock(&pool->mutex);
    bool is_running = job->stage == EMI_JOB_RUNNING;
    if (is_running) {
        job->stage = EMI_JOB_GIVEN_UP;
        lane->stuck++;
        /* If none can be started now, that is tried again with the next job. */
        emi_lane_start_thread(lane);
    } else {
        if (job->stage == EMI_JOB_WAITING)
            lane->waiting_count--;
        emi_list_remove(&job->link);
    }
    emi_mutex_unlock(&pool->mutex);
    if (!is_running)
        job->dispose(job);
}

bool emi_pool_cancel(emi_job *job)
{
    emi_pool *pool = job->pool;
    emi_mutex_lock(&pool->mutex);
    bool waits = job->stage == EMI_JOB_WAITING;
    if (waits) {
        lane_of(job)->waiting_count--;
        emi_list_remove(&job->link);
        emi_pool_note_finished(pool, job);
    }
    emi_mutex_unlock(&pool->mutex);
    return waits;
}
