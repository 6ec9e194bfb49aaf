/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The pool of threads. The part that threads share lives until the last of them has ended, which may be after the loop.
 *
 *   waiting ───► running ───► finished ───► done
 *      │            │             │
 *      │            ▼             │
 *      │         given up         │
 *      ▼            ▼             ▼
 *   disposed     disposed      disposed
 *
 * Waiting and finished jobs are in lists, from which they are removed when they are given up. A running job cannot be
 * taken from its thread: the thread counts as stuck until the job returns, and another one may be started in its place.
 */
#include "pool/pool.h"

#include <limits.h>
#include <stdlib.h>

#include "base/invariant.h"
#include "loop/loop_private.h"
#include "system/thread.h"

/* The most threads beyond most_threads: enough for bursts of names whose servers do not answer. */
enum { MOST_STUCK_THREADS = 64 };

typedef struct emi_pool {
    emi_service service;
    em_loop *loop; /* NULL when it ends; guarded by the mutex, like all that follows */
    bool is_kept;  /* by the loop, until its very end */
    emi_mutex mutex;
    emi_condition work_to_do;
    emi_list waiting;
    unsigned waiting_count;
    emi_list finished;
    emi_list delivering;      /* the loop thread's own */
    emi_list all;             /* the loop thread's own: every job, wherever it is */
    atomic_bool has_finished; /* also read without the mutex */
    bool lacks_threads;       /* the loop thread's own: none could be started for the jobs of renew */
    unsigned threads;         /* all of them */
    unsigned idle;
    unsigned stuck;        /* threads whose job was given up */
    unsigned most_threads; /* that are not stuck */
} pool;

static pool *pool_of(emi_service *service)
{
    return EMI_CONTAINER(service, pool, service);
}

/* With the mutex held. If it returns true, the caller is the last user and must free the pool. */
static bool is_unused(const pool *shared)
{
    return !shared->is_kept && shared->threads == 0;
}

static void free_pool(pool *shared)
{
    emi_condition_close(&shared->work_to_do);
    emi_mutex_close(&shared->mutex);
    free(shared);
}

static emi_job *take_job(emi_list *jobs)
{
    emi_list *link = emi_list_take_first(jobs);
    return link ? EMI_CONTAINER(link, emi_job, link) : NULL;
}

/* With the mutex held, which is unlocked while the job works. */
static void work_on(pool *shared, emi_job *job)
{
    emi_mutex_unlock(&shared->mutex);
    job->work(job);
    emi_mutex_lock(&shared->mutex);
    if (job->stage == EMI_JOB_GIVEN_UP) {
        EMI_INVARIANT(shared->stuck > 0 && shared->stuck <= shared->threads);
        shared->stuck--;
        job->dispose(job);
    } else if (shared->loop) {
        job->stage = EMI_JOB_FINISHED;
        emi_list_append(&shared->finished, &job->link);
        atomic_store(&shared->has_finished, true);
        em_loop_wake(shared->loop);
    } else {
        job->dispose(job);
    }
}

/* After a stuck thread has returned while another was started in its place, there is one too many. */
static bool has_too_many_threads(const pool *shared)
{
    return shared->threads - shared->stuck > shared->most_threads;
}

static void run_thread(void *argument)
{
    pool *shared = argument;
    emi_mutex_lock(&shared->mutex);
    while (shared->loop && !has_too_many_threads(shared)) {
        emi_job *job = take_job(&shared->waiting);
        if (job) {
            EMI_INVARIANT(job->stage == EMI_JOB_WAITING && shared->waiting_count > 0);
            shared->waiting_count--;
            job->stage = EMI_JOB_RUNNING;
            work_on(shared, job);
            continue;
        }
        shared->idle++;
        emi_condition_wait(&shared->work_to_do, &shared->mutex);
        shared->idle--;
    }
    shared->threads--;
    bool unused = is_unused(shared);
    emi_mutex_unlock(&shared->mutex);
    if (unused)
        free_pool(shared);
}

/* With the mutex held. A thread that was woken counts as idle until it runs, and the job it was woken for counts as
 * waiting until then. */
static em_status start_thread_if_needed(pool *shared)
{
    if (shared->waiting_count <= shared->idle || shared->threads - shared->stuck >= shared->most_threads ||
        shared->threads >= shared->most_threads + MOST_STUCK_THREADS)
        return EM_OK;
    em_status status = emi_thread_start(run_thread, shared);
    if (status == EM_OK)
        shared->threads++;
    return status;
}

/* Starts a thread for each waiting job, up to the limit. With at least one thread all jobs get done. */
static void start_threads(pool *shared)
{
    emi_mutex_lock(&shared->mutex);
    em_status status = EM_OK;
    for (unsigned before = UINT_MAX;
         status == EM_OK && shared->threads < shared->waiting_count && shared->threads != before;) {
        before = shared->threads;
        status = start_thread_if_needed(shared);
    }
    shared->lacks_threads = shared->waiting_count > 0 && shared->threads == 0;
    emi_mutex_unlock(&shared->mutex);
}

/*
 * The threads were the parent's. The fork may have interrupted their work, and their changes of the lists. So the lists
 * are rebuilt from the one that only this thread changes, and every job that is not delivered is done again.
 */
