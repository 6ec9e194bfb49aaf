/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Jobs in a forked child that takes over the loop. The parent's threads do not exist there.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "support/system_peer.h"
#include "support/system_test.h"

/* The thread sanitizer refuses threads in a forked child unless it is told otherwise; elsewhere nobody calls this. */
__attribute__((visibility("default"))) const char *__tsan_default_options(void); /* NOLINT: its name */
const char *__tsan_default_options(void)                                         /* NOLINT */
{
    return "die_after_fork=0";
}

/* Jobs of the program: one is being worked on at the fork, one waits, and one has been cancelled. */
typedef struct program_jobs {
    em_loop *loop;
    atomic_bool is_open;
    atomic_uint begun, returned;
    unsigned results[3]; /* by number: OK, interrupted by the fork, cancelled */
} program_jobs;

static void work_until_open(void *user)
{
    program_jobs *jobs = user;
    atomic_fetch_add(&jobs->begun, 1);
    while (!atomic_load(&jobs->is_open))
        sched_yield();
    atomic_fetch_add(&jobs->returned, 1);
}

static void note_result(em_loop *loop, em_job job, em_status status, void *user)
{
    program_jobs *jobs = user;
    (void)job;
    jobs->results[status == EM_OK ? 0 : status == EM_FORKED ? 1 : 2]++;
    em_loop_wake(loop);
}

static void finish_jobs(void *user)
{
    program_jobs *jobs = user;
    atomic_store(&jobs->is_open, true);
    system_child_check(em_loop_take_over(jobs->loop) == EM_OK, "the child takes the loop over");
    while (jobs->results[0] + jobs->results[1] + jobs->results[2] < 3)
        system_child_check(em_loop_run_once(jobs->loop, EM_SECONDS) == EM_OK, "it turns");
    system_child_check(atomic_load(&jobs->begun) == 2, "work is not repeated");
    system_child_check(jobs->results[0] == 1, "a job that had not begun is done");
    system_child_check(jobs->results[1] == 1, "one that had is reported as interrupted");
    system_child_check(jobs->results[2] == 1, "and one that was cancelled as cancelled");
    system_child_check(em_loop_destroy(jobs->loop) == EM_OK, "and all ends");
}

static void a_child_does_the_jobs_that_had_not_begun(void **state)
{
    em_loop_destroy(*state);
    *state = system_create_loop((em_loop_options){.pool_threads = 1});
    program_jobs *jobs = system_memory(sizeof *jobs);
    jobs->loop = *state;
    em_job cancelled;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(em_loop_submit_job(*state, work_until_open, note_result, jobs, NULL, &cancelled), EM_OK);
    while (atomic_load(&jobs->begun) == 0)
        sched_yield();
    assert_int_equal(em_loop_cancel_job(*state, cancelled), EM_OK);
    pid_t child = system_fork(finish_jobs, jobs);
    assert_int_equal(em_loop_hand_over(*state), EM_OK);
    atomic_store(&jobs->is_open, true);
    assert_int_equal(system_wait(child), 0);
    assert_int_equal(atomic_load(&jobs->begun), 1); /* the parent has begun no other */
    while (atomic_load(&jobs->returned) == 0)
        sched_yield();
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_child_does_the_jobs_that_had_not_begun),
    };
    return SYSTEM_RUN(tests);
}
