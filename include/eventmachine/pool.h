/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Jobs: work that would block the loop, such as compressing, hashing, or calling a library that waits for a database. A
 * thread of the loop's pool does the work, and the loop's thread gets the result.
 *
 * At most em_loop_options.pool_threads jobs run at once. The others wait in a queue, in order. The library's own work,
 * names that the system looks up and reading files, has other threads and never waits for jobs. Threads are started
 * when they are needed, and end when they have had no work for em_loop_options.pool_idle_ns. All signals are blocked in
 * them, so that the program's handlers run in the program's own threads.
 *
 * At most em_loop_options.job_limit jobs may be submitted and not done, so that nothing grows without bound. Beyond
 * that em_loop_submit_job returns EM_WOULD_BLOCK, and em_loop_await_job_room calls a function when there is room.
 *
 * Threads: all functions here are for the loop's thread, and any callback may call them. `work` runs in a thread of the
 * pool. There it may use what `user` points to, em_loop_post, and the other functions marked "any thread".
 *
 * Fork: jobs belong to the parent. In a forked child that takes over the loop (em_loop_take_over), jobs that had not
 * begun are done in the child, and results that had not been delivered are delivered. A job that was running gets
 * `done` with EM_FORKED, because its thread exists in the parent only. It is not repeated, because its changes may be
 * half finished. Once the parent has called em_loop_hand_over, it begins no further jobs. A job that it begins between
 * the fork and that call is done by both processes.
 */
#ifndef EVENTMACHINE_POOL_H
#define EVENTMACHINE_POOL_H

#include <eventmachine/loop.h>

EM_BEGIN_DECLARATIONS

/** The signature of a job; 0 for none. A stale signature (the job is done) is recognised and harmless. */
typedef em_signature em_job;

/** The work of a job. Called by a thread of the pool. user: the pointer passed to em_loop_submit_job. */
typedef void (*em_job_work)(void *user);

/**
 * A job is done. Called in the loop's thread. status: EM_OK when `work` has returned; EM_CANCELLED if `work` was not
 * called; EM_FORKED if `work` was interrupted by a fork.
 */
typedef void (*em_job_done)(em_loop *loop, em_job job, em_status status, void *user);

/**
 * Submits a job: a thread of the pool calls `work`, and then the loop's thread calls `done`, in a later turn. Jobs
 * begin in the order in which they were submitted, and may end in any order.
 *
 * dispose: called with `user` in place of `done` if the loop is destroyed first; NULL for none. So exactly one of
 * `done` and `dispose` is called. em_loop_destroy never waits for a job. If a job is running at that time, its thread
 * calls `dispose` when `work` has returned. This may be after em_loop_destroy, so neither of them may use the loop
 * then. If em_loop_submit_job itself fails, nothing is called, and the caller keeps `user`.
 *
 * job: set to the signature of the job, 0 on failure; may be NULL.
 * EM_WOULD_BLOCK: job_limit jobs are not done yet. EM_LIMIT: there is no thread, and none can be started. EM_NO_MEMORY,
 * EM_INVALID_ARGUMENT (no `work` or no `done`), EM_FORKED, EM_INVALID_STATE (the loop is being destroyed).
 */
EM_API em_status em_loop_submit_job(em_loop *loop, em_job_work work, em_job_done done, void *user, em_dispose dispose,
                                    em_job *job);

/**
 * Cancels a job that has not begun. `work` is never called, the next job in the queue moves up, and `done` is called in
 * a later turn with EM_CANCELLED. EM_IN_PROGRESS: the job has begun. Its thread cannot be interrupted, so it goes on,
 * and `done` is called as usual. EM_NOT_FOUND: the job is done, or was never submitted. EM_INVALID_ARGUMENT if `loop`
 * is NULL, EM_FORKED, EM_INVALID_STATE (the loop is being destroyed).
 */
EM_API em_status em_loop_cancel_job(em_loop *loop, em_job job);

/**
 * Calls `call` once, in a later turn, when at most half of job_limit jobs are not done. If several calls are waiting,
 * they are made in the order in which they were requested, and only while there is room. So each of them can submit at
 * least one job. To keep the pool busy, submit jobs until EM_WOULD_BLOCK is returned, then call this again.
 *
 * dispose: called with `user` if the loop is destroyed first; NULL for none.
 * EM_NO_MEMORY, EM_INVALID_ARGUMENT (no `call`), EM_FORKED, EM_INVALID_STATE (the loop is being destroyed).
 */
EM_API em_status em_loop_await_job_room(em_loop *loop, em_call call, void *user, em_dispose dispose);

EM_END_DECLARATIONS

#endif
