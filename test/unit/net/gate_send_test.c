/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A connection with a filter, over the simulated backend: sending, water marks and limits, and closing.
 */
#include "support/filtered.h"

#include <stdlib.h>
#include <string.h>

#define LARGE_BYTES ((size_t)300000)

static char large[LARGE_BYTES + 1];

/* Neighbouring bytes differ, so that the filter cannot compress them. */
static const char *large_text(void)
{
    for (size_t i = 0; i < LARGE_BYTES; i++)
        large[i] = (char)('a' + i % 26);
    return large;
}

static void take_all(filtered *own)
{
    for (unsigned i = 0; i < 200; i++) {
        filtered_take(own);
        run_turns(own->told.fixture, 1);
    }
}

static void bulk_data_arrives_whole_and_little_is_sealed_ahead(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    simulated_set_window(own.peer, 1000);
    assert_int_equal(em_connection_send_text(own.told.connection, large_text()), EM_OK);
    run_turns(*state, 3);
    const emi_gate *gate = emi_gate_of(own.told.connection);
    assert_true(own.filter->filter.wire.bytes <= EMI_GATE_WIRE_BYTES + 4096 + 2);
    assert_true(own.told.connection->outbox.bytes >= LARGE_BYTES - EMI_GATE_WIRE_BYTES - 8192);
    assert_int_equal(em_connection_get_outbound_bytes(own.told.connection),
                     own.told.connection->outbox.bytes + gate->sealed_bytes);
    simulated_set_window(own.peer, 65536);
    take_all(&own);
    filtered_expect_sent(&own, large_text());
    assert_int_equal(em_connection_get_outbound_bytes(own.told.connection), 0);
    filtered_free(&own);
}

static void small_pieces_are_sealed_together(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    run_turns(*state, 1);
    for (unsigned i = 0; i < 1000; i++)
        em_connection_send_text(own.told.connection, "abcdefghij");
    assert_int_equal(em_connection_send_borrowed(own.told.connection, "tail", 4, NULL, NULL), EM_OK);
    run_turns(*state, 2);
    assert_in_range(own.record.seals, 3, 4); /* of 4096 bytes each */
    filtered_free(&own);
}

static void water_marks_count_plain_bytes(void **state)
{
    filtered own;
    const em_stream_options stream = {.size = sizeof stream, .high_water_bytes = 100, .low_water_bytes = 50};
    filtered_open(&own, *state, NULL, &stream);
    simulated_set_window(own.peer, 1);
    run_turns(*state, 1);
    char text[121];
    memset(text, 0, sizeof text);
    for (unsigned i = 0; i < 120; i++)
        text[i] = (char)('a' + i % 26);
    assert_int_equal(em_connection_send_text(own.told.connection, text), EM_UNDER_PRESSURE);
    run_turns(*state, 2);
    assert_in_range(em_connection_get_outbound_bytes(own.told.connection), 110, 120);
    expect_events(&own.told, "I");
    while (em_connection_get_outbound_bytes(own.told.connection) > 50) {
        expect_events(&own.told, "I");
        filtered_take(&own);
        run_turns(*state, 1);
    }
    expect_events(&own.told, "IR");
    take_all(&own);
    filtered_expect_sent(&own, text);
    expect_events(&own.told, "IR");
    filtered_free(&own);
}

static void the_limit_of_a_connection_counts_sealed_bytes_that_wait(void **state)
{
    filtered own;
    const em_stream_options stream = {.size = sizeof stream, .outbox_limit_bytes = 10};
    filtered_open(&own, *state, NULL, &stream);
    simulated_set_window(own.peer, 1);
    assert_int_equal(em_connection_send_text(own.told.connection, "0123456789"), EM_OK);
    run_turns(*state, 2);
    assert_int_equal(own.told.connection->outbox.bytes, 0);
    assert_int_equal(em_connection_send_text(own.told.connection, "xy"), EM_OUTBOX_LIMIT);
    run_turns(*state, 1);
    assert_int_equal(own.told.reason, EM_OUTBOX_LIMIT);
    filtered_free(&own);
}

static void the_limit_of_the_loop_counts_sealed_bytes_that_wait(void **state)
{
    filtered own;
    const em_loop_options options = {.size = sizeof options, .outbox_limit_bytes = 10};
    simulated_loop_close(*state);
    simulated_loop_open(*state, NULL, &options);
    filtered_open(&own, *state, NULL, NULL);
    simulated_set_window(own.peer, 1);
    assert_int_equal(em_connection_send_text(own.told.connection, "0123456789"), EM_OK);
    run_turns(*state, 2);
    assert_int_equal(em_connection_send_text(own.told.connection, "xy"), EM_LOOP_OUTBOX_LIMIT);
    assert_in_range(stats_of(*state).outbox_bytes, 9, 10);
    take_all(&own);
    assert_int_equal(stats_of(*state).outbox_bytes, 0);
    assert_int_equal(em_connection_send_text(own.told.connection, "0123456789"), EM_OK);
    filtered_free(&own);
}

