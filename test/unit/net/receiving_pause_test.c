/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Pausing only receiving, over the simulated backend: sending goes on, nothing is lost, and the pause of both
 * directions is another one.
 */
#include "support/simulated_loop.h"

#include <string.h>

static simulated_peer *open_paused(recorder *told, simulated_loop *fixture, const em_stream_options *options)
{
    recorder_init(told, fixture);
    simulated_peer *peer = open_accepted(told, &recording, options);
    assert_int_equal(em_connection_pause_receiving(told->connection), EM_OK);
    return peer;
}

static void sending_goes_on_while_receiving_is_paused(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    simulated_peer *peer = open_paused(&told, fixture, NULL);
    feed_text(peer, "held back");
    assert_int_equal(em_connection_send_text(told.connection, "sent"), EM_OK);
    run_turns(fixture, 3);
    expect_events(&told, "I");
    expect_sent(peer, "sent");
    assert_int_equal(em_connection_is_receiving_paused(told.connection), 1);
    assert_int_equal(em_connection_is_paused(told.connection), 0);
    assert_int_equal(em_connection_resume_receiving(told.connection), EM_OK);
    assert_int_equal(em_connection_is_receiving_paused(told.connection), 0);
    run_turns(fixture, 3);
    expect_events(&told, "ID");
    assert_true(bytes_equal_text(&told.received, "held back"));
    recorder_free(&told);
}

