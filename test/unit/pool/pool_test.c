/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The pool of threads: jobs that are given up, at every stage, hold up nobody and leave nothing behind.
 */
#include "pool/pool.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include <eventmachine/timer.h>

#include "support/unit.h"

/* As pool.h says. */
enum { MOST_STUCK = 64 };

/* What jobs wait for, and what became of them. */
typedef struct test_scene {
    em_loop *loop;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_open;
    unsigned threads; /* before the test */
    unsigned started;
    unsigned done;
    unsigned disposed;
} test_scene;

typedef struct test_job {
    emi_job job;
    test_scene *scene;
    bool waits; /* for the scene to be open */
    struct test_job *gives_up;
} test_job;

static test_job *test_job_of(emi_job *job)
{
    return EMI_CONTAINER(job, test_job, job);
}

static void count(test_scene *scene, unsigned *counter)
{
    pthread_mutex_lock(&scene->mutex);
    ++*counter;
    pthread_cond_broadcast(&scene->changed);
    pthread_mutex_unlock(&scene->mutex);
}

static void wait_for(test_scene *scene, const unsigned *counter, unsigned value)
{
    pthread_mutex_lock(&scene->mutex);
    while (*counter < value)
        pthread_cond_wait(&scene->changed, &scene->mutex);
    pthread_mutex_unlock(&scene->mutex);
}

static unsigned value_of(test_scene *scene, const unsigned *counter)
{
    pthread_mutex_lock(&scene->mutex);
    unsigned value = *counter;
    pthread_mutex_unlock(&scene->mutex);
    return value;
}

static void open_scene(test_scene *scene)
{
    pthread_mutex_lock(&scene->mutex);
    scene->is_open = true;
    pthread_cond_broadcast(&scene->changed);
    pthread_mutex_unlock(&scene->mutex);
}

static void work(emi_job *job)
{
    const test_job *own = test_job_of(job);
    count(own->scene, &own->scene->started);
    pthread_mutex_lock(&own->scene->mutex);
    while (own->waits && !own->scene->is_open)
        pthread_cond_wait(&own->scene->changed, &own->scene->mutex);
    pthread_mutex_unlock(&own->scene->mutex);
}

static void finish(emi_job *job)
{
    test_job *own = test_job_of(job);
    em_loop_wake(own->scene->loop); /* the turn ends without waiting for more */
    count(own->scene, &own->scene->done);
    if (own->gives_up)
        emi_pool_give_up(&own->gives_up->job);
    free(own);
}

static void dispose(emi_job *job)
{
    test_scene *scene = test_job_of(job)->scene;
    free(test_job_of(job));
    count(scene, &scene->disposed);
}

static test_job *submit_to(test_scene *scene, emi_pool_lane lane, bool waits)
{
    test_job *made = calloc(1, sizeof *made);
    assert_non_null(made);
    *made = (test_job){
        .job = {.lane = lane, .work = work, .done = finish, .dispose = dispose}, .scene = scene, .waits = waits};
    assert_int_equal(emi_pool_submit(scene->loop, &made->job), EM_OK);
    return made;
}

static test_job *submit(test_scene *scene, bool waits)
{
    return submit_to(scene, EMI_POOL_NAMES, waits);
}

/* A job that is under way, and not before. */
static test_job *start(test_scene *scene)
{
    unsigned started = value_of(scene, &scene->started);
    test_job *job = submit(scene, true);
    wait_for(scene, &scene->started, started + 1);
    return job;
}

static void run_until_done(test_scene *scene, unsigned done)
{
    while (value_of(scene, &scene->done) < done)
        assert_int_equal(em_loop_run_once(scene->loop, EM_SECONDS), EM_OK);
}

static unsigned count_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks)
        return 0; /* not Linux: unknown */
    unsigned threads = 0;
    for (const struct dirent *entry; (entry = readdir(tasks));)
        threads += entry->d_name[0] != '.';
    closedir(tasks);
    return threads;
}