static void nothing_is_sealed_during_a_pause(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    run_turns(*state, 1);
    em_connection_send_text(own.told.connection, "held back");
    em_connection_pause(own.told.connection);
    run_turns(*state, 3);
    assert_int_equal(own.record.seals, 0);
    filtered_expect_sent(&own, "");
    em_connection_resume(own.told.connection);
    run_turns(*state, 3);
    filtered_expect_sent(&own, "held back");
    filtered_free(&own);
}

static void sealed_bytes_wait_during_a_pause(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    simulated_set_window(own.peer, 4);
    em_connection_send_text(own.told.connection, "abcdefgh");
    run_turns(*state, 2);
    em_connection_pause(own.told.connection);
    filtered_take(&own);
    run_turns(*state, 5);
    assert_int_equal(simulated_waiting(own.peer), 0);
    em_connection_resume(own.told.connection);
    take_all(&own);
    filtered_expect_sent(&own, "abcdefgh");
    filtered_free(&own);
}

/* Closing */

static void close_after_writing_sends_all_then_the_end_then_closes(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    simulated_set_window(own.peer, 1000);
    em_connection_send_text(own.told.connection, large_text());
    assert_int_equal(em_connection_close_after_writing(own.told.connection), EM_OK);
    run_turns(*state, 2);
    assert_int_equal(own.told.unbinds, 0);
    simulated_set_window(own.peer, 65536);
    take_all(&own);
    expect_events(&own.told, "IU");
    assert_int_equal(own.told.reason, EM_OK);
    filtered_expect_sent(&own, large_text());
    assert_true(own.peer_saw_end);
    assert_true(simulated_saw_end(own.peer));
    assert_int_equal(own.record.ends, 1);
    filtered_free(&own);
}

static void close_after_writing_with_nothing_queued_sends_the_end(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    run_turns(*state, 1);
    em_connection_close_after_writing(own.told.connection);
    run_turns(*state, 3);
    filtered_take(&own);
    assert_true(own.peer_saw_end);
    expect_events(&own.told, "IU");
    filtered_free(&own);
}

static void data_is_still_delivered_while_the_last_bytes_leave(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    simulated_set_window(own.peer, 1);
    em_connection_send_text(own.told.connection, "slow");
    em_connection_close_after_writing(own.told.connection);
    filtered_feed(&own, "still heard");
    run_turns(*state, 3);
    filtered_expect_received(&own, "still heard");
    take_all(&own);
    filtered_expect_sent(&own, "slow");
    filtered_free(&own);
}

static void an_end_without_a_mark_while_we_close_is_a_normal_end(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    simulated_set_window(own.peer, 1);
    em_connection_send_text(own.told.connection, "slow");
    em_connection_close_after_writing(own.told.connection);
    simulated_end(own.peer);
    run_turns(*state, 3);
    take_all(&own);
    filtered_expect_sent(&own, "slow");
    assert_int_equal(own.told.reason, EM_OK);
    filtered_free(&own);
}

static void a_half_close_sends_the_end_and_receiving_goes_on(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    em_connection_send_text(own.told.connection, "question");
    assert_int_equal(em_connection_close_write(own.told.connection), EM_OK);
    run_turns(*state, 3);
    filtered_expect_sent(&own, "question");
    assert_true(own.peer_saw_end && simulated_saw_end(own.peer) && !simulated_saw_close(own.peer));
    filtered_feed(&own, "answer");
    run_turns(*state, 3);
    filtered_expect_received(&own, "answer");
    filtered_feed_end(&own);
    run_turns(*state, 3);
    expect_events(&own.told, "IDEU");
    assert_int_equal(own.told.reason, EM_OK);
    assert_int_equal(own.record.ends, 1);
    filtered_free(&own);
}

static void after_a_half_close_a_missing_end_mark_is_a_truncation(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    em_connection_close_write(own.told.connection);
    run_turns(*state, 3);
    filtered_feed(&own, "half an answer");
    simulated_end(own.peer);
    run_turns(*state, 3);
    expect_events(&own.told, "IDU");
    assert_int_equal(own.told.reason, EM_CONNECTION_ABORTED);
    filtered_free(&own);
}

