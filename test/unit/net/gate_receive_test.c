/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A connection with a filter, over the simulated backend: receiving, pauses, and ends.
 */
#include "support/filtered.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN_BYTES ((size_t)30000)

static void the_program_sees_plain_bytes_and_the_peer_wire_bytes(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    filtered_feed(&own, "hello");
    run_turns(*state, 2);
    filtered_expect_received(&own, "hello");
    assert_int_equal(em_connection_send_text(own.told.connection, "answer"), EM_OK);
    run_turns(*state, 2);
    assert_int_equal(simulated_waiting(own.peer), 2 + strlen("answer"));
    filtered_expect_sent(&own, "answer");
    expect_events(&own.told, "ID");
    filtered_free(&own);
}

static void statistics_count_plain_bytes(void **state)
{
    filtered own;
    uint64_t received, sent;
    filtered_open(&own, *state, NULL, NULL);
    filtered_feed_run(&own, 'x', 1000);
    em_connection_send_text(own.told.connection, "12345");
    run_turns(*state, 2);
    em_connection_get_byte_counts(own.told.connection, &received, &sent);
    assert_int_equal(received, 1000);
    assert_int_equal(sent, 5);
    assert_int_equal(stats_of(*state).bytes_received, 1000);
    assert_int_equal(stats_of(*state).bytes_sent, 5);
    filtered_free(&own);
}

static void records_in_any_split_give_the_same_bytes(void **state)
{
    byte_buffer wire = {.data = NULL};
    test_filter_write(&wire, "first", 5);
    test_filter_write_run(&wire, 'x', 3);
    test_filter_write(&wire, "second", 6);
    for (size_t split = 0; split <= bytes_length(&wire); split++) {
        filtered own;
        filtered_open(&own, *state, NULL, NULL);
        simulated_feed(own.peer, bytes_at(&wire), split);
        run_turns(*state, 2);
        simulated_feed(own.peer, bytes_at(&wire) + split, bytes_length(&wire) - split);
        run_turns(*state, 2);
        filtered_expect_received(&own, "firstxxxsecond");
        filtered_free(&own);
    }
    bytes_free(&wire);
}

static void half_a_record_costs_no_turns(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    simulated_feed(own.peer, "\0", 1);
    run_turns(*state, 3);
    unsigned opens = own.record.opens;
    uint64_t turns = stats_of(*state).turns;
    run_for(*state, 100 * EM_SECONDS);
    assert_int_equal(own.record.opens, opens);
    assert_true(stats_of(*state).turns < turns + 5);
    filtered_free(&own);
}

static void what_the_filter_holds_back_arrives_without_another_packet(void **state)
{
    filtered own;
    const test_filter_options options = {.plain_bytes = 100};
    filtered_open(&own, *state, &options, NULL);
    filtered_feed_run(&own, 'x', RUN_BYTES);
    run_turns(*state, 20);
    assert_int_equal(bytes_length(&own.told.received), RUN_BYTES);
    filtered_free(&own);
}

static void other_connections_are_served_while_a_filter_returns_much(void **state)
{
    filtered own;
    recorder other;
    const test_filter_options options = {.plain_bytes = 1};
    filtered_open(&own, *state, &options, NULL);
    recorder_init(&other, *state);
    simulated_peer *peer = open_accepted(&other, &recording, NULL);
    filtered_feed_run(&own, 'x', RUN_BYTES);
    feed_text(peer, "me too");
    run_turns(*state, 2);
    expect_events(&other, "ID");
    assert_true(bytes_length(&own.told.received) < RUN_BYTES);
    recorder_free(&other);
    filtered_free(&own);
}

/* Pauses */

static void pause_now(recorder *told)
{
    assert_int_equal(em_connection_pause(told->connection), EM_OK);
}

static void pause_receiving_now(recorder *told)
{
    assert_int_equal(em_connection_pause_receiving(told->connection), EM_OK);
}

static void held_bytes_are_delivered_after_a_pause_without_another_packet(void **state)
{
    const recorder_hook hooks[] = {pause_now, pause_receiving_now};
    for (unsigned i = 0; i < COUNT(hooks); i++) {
        filtered own;
        filtered_open(&own, *state, NULL, NULL);
        own.told.on_data = hooks[i];
        filtered_feed(&own, "first ");
        filtered_feed(&own, "second ");
        run_turns(*state, 5);
        filtered_expect_received(&own, "first ");
        filtered_feed(&own, "third");
        run_turns(*state, 5);
        filtered_expect_received(&own, "");
        own.told.on_data = NULL;
        assert_int_equal(i == 0 ? em_connection_resume(own.told.connection)
                                : em_connection_resume_receiving(own.told.connection),
                         EM_OK);
        run_turns(*state, 5);
        filtered_expect_received(&own, "second third");
        filtered_free(&own);
    }
}

