/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The life of a connection over the simulated backend: what is called when, sending, closing in every way and at every
 * moment.
 */
#include "support/simulated_loop.h"

#include <stdlib.h>
#include <string.h>

static void an_accepted_connection_begins_receives_sends_and_ends(void **state)
{
    recorder told;
    recorder_init(&told, *state);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    expect_events(&told, "I");
    assert_int_equal(em_connection_get_state(told.connection), EM_STATE_OPEN);
    feed_text(peer, "hello");
    run_turns(*state, 1);
    assert_true(bytes_equal_text(&told.received, "hello"));
    assert_int_equal(em_connection_send_text(told.connection, "answer"), EM_OK);
    run_turns(*state, 1);
    expect_sent(peer, "answer");
    assert_int_equal(em_connection_close(told.connection), EM_OK);
    run_turns(*state, 1);
    expect_events(&told, "IDU");
    assert_int_equal(told.reason, EM_OK);
    assert_int_equal(told.last_state, EM_STATE_RELEASING);
    assert_true(simulated_saw_end(peer));
    recorder_free(&told);
}

static void a_number_finds_its_connection_until_unbind(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    open_accepted(&told, &recording, NULL);
    assert_ptr_equal(em_loop_find_connection(fixture->loop, told.signature), told.connection);
    em_connection_close(told.connection);
    assert_ptr_equal(em_loop_find_connection(fixture->loop, told.signature), told.connection);
    run_turns(fixture, 1);
    assert_int_equal(told.unbinds, 1);
    assert_null(em_loop_find_connection(fixture->loop, told.signature));
    recorder_free(&told);
}

static void what_one_callback_sends_leaves_together(void **state)
{
    recorder told;
    recorder_init(&told, *state);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(em_connection_send_text(told.connection, "0123456789"), EM_OK);
    assert_int_equal(em_connection_get_outbound_bytes(told.connection), 1000);
    assert_int_equal(simulated_waiting(peer), 0);
    run_turns(*state, 1);
    assert_int_equal(simulated_waiting(peer), 1000);
    assert_int_equal(em_connection_get_outbound_bytes(told.connection), 0);
    recorder_free(&told);
}

static void expect_all_refused(recorder *told)
{
    em_connection *connection = told->connection;
    assert_int_equal(em_connection_send_text(connection, "x"), EM_CLOSED);
    assert_int_equal(em_connection_send(connection, NULL, 0), EM_CLOSED);
    assert_int_equal(em_connection_send_borrowed(connection, "x", 1, NULL, NULL), EM_CLOSED);
    assert_int_equal(em_connection_close(connection), EM_CLOSED);
    assert_int_equal(em_connection_close_after_writing(connection), EM_CLOSED);
    assert_int_equal(em_connection_close_write(connection), EM_CLOSED);
    assert_int_equal(em_connection_pause(connection), EM_CLOSED);
    assert_int_equal(em_connection_resume(connection), EM_CLOSED);
    assert_int_equal(em_connection_is_paused(connection), 0);
    assert_int_equal(em_connection_set_water_marks(connection, 1, 2), EM_CLOSED);
    assert_int_equal(em_connection_set_outbox_limit_bytes(connection, 1), EM_CLOSED);
    assert_int_equal(em_connection_set_inactivity_timeout_ns(connection, 1), EM_CLOSED);
    assert_int_equal(em_connection_set_write_timeout_ns(connection, 1), EM_CLOSED);
    assert_int_equal(em_connection_set_connect_timeout_ns(connection, 1), EM_CLOSED);
    assert_int_equal(em_connection_take_error(connection), EM_CLOSED);
    assert_int_equal(em_connection_get_outbound_bytes(connection), 0);
}

static void after_close_and_within_unbind_everything_answers_closed(void **state)
{
    recorder told;
    recorder_init(&told, *state);
    told.on_unbind = expect_all_refused;
    open_accepted(&told, &recording, NULL);
    assert_int_equal(em_connection_close(told.connection), EM_OK);
    expect_all_refused(&told);
    run_turns(*state, 1);
    assert_int_equal(told.unbinds, 1);
    recorder_free(&told);
}

static void close_drops_what_waits_to_be_sent(void **state)
{
    recorder told;
    recorder_init(&told, *state);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    em_connection_send_text(told.connection, "never to be seen");
    em_connection_close(told.connection);
    run_turns(*state, 1);
    assert_int_equal(told.unbinds, 1);
    assert_true(simulated_saw_end(peer));
    assert_int_equal(simulated_waiting(peer), 0);
    recorder_free(&told);
}