static void closing_in_the_background_seals_the_rest_after_unbind(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    simulated_set_window(own.peer, 1000);
    em_connection_send_text(own.told.connection, large_text());
    assert_int_equal(em_connection_close_in_background(own.told.connection), EM_OK);
    run_turns(*state, 1);
    expect_events(&own.told, "IU");
    assert_int_equal(own.told.reason, EM_OK);
    simulated_set_window(own.peer, 65536);
    take_all(&own);
    filtered_expect_sent(&own, large_text());
    assert_true(own.peer_saw_end);
    filtered_free(&own);
}

static void a_filter_that_fails_after_unbind_leaves_nothing_behind(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    simulated_set_window(own.peer, 1000);
    em_connection_send_text(own.told.connection, large_text());
    em_connection_close_in_background(own.told.connection);
    run_turns(*state, 1);
    assert_int_equal(own.told.unbinds, 1);
    own.filter->seal_failure = EM_NO_MEMORY;
    take_all(&own);
    assert_int_equal(own.record.destroyed, 1);
    assert_false(own.peer_saw_end);
    filtered_free(&own);
}

static void a_close_that_drops_data_sends_no_end_mark(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    run_turns(*state, 1);
    em_connection_send_text(own.told.connection, "dropped");
    assert_int_equal(em_connection_close(own.told.connection), EM_OK);
    run_turns(*state, 2);
    filtered_expect_sent(&own, "");
    assert_int_equal(own.record.ends, 0);
    expect_events(&own.told, "IU");
    filtered_free(&own);
}

static void a_failure_to_seal_ends_the_connection(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    own.filter->seal_failure = EM_NO_MEMORY;
    em_connection_send_text(own.told.connection, "lost");
    run_turns(*state, 2);
    expect_events(&own.told, "IU");
    assert_int_equal(own.told.reason, EM_NO_MEMORY);
    filtered_free(&own);
}

static void a_failure_to_seal_the_end_ends_the_connection(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    own.filter->seal_end_failure = EM_NO_MEMORY;
    em_connection_close_after_writing(own.told.connection);
    run_turns(*state, 2);
    expect_events(&own.told, "IU");
    assert_int_equal(own.told.reason, EM_NO_MEMORY);
    filtered_free(&own);
}

static void the_write_timeout_applies_to_wire_bytes(void **state)
{
    filtered own;
    const em_stream_options stream = {.size = sizeof stream, .write_timeout_ns = 5 * EM_SECONDS};
    filtered_open(&own, *state, NULL, &stream);
    run_for(*state, 60 * EM_SECONDS);
    simulated_set_window(own.peer, 1);
    em_connection_send_text(own.told.connection, "abc");
    run_for(*state, 4 * EM_SECONDS);
    assert_int_equal(simulated_take(own.peer, NULL, 1), 1);
    run_for(*state, 4 * EM_SECONDS);
    expect_events(&own.told, "I");
    run_for(*state, 2 * EM_SECONDS);
    expect_events(&own.told, "IU");
    assert_int_equal(own.told.reason, EM_WRITE_TIMEOUT);
    filtered_free(&own);
}

static void the_write_timeout_continues_after_a_pause(void **state)
{
    filtered own;
    const em_stream_options stream = {.size = sizeof stream, .write_timeout_ns = 5 * EM_SECONDS};
    filtered_open(&own, *state, NULL, &stream);
    simulated_set_window(own.peer, 1);
    em_connection_send_text(own.told.connection, "abc");
    run_turns(*state, 2);
    em_connection_pause(own.told.connection);
    run_for(*state, 60 * EM_SECONDS);
    expect_events(&own.told, "I");
    em_connection_resume(own.told.connection);
    run_for(*state, 20 * EM_SECONDS);
    expect_events(&own.told, "IU");
    assert_int_equal(own.told.reason, EM_WRITE_TIMEOUT);
    filtered_free(&own);
}

static void a_peer_that_does_not_read_the_end_is_given_up(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    simulated_set_window(own.peer, 1);
    run_turns(*state, 1);
    em_connection_close_after_writing(own.told.connection);
    run_for(*state, 100 * EM_SECONDS);
    expect_events(&own.told, "IU");
    assert_int_equal(own.told.reason, EM_WRITE_TIMEOUT);
    filtered_free(&own);
}

static void a_connection_with_a_filter_cannot_be_detached(void **state)
{
    filtered own;
    int descriptor = 0;
    filtered_open(&own, *state, NULL, NULL);
    assert_int_equal(em_connection_detach(own.told.connection, &descriptor), EM_INVALID_STATE);
    assert_int_equal(descriptor, -1);
    filtered_free(&own);
}