static void renew(emi_service *service)
{
    pool *shared = pool_of(service);
    if (!shared->loop)
        return;
    emi_mutex_open(&shared->mutex);
    emi_condition_open(&shared->work_to_do);
    emi_list_init(&shared->waiting);
    emi_list_init(&shared->finished);
    emi_list_init(&shared->delivering);
    atomic_store(&shared->has_finished, false);
    shared->threads = 0;
    shared->idle = 0;
    shared->stuck = 0;
    shared->waiting_count = 0;
    for (emi_list *link = shared->all.next; link != &shared->all; link = link->next) {
        emi_job *job = EMI_CONTAINER(link, emi_job, in_all);
        emi_list_init(&job->link);
        emi_list_append(&shared->waiting, &job->link);
        job->stage = EMI_JOB_WAITING;
        shared->waiting_count++;
    }
    start_threads(shared);
}

static void deliver(emi_service *service)
{
    pool *shared = pool_of(service);
    if (shared->lacks_threads)
        start_threads(shared);
    if (!atomic_load(&shared->has_finished))
        return;
    emi_list finished;
    emi_list_init(&finished);
    emi_mutex_lock(&shared->mutex);
    atomic_store(&shared->has_finished, false);
    emi_list_move_all(&finished, &shared->finished);
    emi_mutex_unlock(&shared->mutex);
    emi_list_move_all(&shared->delivering, &finished);
    /* In a child that was forked in `done`, the others are left to renew. */
    emi_job *job;
    while (!emi_loop_is_forked(shared->loop) && (job = take_job(&shared->delivering))) {
        EMI_INVARIANT(job->stage == EMI_JOB_FINISHED && job->pool == shared);
        emi_list_remove(&job->in_all);
        job->done(job);
    }
}

static bool has_finished(const emi_service *service)
{
    return atomic_load(&((const pool *)(const void *)service)->has_finished);
}

/* Before the backend is destroyed, because threads wake the loop. */
static void close_pool(emi_service *service)
{
    pool *shared = pool_of(service);
    /* A forked child has no such threads, and the mutex may be locked forever. So what is left is leaked. */
    if (emi_is_forked_since(shared->loop->fork_count))
        return;
    emi_list jobs;
    emi_list_init(&jobs);
    emi_mutex_lock(&shared->mutex);
    shared->loop = NULL;
    emi_list_move_all(&jobs, &shared->delivering);
    emi_list_move_all(&jobs, &shared->finished);
    emi_list_move_all(&jobs, &shared->waiting);
    shared->waiting_count = 0;
    emi_condition_broadcast(&shared->work_to_do);
    emi_mutex_unlock(&shared->mutex);
    for (emi_job *job; (job = take_job(&jobs));)
        job->dispose(job);
}

static void leave_pool(emi_service *service)
{
    pool *shared = pool_of(service);
    if (shared->loop)
        return; /* of a forked child */
    emi_mutex_lock(&shared->mutex);
    shared->is_kept = false;
    bool unused = is_unused(shared);
    emi_mutex_unlock(&shared->mutex);
    if (unused)
        free_pool(shared);
}

static const emi_service_operations operations = {
    .turn = deliver,
    .has_work = has_finished,
    .renew = renew,
    .close = close_pool,
    .destroy = leave_pool,
};

static em_status open_pool(em_loop *loop, pool **opened)
{
    pool *shared = calloc(1, sizeof *shared);
    if (!shared)
        return EM_NO_MEMORY;
    em_status status = emi_mutex_open(&shared->mutex);
    if (status != EM_OK)
        goto no_mutex;
    status = emi_condition_open(&shared->work_to_do);
    if (status != EM_OK)
        goto no_condition;
    shared->service.operations = &operations;
    shared->loop = loop;
    shared->is_kept = true;
    shared->most_threads = loop->pool_threads;
    emi_list_init(&shared->waiting);
    emi_list_init(&shared->finished);
    emi_list_init(&shared->delivering);
    emi_list_init(&shared->all);
    loop->services[EMI_SERVICE_POOL] = &shared->service;
    *opened = shared;
    return EM_OK;
no_condition:
    emi_mutex_close(&shared->mutex);
no_mutex:
    free(shared);
    return status;
}

em_status emi_pool_submit(em_loop *loop, emi_job *job)
{
    pool *shared = loop->services[EMI_SERVICE_POOL] ? pool_of(loop->services[EMI_SERVICE_POOL]) : NULL;
    em_status status = shared ? EM_OK : open_pool(loop, &shared);
    if (status != EM_OK)
        return status;
    job->pool = shared;
    job->stage = EMI_JOB_WAITING;
    emi_mutex_lock(&shared->mutex);
    emi_list_append(&shared->waiting, &job->link);
    shared->waiting_count++;
    status = start_thread_if_needed(shared);
    if (shared->threads > 0) {
        emi_list_append(&shared->all, &job->in_all);
        emi_condition_signal(&shared->work_to_do);
        status = EM_OK;
    } else {
        emi_list_remove(&job->link);
        shared->waiting_count--;
    }
    emi_mutex_unlock(&shared->mutex);
    return status;
}

void emi_pool_give_up(emi_job *job)
{
    pool *shared = job->pool;
    emi_list_remove(&job->in_all);
    /* In a forked child the mutex may be locked forever, and no thread can be working on the job. */
    if (emi_is_forked_since(shared->loop->fork_count)) {
        job->dispose(job);
        return;
    }
    emi_mutex_lock(&shared->mutex);
    bool is_running = job->stage == EMI_JOB_RUNNING;
    if (is_running) {
        job->stage = EMI_JOB_GIVEN_UP;
        shared->stuck++;
        /* If none can be started now, that is tried again with the next job. */
        start_thread_if_needed(shared);
    } else {
        if (job->stage == EMI_JOB_WAITING)
            shared->waiting_count--;
        emi_list_remove(&job->link);
    }
    emi_mutex_unlock(&shared->mutex);
    if (!is_running)
        job->dispose(job);
}
