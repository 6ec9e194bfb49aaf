/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Flow over the simulated backend: pausing, water marks, limits, borrowed bytes.
 */
#include "support/simulated_loop.h"

#include <stdlib.h>
#include <string.h>

static void a_paused_connection_neither_receives_nor_sends_and_loses_nothing(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    assert_int_equal(em_connection_resume(told.connection), EM_INVALID_STATE);
    assert_int_equal(em_connection_pause(told.connection), EM_OK);
    assert_int_equal(em_connection_pause(told.connection), EM_INVALID_STATE);
    assert_int_equal(em_connection_is_paused(told.connection), 1);
    feed_text(peer, "in");
    simulated_end(peer);
    assert_int_equal(em_connection_send_text(told.connection, "out"), EM_OK);
    run_turns(fixture, 5);
    expect_events(&told, "I");
    expect_sent(peer, "");
    assert_int_equal(em_connection_resume(told.connection), EM_OK);
    assert_int_equal(em_connection_is_paused(told.connection), 0);
    run_turns(fixture, 3);
    expect_events(&told, "IDE");
    expect_sent(peer, "out");
    recorder_free(&told);
}

static void what_was_sent_just_before_a_pause_waits_for_the_resume(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    em_connection_send_text(told.connection, "held back");
    assert_int_equal(em_connection_pause(told.connection), EM_OK);
    run_turns(fixture, 3);
    expect_sent(peer, "");
    em_connection_resume(told.connection);
    run_turns(fixture, 2);
    expect_sent(peer, "held back");
    recorder_free(&told);
}

static void pause_now(recorder *told)
{
    assert_int_equal(em_connection_pause(told->connection), EM_OK);
}

static void a_pause_within_receive_data_takes_effect_before_the_next_piece(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    char large[200000] = {0};
    recorder_init(&told, fixture);
    told.on_data = pause_now;
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    simulated_feed(peer, large, sizeof large);
    for (size_t pieces = 1; bytes_length(&told.received) < sizeof large; pieces++) {
        run_turns(fixture, 3);
        assert_int_equal(told.event_count, 1 + pieces);
        assert_int_equal(em_connection_resume(told.connection), EM_OK);
    }
    recorder_free(&told);
}

static void a_pause_within_post_init_holds_everything_back(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    told.on_init = pause_now;
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    feed_text(peer, "x");
    em_connection_send_text(told.connection, "y");
    run_turns(fixture, 3);
    expect_events(&told, "I");
    expect_sent(peer, "");
    em_connection_resume(told.connection);
    run_turns(fixture, 3);
    expect_events(&told, "ID");
    expect_sent(peer, "y");
    recorder_free(&told);
}

static void a_connection_paused_while_connecting_is_established_and_stays_paused(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    told.on_init = pause_now;
    simulated_peer *peer = open_connected(&told, NULL);
    em_connection_send_text(told.connection, "y");
    feed_text(peer, "x");
    run_turns(fixture, 3);
    expect_events(&told, "IC");
    expect_sent(peer, "");
    em_connection_resume(told.connection);
    run_turns(fixture, 3);
    expect_events(&told, "ICD");
    expect_sent(peer, "y");
    recorder_free(&told);
}

static void closing_after_writing_while_paused_waits_for_the_resume(void **state)
{
    simulated_loop *fixture = *state;
    for (unsigned with_data = 0; with_data < 2; with_data++) {
        recorder told;
        recorder_init(&told, fixture);
        simulated_peer *peer = open_accepted(&told, &recording, NULL);
        em_connection_pause(told.connection);
        if (with_data)
            em_connection_send_text(told.connection, "last words");
        em_connection_close_after_writing(told.connection);
        run_turns(fixture, 3);
        assert_int_equal(told.unbinds, 0);
        em_connection_resume(told.connection);
        run_turns(fixture, 3);
        expect_sent(peer, with_data ? "last words" : "");
        assert_int_equal(told.unbinds, 1);
        recorder_free(&told);
    }
}

