/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Loops in several threads start processes at the same time, beside threads that allocate memory: no child gets a
 * descriptor of another, and none hangs.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "support/system_test.h"

enum { LOOPS = 3, PROCESSES = 40, ALLOCATING = 2 };

typedef struct runner {
    pthread_t thread;
    em_loop *loop;
    unsigned started;
    unsigned ended;
    unsigned wrong;
} runner;

static atomic_bool allocating;

static void start(runner *runner);

/* cat(1) ends only if nobody else has the other end of its input. */
static void unbind(em_process *process, const em_process_status *status)
{
    runner *mine = em_process_get_user(process);
    mine->ended++;
    mine->wrong += status->end != EM_PROCESS_EXITED || status->exit_status != 0;
    if (mine->started < PROCESSES)
        start(mine);
    else
        em_loop_stop(mine->loop);
}

static const em_process_handler handler = {.unbind = unbind};

static void start(runner *mine)
{
    em_process_stream_options pipe = {.size = sizeof pipe, .kind = EM_PROCESS_PIPE};
    em_process_options options = {.size = sizeof options,
                                  .user = mine,
                                  .arguments = (const char *const[]){"cat", NULL},
                                  .input = &pipe,
                                  .output = &pipe};
    em_process *process;
    mine->started++;
    if (em_loop_start_process(mine->loop, &options, &handler, &process) != EM_OK)
        abort();
    em_connection_close_write(em_process_get_stream(process, EM_PROCESS_INPUT));
}

static void *run(void *argument)
{
    runner *mine = argument;
    start(mine);
    em_loop_run(mine->loop);
    return NULL;
}

static void *allocate(void *unused)
{
    while (atomic_load(&allocating))
        free(malloc(1000));
    return unused;
}

static void threads_start_processes_at_the_same_time(void **state)
{
    runner runners[LOOPS] = {0};
    pthread_t others[ALLOCATING];
    (void)state;
    atomic_store(&allocating, true);
    for (unsigned i = 0; i < ALLOCATING; i++)
        assert_int_equal(pthread_create(&others[i], NULL, allocate, NULL), 0);
    for (unsigned i = 0; i < LOOPS; i++) {
        runners[i].loop = system_create_loop((em_loop_options){0});
        assert_int_equal(pthread_create(&runners[i].thread, NULL, run, &runners[i]), 0);
    }
    for (unsigned i = 0; i < LOOPS; i++) {
        pthread_join(runners[i].thread, NULL);
        assert_int_equal(runners[i].ended, PROCESSES);
        assert_int_equal(runners[i].wrong, 0);
        assert_int_equal(em_loop_destroy(runners[i].loop), EM_OK);
    }
    atomic_store(&allocating, false);
    for (unsigned i = 0; i < ALLOCATING; i++)
        pthread_join(others[i], NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {SYSTEM_TEST(threads_start_processes_at_the_same_time)};
    return SYSTEM_RUN(tests);
}
