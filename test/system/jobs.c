/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Jobs of the program in the pool of threads: results, cancelling, the limit and waiting for room, what stays apart,
 * and the end of the loop.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/failing_allocator.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { LIMIT = 8 };

/* What has become of the jobs of a test. */
typedef struct scene {
    atomic_bool is_open; /* jobs that block return */
    atomic_uint started;
    atomic_uint worked;
    atomic_uint disposed;
    unsigned done; /* by the loop's thread, like all that follow */
    unsigned cancelled;
    unsigned calls; /* for room */
    em_status latest;
    pthread_t loop_thread;
    pthread_t work_thread;
} scene;

static scene *new_scene(void)
{
    scene *made = system_memory(sizeof *made);
    made->loop_thread = pthread_self();
    return made;
}

static void work(void *user)
{
    atomic_fetch_add(&((scene *)user)->worked, 1);
}

static void note_thread(void *user)
{
    ((scene *)user)->work_thread = pthread_self();
    work(user);
}

static void block(void *user)
{
    scene *own = user;
    atomic_fetch_add(&own->started, 1);
    while (!atomic_load(&own->is_open))
        sched_yield();
    atomic_fetch_add(&own->worked, 1);
}

static void count_done(em_loop *loop, em_job job, em_status status, void *user)
{
    scene *own = user;
    em_loop_wake(loop); /* the turn ends without waiting for more */
    assert_true(job > 0);
    assert_true(pthread_equal(pthread_self(), own->loop_thread));
    own->done++;
    own->cancelled += status == EM_CANCELLED;
    own->latest = status;
}

static void count_disposed(void *user)
{
    atomic_fetch_add(&((scene *)user)->disposed, 1);
}

static em_job submit(em_loop *loop, em_job_work function, scene *own)
{
    em_job job;
    assert_int_equal(em_loop_submit_job(loop, function, count_done, own, count_disposed, &job), EM_OK);
    return job;
}

/* A job that a thread works on until the scene opens. */
static em_job start_blocked(em_loop *loop, scene *own)
{
    unsigned before = atomic_load(&own->started);
    em_job job = submit(loop, block, own);
    while (atomic_load(&own->started) == before)
        sched_yield();
    return job;
}

static void run_until_done(em_loop *loop, const scene *own, unsigned done)
{
    while (own->done < done)
        assert_int_equal(em_loop_run_once(loop, EM_SECONDS), EM_OK);
}

/* Replaces the test's loop. */
static em_loop *limit(void **state, unsigned threads, unsigned jobs)
{
    em_loop_destroy(*state);
    *state = system_create_loop((em_loop_options){.pool_threads = threads, .job_limit = jobs});
    return *state;
}

static void open_and_finish(em_loop *loop, scene *own, unsigned done)
{
    atomic_store(&own->is_open, true);
    run_until_done(loop, own, done);
}

static void work_runs_in_a_thread_and_done_in_the_loop(void **state)
{
    scene *own = new_scene();
    submit(*state, note_thread, own);
    assert_int_equal(own->done, 0);
    run_until_done(*state, own, 1);
    assert_int_equal(own->latest, EM_OK);
    assert_int_equal(atomic_load(&own->worked), 1);
    assert_false(pthread_equal(own->work_thread, own->loop_thread));
    assert_int_equal(atomic_load(&own->disposed), 0);
    em_loop_stats stats = system_stats(*state);
    assert_int_equal(stats.jobs_done, 1);
    assert_int_equal(stats.jobs_open, 0);
    assert_int_equal(stats.pool_threads, 1);
}

static void each_of_many_jobs_is_done_once(void **state)
{
    enum { MANY = 1000 };
    scene *own = new_scene();
    for (unsigned i = 0; i < MANY; i++)
        submit(*state, work, own);
    run_until_done(*state, own, MANY);
    system_turn(*state);
    assert_int_equal(own->done, MANY);
    assert_int_equal(atomic_load(&own->worked), MANY);
    assert_true(system_stats(*state).pool_threads <= 4);
}

static void a_job_that_waits_can_be_cancelled(void **state)
{
    em_loop *loop = limit(state, 1, 0);
    scene *own = new_scene();
    start_blocked(loop, own);
    em_job waiting = submit(loop, block, own);
    assert_int_equal(em_loop_cancel_job(loop, waiting), EM_OK);
    assert_int_equal(em_loop_cancel_job(loop, waiting), EM_OK);
    assert_int_equal(own->done, 0);
    run_until_done(loop, own, 1);
    assert_int_equal(own->latest, EM_CANCELLED);
    assert_int_equal(em_loop_cancel_job(loop, waiting), EM_NOT_FOUND);
    open_and_finish(loop, own, 2);
    assert_int_equal(atomic_load(&own->worked), 1);
    assert_int_equal(system_stats(loop).jobs_cancelled, 1);
}