static void a_paused_connection_can_be_closed(void **state)
{
    recorder told;
    recorder_init(&told, *state);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    em_connection_pause(told.connection);
    feed_text(peer, "unread");
    em_connection_send_text(told.connection, "unsent");
    em_connection_close(told.connection);
    run_turns(*state, 1);
    expect_events(&told, "IU");
    recorder_free(&told);
}

static void pressure_is_told_above_the_high_water_mark_and_its_end_at_the_low_one(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    char junk[100] = {0};
    em_stream_options stream = {.size = sizeof stream, .high_water_bytes = 100, .low_water_bytes = 30};
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, &stream);
    simulated_set_window(peer, 1);
    assert_int_equal(em_connection_send(told.connection, junk, 100), EM_OK);
    assert_int_equal(em_connection_send(told.connection, junk, 1), EM_UNDER_PRESSURE);
    assert_int_equal(em_connection_send(told.connection, junk, 1), EM_UNDER_PRESSURE);
    while (em_connection_get_outbound_bytes(told.connection) > 31) {
        run_turns(fixture, 2);
        expect_events(&told, "I");
        simulated_take(peer, NULL, 1);
    }
    run_turns(fixture, 2);
    expect_events(&told, "IR");
    assert_int_equal(em_connection_get_outbound_bytes(told.connection), 30);
    while (em_connection_get_outbound_bytes(told.connection) > 0) {
        simulated_take(peer, NULL, 1);
        run_turns(fixture, 2);
    }
    expect_events(&told, "IR");
    recorder_free(&told);
}

static void send_over_again(recorder *told)
{
    char junk[200] = {0};
    unsigned *left = told->user;
    if (*left > 0 && --*left > 0)
        assert_int_equal(em_connection_send(told->connection, junk, sizeof junk), EM_UNDER_PRESSURE);
}

static void sending_within_drained_is_told_of_the_next_drained(void **state)
{
    recorder told;
    unsigned left = 5;
    em_stream_options stream = {.size = sizeof stream, .high_water_bytes = 100};
    recorder_init(&told, *state);
    told.user = &left;
    told.on_drained = send_over_again;
    open_accepted(&told, &recording, &stream);
    send_over_again(&told);
    run_turns(*state, 20);
    expect_events(&told, "IRRRR");
    recorder_free(&told);
}

static void water_marks_may_be_set_later_and_must_make_sense(void **state)
{
    recorder told;
    recorder_init(&told, *state);
    open_accepted(&told, &recording, NULL);
    assert_int_equal(em_connection_set_water_marks(told.connection, 2, 1), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_set_water_marks(told.connection, 0, 0), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_set_water_marks(told.connection, 0, 3), EM_OK);
    assert_int_equal(em_connection_send_text(told.connection, "123"), EM_OK);
    assert_int_equal(em_connection_send_text(told.connection, "4"), EM_UNDER_PRESSURE);
    run_turns(*state, 2);
    expect_events(&told, "IR");
    recorder_free(&told);
}

static void water_marks_below_what_waits_already_tell_of_its_end(void **state)
{
    recorder told;
    recorder_init(&told, *state);
    open_accepted(&told, &recording, NULL);
    assert_int_equal(em_connection_send_text(told.connection, "1234"), EM_OK);
    assert_int_equal(em_connection_set_water_marks(told.connection, 0, 3), EM_OK);
    run_turns(*state, 2);
    expect_events(&told, "IR");
    recorder_free(&told);
}