static void a_paused_connection_that_holds_bytes_costs_no_turns(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    own.told.on_data = pause_now;
    filtered_feed(&own, "first");
    filtered_feed(&own, "second");
    run_turns(*state, 5);
    uint64_t turns = stats_of(*state).turns;
    run_for(*state, 100 * EM_SECONDS);
    assert_true(stats_of(*state).turns < turns + 5);
    filtered_expect_received(&own, "first");
    filtered_free(&own);
}

static void pausing_in_each_receive_data_delivers_one_record_at_a_time(void **state)
{
    filtered own;
    char text[] = "0";
    filtered_open(&own, *state, NULL, NULL);
    own.told.on_data = pause_now;
    for (int digit = 0; digit < 10; digit++) {
        text[0] = (char)('0' + digit);
        filtered_feed(&own, text);
    }
    for (int digit = 0; digit < 10; digit++) {
        run_turns(*state, 3);
        text[0] = (char)('0' + digit);
        filtered_expect_received(&own, text);
        em_connection_resume(own.told.connection);
    }
    filtered_free(&own);
}

static void held_bytes_postpone_the_inactivity_timeout(void **state)
{
    filtered own;
    const em_stream_options stream = {.size = sizeof stream, .inactivity_timeout_ns = EM_SECONDS};
    filtered_open(&own, *state, NULL, &stream);
    own.told.on_data = pause_now;
    filtered_feed(&own, "first");
    filtered_feed(&own, "second");
    run_for(*state, 10 * EM_SECONDS);
    assert_int_equal(own.told.unbinds, 0);
    em_connection_close(own.told.connection);
    filtered_free(&own);
}

static void close_now(recorder *told)
{
    assert_int_equal(em_connection_close(told->connection), EM_OK);
}

static void nothing_is_delivered_after_a_close_within_receive_data(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    own.told.on_data = close_now;
    filtered_feed(&own, "first");
    filtered_feed(&own, "second");
    run_turns(*state, 5);
    expect_events(&own.told, "IDU");
    assert_int_equal(own.told.reason, EM_OK);
    filtered_free(&own);
}

/* Ends */

static void the_filters_end_is_the_peers_end(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    filtered_feed(&own, "last");
    filtered_feed_end(&own);
    run_turns(*state, 3);
    expect_events(&own.told, "IDE");
    assert_int_equal(em_connection_has_peer_ended(own.told.connection), 1);
    em_connection_send_text(own.told.connection, "answer");
    em_connection_close_after_writing(own.told.connection);
    run_turns(*state, 5);
    filtered_expect_sent(&own, "answer");
    assert_true(own.peer_saw_end);
    expect_events(&own.told, "IDEU");
    assert_int_equal(own.told.reason, EM_OK);
    filtered_free(&own);
}

static void the_end_is_reported_after_held_bytes(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    own.told.on_data = pause_now;
    filtered_feed(&own, "first");
    filtered_feed(&own, "second");
    filtered_feed_end(&own);
    simulated_end(own.peer);
    run_turns(*state, 5);
    expect_events(&own.told, "ID");
    own.told.on_data = NULL;
    em_connection_resume(own.told.connection);
    run_turns(*state, 5);
    expect_events(&own.told, "IDDE");
    filtered_free(&own);
}

static void bytes_after_the_end_are_dropped_and_a_reset_is_reported(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    filtered_feed_end(&own);
    filtered_feed(&own, "too late");
    run_turns(*state, 3);
    filtered_feed(&own, "much too late");
    run_turns(*state, 3);
    expect_events(&own.told, "IE");
    simulated_reset(own.peer);
    run_turns(*state, 3);
    expect_events(&own.told, "IEU");
    assert_int_equal(own.told.reason, EM_CONNECTION_RESET);
    filtered_free(&own);
}

static void a_peer_that_sends_on_after_its_end_is_not_read_forever(void **state)
{
    enum { PIECE = 65536 };
    const size_t most = 1048576;
    filtered own;
    char *piece = calloc(1, PIECE);
    filtered_open(&own, *state, NULL, NULL);
    filtered_feed_end(&own);
    for (unsigned i = 0; i < 64; i++) {
        simulated_feed(own.peer, piece, PIECE);
        run_turns(*state, 3);
    }
    const emi_gate *gate = emi_gate_of(own.told.connection);
    assert_true(gate->dropped_bytes >= most && gate->dropped_bytes <= most + PIECE);
    free(piece);
    filtered_free(&own);
}

static void an_end_of_the_wire_alone_is_a_truncation_after_the_data(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    filtered_feed(&own, "half");
    simulated_end(own.peer);
    run_turns(*state, 3);
    filtered_expect_received(&own, "half");
    expect_events(&own.told, "IDU");
    assert_int_equal(own.told.reason, EM_CONNECTION_ABORTED);
    filtered_free(&own);
}

static void send_answer(recorder *told)
{
    assert_int_equal(em_connection_send_text(told->connection, "answer"), EM_OK);
}

