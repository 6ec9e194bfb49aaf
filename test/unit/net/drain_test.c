/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connections that are about to end, and how long they wait for their peers: before unbind and after it. Over the
 * simulated backend, with the clock stopped.
 */
#include "support/simulated_loop.h"

#include <string.h>

#define S EM_SECONDS

enum { LARGE_BYTES = 1000000, WINDOW_BYTES = 1000 };

static char large[LARGE_BYTES];

/* Much to send, a narrow window, and the wish to close. */
static simulated_peer *begin_to_close(recorder *told, simulated_loop *fixture, const em_stream_options *stream)
{
    recorder_init(told, fixture);
    static const em_stream_options short_timeout = {.size = sizeof short_timeout, .drain_timeout_ns = 4 * S};
    simulated_peer *peer = open_accepted(told, &recording, stream ? stream : &short_timeout);
    simulated_set_window(peer, WINDOW_BYTES);
    em_connection_send(told->connection, large, sizeof large);
    assert_int_equal(em_connection_close_after_writing(told->connection), EM_OK);
    run_turns(fixture, 1);
    return peer;
}

/* The peer takes so many bytes, by and by, each second. */
static void take_for(simulated_loop *fixture, simulated_peer *peer, size_t bytes_per_second, unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        simulated_take(peer, NULL, bytes_per_second);
        run_for(fixture, S);
    }
}

static void expect_given_up(recorder *told, simulated_peer *peer)
{
    assert_int_equal(told->unbinds, 1);
    assert_int_equal(told->reason, EM_WRITE_TIMEOUT);
    assert_true(simulated_saw_close(peer));
    assert_int_equal(stats_of(told->fixture).outbox_bytes, 0);
    recorder_free(told);
}

static void a_peer_that_takes_nothing_is_given_up_after_the_drain_timeout(void **state)
{
    simulated_loop *fixture = *state;
    static const uint64_t timeouts_ns[] = {0, 20 * S}; /* 0: the default, 30 seconds */
    for (size_t i = 0; i < COUNT(timeouts_ns); i++) {
        recorder told;
        em_stream_options stream = {.size = sizeof stream, .drain_timeout_ns = timeouts_ns[i]};
        uint64_t expected_ns = timeouts_ns[i] ? timeouts_ns[i] : 30 * S;
        simulated_peer *peer = begin_to_close(&told, fixture, &stream);
        assert_int_equal(em_connection_get_drain_timeout_ns(told.connection), expected_ns);
        run_for(fixture, expected_ns - 1);
        assert_int_equal(told.unbinds, 0);
        run_for(fixture, expected_ns / 8);
        expect_given_up(&told, peer);
    }
}

static void a_peer_that_takes_a_byte_now_and_then_is_given_up(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    simulated_peer *peer = begin_to_close(&told, fixture, NULL);
    take_for(fixture, peer, 1, 6);
    expect_given_up(&told, peer);
}

static void a_peer_that_takes_its_time_gets_everything(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    simulated_peer *peer = begin_to_close(&told, fixture, NULL);
    take_for(fixture, peer, 300, 600);
    assert_int_equal(told.unbinds, 0);
    simulated_set_window(peer, LARGE_BYTES);
    run_turns(fixture, 2);
    assert_int_equal(told.unbinds, 1);
    assert_int_equal(told.reason, EM_OK);
    size_t left = LARGE_BYTES - 600 * 300;
    assert_int_equal(simulated_waiting(peer), left);
    /* The socket lives on, because not everything is acknowledged. */
    take_for(fixture, peer, 300, 600);
    assert_false(simulated_saw_close(peer));
    simulated_take(peer, NULL, left);
    run_for(fixture, 2 * S - 1);
    assert_false(simulated_saw_close(peer));
    assert_true(simulated_saw_end(peer));
    run_for(fixture, S);
    assert_true(simulated_saw_close(peer));
    recorder_free(&told);
}

