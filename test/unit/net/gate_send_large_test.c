/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A connection with a filter, over the simulated backend: large pieces, which are sealed from the program's memory.
 * Nobody should be able to tell them from small ones.
 */
#include "support/filtered.h"

#include <string.h>

enum { PIECE_BYTES = 4096 };

static char text[3 * PIECE_BYTES + 11];

static const char *large_text(void)
{
    for (size_t i = 0; i + 1 < sizeof text; i++)
        text[i] = (char)('a' + i % 26);
    return text;
}

static void whole_pieces_are_sealed_and_the_rest_waits_for_more(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    run_turns(*state, 1);
    assert_int_equal(em_connection_send_text(own.told.connection, large_text()), EM_OK);
    assert_int_equal(own.record.seals, 3);
    assert_int_equal(own.told.connection->outbox.bytes, 10);
    em_connection_send_text(own.told.connection, "more");
    run_turns(*state, 2);
    assert_int_equal(own.record.seals, 4);
    char expected[sizeof text + 4];
    memcpy(expected, large_text(), sizeof text);
    memcpy(expected + sizeof text - 1, "more", sizeof "more");
    filtered_expect_sent(&own, expected);
    filtered_free(&own);
}

static void spans_leave_in_their_order(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    run_turns(*state, 1);
    const char *whole = large_text();
    const em_span spans[] = {
        {whole, PIECE_BYTES}, {NULL, 0}, {whole + PIECE_BYTES, 5000}, {whole + PIECE_BYTES + 5000, sizeof text - 9097}};
    assert_int_equal(em_connection_send_spans(own.told.connection, spans, 4), EM_OK);
    assert_int_equal(own.record.seals, 2);
    run_turns(*state, 2);
    filtered_expect_sent(&own, whole);
    filtered_free(&own);
}

static void what_was_queued_before_leaves_first(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    run_turns(*state, 1);
    const char *whole = large_text();
    char first[2] = {whole[0], '\0'};
    em_connection_send_text(own.told.connection, first);
    em_connection_send_text(own.told.connection, whole + 1);
    assert_int_equal(own.record.seals, 0);
    run_turns(*state, 2);
    filtered_expect_sent(&own, whole);
    filtered_free(&own);
}

static void the_water_mark_counts_what_is_sealed(void **state)
{
    filtered own;
    const em_stream_options stream = {.size = sizeof stream, .high_water_bytes = 1000, .low_water_bytes = 500};
    filtered_open(&own, *state, NULL, &stream);
    simulated_set_window(own.peer, 1);
    run_turns(*state, 1);
    assert_int_equal(em_connection_send(own.told.connection, large_text(), PIECE_BYTES), EM_UNDER_PRESSURE);
    assert_int_equal(own.told.connection->outbox.bytes, 0);
    assert_int_equal(em_connection_get_outbound_bytes(own.told.connection), PIECE_BYTES);
    simulated_set_window(own.peer, 65536);
    for (unsigned i = 0; i < 3; i++) {
        filtered_take(&own);
        run_turns(*state, 1);
    }
    expect_events(&own.told, "IR");
    filtered_free(&own);
}

static void a_pause_holds_back_large_pieces_too(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    run_turns(*state, 1);
    em_connection_pause(own.told.connection);
    em_connection_send_text(own.told.connection, large_text());
    run_turns(*state, 2);
    assert_int_equal(own.record.seals, 0);
    em_connection_resume(own.told.connection);
    run_turns(*state, 2);
    filtered_expect_sent(&own, large_text());
    filtered_free(&own);
}

static void a_failure_to_seal_is_returned_and_ends_the_connection(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    run_turns(*state, 1);
    own.filter->seal_failure = EM_NO_MEMORY;
    assert_int_equal(em_connection_send_text(own.told.connection, large_text()), EM_NO_MEMORY);
    assert_int_equal(own.told.connection->outbox.bytes, 0);
    assert_int_equal(em_connection_send_text(own.told.connection, large_text()), EM_CLOSED);
    run_turns(*state, 2);
    expect_events(&own.told, "IU");
    assert_int_equal(own.told.reason, EM_NO_MEMORY);
    filtered_free(&own);
}

static void send_within_the_filter(void *user)
{
    em_connection_send_text(user, large_text());
}

static void what_is_sent_while_the_filter_runs_leaves_after_it(void **state)
{
    filtered own;
    filtered_open(&own, *state, NULL, NULL);
    run_turns(*state, 1);
    own.filter->on_open = send_within_the_filter;
    own.filter->user = own.told.connection;
    filtered_feed(&own, "x");
    run_turns(*state, 3);
    filtered_expect_sent(&own, large_text());
    filtered_free(&own);
}

#define GATE_TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GATE_TEST(whole_pieces_are_sealed_and_the_rest_waits_for_more),
        GATE_TEST(spans_leave_in_their_order),
        GATE_TEST(what_was_queued_before_leaves_first),
        GATE_TEST(the_water_mark_counts_what_is_sealed),
        GATE_TEST(a_pause_holds_back_large_pieces_too),
        GATE_TEST(a_failure_to_seal_is_returned_and_ends_the_connection),
        GATE_TEST(what_is_sent_while_the_filter_runs_leaves_after_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