static void a_filter_that_accepts_no_more_gets_the_rest_after_its_next_open(void **state)
{
    filtered own;
    const test_filter_options options = {.piece_bytes = 3, .stalls = true};
    filtered_open(&own, *state, &options, NULL);
    run_turns(*state, 1);
    em_connection_send_text(own.told.connection, "abcdef");
    em_connection_close_after_writing(own.told.connection);
    run_turns(*state, 5);
    filtered_expect_sent(&own, "abc");
    filtered_feed(&own, "x");
    run_turns(*state, 5);
    filtered_expect_sent(&own, "def");
    assert_false(own.peer_saw_end);
    filtered_feed(&own, "x");
    run_turns(*state, 5);
    filtered_take(&own);
    assert_true(own.peer_saw_end);
    expect_events(&own.told, "IDDU");
    assert_int_equal(own.told.reason, EM_OK);
    filtered_free(&own);
}

/* A TLS library writes nothing while it has a part of a message. */
static void every_close_waits_for_an_end_that_the_filter_holds(void **state)
{
    static em_status (*const closes[])(em_connection *) = {em_connection_close_after_writing, em_connection_close_write,
                                                           em_connection_close_in_background};
    const test_filter_options options = {.holds_end = true};
    for (size_t i = 0; i < COUNT(closes); i++) {
        filtered own;
        filtered_open(&own, *state, &options, NULL);
        run_turns(*state, 1);
        em_connection_send_text(own.told.connection, "last");
        assert_int_equal(closes[i](own.told.connection), EM_OK);
        run_turns(*state, 5);
        filtered_expect_sent(&own, "last");
        assert_false(own.peer_saw_end);
        assert_false(simulated_saw_end(own.peer));
        filtered_feed(&own, "x");
        run_turns(*state, 5);
        filtered_take(&own);
        assert_true(own.peer_saw_end);
        filtered_free(&own);
    }
}

static void a_destroyed_loop_destroys_the_filter_in_every_state(void **state)
{
    for (unsigned what = 0; what < 5; what++) {
        filtered own;
        const test_filter_options options = {.handshake_bytes = what == 4 ? 10 : 0};
        filtered_open(&own, *state, &options, NULL);
        simulated_set_window(own.peer, 1);
        em_connection_send_text(own.told.connection, "slow");
        if (what == 1)
            em_connection_close_after_writing(own.told.connection);
        if (what == 2)
            em_connection_close_in_background(own.told.connection);
        if (what == 3)
            em_connection_pause(own.told.connection);
        filtered_feed(&own, "x");
        run_turns(*state, what);
        simulated_loop_close(*state);
        assert_int_equal(own.record.destroyed, 1);
        assert_int_equal(own.told.unbinds, 1);
        bytes_free(&own.told.received);
        simulated_loop_open(*state, NULL, NULL);
    }
}

#define GATE_TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GATE_TEST(bulk_data_arrives_whole_and_little_is_sealed_ahead),
        GATE_TEST(small_pieces_are_sealed_together),
        GATE_TEST(water_marks_count_plain_bytes),
        GATE_TEST(the_limit_of_a_connection_counts_sealed_bytes_that_wait),
        GATE_TEST(the_limit_of_the_loop_counts_sealed_bytes_that_wait),
        GATE_TEST(nothing_is_sealed_during_a_pause),
        GATE_TEST(sealed_bytes_wait_during_a_pause),
        GATE_TEST(close_after_writing_sends_all_then_the_end_then_closes),
        GATE_TEST(close_after_writing_with_nothing_queued_sends_the_end),
        GATE_TEST(data_is_still_delivered_while_the_last_bytes_leave),
        GATE_TEST(an_end_without_a_mark_while_we_close_is_a_normal_end),
        GATE_TEST(a_half_close_sends_the_end_and_receiving_goes_on),
        GATE_TEST(after_a_half_close_a_missing_end_mark_is_a_truncation),
        GATE_TEST(closing_in_the_background_seals_the_rest_after_unbind),
        GATE_TEST(a_filter_that_fails_after_unbind_leaves_nothing_behind),
        GATE_TEST(a_close_that_drops_data_sends_no_end_mark),
        GATE_TEST(a_failure_to_seal_ends_the_connection),
        GATE_TEST(a_failure_to_seal_the_end_ends_the_connection),
        GATE_TEST(the_write_timeout_applies_to_wire_bytes),
        GATE_TEST(the_write_timeout_continues_after_a_pause),
        GATE_TEST(a_peer_that_does_not_read_the_end_is_given_up),
        GATE_TEST(a_connection_with_a_filter_cannot_be_detached),
        GATE_TEST(a_filter_that_accepts_no_more_gets_the_rest_after_its_next_open),
        GATE_TEST(every_close_waits_for_an_end_that_the_filter_holds),
        GATE_TEST(a_destroyed_loop_destroys_the_filter_in_every_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
