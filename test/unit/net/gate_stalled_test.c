/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A connection whose filter takes no plain bytes for a while, or must not be given any, over the simulated backend.
 */
#include "support/filtered.h"

/* The system would take more, but the filter gives it nothing: it waits for the peer as well. */
static void the_write_timeout_ends_a_connection_whose_filter_takes_no_more(void **state)
{
    filtered own;
    const test_filter_options options = {.piece_bytes = 3, .stalls = true};
    const em_stream_options stream = {.size = sizeof stream, .write_timeout_ns = 5 * EM_SECONDS};
    filtered_open(&own, *state, &options, &stream);
    em_connection_send_text(own.told.connection, "abcdef");
    run_for(*state, 4 * EM_SECONDS);
    expect_events(&own.told, "I");
    run_for(*state, 16 * EM_SECONDS);
    expect_events(&own.told, "IU");
    assert_int_equal(own.told.reason, EM_WRITE_TIMEOUT);
    filtered_free(&own);
}

static void take_no_piece(void *user)
{
    test_filter *filter = user;
    filter->filter.piece_bytes = 0;
    filter->on_open = take_no_piece;
}

static void the_write_timeout_begins_although_the_filter_takes_nothing_from_the_first(void **state)
{
    filtered own;
    const test_filter_options options = {.handshake_bytes = 1};
    const em_stream_options stream = {.size = sizeof stream, .write_timeout_ns = 5 * EM_SECONDS};
    filtered_open(&own, *state, &options, &stream);
    em_connection_send_text(own.told.connection, "abc");
    run_for(*state, 6 * EM_SECONDS);
    own.filter->on_open = take_no_piece;
    own.filter->user = own.filter;
    filtered_feed_handshake(&own, 1);
    run_for(*state, 4 * EM_SECONDS);
    expect_events(&own.told, "IH");
    run_for(*state, 16 * EM_SECONDS);
    expect_events(&own.told, "IHU");
    assert_int_equal(own.told.reason, EM_WRITE_TIMEOUT);
    filtered_free(&own);
}

static void close_after_writing(void *user, const void *data)
{
    (void)data;
    em_connection_close_after_writing(user);
}

static void what_gives_memory_back_may_close(void **state)
{
    filtered own;
    const test_filter_options options = {.piece_bytes = 6};
    filtered_open(&own, *state, &options, NULL);
    em_connection *connection = own.told.connection;
    assert_int_equal(em_connection_send_borrowed(connection, "abc", 3, close_after_writing, connection), EM_OK);
    assert_int_equal(em_connection_send_borrowed(connection, "def", 3, NULL, NULL), EM_OK);
    assert_int_equal(em_connection_send_borrowed(connection, "ghi", 3, NULL, NULL), EM_OK);
    run_turns(*state, 5);
    filtered_expect_sent(&own, "abcdefghi");
    assert_true(own.peer_saw_end);
    assert_int_equal(own.told.reason, EM_OK);
    filtered_free(&own);
}

static void what_the_filter_holds_is_not_sent_yet(void **state)
{
    filtered own;
    const test_filter_options options = {.piece_bytes = 6, .holds_pieces = true};
    const em_stream_options stream = {.size = sizeof stream, .low_water_bytes = 2, .high_water_bytes = 4};
    filtered_open(&own, *state, &options, &stream);
    run_turns(*state, 1);
    em_connection *connection = own.told.connection;
    assert_int_equal(em_connection_send_text(connection, "abcdef"), EM_UNDER_PRESSURE);
    run_turns(*state, 5);
    assert_int_equal(own.filter->filter.held.bytes, 6);
    assert_int_equal(em_connection_get_outbound_bytes(connection), 6);
    assert_int_equal(stats_of(*state).outbox_bytes, 6);
    expect_events(&own.told, "I");
    filtered_expect_sent(&own, "");
    filtered_feed(&own, "x");
    run_turns(*state, 5);
    filtered_expect_sent(&own, "abcdef");
    assert_int_equal(em_connection_get_outbound_bytes(connection), 0);
    assert_int_equal(stats_of(*state).outbox_bytes, 0);
    expect_events(&own.told, "IDR");
    filtered_free(&own);
}

static void the_write_timeout_ends_a_connection_whose_filter_holds_what_it_has_taken(void **state)
{
    filtered own;
    const test_filter_options options = {.piece_bytes = 6, .holds_pieces = true};
    const em_stream_options stream = {.size = sizeof stream, .write_timeout_ns = 5 * EM_SECONDS};
    filtered_open(&own, *state, &options, &stream);
    em_connection_send_text(own.told.connection, "abcdef");
    run_for(*state, 4 * EM_SECONDS);
    expect_events(&own.told, "I");
    run_for(*state, 16 * EM_SECONDS);
    expect_events(&own.told, "IU");
    assert_int_equal(own.told.reason, EM_WRITE_TIMEOUT);
    filtered_free(&own);
}

static void what_the_filter_holds_is_sent_before_the_connection_closes(void **state)
{
    filtered own;
    const test_filter_options options = {.piece_bytes = 6, .holds_pieces = true};
    filtered_open(&own, *state, &options, NULL);
    run_turns(*state, 1);
    em_connection_send_text(own.told.connection, "abcdef");
    em_connection_close_after_writing(own.told.connection);
    run_turns(*state, 5);
    expect_events(&own.told, "I");
    filtered_feed(&own, "x");
    run_turns(*state, 5);
    filtered_expect_sent(&own, "abcdef");
    assert_true(own.peer_saw_end);
    filtered_free(&own);
}

/* The filter may hold back what it has taken. */
static void a_reset_before_the_filter_takes_more_is_not_a_good_end(void **state)
{
    filtered own;
    const test_filter_options options = {.piece_bytes = 3, .stalls = true};
    filtered_open(&own, *state, &options, NULL);
    run_turns(*state, 1);
    em_connection_send_text(own.told.connection, "abc");
    em_connection_close_after_writing(own.told.connection);
    run_turns(*state, 5);
    simulated_reset(own.peer);
    run_turns(*state, 5);
    expect_events(&own.told, "IU");
    assert_int_equal(own.told.reason, EM_CONNECTION_RESET);
    filtered_free(&own);
}

#define GATE_TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GATE_TEST(the_write_timeout_ends_a_connection_whose_filter_takes_no_more),
        GATE_TEST(the_write_timeout_begins_although_the_filter_takes_nothing_from_the_first),
        GATE_TEST(what_the_filter_holds_is_not_sent_yet),
        GATE_TEST(the_write_timeout_ends_a_connection_whose_filter_holds_what_it_has_taken),
        GATE_TEST(what_the_filter_holds_is_sent_before_the_connection_closes),
        GATE_TEST(what_gives_memory_back_may_close),
        GATE_TEST(a_reset_before_the_filter_takes_more_is_not_a_good_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
