/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Every wake ends a wait, whenever it comes: while callbacks run, on the way into a wait and out of it, with a host's
 * lock around the wait or within another loop that polls the loop's descriptor. One thread posts and then insists that
 * the call is made, with nothing else to move the loop.
 */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "support/bytes.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { CLIENTS = 4, ROUNDS = 400, POSTS = 3, LONGEST_SPIN = 3000 };

typedef struct scene {
    em_loop *loop;
    int port;
    atomic_uint called;
    atomic_bool is_over;
} scene;

static void spin(unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        atomic_signal_fence(memory_order_seq_cst);
}

/* Callbacks take long, so that posts come within them. */
static void echo_slowly(em_connection *connection, const void *data, size_t length)
{
    spin(20 * LONGEST_SPIN);
    em_connection_send(connection, data, length);
}

static const em_handler slow = {.receive_data = echo_slowly};

static void count(em_loop *loop, void *user)
{
    (void)loop;
    atomic_fetch_add(&((scene *)user)->called, 1);
}

static void end(em_loop *loop, void *user)
{
    atomic_store(&((scene *)user)->is_over, true);
    em_loop_stop(loop);
}

/* Else the watchdog ends the test. */
static void insist(const scene *set, unsigned posted)
{
    while (atomic_load(&set->called) < posted)
        sched_yield();
}

static void *post_in_every_state(void *user)
{
    scene *set = user;
    int clients[CLIENTS];
    uint64_t seed = 1;
    unsigned posted = 0;
    char byte;
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i] = system_connect(set->port);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < CLIENTS; i++)
            system_write(clients[i], "x", 1);
        for (unsigned i = 0; i < POSTS; i++, posted++) {
            em_loop_post(set->loop, count, set, NULL);
            spin((unsigned)random_below(&seed, LONGEST_SPIN));
        }
        for (unsigned i = 0; i < CLIENTS; i++)
            if (system_receive(clients[i], &byte, 1) != 1)
                return NULL;
        spin((unsigned)random_below(&seed, LONGEST_SPIN));
        em_loop_post(set->loop, count, set, NULL); /* on its way to sleep, or asleep */
        insist(set, ++posted);
    }
    em_loop_post(set->loop, end, set, NULL);
    for (unsigned i = 0; i < CLIENTS; i++)
        close(clients[i]);
    return NULL;
}

static void post_while(em_loop *loop, void (*run)(scene *set))
{
    scene *set = system_memory(sizeof *set);
    pthread_t thread;
    set->loop = loop;
    set->port = system_serve(loop, &slow, NULL);
    assert_int_equal(pthread_create(&thread, NULL, post_in_every_state, set), 0);
    run(set);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&set->called), ROUNDS * (POSTS + 1));
}

static void run_loop(scene *set)
{
    assert_int_equal(em_loop_run(set->loop), EM_OK);
}

static void a_loop_notices_every_wake(void **state)
{
    post_while(*state, run_loop);
}

/* As a host with a lock does it; the lock itself is of no matter here. */
static void wait_with_pauses(void *user, void (*wait)(void *wait_data), void *wait_data)
{
    spin(*(const unsigned *)user);
    wait(wait_data);
    spin(*(const unsigned *)user);
}

static void a_loop_whose_host_has_a_lock_notices_every_wake(void **state)
{
    unsigned *pause = system_memory(sizeof *pause);
    *pause = LONGEST_SPIN / 2;
    em_loop_options options = {.size = sizeof options, .around_wait = wait_with_pauses, .around_wait_user = pause};
    em_loop *loop = system_create_loop(options);
    (void)state;
    post_while(loop, run_loop);
    assert_int_equal(em_loop_destroy(loop), EM_OK);
}

static void run_within_another_loop(scene *set)
{
    struct pollfd ready = {.events = POLLIN};
    if (em_loop_get_descriptor(set->loop, &ready.fd) != EM_OK) {
        run_loop(set);
        return;
    }
    while (!atomic_load(&set->is_over)) {
        assert_true(poll(&ready, 1, em_loop_get_timeout_ms(set->loop)) >= 0);
        assert_int_equal(em_loop_run_once(set->loop, 0), EM_OK);
    }
}

static void a_loop_within_another_notices_every_wake(void **state)
{
    post_while(*state, run_within_another_loop);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_loop_notices_every_wake),
        SYSTEM_TEST(a_loop_whose_host_has_a_lock_notices_every_wake),
        SYSTEM_TEST(a_loop_within_another_notices_every_wake),
    };
    return SYSTEM_RUN(tests);
}