static void queued_data_is_still_sent_after_a_truncation(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    simulated_set_window(own.peer, 3);
    own.told.on_data = send_answer;
    filtered_feed(&own, "half");
    simulated_end(own.peer);
    run_turns(*state, 4);
    expect_events(&own.told, "IDU");
    assert_int_equal(own.told.reason, EM_CONNECTION_ABORTED);
    for (unsigned i = 0; i < 10; i++) {
        filtered_take(&own);
        run_turns(*state, 1);
    }
    filtered_expect_sent(&own, "answer");
    assert_true(own.peer_saw_end);
    filtered_free(&own);
}

static char text_of_reason[256];

static void note_text(recorder *told)
{
    em_reason reason = {.size = sizeof reason};
    assert_int_equal(em_connection_get_reason(told->connection, &reason), EM_OK);
    snprintf(text_of_reason, sizeof text_of_reason, "%s", reason.text);
}

static void a_failure_ends_the_connection_and_its_last_message_is_flushed(void **state)
{
    filtered own;
    const test_filter_options options = {.last_message = "alert!"};
    filtered_open(&own, *state, &options, NULL);
    simulated_set_window(own.peer, 2);
    own.told.on_unbind = note_text;
    run_turns(*state, 2);
    own.filter->open_failure = EM_PROTOCOL_ERROR;
    em_connection_pause(own.told.connection);
    em_connection_send_text(own.told.connection, "never to be sent");
    em_connection_resume(own.told.connection);
    filtered_feed(&own, "never to be delivered");
    run_turns(*state, 3);
    expect_events(&own.told, "IU");
    assert_int_equal(own.told.reason, EM_PROTOCOL_ERROR);
    assert_non_null(strstr(text_of_reason, "(as the test has asked for)"));
    filtered_free(&own);
}

static void a_failure_flushes_nothing_but_the_message(void **state)
{
    filtered own;
    char got[16] = "";
    size_t length = 0;
    const test_filter_options options = {.last_message = "alert!"};
    filtered_open(&own, *state, &options, NULL);
    simulated_set_window(own.peer, 2);
    run_turns(*state, 2);
    own.filter->open_failure = EM_PROTOCOL_ERROR;
    filtered_feed(&own, "x");
    run_turns(*state, 2);
    assert_int_equal(own.told.unbinds, 1);
    for (unsigned i = 0; i < 10; i++) {
        length += simulated_take(own.peer, got + length, sizeof got - 1 - length);
        run_turns(*state, 1);
    }
    assert_string_equal(got, "alert!");
    filtered_free(&own);
}

static void a_failure_without_a_message_ends_at_once(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    run_turns(*state, 2);
    own.filter->open_failure = EM_PROTOCOL_ERROR;
    filtered_feed(&own, "x");
    run_turns(*state, 2);
    expect_events(&own.told, "IU");
    assert_int_equal(own.record.destroyed, 1);
    filtered_free(&own);
}

static void memory_is_released_when_idle(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    filtered_feed(&own, "x");
    run_turns(*state, 2);
    assert_int_equal(own.record.releases, 0);
    run_for(*state, 3 * EM_SECONDS);
    assert_int_equal(own.record.releases, 1);
    run_for(*state, 10 * EM_SECONDS);
    assert_int_equal(own.record.releases, 1);
    assert_int_equal(stats_of(*state).timers_pending, 0);
    filtered_feed(&own, "x");
    run_for(*state, 3 * EM_SECONDS);
    assert_int_equal(own.record.releases, 2);
    filtered_free(&own);
}

#define GATE_TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GATE_TEST(the_program_sees_plain_bytes_and_the_peer_wire_bytes),
        GATE_TEST(statistics_count_plain_bytes),
        GATE_TEST(records_in_any_split_give_the_same_bytes),
        GATE_TEST(half_a_record_costs_no_turns),
        GATE_TEST(what_the_filter_holds_back_arrives_without_another_packet),
        GATE_TEST(other_connections_are_served_while_a_filter_returns_much),
        GATE_TEST(held_bytes_are_delivered_after_a_pause_without_another_packet),
        GATE_TEST(a_paused_connection_that_holds_bytes_costs_no_turns),
        GATE_TEST(pausing_in_each_receive_data_delivers_one_record_at_a_time),
        GATE_TEST(held_bytes_postpone_the_inactivity_timeout),
        GATE_TEST(nothing_is_delivered_after_a_close_within_receive_data),
        GATE_TEST(the_filters_end_is_the_peers_end),
        GATE_TEST(the_end_is_reported_after_held_bytes),
        GATE_TEST(bytes_after_the_end_are_dropped_and_a_reset_is_reported),
        GATE_TEST(a_peer_that_sends_on_after_its_end_is_not_read_forever),
        GATE_TEST(an_end_of_the_wire_alone_is_a_truncation_after_the_data),
        GATE_TEST(queued_data_is_still_sent_after_a_truncation),
        GATE_TEST(a_failure_ends_the_connection_and_its_last_message_is_flushed),
        GATE_TEST(a_failure_flushes_nothing_but_the_message),
        GATE_TEST(a_failure_without_a_message_ends_at_once),
        GATE_TEST(memory_is_released_when_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
