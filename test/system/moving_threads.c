/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A loop and the thread that runs it. What one thread ran, another may always destroy. To run it there works, or, where the
 * kernel ties a ring to a thread, is refused and harms nothing.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { BORROWED_BYTES = 32 * 1024 * 1024, THREADS = 5 };

/* A loop with much under way, and a thread of its own that has run it. */
typedef struct scene {
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
} scene;

static const char borrowed[BORROWED_BYTES];

static void count_release(void *user, const void *data)
{
    (void)data;
    ++*(unsigned *)user;
}

static void flood(em_connection *connection)
{
    scene *set = em_loop_get_user(em_connection_get_loop(connection));
    system_recorder.post_init(connection);
    em_send_borrowed(connection, borrowed, sizeof borrowed, count_release, &set->released);
}

static void *run(void *argument)
{
    scene *set = argument;
    set->status = EM_OK;
    while (set->status == EM_OK && (!set->talking->connection || !set->flooded->connection))
        set->status = em_loop_run_once(set->loop, EM_MILLISECONDS);
    for (unsigned i = 0; set->status == EM_OK && i < 3; i++)
        set->status = em_loop_run_once(set->loop, EM_MILLISECONDS);
    return NULL;
}

static void *run_and_stay(void *argument)
{
    scene *set = argument;
    run(set);
    pthread_barrier_wait(&set->ran);
    pthread_barrier_wait(&set->may_go_on);
    return NULL;
}

static void *run_twice(void *argument)
{
    scene *set = argument;
    run_and_stay(set);
    while (set->status == EM_OK && set->talking->unbind == 0)
        set->status = em_loop_run_once(set->loop, EM_MILLISECONDS);
    return NULL;
}

static scene *set_scene(em_loop *loop, void *(*run_by_thread)(void *scene))
{
    static em_handler flooding;
    flooding = system_recorder;
    flooding.post_init = flood;
    scene *set = system_memory(sizeof *set);
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

static void let_go_on(scene *set)
{
    pthread_barrier_wait(&set->may_go_on);
    pthread_join(set->thread, NULL);
}

/* Skips what comes before; a ring that is being closed may interrupt the call. */
static void expect_end(int peer)
{
    static char dropped[65536];
    ssize_t length;
    do
        length = recv(peer, dropped, sizeof dropped, 0);
    while (length > 0 || (length < 0 && errno == EINTR));
    assert_int_equal(length, 0);
}

/* The loop has been destroyed. */
static void strike(scene *set)
{
    assert_int_equal(set->talking->unbind, 1);
    assert_int_equal(set->flooded->unbind, 1);
    assert_int_equal(set->released, 1);
    pthread_barrier_destroy(&set->ran);
    pthread_barrier_destroy(&set->may_go_on);
    close(set->client);
    close(set->deaf);
}

static bool is_tied_to_its_thread(void)
{
    return strcmp(system_backend(), "uring") == 0;
}

static void a_loop_is_destroyed_by_another_thread_when_its_own_has_ended(void **state)
{
    scene *set = set_scene(*state, run);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    expect_end(set->client);
    expect_end(set->deaf);
    strike(set);
}

static void a_loop_is_destroyed_by_another_thread_while_its_own_lives_on(void **state)
{
    scene *set = set_scene(*state, run_and_stay);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    expect_end(set->client);
    expect_end(set->deaf);
    let_go_on(set);
    strike(set);
}

/* Each has a loop of its own that it runs, too; nothing of it may be taken for the other's. */
static void expect_refusal(em_loop *loop, em_loop *own)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connect(system_serve(own, &system_echo, served));
    char answer[4];
    for (unsigned i = 0; i < 3; i++) {
        system_write(client, "mine", 4);
        assert_int_equal(em_loop_run_once(loop, 0), EM_INVALID_STATE);
        assert_int_equal(em_loop_run_once(loop, EM_FOREVER), EM_INVALID_STATE);
        assert_int_equal(em_loop_run(loop), EM_INVALID_STATE);
        assert_int_equal(system_read(own, client, answer, 4), 4);
        assert_memory_equal(answer, "mine", 4);
    }
    close(client);
}

static void another_thread_may_not_run_a_tied_loop_and_does_no_harm(void **state)
{
    if (!is_tied_to_its_thread())
        system_skip("here any thread may run it");
    char answer[5];
    em_loop *own = system_create_loop((em_loop_options){.size = 0});
    scene *set = set_scene(*state, run_twice);
    expect_refusal(*state, own);
    system_write(set->client, "still", 5);
    shutdown(set->client, SHUT_WR);
    let_go_on(set);
    assert_int_equal(set->status, EM_OK);
    assert_int_equal(recv(set->client, answer, sizeof answer, MSG_DONTWAIT), sizeof answer);
    assert_memory_equal(answer, "still", 5);
    assert_int_equal(set->talking->reason, EM_OK);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    strike(set);
    assert_int_equal(em_loop_destroy(own), EM_OK);
}

static void another_thread_may_run_an_untied_loop_and_go_on(void **state)
{
    if (is_tied_to_its_thread())
        system_skip("here a loop stays with the thread that first ran it");
    char answer[5];
    scene *set = set_scene(*state, run);
    system_write(set->client, "still", 5);
    assert_int_equal(system_read(*state, set->client, answer, sizeof answer), sizeof answer);
    assert_memory_equal(answer, "still", 5);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    strike(set);
}

typedef struct attempt {
    em_loop *loop;
    em_status status;
} attempt;

static void *run_once(void *argument)
{
    attempt *made = argument;
    made->status = em_loop_run_once(made->loop, 0);
    return NULL;
}

/* The system gives a new thread the address, and at times the number, of one that has ended. */
static void a_thread_is_not_taken_for_one_that_has_ended(void **state)
{
    scene *set = set_scene(*state, run);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_t thread;
        attempt made = {.loop = *state};
        assert_int_equal(pthread_create(&thread, NULL, run_once, &made), 0);
        pthread_join(thread, NULL);
        assert_int_equal(made.status, is_tied_to_its_thread() ? EM_INVALID_STATE : EM_OK);
    }
    assert_int_equal(set->talking->unbind + set->flooded->unbind, 0);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    strike(set);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_loop_is_destroyed_by_another_thread_when_its_own_has_ended),
        SYSTEM_TEST(a_loop_is_destroyed_by_another_thread_while_its_own_lives_on),
        SYSTEM_TEST(another_thread_may_not_run_a_tied_loop_and_does_no_harm),
        SYSTEM_TEST(another_thread_may_run_an_untied_loop_and_go_on),
        SYSTEM_TEST(a_thread_is_not_taken_for_one_that_has_ended),
    };
    return SYSTEM_RUN(tests);
}