/* The connection has sent fewer bytes than the peer has still to take. */
static void a_peer_that_takes_what_was_sent_before_the_socket_was_attached_is_not_given_up(void **state)
{
    enum { EARLIER_BYTES = 60000 };
    simulated_loop *fixture = *state;
    recorder told;
    simulated_peer *peer;
    static const em_stream_options stream = {.size = sizeof stream, .drain_timeout_ns = 4 * S};
    em_attach_options options = {.size = sizeof options, .user = &told, .stream = &stream};
    recorder_init(&told, fixture);
    int descriptor = simulated_open_stream(fixture->backend, &peer);
    simulated_owe(peer, large, EARLIER_BYTES);
    simulated_set_window(peer, EARLIER_BYTES);
    assert_int_equal(em_loop_attach(fixture->loop, descriptor, &recording, &options, NULL), EM_OK);
    em_connection_send(told.connection, large, EARLIER_BYTES);
    assert_int_equal(em_connection_close_after_writing(told.connection), EM_OK);
    take_for(fixture, peer, 300, 100);
    assert_int_equal(told.unbinds, 0);
    take_for(fixture, peer, EARLIER_BYTES, 2);
    assert_int_equal(told.unbinds, 1);
    assert_int_equal(told.reason, EM_OK);
    recorder_free(&told);
}

static void a_peer_below_the_least_rate_is_given_up_in_the_end(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    simulated_peer *peer = begin_to_close(&told, fixture, NULL);
    take_for(fixture, peer, 900, 10);
    take_for(fixture, peer, 100, 8);
    assert_int_equal(told.unbinds, 0);
    take_for(fixture, peer, 100, 30);
    expect_given_up(&told, peer);
}

static void a_peer_that_has_kept_taking_may_be_silent_for_twice_as_long(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    simulated_peer *peer = begin_to_close(&told, fixture, NULL);
    take_for(fixture, peer, WINDOW_BYTES, 30);
    run_for(fixture, 7 * S);
    assert_int_equal(told.unbinds, 0);
    run_for(fixture, 2 * S);
    expect_given_up(&told, peer);
}

static void what_fills_the_buffers_at_first_earns_nothing(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    simulated_peer *peer = begin_to_close(&told, fixture, NULL);
    for (unsigned i = 0; i < 100; i++) {
        simulated_take(peer, NULL, WINDOW_BYTES);
        run_for(fixture, S / 100);
    }
    run_for(fixture, 4 * S + S / 2);
    expect_given_up(&told, peer);
}

static void a_pause_does_not_count(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    simulated_peer *peer = begin_to_close(&told, fixture, NULL);
    em_connection_pause(told.connection);
    run_for(fixture, 100 * S);
    assert_int_equal(told.unbinds, 0);
    em_connection_resume(told.connection);
    run_for(fixture, 5 * S);
    expect_given_up(&told, peer);
}

static void a_loop_that_stood_still_counts_it_as_one_look(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    simulated_peer *peer = begin_to_close(&told, fixture, NULL);
    for (unsigned i = 0; i < 7; i++) {
        test_clock_advance(100 * S);
        run_turns(fixture, 1);
    }
    assert_int_equal(told.unbinds, 0);
    test_clock_advance(100 * S);
    run_turns(fixture, 2);
    expect_given_up(&told, peer);
}

static void the_wait_may_be_without_end_and_changed_meanwhile(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    em_stream_options stream = {.size = sizeof stream, .drain_timeout_ns = EM_FOREVER};
    simulated_peer *peer = begin_to_close(&told, fixture, &stream);
    run_for(fixture, 1000 * S);
    assert_int_equal(told.unbinds, 0);
    assert_int_equal(em_connection_set_drain_timeout_ns(told.connection, 8 * S), EM_OK);
    assert_int_equal(em_connection_get_drain_timeout_ns(told.connection), 8 * S);
    run_for(fixture, 10 * S);
    expect_given_up(&told, peer);
}

/* The peer ends first: without receive_end the connection is about to end then, with it that is the handler's business.
 */
