/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A loop within another program's loop, which sleeps in poll(2) on the loop's descriptor for as long as the loop
 * allows.
 */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { FOREVER_MILLISECONDS = 5000, TRANSFER_BYTES = 8 * 1024 * 1024, NAMES = 200 };

/* The loop's descriptor; without one the test is over. */
static int descriptor_of(em_loop *loop)
{
    int descriptor = -1;
    em_status status = em_loop_get_descriptor(loop, &descriptor);
    if (strcmp(system_backend(), "poll") == 0) {
        assert_int_equal(status, EM_UNSUPPORTED);
        return -1;
    }
    assert_int_equal(status, EM_OK);
    assert_true(descriptor >= 0);
    return descriptor;
}

/* Rounded up, so that the outer loop does not spin towards the end. */
static int milliseconds(uint64_t timeout_ns)
{
    uint64_t rounded = timeout_ns / EM_MILLISECONDS + (timeout_ns % EM_MILLISECONDS != 0);
    return rounded < FOREVER_MILLISECONDS ? (int)rounded : FOREVER_MILLISECONDS;
}

/* One turn of the outer loop. It must not sleep through anything: nothing here takes as long as that. */
static void outer_turn(em_loop *loop, int descriptor)
{
    struct pollfd ready = {.fd = descriptor, .events = POLLIN};
    uint64_t timeout_ns = em_loop_get_timeout_ns(loop);
    int found = poll(&ready, 1, milliseconds(timeout_ns));
    assert_true(found > 0 || timeout_ns < FOREVER_MILLISECONDS * EM_MILLISECONDS);
    assert_int_equal(em_loop_run_once(loop, 0), EM_OK);
}

static void an_outer_loop_runs_servers_clients_and_names(void **state)
{
    static const char block[TRANSFER_BYTES];
    int descriptor = descriptor_of(*state);
    if (descriptor < 0)
        return;
    system_record *served = system_new_record(SYSTEM_NONE);
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connect_options options = {.size = sizeof options, .user = record};
    em_connection *client;
    int port = system_serve(*state, &system_echo, served);
    assert_int_equal(em_loop_connect(*state, "localhost", port, &system_recorder, &options, &client), EM_OK);
    em_connection_send_borrowed(client, block, sizeof block, NULL, NULL);
    em_connection_close_write(client);
    while (!record->unbind || !served->unbind)
        outer_turn(*state, descriptor);
    assert_int_equal(record->bytes, sizeof block);
    assert_int_equal(record->reason, EM_OK);
}

static void an_outer_loop_never_sleeps_through_the_end_of_a_lookup(void **state)
{
    int descriptor = descriptor_of(*state);
    if (descriptor < 0)
        return;
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connect_options options = {.size = sizeof options, .user = record};
    int port = system_closed_port();
    for (unsigned i = 0; i < NAMES; i++)
        assert_int_equal(em_loop_connect(*state, "localhost", port, &system_recorder, &options, NULL), EM_OK);
    while (record->unbind < NAMES)
        outer_turn(*state, descriptor);
    assert_int_equal(record->reason, EM_CONNECTION_REFUSED);
}

static void set(em_loop *loop, em_timer timer, void *user)
{
    (void)loop;
    (void)timer;
    ++*(unsigned *)user;
}

static void an_outer_loop_runs_timers_in_time_and_without_spinning(void **state)
{
    int descriptor = descriptor_of(*state);
    unsigned *fired = system_memory(sizeof *fired);
    uint64_t started_ns = system_now_ns();
    assert_int_equal(em_loop_run_once(*state, 0), EM_OK); /* a new loop may have something to prepare */
    assert_int_equal(em_loop_get_timeout_ns(*state), EM_FOREVER);
    assert_int_equal(em_loop_add_timer(*state, 50 * EM_MILLISECONDS, set, fired, NULL, NULL), EM_OK);
    assert_in_range(em_loop_get_timeout_ns(*state), 1, 50 * EM_MILLISECONDS);
    if (descriptor < 0)
        return;
    while (!*fired)
        outer_turn(*state, descriptor);
    assert_in_range(system_now_ns() - started_ns, 50 * EM_MILLISECONDS, EM_FOREVER);
    assert_in_range(system_stats(*state).turns, 1, 5);
    assert_int_equal(em_loop_get_timeout_ns(*state), EM_FOREVER);
}

static void call(em_loop *loop, void *user)
{
    (void)loop;
    ++*(unsigned *)user;
}

static void ticks_and_posts_leave_no_time_to_sleep(void **state)
{
    unsigned *called = system_memory(sizeof *called);
    assert_int_equal(em_loop_next_tick(*state, call, called, NULL), EM_OK);
    assert_int_equal(em_loop_get_timeout_ns(*state), 0);
    assert_int_equal(em_loop_run_once(*state, 0), EM_OK);
    assert_int_equal(em_loop_get_timeout_ns(*state), EM_FOREVER);
    assert_int_equal(em_loop_post(*state, call, called, NULL), EM_OK);
    assert_int_equal(em_loop_get_timeout_ns(*state), 0);
    assert_int_equal(em_loop_run_once(*state, 0), EM_OK);
    assert_int_equal(*called, 2);
}

static void a_post_wakes_an_outer_loop_that_sleeps(void **state)
{
    int descriptor = descriptor_of(*state);
    unsigned *called = system_memory(sizeof *called);
    struct pollfd ready = {.fd = descriptor, .events = POLLIN};
    if (descriptor < 0)
        return;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(em_loop_run_once(*state, 0), EM_OK);
        assert_int_equal(poll(&ready, 1, 0), 0);
        assert_int_equal(em_loop_post(*state, call, called, NULL), EM_OK); /* as another thread may do it now */
        assert_int_equal(poll(&ready, 1, FOREVER_MILLISECONDS), 1);
        assert_int_equal(em_loop_run_once(*state, 0), EM_OK);
        assert_int_equal(*called, i + 1);
    }
}

static void wake(em_loop *loop, void *user)
{
    (void)user;
    em_loop_wake(loop);
}

static void a_post_wakes_an_outer_loop_also_after_a_wake_within_the_turn(void **state)
{
    int descriptor = descriptor_of(*state);
    unsigned *called = system_memory(sizeof *called);
    struct pollfd ready = {.fd = descriptor, .events = POLLIN};
    if (descriptor < 0)
        return;
    assert_int_equal(em_loop_next_tick(*state, wake, NULL, NULL), EM_OK);
    assert_int_equal(em_loop_run_once(*state, 0), EM_OK);
    while (em_loop_get_timeout_ns(*state) == 0)
        assert_int_equal(em_loop_run_once(*state, 0), EM_OK);
    /* Now the outer loop goes to sleep, and another thread posts. */
    assert_int_equal(em_loop_post(*state, call, called, NULL), EM_OK);
    assert_int_equal(poll(&ready, 1, FOREVER_MILLISECONDS), 1);
    assert_int_equal(em_loop_run_once(*state, 0), EM_OK);
    assert_int_equal(*called, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(an_outer_loop_runs_servers_clients_and_names),
        SYSTEM_TEST(an_outer_loop_never_sleeps_through_the_end_of_a_lookup),
        SYSTEM_TEST(an_outer_loop_runs_timers_in_time_and_without_spinning),
        SYSTEM_TEST(ticks_and_posts_leave_no_time_to_sleep),
        SYSTEM_TEST(a_post_wakes_an_outer_loop_that_sleeps),
        SYSTEM_TEST(a_post_wakes_an_outer_loop_also_after_a_wake_within_the_turn),
    };
    return SYSTEM_RUN(tests);
}
