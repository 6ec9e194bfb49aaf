/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sending several spans by one call, over the simulated backend.
 */
#include "support/simulated_loop.h"

#include <stdlib.h>
#include <string.h>

#define SPAN(text)                                                                                                     \
    {                                                                                                                  \
        .data = (text), .length = strlen(text)                                                                         \
    }

static void spans_arrive_one_behind_the_other(void **state)
{
    simulated_loop *fixture = *state;
    static const char empty[] = "";
    recorder told;
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    const em_span spans[] = {SPAN("HTTP/1.1 200 OK\r\n"), {.data = NULL}, {.data = empty}, SPAN("\r\n"), SPAN("body")};
    assert_int_equal(em_connection_send_text(told.connection, "before "), EM_OK);
    assert_int_equal(em_connection_send_spans(told.connection, spans, COUNT(spans)), EM_OK);
    assert_int_equal(em_connection_send_text(told.connection, " behind"), EM_OK);
    run_turns(fixture, 2);
    expect_sent(peer, "before HTTP/1.1 200 OK\r\n\r\nbody behind");
    recorder_free(&told);
}

static void no_spans_and_empty_ones_send_nothing(void **state)
{
    static const em_span empty[3];
    recorder told;
    recorder_init(&told, *state);
    open_accepted(&told, &recording, NULL);
    assert_int_equal(em_connection_send_spans(told.connection, NULL, 0), EM_OK);
    assert_int_equal(em_connection_send_spans(told.connection, empty, COUNT(empty)), EM_OK);
    assert_int_equal(em_connection_get_outbound_bytes(told.connection), 0);
    recorder_free(&told);
}

static void spans_that_make_no_sense_are_refused_and_nothing_is_sent(void **state)
{
    static const char byte[1];
    static const em_span without_data[] = {{byte, 1}, {NULL, 1}};
    static const em_span too_long[] = {{byte, 1}, {byte, PTRDIFF_MAX}};
    static const em_span negative = {byte, (size_t)-1};
    recorder told;
    recorder_init(&told, *state);
    open_accepted(&told, &recording, NULL);
    assert_int_equal(em_connection_send_spans(told.connection, NULL, 1), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_send_spans(NULL, without_data, 1), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_send_spans(told.connection, without_data, 2), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_send_spans(told.connection, too_long, 2), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_send_spans(told.connection, &negative, 1), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_get_outbound_bytes(told.connection), 0);
    em_connection_close_after_writing(told.connection);
    assert_int_equal(em_connection_send_spans(told.connection, without_data, 1), EM_CLOSED);
    recorder_free(&told);
}

static void the_marks_and_limits_are_looked_at_once_for_all_spans(void **state)
{
    static const char ten[10];
    static const em_span spans[] = {{ten, 10}, {ten, 10}, {ten, 10}};
    em_stream_options options = {.size = sizeof options, .high_water_bytes = 30, .outbox_limit_bytes = 70};
    recorder told;
    recorder_init(&told, *state);
    open_accepted(&told, &recording, &options);
    assert_int_equal(em_connection_send_spans(told.connection, spans, 3), EM_OK);
    assert_int_equal(em_connection_send_spans(told.connection, spans, 3), EM_UNDER_PRESSURE);
    assert_int_equal(em_connection_get_outbound_bytes(told.connection), 60);
    assert_int_equal(em_connection_send_spans(told.connection, spans, 3), EM_OUTBOX_LIMIT);
    run_turns(*state, 2);
    expect_events(&told, "IU");
    assert_int_equal(told.reason, EM_OUTBOX_LIMIT);
    recorder_free(&told);
}

/* So many of different lengths that they fill several blocks, the last of which is begun already. */
static void many_long_spans_are_packed_without_a_gap(void **state)
{
    enum { SPANS = 100, BYTES = 1000000 };
    simulated_loop *fixture = *state;
    unsigned char *pattern = malloc(BYTES);
    unsigned char *received = malloc(BYTES);
    em_span spans[SPANS];
    assert_true(pattern && received);
    pattern_fill(pattern, BYTES, 0);
    size_t at = 10;
    for (size_t i = 0; i < SPANS; i++) {
        size_t length = i + 1 < SPANS ? i * i * 2 : BYTES - at;
        spans[i] = (em_span){pattern + at, length};
        at += length;
    }
    recorder told;
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    simulated_set_window(peer, BYTES);
    assert_int_equal(em_connection_send(told.connection, pattern, 10), EM_OK);
    assert_int_equal(em_connection_send_spans(told.connection, spans, SPANS), EM_OK);
    while (simulated_waiting(peer) < BYTES)
        run_turns(fixture, 1);
    assert_int_equal(simulated_take(peer, received, BYTES), BYTES);
    assert_memory_equal(received, pattern, BYTES);
    recorder_free(&told);
    free(pattern);
    free(received);
}

static void without_memory_none_of_the_spans_is_sent(void **state)
{
    static const char much[100000];
    static const em_span spans[] = {{much, 10}, {much, sizeof much}, {much, sizeof much}};
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    em_connection_send_text(told.connection, "whole");
    failing_allocator_fail(&fixture->allocator, 1, EM_ON);
    assert_int_equal(em_connection_send_spans(told.connection, spans, COUNT(spans)), EM_NO_MEMORY);
    failing_allocator_fail(&fixture->allocator, 0, EM_DEFAULT);
    assert_int_equal(em_connection_get_outbound_bytes(told.connection), 5);
    em_connection_send_text(told.connection, "!");
    run_turns(fixture, 2);
    expect_sent(peer, "whole!");
    recorder_free(&told);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)
    static const struct CMUnitTest tests[] = {
        TEST(spans_arrive_one_behind_the_other),
        TEST(no_spans_and_empty_ones_send_nothing),
        TEST(spans_that_make_no_sense_are_refused_and_nothing_is_sent),
        TEST(the_marks_and_limits_are_looked_at_once_for_all_spans),
        TEST(many_long_spans_are_packed_without_a_gap),
        TEST(without_memory_none_of_the_spans_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
