/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Opening connections over the simulated backend: what is kept until the connection is established, refusals. Several
 * addresses: see attempts_test.c.
 */
#include "support/simulated_loop.h"

#include <stdlib.h>
#include <string.h>

static void what_is_sent_before_the_connection_is_established_is_sent_afterwards(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    assert_int_equal(begin_connecting(&told, NULL), EM_OK);
    expect_events(&told, "I");
    assert_int_equal(em_connection_get_state(told.connection), EM_STATE_CONNECTING);
    assert_int_equal(em_connection_send_text(told.connection, "early"), EM_OK);
    run_turns(fixture, 3);
    simulated_peer *peer = simulated_take_connect(fixture->backend);
    expect_sent(peer, "");
    simulated_accept_connect(peer);
    run_turns(fixture, 2);
    expect_events(&told, "IC");
    assert_int_equal(em_connection_get_state(told.connection), EM_STATE_OPEN);
    expect_sent(peer, "early");
    recorder_free(&told);
}

static void a_refusal_is_unbind_s_reason(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    assert_int_equal(begin_connecting(&told, NULL), EM_OK);
    em_connection_send_text(told.connection, "never sent");
    simulated_refuse_connect(simulated_take_connect(fixture->backend), EM_CONNECTION_REFUSED);
    run_turns(fixture, 2);
    expect_events(&told, "IU");
    assert_int_equal(told.reason, EM_CONNECTION_REFUSED);
    assert_int_equal(stats_of(fixture).outbox_bytes, 0);
    recorder_free(&told);
}

static void a_refusal_that_the_system_knows_at_once_is_still_reported_later(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    simulated_fail_next(fixture->backend, SIMULATED_CONNECT, EM_NETWORK_UNREACHABLE);
    assert_int_equal(begin_connecting(&told, NULL), EM_OK);
    expect_events(&told, "I");
    run_turns(fixture, 2);
    expect_events(&told, "IU");
    assert_int_equal(told.reason, EM_NETWORK_UNREACHABLE);
    recorder_free(&told);
}