static void close_now(recorder *told)
{
    assert_int_equal(em_connection_close(told->connection), EM_OK);
}

static void close_may_be_called_within_every_callback(void **state)
{
    static const char *const expected[] = {"IU", "ICU", "IDU", "IEU", "IRU"};
    for (unsigned callback = 0; callback < COUNT(expected); callback++) {
        simulated_loop *fixture = *state;
        recorder told;
        em_stream_options stream = {.size = sizeof stream, .high_water_bytes = 10, .low_water_bytes = 1};
        recorder_init(&told, fixture);
        told.on_init = callback == 0 ? close_now : NULL;
        told.on_completed = callback == 1 ? close_now : NULL;
        told.on_data = callback == 2 ? close_now : NULL;
        told.on_end = callback == 3 ? close_now : NULL;
        told.on_drained = callback == 4 ? close_now : NULL;
        simulated_peer *peer = callback == 1 ? open_connected(&told, NULL) : open_accepted(&told, &recording, &stream);
        if (callback == 2)
            feed_text(peer, "data and more data");
        if (callback >= 2)
            simulated_end(peer);
        if (callback == 4) {
            em_connection_pause(told.connection);
            assert_int_equal(em_connection_send_text(told.connection, "more than ten bytes"), EM_UNDER_PRESSURE);
            em_connection_resume(told.connection);
        }
        run_turns(fixture, 3);
        expect_events(&told, expected[callback]);
        assert_int_equal(told.reason, EM_OK);
        assert_true(simulated_saw_close(peer));
        recorder_free(&told);
    }
}

static void stop_loop(recorder *told)
{
    assert_int_equal(em_loop_stop(told->fixture->loop), EM_OK);
}

static void stop_may_be_called_within_every_callback_and_nothing_is_lost(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    told.on_init = told.on_data = told.on_end = told.on_unbind = stop_loop;
    em_server *server;
    em_server_options options = {.size = sizeof options, .user = &told};
    assert_int_equal(em_loop_start_server(fixture->loop, "127.0.0.1", 0, &recording, &options, &server), EM_OK);
    simulated_peer *peer = simulated_connect(fixture->backend, em_server_get_descriptor(server));
    assert_int_equal(em_loop_run(fixture->loop), EM_OK);
    expect_events(&told, "I");
    feed_text(peer, "x");
    assert_int_equal(em_loop_run(fixture->loop), EM_OK);
    expect_events(&told, "ID");
    simulated_end(peer);
    assert_int_equal(em_loop_run(fixture->loop), EM_OK);
    expect_events(&told, "IDE");
    em_connection_close(told.connection);
    assert_int_equal(em_loop_run(fixture->loop), EM_OK);
    expect_events(&told, "IDEU");
    recorder_free(&told);
}

static void destroy_unbinds_what_is_left_with_success_and_closes_it(void **state)
{
    simulated_loop *fixture = *state;
    recorder told[3];
    for (unsigned i = 0; i < 3; i++)
        recorder_init(&told[i], fixture);
    open_accepted(&told[0], &recording, NULL);
    open_connected(&told[1], NULL);
    assert_int_equal(begin_connecting(&told[2], NULL), EM_OK);
    em_connection_send_text(told[0].connection, "never sent");
    simulated_loop_close(fixture);
    expect_events(&told[0], "IU");
    expect_events(&told[1], "ICU");
    expect_events(&told[2], "IU");
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(told[i].reason, EM_OK);
        recorder_free(&told[i]);
    }
    simulated_loop_open(fixture, NULL, NULL);
}

static void close_after_writing_waits_for_a_slow_peer_and_takes_no_more(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    char junk[1000] = {0};
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    simulated_set_window(peer, 100);
    assert_int_equal(em_connection_send(told.connection, junk, sizeof junk), EM_OK);
    assert_int_equal(em_connection_close_after_writing(told.connection), EM_OK);
    assert_int_equal(em_connection_get_state(told.connection), EM_STATE_DRAINING);
    assert_int_equal(em_connection_send_text(told.connection, "x"), EM_CLOSED);
    feed_text(peer, "still delivered");
    for (size_t taken = 0; taken < sizeof junk; taken += simulated_take(peer, NULL, 100)) {
        run_turns(fixture, 2);
        assert_int_equal(told.unbinds, taken + 100 < sizeof junk ? 0 : 1);
        assert_int_equal(simulated_waiting(peer), 100);
    }
    expect_events(&told, "IDU");
    assert_int_equal(told.reason, EM_OK);
    assert_true(simulated_saw_end(peer));
    recorder_free(&told);
}

