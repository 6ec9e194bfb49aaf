/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Opening connections over the simulated backend: what is kept until the connection stands, several addresses in turn,
 * refusals.
 */
#include "net/net_private.h"
#include "support/simulated_loop.h"

#include <stdlib.h>
#include <string.h>

static void what_is_sent_before_the_connection_stands_leaves_afterwards(void **state)
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

static void close_write_while_connecting_half_closes_when_it_stands(void **state)
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

/* As if the name had resolved to more addresses than the one literal. */
static void add_addresses(recorder *told, unsigned more)
{
    emi_connector *connector = told->connection->extras->connector;
    for (unsigned i = 0; i < more; i++) {
        unsigned next = connector->addresses.count++;
        assert_int_equal(em_address_from_text("192.0.2.9", 1000 + (int)next, &connector->addresses.list[next]), EM_OK);
    }
}

static void all_addresses_are_tried_in_turn_until_one_answers(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    assert_int_equal(begin_connecting(&told, NULL), EM_OK);
    add_addresses(&told, 3);
    em_connection_send_text(told.connection, "hello");
    for (int i = 0; i < 3; i++) {
        simulated_peer *peer = simulated_take_connect(fixture->backend);
        assert_non_null(peer);
        assert_int_equal(em_address_get_port(simulated_address_of(peer)), i == 0 ? 80 : 1000 + i);
        assert_null(simulated_take_connect(fixture->backend));
        simulated_refuse_connect(peer, EM_CONNECTION_REFUSED);
        run_turns(fixture, 2);
    }
    expect_events(&told, "I");
    simulated_peer *last = simulated_take_connect(fixture->backend);
    simulated_accept_connect(last);
    run_turns(fixture, 2);
    expect_events(&told, "IC");
    expect_sent(last, "hello");
    em_address peer;
    assert_int_equal(em_connection_get_peer_address(told.connection, &peer), EM_OK);
    assert_int_equal(em_address_get_port(&peer), 1003);
    recorder_free(&told);
}

static void the_last_failure_is_the_reason_when_no_address_answers(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    assert_int_equal(begin_connecting(&told, NULL), EM_OK);
    add_addresses(&told, 1);
    simulated_refuse_connect(simulated_take_connect(fixture->backend), EM_CONNECTION_REFUSED);
    run_turns(fixture, 2);
    simulated_refuse_connect(simulated_take_connect(fixture->backend), EM_HOST_UNREACHABLE);
    run_turns(fixture, 2);
    expect_events(&told, "IU");
    assert_int_equal(told.reason, EM_HOST_UNREACHABLE);
    recorder_free(&told);
}

static void addresses_that_fail_at_once_are_passed_over(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    simulated_fail_next(fixture->backend, SIMULATED_CONNECT, EM_NETWORK_UNREACHABLE);
    assert_int_equal(begin_connecting(&told, NULL), EM_OK);
    add_addresses(&told, 1);
    run_turns(fixture, 2);
    simulated_accept_connect(simulated_take_connect(fixture->backend));
    run_turns(fixture, 2);
    expect_events(&told, "IC");
    recorder_free(&told);
}

static void one_deadline_covers_all_addresses(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    em_connect_options options = {.size = sizeof options, .connect_timeout_ns = 10 * EM_SECONDS};
    recorder_init(&told, fixture);
    assert_int_equal(begin_connecting(&told, &options), EM_OK);
    add_addresses(&told, 1);
    run_for(fixture, 6 * EM_SECONDS);
    simulated_refuse_connect(simulated_take_connect(fixture->backend), EM_CONNECTION_REFUSED);
    run_turns(fixture, 2);
    run_for(fixture, 4 * EM_SECONDS - 1);
    expect_events(&told, "I");
    run_for(fixture, 1);
    expect_events(&told, "IU");
    assert_int_equal(told.reason, EM_CONNECT_TIMEOUT);
    recorder_free(&told);
}

typedef em_status (*operation)(em_connection *connection);

static em_status send_something(em_connection *connection)
{
    return em_connection_send_text(connection, "x");
}

/* The first address has failed, its channel is released, the next one is not attached yet. */
static void every_operation_between_two_addresses_is_safe(void **state)
{
    simulated_loop *fixture = *state;
    static const operation operations[] = {
        em_connection_close, em_connection_close_after_writing, em_connection_close_write, em_connection_pause,
        send_something,      em_connection_take_error};
    for (size_t i = 0; i < COUNT(operations); i++) {
        recorder told;
        recorder_init(&told, fixture);
        assert_int_equal(begin_connecting(&told, NULL), EM_OK);
        add_addresses(&told, 1);
        simulated_refuse_connect(simulated_take_connect(fixture->backend), EM_CONNECTION_REFUSED);
        emi_backend *backend = fixture->loop->backend;
        backend->operations->wait(backend, 0);
        backend->operations->dispatch(backend, 100);
        assert_true(told.connection->channel.released);
        assert_int_equal(operations[i](told.connection), EM_OK);
        run_turns(fixture, 2);
        simulated_peer *second = simulated_take_connect(fixture->backend);
        if (second)
            simulated_accept_connect(second);
        run_turns(fixture, 2);
        expect_events(&told, i < 2 ? "IU" : "IC");
        recorder_free(&told);
    }
}

#define CONNECTING_TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CONNECTING_TEST(what_is_sent_before_the_connection_stands_leaves_afterwards),
        CONNECTING_TEST(a_refusal_is_unbind_s_reason),
        CONNECTING_TEST(a_refusal_that_the_system_knows_at_once_is_still_reported_later),
        CONNECTING_TEST(what_fails_without_the_network_fails_the_call_and_calls_nothing),
        CONNECTING_TEST(a_unix_connection_that_fails_at_once_fails_the_call),
        CONNECTING_TEST(closing_while_connecting_ends_it),
        CONNECTING_TEST(close_after_writing_while_connecting_delivers_what_was_sent),
        CONNECTING_TEST(close_write_while_connecting_half_closes_when_it_stands),
        CONNECTING_TEST(all_addresses_are_tried_in_turn_until_one_answers),
        CONNECTING_TEST(the_last_failure_is_the_reason_when_no_address_answers),
        CONNECTING_TEST(addresses_that_fail_at_once_are_passed_over),
        CONNECTING_TEST(one_deadline_covers_all_addresses),
        CONNECTING_TEST(every_operation_between_two_addresses_is_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