static void a_job_that_has_begun_goes_on(void **state)
{
    scene *own = new_scene();
    em_job running = start_blocked(*state, own);
    assert_int_equal(em_loop_cancel_job(*state, running), EM_IN_PROGRESS);
    open_and_finish(*state, own, 1);
    assert_int_equal(own->latest, EM_OK);
    assert_int_equal(em_loop_cancel_job(*state, running), EM_NOT_FOUND);
    assert_int_equal(em_loop_cancel_job(*state, 12345), EM_NOT_FOUND);
}

static void the_queue_has_a_limit(void **state)
{
    em_loop *loop = limit(state, 1, LIMIT);
    scene *own = new_scene();
    em_job job = 1;
    for (unsigned i = 0; i < LIMIT; i++)
        submit(loop, block, own);
    assert_int_equal(em_loop_submit_job(loop, work, count_done, own, count_disposed, &job), EM_WOULD_BLOCK);
    assert_int_equal(job, 0);
    assert_non_null(strstr(em_status_get_detail(EM_WOULD_BLOCK), "job_limit"));
    open_and_finish(loop, own, LIMIT);
    submit(loop, work, own);
    run_until_done(loop, own, LIMIT + 1);
    assert_int_equal(atomic_load(&own->disposed), 0);
}

/* Fills the queue and asks to be called again. */
static void submit_until_full(em_loop *loop, void *user)
{
    scene *own = user;
    own->calls++;
    assert_true(system_stats(loop).jobs_open <= LIMIT / 2);
    while (em_loop_submit_job(loop, work, count_done, own, NULL, NULL) == EM_OK)
        ;
    if (own->calls < 5)
        assert_int_equal(em_loop_await_job_room(loop, submit_until_full, own, count_disposed), EM_OK);
}

static void a_program_that_waits_for_room_is_called_when_half_of_the_queue_is_free(void **state)
{
    em_loop *loop = limit(state, 2, LIMIT);
    scene *own = new_scene();
    assert_int_equal(em_loop_await_job_room(loop, submit_until_full, own, count_disposed), EM_OK);
    assert_int_equal(own->calls, 0);
    while (own->calls < 5 || system_stats(loop).jobs_open > 0)
        assert_int_equal(em_loop_run_once(loop, EM_SECONDS), EM_OK);
    assert_true(own->done >= LIMIT + 4 * LIMIT / 2);
    assert_int_equal(atomic_load(&own->disposed), 0);
}

static void fill_once(em_loop *loop, void *user)
{
    scene *own = user;
    em_loop_wake(loop);
    own->calls++;
    while (em_loop_submit_job(loop, block, count_done, own, NULL, NULL) == EM_OK)
        ;
}

static void those_who_wait_for_room_are_called_only_while_there_is_some(void **state)
{
    em_loop *loop = limit(state, 1, LIMIT);
    scene *own = new_scene();
    assert_int_equal(em_loop_await_job_room(loop, fill_once, own, count_disposed), EM_OK);
    assert_int_equal(em_loop_await_job_room(loop, fill_once, own, count_disposed), EM_OK);
    assert_int_equal(em_loop_await_job_room(loop, fill_once, own, count_disposed), EM_OK);
    system_turn(loop);
    system_turn(loop);
    assert_int_equal(own->calls, 1);
    em_loop_destroy(loop);
    *state = NULL;
    assert_int_equal(atomic_load(&own->disposed), 2);
    atomic_store(&own->is_open, true);
    while (atomic_load(&own->worked) < atomic_load(&own->started))
        sched_yield();
}

static void names_do_not_wait_for_jobs(void **state)
{
    em_loop *loop = limit(state, 1, 1000);
    scene *own = new_scene();
    for (unsigned i = 0; i < 1000; i++)
        submit(loop, block, own);
    system_record *record = system_new_record(SYSTEM_COMPLETED);
    em_connect_options options = {.size = sizeof options, .user = record};
    int port = system_serve(loop, &system_echo, system_new_record(SYSTEM_NONE));
    assert_int_equal(em_loop_connect(loop, "localhost", port, &system_recorder, &options, NULL), EM_OK);
    assert_int_equal(em_loop_run(loop), EM_OK);
    assert_int_equal(record->completed, 1);
    assert_int_equal(own->done, 0);
    open_and_finish(loop, own, 1000);
}

static void submit_again(em_loop *loop, em_job job, em_status status, void *user)
{
    scene *own = user;
    count_done(loop, job, status, user);
    if (own->done < 5)
        assert_int_equal(em_loop_submit_job(loop, work, submit_again, user, NULL, NULL), EM_OK);
}

static void done_can_submit_the_next_job_even_with_a_limit_of_one(void **state)
{
    em_loop *loop = limit(state, 1, 1);
    scene *own = new_scene();
    assert_int_equal(em_loop_submit_job(loop, work, submit_again, own, NULL, NULL), EM_OK);
    run_until_done(loop, own, 5);
}

static void destroying_the_loop_waits_for_no_job_and_disposes_of_each(void **state)
{
    em_loop *loop = limit(state, 1, 0);
    scene *own = new_scene();
    start_blocked(loop, own);
    submit(loop, block, own);
    em_loop_cancel_job(loop, submit(loop, block, own));
    assert_int_equal(em_loop_destroy(loop), EM_OK);
    *state = NULL;
    assert_int_equal(atomic_load(&own->disposed), 2);
    atomic_store(&own->is_open, true);
    while (atomic_load(&own->disposed) < 3)
        sched_yield();
    assert_int_equal(own->done, 0);
    assert_int_equal(atomic_load(&own->worked), 1);
}