static void what_fails_without_the_network_fails_the_call_and_calls_nothing(void **state)
{
    simulated_loop *fixture = *state;
    em_connection *connection = (em_connection *)(void *)fixture;
    em_stream_options stream = {.size = sizeof stream, .low_water_bytes = 2, .high_water_bytes = 1};
    em_connect_options bad = {.size = sizeof bad, .stream = &stream};
    em_connect_options unset = {.size = 0};
    em_connect_options local = {.size = sizeof local, .bind_host = "not an address"};
    em_loop *loop = fixture->loop;
    assert_int_equal(em_loop_connect(loop, "192.0.2.1", 80, NULL, NULL, &connection), EM_INVALID_ARGUMENT);
    assert_null(connection);
    assert_int_equal(em_loop_connect(NULL, "192.0.2.1", 80, &recording, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_connect(loop, NULL, 80, &recording, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_connect(loop, "192.0.2.1", 0, &recording, NULL, NULL), EM_INVALID_PORT);
    assert_int_equal(em_loop_connect(loop, "192.0.2.1", 65536, &recording, NULL, NULL), EM_INVALID_PORT);
    assert_int_equal(em_loop_connect(loop, "192.0.2.1", -1, &recording, NULL, NULL), EM_INVALID_PORT);
    assert_int_equal(em_loop_connect(loop, "", 80, &recording, NULL, NULL), EM_INVALID_ADDRESS);
    assert_int_equal(em_loop_connect(loop, "1.2.3", 80, &recording, NULL, NULL), EM_INVALID_ADDRESS);
    assert_int_equal(em_loop_connect(loop, "1::2::3", 80, &recording, NULL, NULL), EM_INVALID_ADDRESS);
    assert_int_equal(em_loop_connect(loop, "a b", 80, &recording, NULL, NULL), EM_INVALID_ADDRESS);
    assert_int_equal(em_loop_connect(loop, "host.invalid", 80, &recording, NULL, NULL), EM_NAME_NOT_FOUND);
    assert_int_equal(em_loop_connect(loop, "HOST.Invalid.", 80, &recording, NULL, NULL), EM_NAME_NOT_FOUND);
    assert_int_equal(em_loop_connect(loop, "192.0.2.1", 80, &recording, &bad, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_connect(loop, "192.0.2.1", 80, &recording, &unset, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_connect(loop, "192.0.2.1", 80, &recording, &local, NULL), EM_INVALID_ADDRESS);
    simulated_fail_next(fixture->backend, SIMULATED_ATTACH, EM_NO_BUFFERS);
    assert_int_equal(em_loop_connect(loop, "192.0.2.1", 80, &recording, NULL, NULL), EM_NO_BUFFERS);
    assert_int_equal(stats_of(fixture).connections_open, 0);
    assert_int_equal(simulated_count_channels(fixture->backend), 0);
}

static void a_unix_connection_that_fails_at_once_fails_the_call(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    em_connection *connection;
    em_connect_options options = {.size = sizeof options, .user = &told};
    recorder_init(&told, fixture);
    simulated_fail_next(fixture->backend, SIMULATED_CONNECT, EM_NO_SUCH_FILE);
    assert_int_equal(em_loop_connect_unix_domain(fixture->loop, "/nowhere", &recording, &options, &connection),
                     EM_NO_SUCH_FILE);
    assert_null(connection);
    run_turns(fixture, 2);
    expect_events(&told, "");
    assert_int_equal(stats_of(fixture).connections_open, 0);
    assert_int_equal(em_loop_connect_unix_domain(fixture->loop, "/nowhere", &recording, &options, &connection), EM_OK);
    simulated_accept_connect(simulated_take_connect(fixture->backend));
    run_turns(fixture, 2);
    expect_events(&told, "IC");
    recorder_free(&told);
}

static void closing_while_connecting_ends_it(void **state)
{
    simulated_loop *fixture = *state;
    for (unsigned way = 0; way < 3; way++) {
        recorder told;
        recorder_init(&told, fixture);
        assert_int_equal(begin_connecting(&told, NULL), EM_OK);
        simulated_peer *peer = simulated_take_connect(fixture->backend);
        if (way == 0)
            em_connection_close(told.connection);
        else
            em_connection_close_after_writing(told.connection); /* nothing to write */
        if (way == 2)
            simulated_accept_connect(peer);
        run_turns(fixture, 2);
        expect_events(&told, "IU");
        assert_int_equal(told.reason, EM_OK);
        recorder_free(&told);
    }
}

static void close_after_writing_while_connecting_delivers_what_was_sent(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    assert_int_equal(begin_connecting(&told, NULL), EM_OK);
    em_connection_send_text(told.connection, "hello and goodbye");
    assert_int_equal(em_connection_close_after_writing(told.connection), EM_OK);
    assert_int_equal(em_connection_send_text(told.connection, "x"), EM_CLOSED);
    run_turns(fixture, 2);
    expect_events(&told, "I");
    simulated_peer *peer = simulated_take_connect(fixture->backend);
    simulated_accept_connect(peer);
    run_turns(fixture, 3);
    expect_sent(peer, "hello and goodbye");
    expect_events(&told, "ICU");
    assert_int_equal(told.reason, EM_OK);
    recorder_free(&told);
}

static void close_write_while_connecting_half_closes_once_it_is_established(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    assert_int_equal(begin_connecting(&told, NULL), EM_OK);
    em_connection_send_text(told.connection, "question");
    assert_int_equal(em_connection_close_write(told.connection), EM_OK);
    simulated_peer *peer = simulated_take_connect(fixture->backend);
    simulated_accept_connect(peer);
    run_turns(fixture, 3);
    expect_sent(peer, "question");
    assert_true(simulated_saw_end(peer));
    feed_text(peer, "answer");
    simulated_end(peer);
    run_turns(fixture, 3);
    assert_true(bytes_equal_text(&told.received, "answer"));
    assert_int_equal(told.unbinds, 1);
    recorder_free(&told);
}

#define CONNECTING_TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CONNECTING_TEST(what_is_sent_before_the_connection_is_established_is_sent_afterwards),
        CONNECTING_TEST(a_refusal_is_unbind_s_reason),
        CONNECTING_TEST(a_refusal_that_the_system_knows_at_once_is_still_reported_later),
        CONNECTING_TEST(what_fails_without_the_network_fails_the_call_and_calls_nothing),
        CONNECTING_TEST(a_unix_connection_that_fails_at_once_fails_the_call),
        CONNECTING_TEST(closing_while_connecting_ends_it),
        CONNECTING_TEST(close_after_writing_while_connecting_delivers_what_was_sent),
        CONNECTING_TEST(close_write_while_connecting_half_closes_once_it_is_established),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