static void a_half_closed_peer_is_given_up_unless_the_handler_goes_on(void **state)
{
    simulated_loop *fixture = *state;
    const em_handler *handlers[] = {&recording_without_end, &recording};
    for (size_t i = 0; i < COUNT(handlers); i++) {
        recorder told;
        recorder_init(&told, fixture);
        simulated_peer *peer = open_accepted(&told, handlers[i], NULL);
        simulated_set_window(peer, WINDOW_BYTES);
        em_connection_send(told.connection, large, sizeof large);
        simulated_end(peer);
        run_for(fixture, 100 * S);
        assert_int_equal(told.unbinds, i == 0);
        if (i == 1) {
            em_connection_close_write(told.connection); /* now both sides are about to end */
            run_for(fixture, 35 * S);
        }
        expect_given_up(&told, peer);
    }
}

static void without_memory_to_watch_the_peer_the_connection_ends(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    simulated_set_window(peer, WINDOW_BYTES);
    em_connection_send(told.connection, large, sizeof large);
    em_connection_close_after_writing(told.connection);
    failing_allocator_fail(&fixture->allocator, 1, EM_ON);
    run_turns(fixture, 2);
    failing_allocator_fail(&fixture->allocator, 0, EM_DEFAULT);
    assert_int_equal(told.unbinds, 1);
    assert_int_equal(told.reason, EM_NO_MEMORY);
    recorder_free(&told);
}

static void what_leaves_at_once_needs_no_watch(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    simulated_end(peer);
    run_turns(fixture, 2); /* so nothing has to go on after unbind */
    em_connection_send_text(told.connection, "bye");
    em_connection_close_after_writing(told.connection);
    failing_allocator_fail(&fixture->allocator, 1, EM_ON);
    run_turns(fixture, 2);
    failing_allocator_fail(&fixture->allocator, 0, EM_DEFAULT);
    assert_int_equal(told.unbinds, 1);
    assert_int_equal(told.reason, EM_OK);
    expect_sent(peer, "bye");
    recorder_free(&told);
}

/* In the background */

static simulated_peer *close_in_background(recorder *told, simulated_loop *fixture, bool peer_ends_first)
{
    recorder_init(told, fixture);
    simulated_peer *peer = open_accepted(told, &recording, NULL);
    simulated_set_window(peer, WINDOW_BYTES);
    em_connection_send(told->connection, large, sizeof large);
    if (peer_ends_first)
        simulated_end(peer);
    run_turns(fixture, 1);
    assert_int_equal(em_connection_close_in_background(told->connection), EM_OK);
    assert_int_equal(em_connection_send_text(told->connection, "x"), EM_CLOSED);
    assert_int_equal(em_connection_close_in_background(told->connection), EM_CLOSED);
    run_turns(fixture, 1);
    assert_int_equal(told->unbinds, 1);
    assert_int_equal(told->reason, EM_OK);
    return peer;
}

static void closing_in_the_background_unbinds_at_once_and_sends_the_rest(void **state)
{
    simulated_loop *fixture = *state;
    for (unsigned peer_ends_first = 0; peer_ends_first < 2; peer_ends_first++) {
        recorder told;
        simulated_peer *peer = close_in_background(&told, fixture, peer_ends_first);
        size_t taken = 0;
        while (taken < LARGE_BYTES) {
            assert_false(simulated_saw_end(peer));
            size_t piece = simulated_take(peer, NULL, WINDOW_BYTES);
            assert_true(piece > 0);
            taken += piece;
            if (!peer_ends_first)
                feed_text(peer, "input is dropped");
            run_for(fixture, S);
        }
        assert_int_equal(taken, LARGE_BYTES);
        assert_true(simulated_saw_end(peer));
        assert_int_equal(simulated_saw_close(peer), peer_ends_first);
        run_for(fixture, 3 * S);
        assert_true(simulated_saw_close(peer));
        recorder_free(&told);
    }
}

static void expect_answer_sent(recorder *told)
{
    expect_sent(told->user, "answer");
}