static void wait_for_threads(unsigned threads)
{
    while (count_threads() > threads)
        sched_yield();
}

static test_scene *new_scene(void **state, unsigned pool_threads)
{
    test_scene *scene = *state;
    em_loop_options options = {.size = sizeof options, .pool_threads = pool_threads};
    assert_int_equal(em_loop_create(&options, &scene->loop), EM_OK);
    return scene;
}

static void a_job_that_waits_is_disposed_of_at_once(void **state)
{
    test_scene *scene = new_scene(state, 1);
    start(scene);
    test_job *waiting = submit(scene, false);
    submit(scene, false);
    emi_pool_give_up(&waiting->job);
    assert_int_equal(value_of(scene, &scene->disposed), 1);
    open_scene(scene);
    run_until_done(scene, 2);
    assert_int_equal(value_of(scene, &scene->started), 2);
}

static void a_thread_that_hangs_does_not_hold_up_the_jobs_that_follow(void **state)
{
    test_scene *scene = new_scene(state, 1);
    emi_pool_give_up(&start(scene)->job);
    submit(scene, false);
    run_until_done(scene, 1);
    assert_int_equal(value_of(scene, &scene->disposed), 0);
    open_scene(scene);
    wait_for(scene, &scene->disposed, 1);
    assert_int_equal(value_of(scene, &scene->done), 1);
}

static void a_thread_that_hangs_does_not_hold_up_the_jobs_that_wait_already(void **state)
{
    test_scene *scene = new_scene(state, 1);
    test_job *hanging = start(scene);
    submit(scene, false);
    submit(scene, false);
    emi_pool_give_up(&hanging->job);
    run_until_done(scene, 2);
    open_scene(scene);
    wait_for(scene, &scene->disposed, 1);
}

static void hanging_threads_do_not_grow_without_bound_and_end_when_they_return(void **state)
{
    test_scene *scene = new_scene(state, 1);
    unsigned before = scene->threads;
    if (before == 0) {
        print_message("skipped: the system does not say how many threads there are\n");
        skip();
    }
    for (unsigned i = 0; i < MOST_STUCK + 1; i++)
        emi_pool_give_up(&start(scene)->job);
    assert_int_equal(count_threads(), before + MOST_STUCK + 1);
    submit(scene, false);
    assert_int_equal(count_threads(), before + MOST_STUCK + 1);
    open_scene(scene);
    run_until_done(scene, 1);
    wait_for(scene, &scene->disposed, MOST_STUCK + 1);
    wait_for_threads(before + 1);
    submit(scene, false);
    run_until_done(scene, 2);
}

/* The one thread has begun the second job, so the first one is finished, and the loop has not turned. */
static void a_finished_job_can_be_given_up_before_it_is_delivered(void **state)
{
    test_scene *scene = new_scene(state, 1);
    test_job *finished = submit(scene, false);
    submit(scene, true);
    wait_for(scene, &scene->started, 2);
    emi_pool_give_up(&finished->job);
    assert_int_equal(value_of(scene, &scene->disposed), 1);
    open_scene(scene);
    run_until_done(scene, 1);
    assert_int_equal(em_loop_run_once(scene->loop, 0), EM_OK);
    assert_int_equal(value_of(scene, &scene->done), 1);
}

static void a_finished_job_can_be_given_up_by_another_one_delivered_with_it(void **state)
{
    test_scene *scene = new_scene(state, 1);
    test_job *first = submit(scene, true);
    first->gives_up = submit(scene, false);
    submit(scene, true);
    open_scene(scene);
    wait_for(scene, &scene->started, 3);
    run_until_done(scene, 2);
    assert_int_equal(value_of(scene, &scene->disposed), 1);
}