static void pausing_receiving_twice_or_after_the_end_is_refused(void **state)
{
    recorder told;
    recorder_init(&told, *state);
    open_accepted(&told, &recording, NULL);
    assert_int_equal(em_connection_resume_receiving(told.connection), EM_INVALID_STATE);
    assert_int_equal(em_connection_pause_receiving(told.connection), EM_OK);
    assert_int_equal(em_connection_pause_receiving(told.connection), EM_INVALID_STATE);
    assert_int_equal(em_connection_resume_receiving(told.connection), EM_OK);
    assert_int_equal(em_connection_resume_receiving(told.connection), EM_INVALID_STATE);
    assert_int_equal(em_connection_pause_receiving(told.connection), EM_OK);
    em_connection_close(told.connection);
    assert_int_equal(em_connection_pause_receiving(told.connection), EM_CLOSED);
    assert_int_equal(em_connection_resume_receiving(told.connection), EM_CLOSED);
    assert_int_equal(em_connection_is_receiving_paused(told.connection), 0);
    assert_int_equal(em_connection_pause_receiving(NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_resume_receiving(NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_is_receiving_paused(NULL), 0);
    recorder_free(&told);
}

typedef em_status (*call)(em_connection *connection);

static void bytes_are_received_only_while_neither_pause_holds(void **state)
{
    static const call ways_out[][2] = {
        {em_connection_resume, em_connection_resume_receiving},
        {em_connection_resume_receiving, em_connection_resume},
    };
    simulated_loop *fixture = *state;
    for (size_t i = 0; i < COUNT(ways_out); i++) {
        recorder told;
        simulated_peer *peer = open_paused(&told, fixture, NULL);
        assert_int_equal(em_connection_pause(told.connection), EM_OK);
        feed_text(peer, "x");
        em_connection_send_text(told.connection, "y");
        run_turns(fixture, 3);
        expect_events(&told, "I");
        expect_sent(peer, "");
        assert_int_equal(ways_out[i][0](told.connection), EM_OK);
        run_turns(fixture, 3);
        expect_events(&told, "I");
        expect_sent(peer, em_connection_is_paused(told.connection) ? "" : "y");
        assert_int_equal(ways_out[i][1](told.connection), EM_OK);
        run_turns(fixture, 3);
        expect_events(&told, "ID");
        recorder_free(&told);
    }
}

static void pause_receiving_now(recorder *told)
{
    assert_int_equal(em_connection_pause_receiving(told->connection), EM_OK);
}

static void a_pause_of_receiving_takes_effect_before_the_next_piece(void **state)
{
    static const char large[300000];
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    told.on_data = pause_receiving_now;
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    simulated_feed(peer, large, sizeof large);
    for (size_t pieces = 1; bytes_length(&told.received) < sizeof large; pieces++) {
        run_turns(fixture, 3);
        assert_int_equal(told.event_count, 1 + pieces);
        assert_int_equal(em_connection_resume_receiving(told.connection), EM_OK);
    }
    recorder_free(&told);
}

static void a_pause_of_receiving_while_connecting_holds_from_the_first_byte_on(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    told.on_init = pause_receiving_now;
    simulated_peer *peer = open_connected(&told, NULL);
    em_connection_send_text(told.connection, "y");
    feed_text(peer, "x");
    run_turns(fixture, 3);
    expect_events(&told, "IC");
    expect_sent(peer, "y");
    assert_int_equal(em_connection_resume_receiving(told.connection), EM_OK);
    run_turns(fixture, 3);
    expect_events(&told, "ICD");
    recorder_free(&told);
}

static void a_pause_of_receiving_may_end_while_connecting(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    assert_int_equal(begin_connecting(&told, NULL), EM_OK);
    assert_int_equal(em_connection_pause_receiving(told.connection), EM_OK);
    assert_int_equal(em_connection_resume_receiving(told.connection), EM_OK);
    simulated_peer *peer = simulated_take_connect(fixture->backend);
    simulated_accept_connect(peer);
    feed_text(peer, "x");
    run_turns(fixture, 3);
    expect_events(&told, "ICD");
    recorder_free(&told);
}

static void the_peers_end_is_reported_after_the_pause_and_once(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    simulated_peer *peer = open_paused(&told, fixture, NULL);
    feed_text(peer, "x");
    simulated_end(peer);
    run_turns(fixture, 3);
    expect_events(&told, "I");
    em_connection_resume_receiving(told.connection);
    run_turns(fixture, 3);
    expect_events(&told, "IDE");
    assert_int_equal(em_connection_pause_receiving(told.connection), EM_OK);
    assert_int_equal(em_connection_resume_receiving(told.connection), EM_OK);
    run_turns(fixture, 3);
    expect_events(&told, "IDE");
    recorder_free(&told);
}

static void a_reset_is_reported_after_the_pause_of_receiving(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    simulated_peer *peer = open_paused(&told, fixture, NULL);
    simulated_reset(peer);
    run_turns(fixture, 3);
    expect_events(&told, "I");
    em_connection_resume_receiving(told.connection);
    run_turns(fixture, 3);
    expect_events(&told, "IU");
    assert_int_equal(told.reason, EM_CONNECTION_RESET);
    recorder_free(&told);
}

static void a_reset_that_sending_finds_ends_the_connection_also_while_receiving_is_paused(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    simulated_peer *peer = open_paused(&told, fixture, NULL);
    simulated_reset(peer);
    em_connection_send_text(told.connection, "y");
    run_turns(fixture, 3);
    expect_events(&told, "IU");
    assert_int_equal(told.reason, EM_CONNECTION_RESET);
    recorder_free(&told);
}

static void bytes_that_wait_to_be_read_hold_off_the_inactivity_timeout(void **state)
{
    simulated_loop *fixture = *state;
    em_stream_options options = {.size = sizeof options, .inactivity_timeout_ns = 10 * EM_MILLISECONDS};
    recorder told;
    simulated_peer *peer = open_paused(&told, fixture, &options);
    feed_text(peer, "x");
    run_for(fixture, 100 * EM_MILLISECONDS);
    expect_events(&told, "I");
    em_connection_resume_receiving(told.connection);
    run_turns(fixture, 2);
    em_connection_pause_receiving(told.connection);
    run_for(fixture, 20 * EM_MILLISECONDS);
    expect_events(&told, "IDU");
    assert_int_equal(told.reason, EM_INACTIVITY_TIMEOUT);
    recorder_free(&told);
}

static void closing_after_writing_does_not_wait_for_the_end_of_the_pause_of_receiving(void **state)
{
    simulated_loop *fixture = *state;
    for (unsigned with_data = 0; with_data < 2; with_data++) {
        recorder told;
        simulated_peer *peer = open_paused(&told, fixture, NULL);
        if (with_data)
            em_connection_send_text(told.connection, "last words");
        assert_int_equal(em_connection_close_after_writing(told.connection), EM_OK);
        run_turns(fixture, 3);
        expect_sent(peer, with_data ? "last words" : "");
        expect_events(&told, "IU");
        assert_int_equal(told.reason, EM_OK);
        recorder_free(&told);
        run_for(fixture, 5 * EM_SECONDS);
    }
}

static void a_connection_that_cannot_receive_again_ends(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    open_paused(&told, fixture, NULL);
    simulated_fail_next(fixture->backend, SIMULATED_START_RECEIVING, EM_NO_MEMORY);
    assert_int_equal(em_connection_resume_receiving(told.connection), EM_OK);
    run_turns(fixture, 2);
    expect_events(&told, "IU");
    assert_int_equal(told.reason, EM_NO_MEMORY);
    recorder_free(&told);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)
    static const struct CMUnitTest tests[] = {
        TEST(sending_goes_on_while_receiving_is_paused),
        TEST(pausing_receiving_twice_or_after_the_end_is_refused),
        TEST(bytes_are_received_only_while_neither_pause_holds),
        TEST(a_pause_of_receiving_takes_effect_before_the_next_piece),
        TEST(a_pause_of_receiving_while_connecting_holds_from_the_first_byte_on),
        TEST(a_pause_of_receiving_may_end_while_connecting),
        TEST(the_peers_end_is_reported_after_the_pause_and_once),
        TEST(a_reset_is_reported_after_the_pause_of_receiving),
        TEST(a_reset_that_sending_finds_ends_the_connection_also_while_receiving_is_paused),
        TEST(bytes_that_wait_to_be_read_hold_off_the_inactivity_timeout),
        TEST(closing_after_writing_does_not_wait_for_the_end_of_the_pause_of_receiving),
        TEST(a_connection_that_cannot_receive_again_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
