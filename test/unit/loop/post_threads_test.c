/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What other threads may do to a loop: post, wake, stop. Real backends, with and without the hook around waits.
 */
#include <eventmachine.h>

#include "support/unit.h"

#include <pthread.h>
#include <stdlib.h>

enum { THREADS = 8, POSTS = 2000 };

/* One posted call: of which thread, and the how manieth. */
typedef struct parcel {
    struct post_office *office;
    unsigned sender;
    unsigned number;
} parcel;

typedef struct post_office {
    em_loop *loop;
    unsigned received[THREADS];
    unsigned total;
    parcel parcels[THREADS][POSTS];
} post_office;

typedef struct sender {
    post_office *office;
    unsigned number;
} sender;

static void plain_wait(void *user, void (*wait)(void *wait_data), void *wait_data)
{
    (void)user;
    wait(wait_data);
}

static const em_loop_options all_options[] = {
    {.size = sizeof(em_loop_options), .backend = "epoll"},
    {.size = sizeof(em_loop_options), .backend = "poll"},
    {.size = sizeof(em_loop_options), .backend = "epoll", .around_wait = plain_wait},
    {.size = sizeof(em_loop_options), .backend = "poll", .around_wait = plain_wait},
};

static int set_up(void **state)
{
    (void)state;
    deadline_start(60);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    deadline_stop();
    return 0;
}

static void receive(em_loop *loop, void *user)
{
    parcel *received = user;
    post_office *office = received->office;
    if (received->number != office->received[received->sender])
        stop_test("thread %u: call %u came instead of %u", received->sender, received->number,
                  office->received[received->sender]);
    office->received[received->sender]++;
    if (++office->total == THREADS * POSTS)
        em_loop_stop(loop);
}

static void *post_all(void *argument)
{
    sender *own = argument;
    for (unsigned i = 0; i < POSTS; i++) {
        parcel *sent = &own->office->parcels[own->number][i];
        *sent = (parcel){.office = own->office, .sender = own->number, .number = i};
        if (em_loop_post(own->office->loop, receive, sent, NULL) != EM_OK)
            stop_test("em_loop_post failed");
    }
    return NULL;
}

static void posts_from_eight_threads_all_run_in_the_order_of_each_thread(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(all_options); i++) {
        post_office *office = calloc(1, sizeof *office);
        pthread_t threads[THREADS];
        sender senders[THREADS];
        assert_non_null(office);
        assert_int_equal(em_loop_create(&all_options[i], &office->loop), EM_OK);
        for (unsigned t = 0; t < THREADS; t++) {
            senders[t] = (sender){.office = office, .number = t};
            assert_int_equal(pthread_create(&threads[t], NULL, post_all, &senders[t]), 0);
        }
        assert_int_equal(em_loop_run(office->loop), EM_OK);
        for (unsigned t = 0; t < THREADS; t++)
            pthread_join(threads[t], NULL);
        assert_int_equal(office->total, THREADS * POSTS);
        em_loop_destroy(office->loop);
        free(office);
    }
}

/* Each call is posted only when the one before has run: a single lost wake hangs. */
typedef struct ping_pong {
    em_loop *loop;
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    unsigned ran;
} ping_pong;

static void ran(em_loop *loop, void *user)
{
    ping_pong *game = user;
    (void)loop;
    pthread_mutex_lock(&game->mutex);
    game->ran++;
    pthread_cond_signal(&game->condition);
    pthread_mutex_unlock(&game->mutex);
}

static void *play(void *argument)
{
    ping_pong *game = argument;
    for (unsigned i = 1; i <= 5000; i++) {
        em_loop_post(game->loop, ran, game, NULL);
        pthread_mutex_lock(&game->mutex);
        while (game->ran < i)
            pthread_cond_wait(&game->condition, &game->mutex);
        pthread_mutex_unlock(&game->mutex);
    }
    em_loop_stop(game->loop);
    return NULL;
}

static void every_post_wakes_a_sleeping_loop(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(all_options); i++) {
        ping_pong game = {.ran = 0};
        pthread_t thread;
        pthread_mutex_init(&game.mutex, NULL);
        pthread_cond_init(&game.condition, NULL);
        assert_int_equal(em_loop_create(&all_options[i], &game.loop), EM_OK);
        assert_int_equal(pthread_create(&thread, NULL, play, &game), 0);
        assert_int_equal(em_loop_run(game.loop), EM_OK);
        pthread_join(thread, NULL);
        assert_int_equal(game.ran, 5000);
        em_loop_destroy(game.loop);
        pthread_cond_destroy(&game.condition);
        pthread_mutex_destroy(&game.mutex);
    }
}

static void *stop_it(void *argument)
{
    em_loop_stop(argument);
    return NULL;
}

static void a_stop_from_another_thread_ends_a_sleeping_loop(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(all_options); i++) {
        em_loop *loop;
        assert_int_equal(em_loop_create(&all_options[i], &loop), EM_OK);
        for (unsigned round = 0; round < 100; round++) {
            pthread_t thread;
            assert_int_equal(pthread_create(&thread, NULL, stop_it, loop), 0);
            assert_int_equal(em_loop_run(loop), EM_OK);
            pthread_join(thread, NULL);
        }
        em_loop_destroy(loop);
    }
}

static void *run_own_loop(void *argument)
{
    sender *own = argument;
    em_loop *loop;
    if (em_loop_create(NULL, &loop) != EM_OK)
        stop_test("em_loop_create failed");
    for (unsigned i = 0; i < 1000; i++)
        em_loop_run_once(loop, 0);
    em_loop_destroy(loop);
    own->number++;
    return NULL;
}

static void every_thread_may_have_its_own_loop(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    sender owners[THREADS] = {{.number = 0}};
    for (unsigned t = 0; t < THREADS; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, run_own_loop, &owners[t]), 0);
    for (unsigned t = 0; t < THREADS; t++) {
        pthread_join(threads[t], NULL);
        assert_int_equal(owners[t].number, 1);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(posts_from_eight_threads_all_run_in_the_order_of_each_thread, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(every_post_wakes_a_sleeping_loop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stop_from_another_thread_ends_a_sleeping_loop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_thread_may_have_its_own_loop, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