static void jobs_given_up_and_others_are_freed_after_the_loop_is_gone(void **state)
{
    test_scene *scene = new_scene(state, 2);
    emi_pool_give_up(&start(scene)->job);
    start(scene);
    start(scene);
    submit(scene, true);
    assert_int_equal(em_loop_destroy(scene->loop), EM_OK);
    scene->loop = NULL;
    assert_int_equal(value_of(scene, &scene->disposed), 1);
    open_scene(scene);
    wait_for(scene, &scene->disposed, 4);
    wait_for_threads(scene->threads);
    assert_int_equal(value_of(scene, &scene->done), 0);
}

/* One idle thread is not enough for two jobs. */
static void each_of_several_jobs_gets_a_thread_while_there_may_be_more(void **state)
{
    test_scene *scene = new_scene(state, 3);
    submit(scene, false);
    run_until_done(scene, 1);
    submit(scene, true);
    submit(scene, true);
    submit(scene, true);
    wait_for(scene, &scene->started, 4);
    open_scene(scene);
    run_until_done(scene, 4);
}

/* Each kind of work has a queue and threads of its own. */
static void work_of_one_kind_does_not_wait_for_that_of_another(void **state)
{
    enum { MANY = 1000 };
    test_scene *scene = new_scene(state, 1);
    unsigned done = 0;
    for (unsigned i = 0; i < MANY; i++)
        submit_to(scene, EMI_POOL_JOBS, true);
    submit_to(scene, EMI_POOL_FILES, false);
    run_until_done(scene, ++done);
    for (unsigned i = 0; i < MANY; i++)
        submit_to(scene, EMI_POOL_FILES, true);
    submit_to(scene, EMI_POOL_NAMES, false);
    run_until_done(scene, ++done);
    open_scene(scene);
    run_until_done(scene, done + 2 * MANY);
}

static void a_job_that_waits_can_be_taken_out_of_the_queue_but_is_done(void **state)
{
    test_scene *scene = new_scene(state, 1);
    test_job *running = start(scene);
    test_job *waiting = submit(scene, true);
    assert_false(emi_pool_cancel(&running->job));
    assert_true(emi_pool_cancel(&waiting->job));
    assert_false(emi_pool_cancel(&waiting->job));
    run_until_done(scene, 1);
    assert_int_equal(value_of(scene, &scene->started), 1);
    open_scene(scene);
    run_until_done(scene, 2);
}

static int set_up(void **state)
{
    /* One for each test: a thread of the test before may be about to leave the mutex. */
    static test_scene scenes[16];
    static unsigned used;
    test_scene *scene = &scenes[used++];
    *scene = (test_scene){.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    scene->threads = count_threads();
    *state = scene;
    deadline_start(60);
    return 0;
}

static int tear_down(void **state)
{
    test_scene *scene = *state;
    em_loop_destroy(scene->loop);
    open_scene(scene);
    wait_for_threads(scene->threads);
    deadline_stop();
    return 0;
}

static void *do_nothing(void *argument)
{
    return argument;
}

/* The thread sanitizer starts one of its own with the program's first: before threads are counted. */
static int start_first_thread(void **state)
{
    (void)state;
    pthread_t thread;
    return pthread_create(&thread, NULL, do_nothing, NULL) || pthread_join(thread, NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_job_that_waits_is_disposed_of_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_thread_that_hangs_does_not_hold_up_the_jobs_that_follow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_thread_that_hangs_does_not_hold_up_the_jobs_that_wait_already, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(hanging_threads_do_not_grow_without_bound_and_end_when_they_return, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_finished_job_can_be_given_up_before_it_is_delivered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_finished_job_can_be_given_up_by_another_one_delivered_with_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(jobs_given_up_and_others_are_freed_after_the_loop_is_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(work_of_one_kind_does_not_wait_for_that_of_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_job_that_waits_can_be_taken_out_of_the_queue_but_is_done, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_of_several_jobs_gets_a_thread_while_there_may_be_more, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, start_first_thread, NULL);
}