static void threads_without_work_end(void **state)
{
    em_loop_destroy(*state);
    em_loop *loop = *state = system_create_loop((em_loop_options){.pool_idle_ns = 1});
    scene *own = new_scene();
    for (unsigned round = 1; round <= 3; round++) {
        submit(loop, work, own);
        run_until_done(loop, own, round);
        while (system_stats(loop).pool_threads > 0)
            sched_yield();
    }
}

static void wrong_arguments_are_refused(void **state)
{
    scene *own = new_scene();
    em_job job;
    assert_int_equal(em_loop_submit_job(NULL, work, count_done, own, NULL, &job), EM_INVALID_ARGUMENT);
    assert_int_equal(job, 0);
    assert_int_equal(em_loop_submit_job(*state, NULL, count_done, own, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_submit_job(*state, work, NULL, own, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_cancel_job(NULL, 1), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_cancel_job(*state, 0), EM_NOT_FOUND);
    assert_int_equal(em_loop_await_job_room(NULL, fill_once, own, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_await_job_room(*state, NULL, own, NULL), EM_INVALID_ARGUMENT);
}

static void without_memory_a_job_is_refused_and_the_next_one_is_done(void **state)
{
    failing_allocator memory;
    failing_allocator_init(&memory);
    em_loop_destroy(*state);
    em_loop *loop = *state = system_create_loop((em_loop_options){.allocator = &memory.allocator});
    scene *own = new_scene();
    em_status status = EM_NO_MEMORY;
    for (unsigned long n = 1; status != EM_OK; n++) {
        failing_allocator_fail(&memory, n, EM_OFF);
        status = em_loop_submit_job(loop, work, count_done, own, count_disposed, NULL);
        if (status == EM_OK)
            status = em_loop_await_job_room(loop, fill_once, own, NULL);
        assert_true(status == EM_OK || status == EM_NO_MEMORY);
    }
    failing_allocator_fail(&memory, 0, EM_OFF);
    assert_true(atomic_load(&memory.failures) >= 2);
    atomic_store(&own->is_open, true);
    while (own->calls == 0 || system_stats(loop).jobs_open > 0)
        assert_int_equal(em_loop_run_once(loop, EM_SECONDS), EM_OK);
    assert_int_equal(atomic_load(&own->disposed), 0);
    em_loop_destroy(loop);
    *state = NULL;
    assert_int_equal(atomic_load(&memory.live), 0);
}

static void destroy_in_child(void *loop)
{
    system_child_check(em_loop_submit_job(loop, work, count_done, NULL, NULL, NULL) == EM_FORKED, "jobs are refused");
    system_child_check(em_loop_cancel_job(loop, 1) == EM_FORKED, "and not cancelled");
    system_child_check(em_loop_destroy(loop) == EM_OK, "destroying does not wait for threads of the parent");
}

static scene *seen_by_child;

static void destroy_and_compare(void *loop)
{
    destroy_in_child(loop);
    system_child_check(atomic_load(&seen_by_child->disposed) == 2, "what no thread works on is disposed of");
}

static void a_forked_child_disposes_of_its_copies_of_the_jobs(void **state)
{
    em_loop *loop = limit(state, 1, 0);
    scene *own = new_scene();
    seen_by_child = own;
    start_blocked(loop, own);
    submit(loop, work, own);
    submit(loop, work, own);
    assert_int_equal(system_wait(system_fork(destroy_and_compare, loop)), 0);
    open_and_finish(loop, own, 3);
    assert_int_equal(atomic_load(&own->disposed), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(work_runs_in_a_thread_and_done_in_the_loop),
        SYSTEM_TEST(each_of_many_jobs_is_done_once),
        SYSTEM_TEST(a_job_that_waits_can_be_cancelled),
        SYSTEM_TEST(a_job_that_has_begun_goes_on),
        SYSTEM_TEST(the_queue_has_a_limit),
        SYSTEM_TEST(a_program_that_waits_for_room_is_called_when_half_of_the_queue_is_free),
        SYSTEM_TEST(those_who_wait_for_room_are_called_only_while_there_is_some),
        SYSTEM_TEST(names_do_not_wait_for_jobs),
        SYSTEM_TEST(done_can_submit_the_next_job_even_with_a_limit_of_one),
        SYSTEM_TEST(destroying_the_loop_waits_for_no_job_and_disposes_of_each),
        SYSTEM_TEST(threads_without_work_end),
        SYSTEM_TEST(wrong_arguments_are_refused),
        SYSTEM_TEST(without_memory_a_job_is_refused_and_the_next_one_is_done),
        SYSTEM_TEST(a_forked_child_disposes_of_its_copies_of_the_jobs),
    };
    return SYSTEM_RUN(tests);
}
