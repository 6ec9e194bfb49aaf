/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A connection with a filter, over the simulated backend: its handshake, what waits for it, and its deadline.
 */
#include "support/filtered.h"
#include "system/clock.h"

#include <stdio.h>
#include <string.h>

enum { HANDSHAKE = 10 };

static const test_filter_options shaking = {.handshake_bytes = HANDSHAKE};

static void expect_handshake(filtered *own)
{
    char got[HANDSHAKE + 1] = "";
    assert_int_equal(simulated_take(own->peer, got, HANDSHAKE), HANDSHAKE);
    assert_string_equal(got, "hhhhhhhhhh");
}

static void data_sent_during_the_handshake_leaves_after_it(void **state)
{
    filtered own;
    filtered_open(&own, *state, &shaking, NULL);
    em_connection_send_text(own.told.connection, "queued");
    run_turns(*state, 3);
    expect_handshake(&own);
    assert_int_equal(simulated_waiting(own.peer), 0);
    assert_int_equal(em_connection_get_outbound_bytes(own.told.connection), 6);
    filtered_feed_handshake(&own, HANDSHAKE);
    filtered_feed(&own, "hello");
    run_turns(*state, 3);
    expect_events(&own.told, "IHD");
    filtered_expect_sent(&own, "queued");
    filtered_free(&own);
}

static void a_handshake_in_any_split_completes_once(void **state)
{
    for (size_t split = 0; split <= HANDSHAKE; split++) {
        filtered own;
        filtered_open(&own, *state, &shaking, NULL);
        filtered_feed_handshake(&own, split);
        run_turns(*state, 2);
        filtered_feed_handshake(&own, HANDSHAKE - split);
        run_turns(*state, 2);
        expect_events(&own.told, "IH");
        expect_handshake(&own);
        filtered_free(&own);
    }
}

static void send_first(recorder *told)
{
    em_connection_send_text(told->connection, "first");
}

static void data_sent_when_the_handshake_completes_follows_what_was_queued(void **state)
{
    filtered own;
    filtered_open(&own, *state, &shaking, NULL);
    own.told.on_handshake = send_first;
    em_connection_send_text(own.told.connection, "queued, ");
    filtered_feed_handshake(&own, HANDSHAKE);
    run_turns(*state, 3);
    expect_handshake(&own);
    filtered_expect_sent(&own, "queued, first");
    filtered_free(&own);
}

static void close_after_writing_waits_for_the_handshake_and_then_sends_all(void **state)
{
    filtered own;
    filtered_open(&own, *state, &shaking, NULL);
    em_connection_send_text(own.told.connection, "queued");
    em_connection_close_after_writing(own.told.connection);
    run_turns(*state, 3);
    expect_handshake(&own);
    assert_int_equal(own.told.unbinds, 0);
    filtered_feed_handshake(&own, HANDSHAKE);
    run_turns(*state, 5);
    filtered_expect_sent(&own, "queued");
    assert_true(own.peer_saw_end);
    expect_events(&own.told, "IHU");
    assert_int_equal(own.told.reason, EM_OK);
    filtered_free(&own);
}

static void closing_in_the_background_waits_for_the_handshake_if_something_is_queued(void **state)
{
    filtered own;
    filtered_open(&own, *state, &shaking, NULL);
    em_connection_send_text(own.told.connection, "queued");
    em_connection_close_in_background(own.told.connection);
    run_turns(*state, 3);
    expect_handshake(&own);
    filtered_feed_handshake(&own, HANDSHAKE);
    run_turns(*state, 5);
    filtered_expect_sent(&own, "queued");
    expect_events(&own.told, "IHU");
    filtered_free(&own);
}

static void with_nothing_queued_a_close_does_not_wait_for_the_handshake(void **state)
{
    em_status (*const closes[])(em_connection *) = {em_connection_close, em_connection_close_after_writing,
                                                    em_connection_close_in_background};
    for (unsigned i = 0; i < COUNT(closes); i++) {
        filtered own;
        filtered_open(&own, *state, &shaking, NULL);
        run_turns(*state, 2);
        closes[i](own.told.connection);
        run_turns(*state, 3);
        expect_events(&own.told, "IU");
        assert_int_equal(own.told.reason, EM_OK);
        assert_int_equal(own.record.ends, 0);
        filtered_free(&own);
    }
}

