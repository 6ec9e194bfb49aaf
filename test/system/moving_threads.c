/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A loop and the threads that run it: what one thread ran, another may run or destroy.
 */
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { BORROWED_BYTES = 32 * 1024 * 1024 };

/* A loop with much under way, and a thread of its own that has run it. */
typedef struct fixture {
    em_loop *loop;
    pthread_t thread;
    em_status status;       /* of its run */
    system_record *talking; /* a server's connection to `client` */
    system_record *flooded; /* one to `deaf`, which does not read what is sent to it */
    int client;
    int deaf;
    unsigned released;     /* how often the borrowed memory came back */
    pthread_barrier_t ran; /* where the two threads meet */
    pthread_barrier_t may_go_on;
} fixture;

static const char borrowed[BORROWED_BYTES];

static void count_release(void *user, const void *data)
{
    (void)data;
    ++*(unsigned *)user;
}

static void flood(em_connection *connection)
{
    fixture *set = em_loop_get_user(em_connection_get_loop(connection));
    system_recorder.post_init(connection);
    em_connection_send_borrowed(connection, borrowed, sizeof borrowed, count_release, &set->released);
}

static void *run(void *argument)
{
    fixture *set = argument;
    set->status = EM_OK;
    while (set->status == EM_OK && (!set->talking->connection || !set->flooded->connection))
        set->status = em_loop_run_once(set->loop, EM_MILLISECONDS);
    for (unsigned i = 0; set->status == EM_OK && i < 3; i++)
        set->status = em_loop_run_once(set->loop, EM_MILLISECONDS);
    return NULL;
}

static void *run_and_stay(void *argument)
{
    fixture *set = argument;
    run(set);
    pthread_barrier_wait(&set->ran);
    pthread_barrier_wait(&set->may_go_on);
    return NULL;
}

static fixture *fixture_create(em_loop *loop, void *(*run_by_thread)(void *fixture))
{
    static em_handler flooding;
    flooding = system_recorder;
    flooding.post_init = flood;
    fixture *set = system_memory(sizeof *set);
    set->loop = loop;
    em_loop_set_user(loop, set);
    pthread_barrier_init(&set->ran, NULL, 2);
    pthread_barrier_init(&set->may_go_on, NULL, 2);
    set->talking = system_new_record(SYSTEM_NONE);
    set->flooded = system_new_record(SYSTEM_NONE);
    set->client = system_connect(system_serve(loop, &system_echo, set->talking));
    set->deaf = system_connect(system_serve(loop, &flooding, set->flooded));
    assert_int_equal(pthread_create(&set->thread, NULL, run_by_thread, set), 0);
    if (run_by_thread == run)
        pthread_join(set->thread, NULL);
    else
        pthread_barrier_wait(&set->ran);
    assert_int_equal(set->status, EM_OK);
    assert_int_equal(set->talking->unbind + set->flooded->unbind, 0);
    return set;
}

static void let_go_on(fixture *set)
{
    pthread_barrier_wait(&set->may_go_on);
    pthread_join(set->thread, NULL);
}

/* Skips what comes before. */
static void expect_end(int peer)
{
    static char dropped[65536];
    ssize_t length;
    do
        length = system_receive(peer, dropped, sizeof dropped);
    while (length > 0);
    assert_int_equal(length, 0);
}

/* The loop has been destroyed. */
static void fixture_free(fixture *set)
{
    assert_int_equal(set->talking->unbind, 1);
    assert_int_equal(set->flooded->unbind, 1);
    assert_int_equal(set->released, 1);
    pthread_barrier_destroy(&set->ran);
    pthread_barrier_destroy(&set->may_go_on);
    close(set->client);
    close(set->deaf);
}

static void a_loop_is_destroyed_by_another_thread_when_its_own_has_ended(void **state)
{
    fixture *set = fixture_create(*state, run);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    expect_end(set->client);
    expect_end(set->deaf);
    fixture_free(set);
}

static void a_loop_is_destroyed_by_another_thread_while_its_own_keeps_running(void **state)
{
    fixture *set = fixture_create(*state, run_and_stay);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    expect_end(set->client);
    expect_end(set->deaf);
    let_go_on(set);
    fixture_free(set);
}

static void another_thread_may_run_a_loop_and_go_on(void **state)
{
    char answer[5];
    fixture *set = fixture_create(*state, run);
    system_write(set->client, "still", 5);
    assert_int_equal(system_read(*state, set->client, answer, sizeof answer), sizeof answer);
    assert_memory_equal(answer, "still", 5);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    fixture_free(set);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_loop_is_destroyed_by_another_thread_when_its_own_has_ended),
        SYSTEM_TEST(a_loop_is_destroyed_by_another_thread_while_its_own_keeps_running),
        SYSTEM_TEST(another_thread_may_run_a_loop_and_go_on),
    };
    return SYSTEM_RUN(tests);
}
