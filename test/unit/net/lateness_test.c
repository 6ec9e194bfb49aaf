/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Timeouts where the loop could not look for a while: long callbacks, stopped processes, pauses with input waiting.
 * Over the simulated backend, with the clock stopped.
 */
#include "support/simulated_loop.h"

#define S EM_SECONDS

static void a_paused_connection_is_not_silent_while_input_waits(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    em_stream_options stream = {.size = sizeof stream, .inactivity_timeout_ns = 5 * S};
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, &stream);
    em_connection_pause(told.connection);
    feed_text(peer, "x");
    uint64_t turns = stats_of(fixture).turns;
    run_for(fixture, 50 * S);
    assert_in_range(stats_of(fixture).turns - turns, 10, 20); /* one look per timeout, no spin */
    em_connection_resume(told.connection);
    run_turns(fixture, 1);
    expect_events(&told, "ID");
    run_for(fixture, 5 * S - 1);
    assert_int_equal(told.unbinds, 0);
    run_for(fixture, 1);
    assert_int_equal(told.reason, EM_INACTIVITY_TIMEOUT);
    recorder_free(&told);
}

static void an_end_that_waits_behind_a_pause_is_no_silence(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    em_stream_options stream = {.size = sizeof stream, .inactivity_timeout_ns = 5 * S};
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, &stream);
    em_connection_pause(told.connection);
    simulated_end(peer);
    run_for(fixture, 50 * S);
    expect_events(&told, "I");
    em_connection_resume(told.connection);
    run_turns(fixture, 1);
    expect_events(&told, "IE");
    /* Now the end is known, and the silence is one. */
    run_for(fixture, 5 * S);
    expect_events(&told, "IEU");
    assert_int_equal(told.reason, EM_INACTIVITY_TIMEOUT);
    recorder_free(&told);
}

static void work_for_three_seconds(recorder *told)
{
    (void)told;
    test_clock_advance(3 * S);
}

static void set_a_timeout_after_long_work(recorder *told)
{
    work_for_three_seconds(told);
    em_connection_set_inactivity_timeout_ns(told->connection, 5 * S);
}

static void a_timeout_set_after_long_work_counts_from_then(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    told.on_data = set_a_timeout_after_long_work;
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    feed_text(peer, "x");
    run_turns(fixture, 1);
    run_for(fixture, 5 * S - 1);
    assert_int_equal(told.unbinds, 0);
    run_for(fixture, 1);
    assert_int_equal(told.reason, EM_INACTIVITY_TIMEOUT);
    recorder_free(&told);
}

static void work_and_answer(recorder *told)
{
    work_for_three_seconds(told);
    em_connection_send_text(told->connection, "answer");
}

static void an_answer_after_long_work_is_activity_of_when_it_left(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    em_stream_options stream = {.size = sizeof stream, .inactivity_timeout_ns = 5 * S};
    recorder_init(&told, fixture);
    told.on_data = work_and_answer;
    simulated_peer *peer = open_accepted(&told, &recording, &stream);
    feed_text(peer, "x");
    run_turns(fixture, 1);
    assert_int_equal(em_connection_get_idle_ns(told.connection), 0);
    run_for(fixture, 5 * S - 1);
    assert_int_equal(told.unbinds, 0);
    run_for(fixture, 1);
    assert_int_equal(told.reason, EM_INACTIVITY_TIMEOUT);
    recorder_free(&told);
}

/* As after SIGSTOP, or in a container that was frozen: the peer may have stood still, too. */
static void a_loop_that_stood_still_gives_one_more_period(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    em_stream_options stream = {.size = sizeof stream, .inactivity_timeout_ns = 5 * S};
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, &stream);
    for (unsigned i = 0; i < 2; i++) {
        test_clock_advance(100 * S);
        run_turns(fixture, 2);
        run_for(fixture, 5 * S - 1);
        assert_int_equal(told.unbinds, 0);
        feed_text(peer, "x"); /* with this the silence is over, and the next one is excused again */
        run_turns(fixture, 1);
    }
    test_clock_advance(100 * S);
    run_turns(fixture, 2);
    run_for(fixture, 5 * S);
    assert_int_equal(told.reason, EM_INACTIVITY_TIMEOUT);
    recorder_free(&told);
}

static void a_little_late_gives_a_little_more(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    em_stream_options stream = {.size = sizeof stream, .inactivity_timeout_ns = 80 * S};
    recorder_init(&told, fixture);
    open_accepted(&told, &recording, &stream);
    test_clock_advance(81 * S - em_connection_get_idle_ns(told.connection));
    run_turns(fixture, 1);
    run_for(fixture, 8 * S - 1);
    assert_int_equal(told.unbinds, 0);
    run_for(fixture, 1);
    assert_int_equal(told.reason, EM_INACTIVITY_TIMEOUT);
    recorder_free(&told);
}

static void a_silent_peer_is_ended_also_where_every_turn_is_long(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    em_stream_options stream = {.size = sizeof stream, .inactivity_timeout_ns = 5 * S};
    recorder_init(&told, fixture);
    open_accepted(&told, &recording, &stream);
    unsigned turns = 0;
    for (; told.unbinds == 0 && turns < 100; turns++) {
        test_clock_advance(4 * S);
        run_turns(fixture, 1);
    }
    assert_int_equal(told.reason, EM_INACTIVITY_TIMEOUT);
    assert_in_range(turns, 3, 20);
    recorder_free(&told);
}