static void the_hard_limit_ends_the_connection_and_accepts_nothing(void **state)
{
    recorder told;
    em_stream_options stream = {.size = sizeof stream, .outbox_limit_bytes = 10};
    recorder_init(&told, *state);
    simulated_peer *peer = open_accepted(&told, &recording, &stream);
    assert_int_equal(em_connection_send_text(told.connection, "0123456789"), EM_OK);
    assert_int_equal(em_connection_send_text(told.connection, "x"), EM_OUTBOX_LIMIT);
    assert_int_equal(em_connection_send_text(told.connection, "x"), EM_CLOSED);
    run_turns(*state, 1);
    expect_events(&told, "IU");
    assert_int_equal(told.reason, EM_OUTBOX_LIMIT);
    expect_sent(peer, "");
    recorder_free(&told);
}

static void the_limit_of_the_loop_refuses_and_the_connection_goes_on(void **state)
{
    simulated_loop *fixture = *state;
    recorder told[2];
    em_loop_options options = {.size = sizeof options, .outbox_limit_bytes = 10};
    simulated_loop_close(fixture);
    simulated_loop_open(fixture, NULL, &options);
    for (unsigned i = 0; i < 2; i++) {
        recorder_init(&told[i], fixture);
        open_accepted(&told[i], &recording, NULL);
    }
    assert_int_equal(em_connection_send_text(told[0].connection, "123456"), EM_OK);
    assert_int_equal(em_connection_send_text(told[1].connection, "12345"), EM_LOOP_OUTBOX_LIMIT);
    assert_int_equal(em_connection_send_borrowed(told[1].connection, "12345", 5, NULL, NULL), EM_LOOP_OUTBOX_LIMIT);
    assert_int_equal(em_connection_send_text(told[1].connection, "1234"), EM_OK);
    run_turns(fixture, 1);
    assert_int_equal(em_connection_send_text(told[1].connection, "0123456789"), EM_OK);
    for (unsigned i = 0; i < 2; i++) {
        recorder_free(&told[i]);
        assert_int_equal(told[i].reason, EM_OK);
    }
}

static unsigned releases;

static void release(void *user, const void *data)
{
    assert_ptr_equal(user, data);
    releases++;
}

static em_status borrow(em_connection *connection, const char *text)
{
    union {
        const char *constant;
        void *user;
    } same = {.constant = text};
    return em_connection_send_borrowed(connection, text, strlen(text), release, same.user);
}

static void borrowed_bytes_are_released_once_when_sent(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    simulated_set_window(peer, 4);
    releases = 0;
    assert_int_equal(borrow(told.connection, "borrowed"), EM_OK);
    run_turns(fixture, 2);
    assert_int_equal(releases, 0);
    expect_sent(peer, "borr");
    run_turns(fixture, 2);
    expect_sent(peer, "owed");
    assert_int_equal(releases, 1);
    recorder_free(&told);
    assert_int_equal(releases, 1);
}

/* However a connection ends, what it borrowed comes back exactly once. */
static void end_in_some_way(recorder *told, simulated_peer *peer, unsigned way)
{
    switch (way) {
    case 0:
        em_connection_close(told->connection);
        break;
    case 1:
        simulated_reset(peer);
        break;
    case 2:
        simulated_fail_sending(peer, EM_BROKEN_PIPE);
        break;
    case 3:
        em_connection_set_outbox_limit_bytes(told->connection, 1);
        borrow(told->connection, "too much");
        releases--; /* at once, since it was not accepted */
        break;
    case 4:
        em_connection_set_write_timeout_ns(told->connection, EM_SECONDS);
        run_for(told->fixture, EM_SECONDS);
        break;
    default:
        simulated_loop_close(told->fixture);
    }
}

static void borrowed_bytes_are_released_once_in_every_end(void **state)
{
    simulated_loop *fixture = *state;
    for (unsigned way = 0; way < 6; way++) {
        recorder told;
        recorder_init(&told, fixture);
        simulated_peer *peer = open_accepted(&told, &recording, NULL);
        simulated_set_window(peer, 4);
        releases = 0;
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(borrow(told.connection, "borrowed"), EM_OK);
        if (way != 2)
            run_turns(fixture, 2);
        assert_int_equal(releases, 0);
        end_in_some_way(&told, peer, way);
        if (way < 5)
            run_turns(fixture, 5);
        assert_int_equal(told.unbinds, 1);
        assert_int_equal(releases, 3);
        recorder_free(&told);
    }
    simulated_loop_open(fixture, NULL, NULL);
}

