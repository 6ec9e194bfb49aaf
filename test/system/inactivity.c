/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The inactivity timeout: it comes at its time, not at twice it, and never to a connection that is busy.
 */
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

#define TIMEOUT_NS (200 * EM_MILLISECONDS)

/* A loop that looks once per timeout only would notice an idle connection after twice the time. */
#define LATEST_NS (TIMEOUT_NS * 19 / 10)

static int connected_client(em_loop *loop, system_record *served)
{
    em_stream_options stream = {.size = sizeof stream, .inactivity_timeout_ns = TIMEOUT_NS};
    em_server_options options = {.user = served, .stream = &stream};
    int client = system_connect(system_serve_with(loop, &system_echo, options, NULL));
    while (!served->connection)
        system_turn(loop);
    return client;
}

/* How long it took, never less than the timeout. */
static uint64_t await_timeout(em_loop *loop, const system_record *served, uint64_t since_ns)
{
    assert_int_equal(em_loop_run(loop), EM_OK);
    uint64_t took_ns = system_now_ns() - since_ns;
    assert_int_equal(served->unbind, 1);
    assert_int_equal(served->reason, EM_INACTIVITY_TIMEOUT);
    assert_true(took_ns >= TIMEOUT_NS - 20 * EM_MILLISECONDS);
    return took_ns;
}

static uint64_t end_silent_connection(em_loop *loop)
{
    system_record *served = system_new_record(SYSTEM_UNBIND);
    uint64_t started_ns = system_now_ns();
    int client = connected_client(loop, served);
    uint64_t took_ns = await_timeout(loop, served, started_ns);
    close(client);
    return took_ns;
}

static void a_silent_connection_ends_at_its_timeout_and_not_later(void **state)
{
    system_expect_at_best(LATEST_NS, end_silent_connection, *state);
}

static void write_a_byte(em_loop *loop, em_timer timer, void *client)
{
    (void)loop;
    (void)timer;
    system_write(*(int *)client, "x", 1);
}

static void a_busy_connection_stays_open_and_ends_one_timeout_after_its_last_byte(void **state)
{
    system_record *served = system_new_record(SYSTEM_UNBIND);
    int client = connected_client(*state, served);
    em_timer writing;
    assert_int_equal(em_loop_add_periodic_timer(*state, 20 * EM_MILLISECONDS, write_a_byte, &client, NULL, &writing),
                     EM_OK);
    system_run_for(*state, 3 * TIMEOUT_NS);
    assert_int_equal(served->unbind, 0);
    assert_int_equal(em_loop_cancel_timer(*state, writing), EM_OK);
    uint64_t idle_ns = em_connection_get_idle_ns(served->connection);
    await_timeout(*state, served, system_now_ns() - idle_ns);
    close(client);
}

static uint64_t end_connection_with_traffic(em_loop *loop)
{
    system_record *served = system_new_record(SYSTEM_UNBIND);
    int client = connected_client(loop, served);
    em_timer timer;
    assert_int_equal(em_loop_add_timer(loop, TIMEOUT_NS / 2, write_a_byte, &client, NULL, &timer), EM_OK);
    while (!served->bytes && !served->unbind)
        assert_int_equal(em_loop_run_once(loop, EM_FOREVER), EM_OK);
    /* So slow a machine that the timeout came first. */
    uint64_t took_ns = served->unbind ? UINT64_MAX : await_timeout(loop, served, system_now_ns());
    em_loop_cancel_timer(loop, timer);
    close(client);
    return took_ns;
}

static void traffic_shortly_before_the_timeout_does_not_double_it(void **state)
{
    system_expect_at_best(LATEST_NS, end_connection_with_traffic, *state);
}

/* How many turns a connection takes to end whose timeout is taken back and then set to less than it has been idle. */
static uint64_t turns_of_a_timeout_set_again(em_loop *loop)
{
    system_record *served = system_new_record(SYSTEM_UNBIND);
    int client = connected_client(loop, served);
    assert_int_equal(em_connection_get_inactivity_timeout_ns(served->connection), TIMEOUT_NS);
    assert_int_equal(em_connection_set_inactivity_timeout_ns(served->connection, 0), EM_OK);
    system_run_for(loop, TIMEOUT_NS * 3 / 2);
    assert_int_equal(served->unbind, 0);
    assert_int_equal(em_connection_set_inactivity_timeout_ns(served->connection, EM_FOREVER), EM_OK);
    system_turn(loop);
    assert_int_equal(served->unbind, 0);
    /* Measured from the last activity, which is longer ago than this. */
    assert_int_equal(em_connection_set_inactivity_timeout_ns(served->connection, EM_MILLISECONDS), EM_OK);
    uint64_t turns_before = system_stats(loop).turns;
    assert_int_equal(em_loop_run(loop), EM_OK);
    assert_int_equal(served->reason, EM_INACTIVITY_TIMEOUT);
    close(client);
    return system_stats(loop).turns - turns_before;
}

static void a_timeout_may_be_set_and_taken_back_at_any_time(void **state)
{
    /* Without spinning. On a busy machine the loop is late, and then a connection gets more time. */
    enum { MOST_TURNS = 3 };
    system_expect_at_best(MOST_TURNS + 1, turns_of_a_timeout_set_again, *state);
}

static void a_client_has_a_timeout_from_when_it_is_connected(void **state)
{
    system_record *record = system_new_record(SYSTEM_UNBIND);
    system_record *served = system_new_record(SYSTEM_NONE);
    em_stream_options stream = {.size = sizeof stream, .inactivity_timeout_ns = TIMEOUT_NS};
    em_connect_options options = {.user = record, .stream = &stream};
    uint64_t started_ns = system_now_ns();
    system_dial_with(*state, system_serve(*state, &system_recorder, served), &system_recorder, options);
    await_timeout(*state, record, started_ns);
    assert_int_equal(record->completed, 1);
}

static void slow_connecting_does_not_count_as_inactivity(void **state)
{
    int port;
    int fillers[SYSTEM_MOST_FILLERS];
    int listener = system_listen(0, &port);
    unsigned filled = system_fill_queue(port, fillers);
    if (filled == 0)
        system_skip("this system answers however full the queue is");
    system_record *record = system_new_record(SYSTEM_COMPLETED);
    em_stream_options stream = {.size = sizeof stream, .inactivity_timeout_ns = TIMEOUT_NS};
    system_dial_with(*state, port, &system_recorder, (em_connect_options){.user = record, .stream = &stream});
    system_run_for(*state, TIMEOUT_NS * 3 / 2);
    assert_int_equal(record->unbind, 0);
    for (unsigned i = 0; i < filled; i++)
        close(fillers[i]);
    while (!system_is_silent(listener))
        close(system_accept(listener));
    assert_int_equal(em_loop_run(*state), EM_OK); /* the system sends the SYN again within a second or so, tcp(7) */
    assert_int_equal(record->completed, 1);
    record->stop_at = SYSTEM_UNBIND;
    await_timeout(*state, record, system_now_ns());
    close(listener);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_silent_connection_ends_at_its_timeout_and_not_later),
        SYSTEM_TEST(a_busy_connection_stays_open_and_ends_one_timeout_after_its_last_byte),
        SYSTEM_TEST(traffic_shortly_before_the_timeout_does_not_double_it),
        SYSTEM_TEST(a_timeout_may_be_set_and_taken_back_at_any_time),
        SYSTEM_TEST(slow_connecting_does_not_count_as_inactivity),
        SYSTEM_TEST(a_client_has_a_timeout_from_when_it_is_connected),
    };
    return SYSTEM_RUN(tests);
}