static void a_half_close_waits_for_the_handshake(void **state)
{
    filtered own;
    filtered_open(&own, *state, &shaking, NULL);
    em_connection_close_write(own.told.connection);
    run_turns(*state, 3);
    expect_handshake(&own);
    assert_false(simulated_saw_end(own.peer));
    filtered_feed_handshake(&own, HANDSHAKE);
    run_turns(*state, 5);
    filtered_take(&own);
    assert_true(own.peer_saw_end && simulated_saw_end(own.peer));
    expect_events(&own.told, "IH");
    filtered_free(&own);
}

static void an_end_during_the_handshake_is_a_truncation_in_every_state(void **state)
{
    for (unsigned what = 0; what < 4; what++) {
        filtered own;
        filtered_open(&own, *state, &shaking, NULL);
        if (what == 1)
            em_connection_send_text(own.told.connection, "never sent");
        if (what == 2) {
            em_connection_send_text(own.told.connection, "never sent");
            em_connection_close_after_writing(own.told.connection);
        }
        if (what == 3)
            em_connection_pause(own.told.connection);
        filtered_feed_handshake(&own, HANDSHAKE - 1);
        simulated_end(own.peer);
        run_turns(*state, 5);
        expect_events(&own.told, "IU");
        assert_int_equal(own.told.reason, EM_CONNECTION_ABORTED);
        assert_int_equal(own.record.seals, 0);
        filtered_free(&own);
    }
}

static void anything_but_a_handshake_fails_and_the_last_message_is_sent(void **state)
{
    filtered own;
    const test_filter_options options = {.handshake_bytes = HANDSHAKE, .answers = true, .last_message = "alert"};
    filtered_open(&own, *state, &options, NULL);
    em_connection_send_text(own.told.connection, "never sent");
    feed_text(own.peer, "GET / HTTP/1.0");
    run_turns(*state, 5);
    expect_events(&own.told, "IU");
    assert_int_equal(own.told.reason, EM_PROTOCOL_ERROR);
    expect_sent(own.peer, "alert");
    filtered_free(&own);
}

/* Pauses */

static void a_pause_stops_data_but_not_the_handshake(void **state)
{
    filtered own;
    filtered_open(&own, *state, &shaking, NULL);
    em_connection_pause(own.told.connection);
    em_connection_send_text(own.told.connection, "held back");
    run_turns(*state, 2);
    expect_handshake(&own);
    filtered_feed_handshake(&own, HANDSHAKE);
    filtered_feed(&own, "held");
    run_turns(*state, 5);
    expect_events(&own.told, "IH");
    filtered_expect_sent(&own, "");
    em_connection_resume(own.told.connection);
    run_turns(*state, 5);
    filtered_expect_received(&own, "held");
    filtered_expect_sent(&own, "held back");
    filtered_free(&own);
}

static void pause_now(recorder *told)
{
    em_connection_pause_receiving(told->connection);
}

static void a_pause_when_the_handshake_completes_holds_the_first_bytes(void **state)
{
    filtered own;
    filtered_open(&own, *state, &shaking, NULL);
    own.told.on_handshake = pause_now;
    filtered_feed_handshake(&own, HANDSHAKE);
    filtered_feed(&own, "held");
    run_turns(*state, 5);
    expect_events(&own.told, "IH");
    em_connection_resume_receiving(own.told.connection);
    run_turns(*state, 5);
    filtered_expect_received(&own, "held");
    filtered_free(&own);
}

/* Time */

static void progress_does_not_extend_the_deadline_of_a_handshake(void **state)
{
    filtered own;
    filtered_open(&own, *state, &shaking, NULL);
    for (unsigned second = 0; second < 9; second++) {
        filtered_feed_handshake(&own, 1);
        run_for(*state, EM_SECONDS);
    }
    expect_events(&own.told, "I");
    run_for(*state, EM_SECONDS + EM_MILLISECONDS);
    expect_events(&own.told, "IU");
    assert_int_equal(own.told.reason, EM_TLS_HANDSHAKE_TIMEOUT);
    filtered_free(&own);
}