static void what_is_not_accepted_is_released_at_once(void **state)
{
    recorder told;
    recorder_init(&told, *state);
    open_accepted(&told, &recording, NULL);
    releases = 0;
    assert_int_equal(borrow(NULL, "x"), EM_INVALID_ARGUMENT);
    assert_int_equal(releases, 1);
    assert_int_equal(borrow(told.connection, ""), EM_OK);
    assert_int_equal(releases, 2);
    em_connection_close_after_writing(told.connection);
    assert_int_equal(borrow(told.connection, "x"), EM_CLOSED);
    assert_int_equal(releases, 3);
    recorder_free(&told);
}

static void a_megabyte_arrives_in_order_copied_and_borrowed_through_a_narrow_window(void **state)
{
    simulated_loop *fixture = *state;
    enum { TOTAL = 1000000 };
    recorder told;
    unsigned char *pattern = malloc(TOTAL);
    unsigned char *arrived = malloc(TOTAL);
    assert_non_null(pattern);
    assert_non_null(arrived);
    pattern_fill(pattern, TOTAL, 0);
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    simulated_set_window(peer, 5000);
    uint64_t seed = 9;
    for (size_t at = 0; at < TOTAL;) {
        size_t piece = 1 + random_below(&seed, 9000);
        piece = piece < TOTAL - at ? piece : TOTAL - at;
        em_status status = random_below(&seed, 2)
                               ? em_connection_send(told.connection, pattern + at, piece)
                               : em_connection_send_borrowed(told.connection, pattern + at, piece, NULL, NULL);
        assert_int_equal(status, EM_OK);
        at += piece;
    }
    for (size_t at = 0; at < TOTAL; at += simulated_take(peer, arrived + at, TOTAL - at))
        run_turns(fixture, 1);
    assert_memory_equal(arrived, pattern, TOTAL);
    uint64_t sent;
    em_connection_get_byte_counts(told.connection, NULL, &sent);
    assert_int_equal(sent, TOTAL);
    recorder_free(&told);
    free(pattern);
    free(arrived);
}

#define FLOW_TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        FLOW_TEST(a_paused_connection_neither_receives_nor_sends_and_loses_nothing),
        FLOW_TEST(what_was_sent_just_before_a_pause_waits_for_the_resume),
        FLOW_TEST(a_pause_within_receive_data_takes_effect_before_the_next_piece),
        FLOW_TEST(a_pause_within_post_init_holds_everything_back),
        FLOW_TEST(a_connection_paused_while_connecting_is_established_and_stays_paused),
        FLOW_TEST(closing_after_writing_while_paused_waits_for_the_resume),
        FLOW_TEST(a_paused_connection_can_be_closed),
        FLOW_TEST(pressure_is_told_above_the_high_water_mark_and_its_end_at_the_low_one),
        FLOW_TEST(sending_within_drained_is_told_of_the_next_drained),
        FLOW_TEST(water_marks_may_be_set_later_and_must_make_sense),
        FLOW_TEST(water_marks_below_what_waits_already_tell_of_its_end),
        FLOW_TEST(the_hard_limit_ends_the_connection_and_accepts_nothing),
        FLOW_TEST(the_limit_of_the_loop_refuses_and_the_connection_goes_on),
        FLOW_TEST(borrowed_bytes_are_released_once_when_sent),
        FLOW_TEST(borrowed_bytes_are_released_once_in_every_end),
        FLOW_TEST(what_is_not_accepted_is_released_at_once),
        FLOW_TEST(a_megabyte_arrives_in_order_copied_and_borrowed_through_a_narrow_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