static void what_arrived_while_the_loop_was_away_is_read_and_nothing_ends(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    em_stream_options stream = {.size = sizeof stream, .inactivity_timeout_ns = 5 * S};
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, &stream);
    for (unsigned i = 0; i < 10; i++) {
        test_clock_advance(100 * S);
        feed_text(peer, "x");
        run_turns(fixture, 1);
    }
    expect_events(&told, "IDDDDDDDDDD");
    recorder_free(&told);
}

static void the_write_timeout_waits_for_a_paused_user_and_for_a_system_that_takes_more(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    em_stream_options stream = {.size = sizeof stream, .write_timeout_ns = 5 * S};
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, &stream);
    simulated_set_window(peer, 0);
    em_connection_pause(told.connection);
    em_connection_send_text(told.connection, "123");
    run_for(fixture, 50 * S);
    expect_events(&told, "I");
    em_connection_resume(told.connection);
    simulated_set_window(peer, 3);
    test_clock_advance(50 * S); /* room has come while the loop was away */
    run_turns(fixture, 2);
    expect_events(&told, "I");
    expect_sent(peer, "123");
    recorder_free(&told);
}

static void a_write_timeout_counts_from_when_the_bytes_were_sent(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    em_stream_options stream = {.size = sizeof stream, .write_timeout_ns = 5 * S};
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, &stream);
    run_for(fixture, S);
    simulated_set_window(peer, 0);
    told.on_data = work_for_three_seconds;
    feed_text(peer, "x");
    run_turns(fixture, 1);
    told.on_data = NULL;
    em_connection_send_text(told.connection, "123");
    run_turns(fixture, 1);
    run_for(fixture, 5 * S - 1);
    assert_int_equal(told.unbinds, 0);
    run_for(fixture, 1);
    assert_int_equal(told.reason, EM_WRITE_TIMEOUT);
    recorder_free(&told);
}

static void what_was_decided_while_the_loop_was_away_is_connected(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    assert_int_equal(begin_connecting(&told, NULL), EM_OK);
    simulated_accept_connect(simulated_take_connect(fixture->backend));
    test_clock_advance(100 * S);
    run_turns(fixture, 2);
    expect_events(&told, "IC");
    recorder_free(&told);
}

static void what_was_decided_just_before_the_deadline_is_connected(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    assert_int_equal(begin_connecting(&told, NULL), EM_OK);
    run_for(fixture, 20 * S - 1);
    simulated_accept_connect(simulated_take_connect(fixture->backend));
    test_clock_advance(1);
    run_turns(fixture, 2);
    expect_events(&told, "IC");
    recorder_free(&told);
}

static void connecting_gets_one_more_period_from_a_loop_that_stood_still(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    assert_int_equal(begin_connecting(&told, NULL), EM_OK);
    test_clock_advance(100 * S);
    run_turns(fixture, 1);
    run_for(fixture, 20 * S - 1);
    expect_events(&told, "I");
    run_for(fixture, 1);
    expect_events(&told, "IU");
    assert_int_equal(told.reason, EM_CONNECT_TIMEOUT);
    recorder_free(&told);
}

static void connect_after_long_work(em_loop *loop, void *user)
{
    recorder *told = user;
    (void)loop;
    work_for_three_seconds(told);
    assert_int_equal(begin_connecting(told, NULL), EM_OK);
}

static void the_time_for_connecting_counts_from_the_call(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    assert_int_equal(em_loop_next_tick(fixture->loop, connect_after_long_work, &told, NULL), EM_OK);
    run_turns(fixture, 1);
    run_for(fixture, 20 * S - 1);
    expect_events(&told, "I");
    run_for(fixture, 1);
    expect_events(&told, "IU");
    recorder_free(&told);
}

#define LATENESS_TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LATENESS_TEST(a_paused_connection_is_not_silent_while_input_waits),
        LATENESS_TEST(an_end_that_waits_behind_a_pause_is_no_silence),
        LATENESS_TEST(a_timeout_set_after_long_work_counts_from_then),
        LATENESS_TEST(an_answer_after_long_work_is_activity_of_when_it_left),
        LATENESS_TEST(a_loop_that_stood_still_gives_one_more_period),
        LATENESS_TEST(a_little_late_gives_a_little_more),
        LATENESS_TEST(a_silent_peer_is_ended_also_where_every_turn_is_long),
        LATENESS_TEST(what_arrived_while_the_loop_was_away_is_read_and_nothing_ends),
        LATENESS_TEST(the_write_timeout_waits_for_a_paused_user_and_for_a_system_that_takes_more),
        LATENESS_TEST(a_write_timeout_counts_from_when_the_bytes_were_sent),
        LATENESS_TEST(what_was_decided_while_the_loop_was_away_is_connected),
        LATENESS_TEST(what_was_decided_just_before_the_deadline_is_connected),
        LATENESS_TEST(connecting_gets_one_more_period_from_a_loop_that_stood_still),
        LATENESS_TEST(the_time_for_connecting_counts_from_the_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