static char text_of_reason[256];

static void note_text(recorder *told)
{
    em_reason reason = {.size = sizeof reason};
    assert_int_equal(em_connection_get_reason(told->connection, &reason), EM_OK);
    snprintf(text_of_reason, sizeof text_of_reason, "%s", reason.text);
}

static void the_reason_tells_a_silent_peer_from_a_slow_one(void **state)
{
    const char *const texts[] = {"(the peer has sent nothing)",
                                 "(the peer has sent something, but not all of its part)"};
    for (unsigned i = 0; i < COUNT(texts); i++) {
        filtered own;
        filtered_open(&own, *state, &shaking, NULL);
        own.told.on_unbind = note_text;
        filtered_feed_handshake(&own, i);
        run_for(*state, 11 * EM_SECONDS);
        assert_int_equal(own.told.reason, EM_TLS_HANDSHAKE_TIMEOUT);
        assert_non_null(strstr(text_of_reason, texts[i]));
        filtered_free(&own);
    }
}

static void bytes_that_arrived_while_the_loop_was_late_are_in_time(void **state)
{
    filtered own;
    filtered_open(&own, *state, &shaking, NULL);
    run_turns(*state, 2);
    filtered_feed_handshake(&own, HANDSHAKE);
    test_clock_advance(60 * EM_SECONDS);
    run_turns(*state, 3);
    expect_events(&own.told, "IH");
    filtered_free(&own);
}

static void a_late_loop_extends_the_deadline_only_once(void **state)
{
    filtered own;
    filtered_open(&own, *state, &shaking, NULL);
    run_turns(*state, 2);
    for (unsigned i = 0; i < 2; i++) {
        expect_events(&own.told, "I");
        test_clock_advance(60 * EM_SECONDS);
        run_turns(*state, 3);
    }
    expect_events(&own.told, "IU");
    assert_int_equal(own.told.reason, EM_TLS_HANDSHAKE_TIMEOUT);
    filtered_free(&own);
}

static void a_long_handshake_is_no_write_timeout(void **state)
{
    filtered own;
    const em_stream_options stream = {.size = sizeof stream, .write_timeout_ns = EM_SECONDS};
    memset(&own, 0, sizeof own);
    recorder_init(&own.told, *state);
    own.peer = open_accepted(&own.told, &recording, &stream);
    filtered_install(&own, &shaking, 1000 * EM_SECONDS);
    em_connection_send_text(own.told.connection, "queued");
    em_connection_close_after_writing(own.told.connection);
    run_for(*state, 500 * EM_SECONDS);
    expect_events(&own.told, "I");
    filtered_feed_handshake(&own, HANDSHAKE);
    run_turns(*state, 5);
    expect_handshake(&own);
    filtered_expect_sent(&own, "queued");
    expect_events(&own.told, "IHU");
    filtered_free(&own);
}

static void the_handshake_timeout_can_be_set(void **state)
{
    filtered own;
    memset(&own, 0, sizeof own);
    recorder_init(&own.told, *state);
    own.peer = open_accepted(&own.told, &recording, NULL);
    filtered_install(&own, &shaking, 3 * EM_SECONDS);
    run_for(*state, 3 * EM_SECONDS - EM_MILLISECONDS);
    expect_events(&own.told, "I");
    run_for(*state, 2 * EM_MILLISECONDS);
    assert_int_equal(own.told.reason, EM_TLS_HANDSHAKE_TIMEOUT);
    filtered_free(&own);
}

static void without_a_timeout_a_handshake_may_take_forever(void **state)
{
    filtered own;
    memset(&own, 0, sizeof own);
    recorder_init(&own.told, *state);
    own.peer = open_accepted(&own.told, &recording, NULL);
    filtered_install(&own, &shaking, EM_FOREVER);
    run_for(*state, 100000 * EM_SECONDS);
    expect_events(&own.told, "I");
    filtered_free(&own);
}

