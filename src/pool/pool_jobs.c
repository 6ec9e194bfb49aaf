/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The program's jobs: em_loop_submit_job and its relatives. This file knows their numbers, their limit, and who waits
 * for room. Queues and threads are the pool's.
 */
#include <eventmachine/pool.h>

#include <stdlib.h>

#include "base/status_detail.h"
#include "loop/loop_private.h"
#include "pool/pool.h"

typedef struct jobs_service {
    emi_service service;
    em_loop *loop;
    emi_handle_table table;
    emi_call_queue waiting; /* calls of em_loop_await_job_room */
    emi_call_queue running; /* those that were there when the turn began; they come first */
} jobs_service;

/* From malloc(3), because it may outlive the loop. */
typedef struct program_job {
    emi_job job;
    emi_handle handle;
    jobs_service *jobs;
    em_job_work work;
    em_job_done done;
    em_dispose dispose;
    void *user;
    bool is_cancelled;
} program_job;

static jobs_service *jobs_of(emi_service *service)
{
    return EMI_CONTAINER(service, jobs_service, service);
}

static program_job *program_job_of(emi_job *job)
{
    return EMI_CONTAINER(job, program_job, job);
}

/* With at most half of the limit, so that whoever waits gets to submit many jobs at once. */
static bool has_room(const em_loop *loop)
{
    return loop->stats.jobs_open <= loop->job_limit / 2;
}

/* Those that were queued when the turn began. A forked child leaves the rest to em_loop_take_over. */
static void call_those_who_wait(emi_service *service)
{
    jobs_service *jobs = jobs_of(service);
    em_loop *loop = jobs->loop;
    emi_call_queue *running = &jobs->running;
    if (running->count == 0) {
        emi_call_queue emptied = *running;
        *running = jobs->waiting;
        jobs->waiting = emptied;
    }
    while (running->first < running->count) {
        if (!has_room(loop) || emi_loop_is_forked(loop))
            return;
        emi_call_entry entry = running->entries[running->first++];
        entry.call(loop, entry.user);
    }
    emi_call_queue_clear(running, &loop->memory);
}

static bool has_calls_to_make(const emi_service *service)
{
    const jobs_service *jobs = (const jobs_service *)(const void *)service;
    return jobs->running.count + jobs->waiting.count > 0 && has_room(jobs->loop);
}

static void close_jobs(emi_service *service)
{
    emi_call_queue_dispose(&jobs_of(service)->running);
    emi_call_queue_dispose(&jobs_of(service)->waiting);
}

static void free_jobs(emi_service *service)
{
    jobs_service *jobs = jobs_of(service);
    const emi_memory *memory = &jobs->loop->memory;
    emi_handle_table_clear(&jobs->table);
    emi_call_queue_free(&jobs->running, memory);
    emi_call_queue_free(&jobs->waiting, memory);
    emi_release(memory, jobs);
}

static const emi_service_operations operations = {
    .turn = call_those_who_wait,
    .has_work = has_calls_to_make,
    .close = close_jobs,
    .destroy = free_jobs,
};

static em_status open_jobs(em_loop *loop, jobs_service **opened)
{
    if (loop->services[EMI_SERVICE_JOBS]) {
        *opened = jobs_of(loop->services[EMI_SERVICE_JOBS]);
        return EM_OK;
    }
    jobs_service *jobs = emi_allocate_zeroed(&loop->memory, sizeof *jobs);
    if (!jobs)
        return EM_NO_MEMORY;
    jobs->service.operations = &operations;
    jobs->loop = loop;
    emi_handle_table_init(&jobs->table, &loop->memory, &loop->serial);
    emi_loop_add_service(loop, EMI_SERVICE_JOBS, &jobs->service);
    *opened = jobs;
    return EM_OK;
}

static void work(emi_job *job)
{
    const program_job *own = program_job_of(job);
    own->work(own->user);
}