static void close_ends_a_connection_that_is_draining_at_once(void **state)
{
    recorder told;
    recorder_init(&told, *state);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    simulated_set_window(peer, 1);
    em_connection_send_text(told.connection, "0123456789");
    em_connection_close_after_writing(told.connection);
    run_turns(*state, 2);
    assert_int_equal(em_connection_close(told.connection), EM_OK);
    run_turns(*state, 1);
    assert_int_equal(told.unbinds, 1);
    recorder_free(&told);
}

static void without_receive_end_the_rest_is_sent_and_the_connection_closed(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording_without_end, NULL);
    simulated_set_window(peer, 4);
    em_connection_send_text(told.connection, "12345678");
    feed_text(peer, "last words");
    simulated_end(peer);
    run_turns(fixture, 2);
    expect_events(&told, "ID");
    expect_sent(peer, "1234");
    run_turns(fixture, 2);
    expect_sent(peer, "5678");
    expect_events(&told, "IDU");
    assert_int_equal(told.reason, EM_OK);
    assert_int_equal(told.peer_had_ended, 1);
    recorder_free(&told);
}

static void after_the_peer_s_end_sending_goes_on_until_closed(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    simulated_end(peer);
    run_turns(fixture, 2);
    expect_events(&told, "IE");
    assert_int_equal(em_connection_has_peer_ended(told.connection), 1);
    em_connection_send_text(told.connection, "still here");
    run_turns(fixture, 2);
    expect_sent(peer, "still here");
    em_connection_close_after_writing(told.connection);
    run_turns(fixture, 2);
    expect_events(&told, "IEU");
    recorder_free(&told);
}

static void close_write_sends_the_end_after_all_data_and_receiving_goes_on(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    simulated_set_window(peer, 4);
    em_connection_send_text(told.connection, "12345678");
    assert_int_equal(em_connection_close_write(told.connection), EM_OK);
    assert_int_equal(em_connection_send_text(told.connection, "x"), EM_CLOSED);
    run_turns(fixture, 2);
    expect_sent(peer, "1234");
    assert_false(simulated_saw_end(peer));
    run_turns(fixture, 2);
    expect_sent(peer, "5678");
    assert_true(simulated_saw_end(peer));
    assert_false(simulated_saw_close(peer));
    feed_text(peer, "answer");
    run_turns(fixture, 2);
    assert_true(bytes_equal_text(&told.received, "answer"));
    simulated_end(peer);
    run_turns(fixture, 2);
    expect_events(&told, "IDEU");
    assert_int_equal(told.reason, EM_OK);
    recorder_free(&told);
}

static void half_closing_after_the_peer_did_ends_the_connection(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    simulated_end(peer);
    run_turns(fixture, 2);
    expect_events(&told, "IE");
    em_connection_send_text(told.connection, "goodbye");
    assert_int_equal(em_connection_close_write(told.connection), EM_OK);
    run_turns(fixture, 2);
    expect_sent(peer, "goodbye");
    expect_events(&told, "IEU");
    recorder_free(&told);
}

static void a_reset_is_unbind_s_reason(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    simulated_reset(peer);
    run_turns(fixture, 2);
    expect_events(&told, "IU");
    assert_int_equal(told.reason, EM_CONNECTION_RESET);
    recorder_free(&told);
}

static void a_failure_of_sending_is_unbind_s_reason_after_what_had_arrived(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    em_connection_send_text(told.connection, "x");
    feed_text(peer, "last words");
    simulated_fail_sending(peer, EM_BROKEN_PIPE);
    run_turns(fixture, 2);
    expect_events(&told, "IDU");
    assert_int_equal(told.reason, EM_CONNECTION_RESET); /* what a broken pipe is over TCP */
    recorder_free(&told);
}

static void send_and_close(recorder *told)
{
    em_connection_send_text(told->connection, "sorry");
    em_connection_close_after_writing(told->connection);
}

static void an_answer_within_post_init_is_sent_before_the_close(void **state)
{
    recorder told;
    recorder_init(&told, *state);
    told.on_init = send_and_close;
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    run_turns(*state, 2);
    expect_sent(peer, "sorry");
    expect_events(&told, "IU");
    recorder_free(&told);
}

static recorder *neighbour;

static void close_neighbour(recorder *told)
{
    (void)told;
    if (neighbour->connection)
        em_connection_close(neighbour->connection);
}

