/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Threads: posting to a loop, waking and stopping it from others, and several loops side by side.
 */
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { THREADS = 8, POSTS = 5000, LOOPS = 4, ECHOES = 500, WAKES = 2000 };

/* What one thread posts; the loop's thread counts. */
typedef struct letter letter;

typedef struct poster {
    pthread_t thread;
    em_loop *loop;
    letter *letters;
    unsigned posted;
    unsigned called;
    unsigned out_of_order;
    unsigned *total;
} poster;

struct letter {
    poster *from;
    unsigned number;
};

static void deliver(em_loop *loop, void *user)
{
    const letter *delivered = user;
    poster *from = delivered->from;
    from->out_of_order += delivered->number != from->called;
    from->called++;
    if (++*from->total == THREADS * POSTS)
        em_loop_stop(loop);
}

static void *post_all(void *argument)
{
    poster *mine = argument;
    for (unsigned i = 0; i < POSTS; i++)
        if (em_loop_post(mine->loop, deliver, &mine->letters[i], NULL) == EM_OK)
            mine->posted++;
    return NULL;
}

static void posts_from_eight_threads_all_arrive_each_threads_in_order(void **state)
{
    poster *posters = system_memory(THREADS * sizeof *posters);
    unsigned *total = system_memory(sizeof *total);
    for (unsigned i = 0; i < THREADS; i++) {
        posters[i] = (poster){.loop = *state, .letters = system_memory(POSTS * sizeof(letter)), .total = total};
        for (unsigned number = 0; number < POSTS; number++)
            posters[i].letters[number] = (letter){.from = &posters[i], .number = number};
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_all, &posters[i]), 0);
    assert_int_equal(em_loop_run(*state), EM_OK);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(posters[i].thread, NULL);
        assert_int_equal(posters[i].posted, POSTS);
        assert_int_equal(posters[i].called, POSTS);
        assert_int_equal(posters[i].out_of_order, 0);
    }
    assert_int_equal(system_stats(*state).posts_run, THREADS * POSTS);
}

static void *stop_from_outside(void *loop)
{
    em_loop_stop(loop);
    return NULL;
}

static void a_loop_is_stopped_from_another_thread_whenever_that_happens(void **state)
{
    for (unsigned i = 0; i < 200; i++) { /* before, in the midst of and after the beginning of the run */
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, stop_from_outside, *state), 0);
        assert_int_equal(em_loop_run(*state), EM_OK); /* else the deadline ends the test */
        pthread_join(thread, NULL);
        assert_int_equal(em_loop_is_stopping(*state), 0);
    }
}

static void *wake_often(void *loop)
{
    for (unsigned i = 0; i < WAKES; i++)
        em_loop_wake(loop);
    em_loop_stop(loop);
    return NULL;
}

static void wakes_from_another_thread_are_cheap_and_harmless(void **state)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake_often, *state), 0);
    assert_int_equal(em_loop_run(*state), EM_OK);
    pthread_join(thread, NULL);
    assert_in_range(system_stats(*state).turns, 1, WAKES + 2);
}

/* A loop of its own in a thread: a server and a client that echo to and fro. */
typedef struct island {
    pthread_t thread;
    const char *backend;
    em_status status;
    unsigned echoes;
    unsigned wrong;
} island;

static void answer(em_connection *connection, const void *data, size_t length)
{
    em_connection_send(connection, data, length);
}

static void count_echo(em_connection *connection, const void *data, size_t length)
{
    island *mine = em_connection_get_user(connection);
    mine->wrong += length != sizeof mine || memcmp(data, &mine, sizeof mine) != 0;
    if (++mine->echoes < ECHOES)
        em_connection_send(connection, &mine, sizeof mine);
    else
        em_loop_stop(em_connection_get_loop(connection));
}

static const em_handler answering = {.receive_data = answer};
static const em_handler counting = {.receive_data = count_echo};

static em_status live_on(island *mine, em_loop *loop)
{
    em_server *server;
    em_connection *client;
    em_connect_options options = {.size = sizeof options, .user = mine};
    em_status status = em_loop_start_server(loop, "127.0.0.1", 0, &answering, NULL, &server);
    if (status == EM_OK)
        status = em_loop_connect(loop, "localhost", em_server_get_port(server), &counting, &options, &client);
    if (status == EM_OK)
        status = em_connection_send(client, &mine, sizeof mine);
    return status == EM_OK ? em_loop_run(loop) : status;
}

static void *inhabit(void *argument)
{
    island *mine = argument;
    em_loop_options options = {.size = sizeof options, .backend = mine->backend};
    em_loop *loop;
    mine->status = em_loop_create(&options, &loop);
    if (mine->status == EM_OK)
        mine->status = live_on(mine, loop);
    em_loop_destroy(loop);
    return NULL;
}

static void several_loops_in_several_threads_know_nothing_of_each_other(void **state)
{
    (void)state;
    static island islands[LOOPS];
    for (unsigned i = 0; i < LOOPS; i++) {
        islands[i] = (island){.backend = system_backend()};
        assert_int_equal(pthread_create(&islands[i].thread, NULL, inhabit, &islands[i]), 0);
    }
    for (unsigned i = 0; i < LOOPS; i++) {
        pthread_join(islands[i].thread, NULL);
        assert_int_equal(islands[i].status, EM_OK);
        assert_int_equal(islands[i].echoes, ECHOES);
        assert_int_equal(islands[i].wrong, 0);
    }
}

/* A request that another thread answers, by a post that finds the connection by its number, if it is still there. */
typedef struct request {
    pthread_t thread;
    em_loop *loop;
    em_signature signature;
    unsigned found;
    unsigned gone;
} request;

static void send_answer(em_loop *loop, void *user)
{
    request *answered = user;
    em_connection *connection = em_loop_find_connection(loop, answered->signature);
    answered->found += connection != NULL;
    answered->gone += connection == NULL;
    if (connection)
        em_connection_send_text(connection, "answer");
}

static void *work_on_request(void *argument)
{
    request *mine = argument;
    em_loop_post(mine->loop, send_answer, mine, NULL);
    return NULL;
}

static void another_thread_answers_by_the_connections_number_if_it_is_still_there(void **state)
{
    char bytes[6];
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    request *mine = system_memory(sizeof *mine);
    *mine = (request){.loop = *state, .signature = em_connection_get_signature(served->connection)};
    assert_int_equal(pthread_create(&mine->thread, NULL, work_on_request, mine), 0);
    assert_int_equal(system_read(*state, client, bytes, sizeof bytes), sizeof bytes);
    pthread_join(mine->thread, NULL);
    assert_int_equal(mine->found, 1);
    close(client);
    while (!served->unbind)
        system_turn(*state);
    assert_int_equal(pthread_create(&mine->thread, NULL, work_on_request, mine), 0);
    while (!mine->gone)
        system_turn(*state);
    pthread_join(mine->thread, NULL);
    assert_int_equal(mine->found, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(posts_from_eight_threads_all_arrive_each_threads_in_order),
        SYSTEM_TEST(a_loop_is_stopped_from_another_thread_whenever_that_happens),
        SYSTEM_TEST(wakes_from_another_thread_are_cheap_and_harmless),
        SYSTEM_TEST(several_loops_in_several_threads_know_nothing_of_each_other),
        SYSTEM_TEST(another_thread_answers_by_the_connections_number_if_it_is_still_there),
    };
    return SYSTEM_RUN(tests);
}