static em_status result_of(const program_job *job)
{
    if (job->job.interrupted)
        return EM_FORKED;
    return job->is_cancelled ? EM_CANCELLED : EM_OK;
}

/* Its memory and its number are given back first, so that `done` can submit another one. */
static void finish(emi_job *job)
{
    program_job *own = program_job_of(job);
    em_loop *loop = own->jobs->loop;
    program_job done = *own;
    em_job number = own->handle.signature;
    emi_handle_table_remove(&own->jobs->table, &own->handle);
    free(own);
    loop->stats.jobs_open--;
    loop->stats.jobs_done++;
    done.done(loop, number, result_of(&done), done.user);
}

/* The loop is gone, or about to go with the whole table. */
static void dispose(emi_job *job)
{
    program_job *own = program_job_of(job);
    if (own->dispose)
        own->dispose(own->user);
    free(own);
}

static em_status check_limit(const em_loop *loop)
{
    if (loop->stats.jobs_open < loop->job_limit)
        return EM_OK;
    emi_set_status_detail(EM_WOULD_BLOCK, "as many jobs as job_limit allows are not done yet");
    return EM_WOULD_BLOCK;
}

static em_status submit(jobs_service *jobs, program_job *made)
{
    em_loop *loop = jobs->loop;
    em_status status = emi_handle_table_add(&jobs->table, &made->handle);
    if (status != EM_OK)
        return emi_status_without_detail(status);
    status = emi_pool_submit(loop, &made->job);
    if (status == EM_OK)
        loop->stats.jobs_open++;
    else
        emi_handle_table_remove(&jobs->table, &made->handle);
    return status;
}

em_status em_loop_submit_job(em_loop *loop, em_job_work work_function, em_job_done done, void *user,
                             em_dispose dispose_function, em_job *job)
{
    if (job)
        *job = 0;
    em_status status = emi_loop_check(loop);
    if (status != EM_OK)
        return status;
    if (!work_function || !done)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    jobs_service *jobs;
    status = check_limit(loop);
    if (status == EM_OK)
        status = open_jobs(loop, &jobs);
    if (status != EM_OK)
        return status;
    program_job *made = calloc(1, sizeof *made);
    if (!made)
        return emi_status_without_detail(EM_NO_MEMORY);
    *made = (program_job){
        .job = {.lane = EMI_POOL_JOBS, .works_once = true, .work = work, .done = finish, .dispose = dispose},
        .jobs = jobs,
        .work = work_function,
        .done = done,
        .dispose = dispose_function,
        .user = user,
    };
    status = submit(jobs, made);
    if (status != EM_OK)
        free(made);
    else if (job)
        *job = made->handle.signature;
    return status;
}

em_status em_loop_cancel_job(em_loop *loop, em_job job)
{
    em_status status = emi_loop_check(loop);
    if (status != EM_OK)
        return status;
    emi_service *service = loop->services[EMI_SERVICE_JOBS];
    emi_handle *handle = service ? emi_handle_table_find(&jobs_of(service)->table, job) : NULL;
    if (!handle)
        return emi_status_without_detail(EM_NOT_FOUND);
    program_job *own = EMI_CONTAINER(handle, program_job, handle);
    if (own->is_cancelled)
        return EM_OK;
    if (!emi_pool_cancel(&own->job))
        return emi_status_without_detail(EM_IN_PROGRESS);
    own->is_cancelled = true;
    loop->stats.jobs_cancelled++;
    return EM_OK;
}

em_status em_loop_await_job_room(em_loop *loop, em_call call, void *user, em_dispose dispose_function)
{
    em_status status = emi_loop_check(loop);
    if (status != EM_OK)
        return status;
    if (!call)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    jobs_service *jobs;
    status = open_jobs(loop, &jobs);
    if (status == EM_OK)
        status = emi_call_queue_add(&jobs->waiting, &loop->memory, call, user, dispose_function);
    return emi_status_without_detail(status);
}