static void one_connection_may_close_another_within_any_of_its_callbacks(void **state)
{
    simulated_loop *fixture = *state;
    for (unsigned callback = 0; callback < 3; callback++) {
        recorder told[2];
        simulated_peer *peers[2];
        for (unsigned i = 0; i < 2; i++) {
            recorder_init(&told[i], fixture);
            peers[i] = open_accepted(&told[i], &recording, NULL);
        }
        neighbour = &told[1];
        told[0].on_data = callback == 0 ? close_neighbour : NULL;
        told[0].on_end = callback == 1 ? close_neighbour : NULL;
        told[0].on_unbind = callback == 2 ? close_neighbour : NULL;
        feed_text(peers[0], "x");
        simulated_end(peers[0]);
        if (callback == 2)
            em_connection_close(told[0].connection);
        run_turns(fixture, 3);
        assert_int_equal(told[1].unbinds, 1);
        assert_int_equal(told[0].unbinds, callback == 2);
        if (told[0].connection)
            em_connection_close(told[0].connection);
        run_turns(fixture, 2);
        for (unsigned i = 0; i < 2; i++)
            recorder_free(&told[i]);
    }
}

static void a_handler_may_be_changed_midway(void **state)
{
    simulated_loop *fixture = *state;
    static const em_handler silent = {.receive_data = NULL};
    recorder told;
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    assert_int_equal(em_connection_set_handler(told.connection, &silent), EM_OK);
    assert_int_equal(em_connection_set_handler(told.connection, NULL), EM_INVALID_ARGUMENT);
    feed_text(peer, "to nobody");
    run_turns(fixture, 1);
    expect_events(&told, "I");
    em_connection_close(told.connection);
    run_turns(fixture, 1);
    expect_events(&told, "I");
    assert_int_equal(stats_of(fixture).connections_closed, 1);
    told.connection = NULL; /* as the silent handler's unbind did not tell */
    recorder_free(&told);
}

static void missing_arguments_are_refused(void **state)
{
    recorder told;
    recorder_init(&told, *state);
    open_accepted(&told, &recording, NULL);
    assert_int_equal(em_connection_send(NULL, "x", 1), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_send(told.connection, NULL, 1), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_send(told.connection, "", (size_t)-1), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_send_borrowed(told.connection, "", (size_t)-1, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_send(told.connection, NULL, 0), EM_OK);
    assert_int_equal(em_connection_send_text(told.connection, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_close(NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_close_after_writing(NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_close_write(NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_pause(NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_resume(NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_get_state(NULL), EM_STATE_CLOSED);
    assert_null(em_loop_find_connection(told.fixture->loop, 12345));
    assert_null(em_loop_find_connection(NULL, told.signature));
    recorder_free(&told);
}

#define CONNECTION_TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CONNECTION_TEST(an_accepted_connection_begins_receives_sends_and_ends),
        CONNECTION_TEST(a_number_finds_its_connection_until_unbind),
        CONNECTION_TEST(what_one_callback_sends_leaves_together),
        CONNECTION_TEST(after_close_and_within_unbind_everything_answers_closed),
        CONNECTION_TEST(close_drops_what_waits_to_be_sent),
        CONNECTION_TEST(close_may_be_called_within_every_callback),
        CONNECTION_TEST(stop_may_be_called_within_every_callback_and_nothing_is_lost),
        CONNECTION_TEST(destroy_unbinds_what_is_left_with_success_and_closes_it),
        CONNECTION_TEST(close_after_writing_waits_for_a_slow_peer_and_takes_no_more),
        CONNECTION_TEST(close_ends_a_connection_that_is_draining_at_once),
        CONNECTION_TEST(without_receive_end_the_rest_is_sent_and_the_connection_closed),
        CONNECTION_TEST(after_the_peer_s_end_sending_goes_on_until_closed),
        CONNECTION_TEST(close_write_sends_the_end_after_all_data_and_receiving_goes_on),
        CONNECTION_TEST(half_closing_after_the_peer_did_ends_the_connection),
        CONNECTION_TEST(a_reset_is_unbind_s_reason),
        CONNECTION_TEST(a_failure_of_sending_is_unbind_s_reason_after_what_had_arrived),
        CONNECTION_TEST(an_answer_within_post_init_is_sent_before_the_close),
        CONNECTION_TEST(one_connection_may_close_another_within_any_of_its_callbacks),
        CONNECTION_TEST(a_handler_may_be_changed_midway),
        CONNECTION_TEST(missing_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