static void what_the_system_takes_at_once_leaves_before_unbind(void **state)
{
    simulated_loop *fixture = *state;
    for (unsigned paused = 0; paused < 2; paused++) {
        recorder told;
        recorder_init(&told, fixture);
        told.user = open_accepted(&told, &recording, NULL);
        told.on_unbind = expect_answer_sent;
        if (paused)
            em_connection_pause(told.connection);
        em_connection_send_text(told.connection, "answer");
        em_connection_close_in_background(told.connection);
        run_turns(fixture, 1);
        assert_int_equal(told.unbinds, 1);
        recorder_free(&told);
    }
}

static void closing_in_the_background_gives_a_silent_peer_up(void **state)
{
    simulated_loop *fixture = *state;
    for (unsigned peer_ends_first = 0; peer_ends_first < 2; peer_ends_first++) {
        recorder told;
        simulated_peer *peer = close_in_background(&told, fixture, peer_ends_first);
        run_for(fixture, 30 * S - 1);
        assert_false(simulated_saw_close(peer));
        run_for(fixture, 30 * S / 8);
        assert_true(simulated_saw_close(peer));
        assert_int_equal(stats_of(fixture).outbox_bytes, 0);
        recorder_free(&told);
    }
}

static void a_reset_ends_what_is_done_in_the_background(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    simulated_peer *peer = close_in_background(&told, fixture, false);
    simulated_reset(peer);
    run_turns(fixture, 2);
    assert_true(simulated_saw_close(peer));
    recorder_free(&told);
}

static void the_loop_ends_with_work_left_in_the_background(void **state)
{
    recorder told;
    close_in_background(&told, *state, false);
    recorder_free(&told); /* the rest is tear_down_loop's */
}

static void closing_in_the_background_while_connecting_drops_everything(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    assert_int_equal(begin_connecting(&told, NULL), EM_OK);
    em_connection_send_text(told.connection, "dropped");
    assert_int_equal(em_connection_close_in_background(told.connection), EM_OK);
    run_turns(fixture, 2);
    expect_events(&told, "IU");
    assert_int_equal(stats_of(fixture).connections_open, 0);
    recorder_free(&told);
}

static void closing_at_once_drops_what_closing_after_writing_kept(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    simulated_peer *peer = begin_to_close(&told, fixture, NULL);
    em_connection_close(told.connection);
    run_turns(fixture, 2);
    assert_int_equal(told.reason, EM_OK);
    assert_true(simulated_saw_close(peer));
    recorder_free(&told);
}

#define DRAIN_TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        DRAIN_TEST(a_peer_that_takes_nothing_is_given_up_after_the_drain_timeout),
        DRAIN_TEST(a_peer_that_takes_a_byte_now_and_then_is_given_up),
        DRAIN_TEST(a_peer_that_takes_its_time_gets_everything),
        DRAIN_TEST(a_peer_that_takes_what_was_sent_before_the_socket_was_attached_is_not_given_up),
        DRAIN_TEST(a_peer_below_the_least_rate_is_given_up_in_the_end),
        DRAIN_TEST(a_peer_that_has_kept_taking_may_be_silent_for_twice_as_long),
        DRAIN_TEST(what_fills_the_buffers_at_first_earns_nothing),
        DRAIN_TEST(a_pause_does_not_count),
        DRAIN_TEST(a_loop_that_stood_still_counts_it_as_one_look),
        DRAIN_TEST(the_wait_may_be_without_end_and_changed_meanwhile),
        DRAIN_TEST(a_half_closed_peer_is_given_up_unless_the_handler_goes_on),
        DRAIN_TEST(without_memory_to_watch_the_peer_the_connection_ends),
        DRAIN_TEST(what_leaves_at_once_needs_no_watch),
        DRAIN_TEST(closing_in_the_background_unbinds_at_once_and_sends_the_rest),
        DRAIN_TEST(what_the_system_takes_at_once_leaves_before_unbind),
        DRAIN_TEST(closing_in_the_background_gives_a_silent_peer_up),
        DRAIN_TEST(a_reset_ends_what_is_done_in_the_background),
        DRAIN_TEST(the_loop_ends_with_work_left_in_the_background),
        DRAIN_TEST(closing_in_the_background_while_connecting_drops_everything),
        DRAIN_TEST(closing_at_once_drops_what_closing_after_writing_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