static void after_the_handshake_no_deadline_is_left(void **state)
{
    filtered own;
    filtered_open(&own, *state, &shaking, NULL);
    filtered_feed_handshake(&own, HANDSHAKE);
    run_for(*state, 100 * EM_SECONDS);
    expect_events(&own.told, "IH");
    assert_int_equal(stats_of(*state).timers_pending, 0);
    filtered_free(&own);
}

static void open_many(filtered *own, unsigned count, simulated_loop *fixture, const test_filter_options *options)
{
    for (unsigned i = 0; i < count; i++) {
        memset(&own[i], 0, sizeof own[i]);
        recorder_init(&own[i].told, fixture);
        own[i].peer = open_accepted(&own[i].told, &recording, NULL);
    }
    for (unsigned i = 0; i < count; i++) {
        filtered_install(&own[i], options, 0);
        filtered_feed_handshake(&own[i], HANDSHAKE);
    }
}

static void other_connections_are_served_between_handshakes(void **state)
{
    enum { MANY = 20 };
    filtered own[MANY];
    recorder other;
    unsigned done = 0, turns = 0;
    const test_filter_options slow = {.handshake_bytes = HANDSHAKE, .handshake_cost_ns = EM_MILLISECONDS};
    recorder_init(&other, *state);
    simulated_peer *peer = open_accepted(&other, &recording, NULL);
    open_many(own, MANY, *state, &slow);
    for (; done < MANY; turns++) {
        assert_true(turns < 10 * MANY);
        feed_text(peer, "x");
        uint64_t before_ns = emi_clock_now_ns();
        run_turns(*state, 1);
        assert_true(emi_clock_now_ns() - before_ns <= 3 * EM_MILLISECONDS);
        assert_int_equal(bytes_length(&other.received), turns + 1);
        for (done = 0; done < MANY && strcmp(own[done].told.events, "IH") == 0;)
            done++;
    }
    assert_true(turns >= MANY / 2);
    for (unsigned i = 0; i < MANY; i++)
        filtered_free(&own[i]);
    recorder_free(&other);
}

static void a_loop_with_handshakes_left_does_not_sleep(void **state)
{
    enum { MANY = 10 };
    filtered own[MANY];
    const test_filter_options slow = {.handshake_bytes = HANDSHAKE, .handshake_cost_ns = 5 * EM_MILLISECONDS};
    open_many(own, MANY, *state, &slow);
    run_turns(*state, 2);
    assert_int_equal(em_loop_get_timeout_ns(((simulated_loop *)*state)->loop), 0);
    for (unsigned i = 0; i < MANY; i++)
        filtered_free(&own[i]);
}

#define GATE_TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GATE_TEST(data_sent_during_the_handshake_leaves_after_it),
        GATE_TEST(a_handshake_in_any_split_completes_once),
        GATE_TEST(data_sent_when_the_handshake_completes_follows_what_was_queued),
        GATE_TEST(close_after_writing_waits_for_the_handshake_and_then_sends_all),
        GATE_TEST(closing_in_the_background_waits_for_the_handshake_if_something_is_queued),
        GATE_TEST(with_nothing_queued_a_close_does_not_wait_for_the_handshake),
        GATE_TEST(a_half_close_waits_for_the_handshake),
        GATE_TEST(an_end_during_the_handshake_is_a_truncation_in_every_state),
        GATE_TEST(anything_but_a_handshake_fails_and_the_last_message_is_sent),
        GATE_TEST(a_pause_stops_data_but_not_the_handshake),
        GATE_TEST(a_pause_when_the_handshake_completes_holds_the_first_bytes),
        GATE_TEST(progress_does_not_extend_the_deadline_of_a_handshake),
        GATE_TEST(the_reason_tells_a_silent_peer_from_a_slow_one),
        GATE_TEST(bytes_that_arrived_while_the_loop_was_late_are_in_time),
        GATE_TEST(a_late_loop_extends_the_deadline_only_once),
        GATE_TEST(a_long_handshake_is_no_write_timeout),
        GATE_TEST(the_handshake_timeout_can_be_set),
        GATE_TEST(without_a_timeout_a_handshake_may_take_forever),
        GATE_TEST(after_the_handshake_no_deadline_is_left),
        GATE_TEST(other_connections_are_served_between_handshakes),
        GATE_TEST(a_loop_with_handshakes_left_does_not_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
