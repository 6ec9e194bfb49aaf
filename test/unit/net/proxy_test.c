/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Proxies over the simulated backend: what is relayed, lengths, replacing and stopping, chains, and what is refused.
 */
#include "support/simulated_pair.h"

#include <string.h>

#include "system/socket.h"

static void what_the_source_receives_is_sent_by_the_target(void **state)
{
    simulated_pair pair;
    pair_open_proxied(&pair, *state, NULL);
    feed_text(pair.from_peer, "hello ");
    run_turns(*state, 2);
    feed_text(pair.from_peer, "world");
    run_turns(*state, 2);
    expect_sent(pair.to_peer, "hello world");
    expect_events(&pair.from, "I");
    assert_int_equal(em_connection_get_proxied_bytes(pair.from.connection), 11);
    uint64_t received;
    em_connection_get_byte_counts(pair.from.connection, &received, NULL);
    assert_int_equal(received, 11);
    pair_free(&pair);
}

static void a_proxy_has_one_direction(void **state)
{
    simulated_pair pair;
    pair_open_proxied(&pair, *state, NULL);
    feed_text(pair.to_peer, "back");
    run_turns(*state, 2);
    pair_expect_received(&pair.to, "back");
    expect_sent(pair.from_peer, "");
    assert_null(em_connection_get_proxy_target(pair.to.connection));
    assert_int_equal(em_connection_get_proxied_bytes(pair.to.connection), 0);
    pair_free(&pair);
}

static void two_connections_may_be_the_targets_of_each_other(void **state)
{
    simulated_pair pair;
    pair_open_proxied(&pair, *state, NULL);
    expect_proxy(pair.to.connection, pair.from.connection, NULL);
    feed_text(pair.from_peer, "ping");
    feed_text(pair.to_peer, "pong");
    run_turns(*state, 2);
    expect_sent(pair.to_peer, "ping");
    expect_sent(pair.from_peer, "pong");
    pair_free(&pair);
}

static void chains_relay_each_connections_own_input(void **state)
{
    simulated_pair pair, last;
    pair_open_proxied(&pair, *state, NULL);
    pair_open(&last, *state, &recording, NULL);
    expect_proxy(pair.to.connection, last.from.connection, NULL);
    expect_proxy(last.from.connection, last.to.connection, NULL);
    feed_text(pair.from_peer, "1");
    feed_text(pair.to_peer, "2");
    feed_text(last.from_peer, "3");
    run_turns(*state, 3);
    expect_sent(pair.to_peer, "1");
    expect_sent(last.from_peer, "2");
    expect_sent(last.to_peer, "3");
    recorder_free(&pair.to);
    recorder_free(&last.from);
    pair_free(&last);
    pair_free(&pair);
}

static void what_the_program_sends_comes_between_the_pieces_in_order(void **state)
{
    simulated_pair pair;
    pair_open_proxied(&pair, *state, NULL);
    em_connection_send_text(pair.to.connection, "<");
    feed_text(pair.from_peer, "piece");
    run_turns(*state, 2);
    em_connection_send_text(pair.to.connection, ">");
    run_turns(*state, 2);
    expect_sent(pair.to_peer, "<piece>");
    assert_int_equal(em_connection_get_proxied_bytes(pair.from.connection), 5);
    pair_free(&pair);
}

static void a_target_may_still_be_connecting(void **state)
{
    simulated_loop *fixture = *state;
    recorder from, to;
    recorder_init(&from, fixture);
    recorder_init(&to, fixture);
    simulated_peer *peer = open_accepted(&from, &recording, NULL);
    assert_int_equal(begin_connecting(&to, NULL), EM_OK);
    expect_proxy(from.connection, to.connection, NULL);
    feed_text(peer, "early");
    run_turns(fixture, 3);
    simulated_peer *server = simulated_take_connect(fixture->backend);
    simulated_accept_connect(server);
    run_turns(fixture, 3);
    expect_sent(server, "early");
    recorder_free(&from);
    recorder_free(&to);
}

static void a_source_may_still_be_connecting(void **state)
{
    simulated_loop *fixture = *state;
    recorder from, to;
    recorder_init(&from, fixture);
    recorder_init(&to, fixture);
    simulated_peer *peer = open_accepted(&to, &recording, NULL);
    assert_int_equal(begin_connecting(&from, NULL), EM_OK);
    expect_proxy(from.connection, to.connection, NULL);
    simulated_peer *server = simulated_take_connect(fixture->backend);
    simulated_accept_connect(server);
    feed_text(server, "greeting");
    run_turns(fixture, 3);
    expect_sent(peer, "greeting");
    expect_events(&from, "IC");
    recorder_free(&from);
    recorder_free(&to);
}

/* Lengths */

static void after_its_length_a_proxy_is_complete_and_the_surplus_is_received(void **state)
{
    const em_proxy_options options = {.size = sizeof options, .length_bytes = 5};
    simulated_pair pair;
    pair_open_proxied(&pair, *state, &options);
    feed_text(pair.from_peer, "helloworld");
    run_turns(*state, 2);
    expect_sent(pair.to_peer, "hello");
    pair_expect_received(&pair.from, "world");
    expect_events(&pair.from, "IPD");
    assert_null(em_connection_get_proxy_target(pair.from.connection));
    assert_int_equal(em_connection_get_proxied_bytes(pair.from.connection), 5);
    feed_text(pair.from_peer, "!");
    run_turns(*state, 2);
    pair_expect_received(&pair.from, "!");
    expect_sent(pair.to_peer, "");
    pair_free(&pair);
}

static void a_length_that_is_met_exactly_leaves_no_surplus(void **state)
{
    const em_proxy_options options = {.size = sizeof options, .length_bytes = 6};
    simulated_pair pair;
    pair_open_proxied(&pair, *state, &options);
    feed_text(pair.from_peer, "abc");
    run_turns(*state, 2);
    expect_events(&pair.from, "I");
    feed_text(pair.from_peer, "def");
    run_turns(*state, 2);
    expect_events(&pair.from, "IP");
    expect_sent(pair.to_peer, "abcdef");
    pair_free(&pair);
}

static void start_again(recorder *from)
{
    const em_proxy_options options = {.size = sizeof options, .length_bytes = 2};
    recorder *to = from->user;
    if (strlen(from->events) < 4)
        expect_proxy(from->connection, to->connection, &options);
}

static void a_proxy_that_is_started_when_one_is_complete_gets_the_surplus(void **state)
{
    const em_proxy_options options = {.size = sizeof options, .length_bytes = 1};
    simulated_pair pair;
    pair_open_proxied(&pair, *state, &options);
    pair.from.user = &pair.to;
    pair.from.on_proxy_completed = start_again;
    feed_text(pair.from_peer, "1223344");
    run_turns(*state, 3);
    expect_sent(pair.to_peer, "12233");
    pair_expect_received(&pair.from, "44");
    expect_events(&pair.from, "IPPPD");
    assert_int_equal(em_connection_get_proxied_bytes(pair.from.connection), 2);
    pair_free(&pair);
}

static void pause_now(recorder *record)
{
    assert_int_equal(em_connection_pause(record->connection), EM_OK);
}

static void a_pause_when_a_proxy_is_complete_keeps_the_surplus(void **state)
{
    const em_proxy_options options = {.size = sizeof options, .length_bytes = 1};
    simulated_pair pair;
    pair_open_proxied(&pair, *state, &options);
    pair.from.on_proxy_completed = pause_now;
    feed_text(pair.from_peer, "1surplus");
    run_turns(*state, 3);
    expect_events(&pair.from, "IP");
    assert_int_equal(em_connection_resume(pair.from.connection), EM_OK);
    run_turns(*state, 2);
    pair_expect_received(&pair.from, "surplus");
    pair_free(&pair);
}

static void close_now(recorder *record)
{
    assert_int_equal(em_connection_close(record->connection), EM_OK);
}

static void a_source_may_be_closed_when_its_proxy_is_complete(void **state)
{
    const em_proxy_options options = {.size = sizeof options, .length_bytes = 1};
    simulated_pair pair;
    pair_open_proxied(&pair, *state, &options);
    pair.from.on_proxy_completed = close_now;
    feed_text(pair.from_peer, "1surplus");
    run_turns(*state, 3);
    expect_events(&pair.from, "IPU");
    expect_sent(pair.to_peer, "1");
    pair_free(&pair);
}

static void detach_now(recorder *record)
{
    int *descriptor = record->user;
    assert_int_equal(em_connection_detach(record->connection, descriptor), EM_OK);
}

static void a_source_that_is_detached_when_its_proxy_is_complete_gets_the_surplus_before(void **state)
{
    const em_proxy_options options = {.size = sizeof options, .length_bytes = 1};
    int descriptor = -1;
    simulated_pair pair;
    pair_open_proxied(&pair, *state, &options);
    pair.from.user = &descriptor;
    pair.from.on_proxy_completed = detach_now;
    feed_text(pair.from_peer, "1surplus");
    run_turns(*state, 3);
    pair_expect_received(&pair.from, "surplus");
    expect_events(&pair.from, "IPDU");
    assert_true(descriptor >= 0);
    emi_socket_close(descriptor);
    pair_free(&pair);
}

/* Replacing and stopping */

static void another_target_replaces_the_first_and_the_count_begins_again(void **state)
{
    simulated_pair pair, other;
    pair_open_proxied(&pair, *state, NULL);
    pair_open(&other, *state, &recording, NULL);
    feed_text(pair.from_peer, "one");
    run_turns(*state, 2);
    expect_proxy(pair.from.connection, other.to.connection, NULL);
    assert_int_equal(em_connection_get_proxied_bytes(pair.from.connection), 0);
    feed_text(pair.from_peer, "second");
    run_turns(*state, 2);
    expect_sent(pair.to_peer, "one");
    expect_sent(other.to_peer, "second");
    assert_int_equal(em_connection_get_proxied_bytes(pair.from.connection), 6);
    expect_proxy(other.from.connection, pair.to.connection, NULL);
    expect_events(&pair.from, "I");
    pair_free(&other);
    expect_events(&pair.from, "IT");
    pair_free(&pair);
}

static void the_same_target_may_be_given_again(void **state)
{
    simulated_pair pair;
    pair_open_proxied(&pair, *state, NULL);
    feed_text(pair.from_peer, "one");
    run_turns(*state, 2);
    expect_proxy(pair.from.connection, pair.to.connection, NULL);
    assert_int_equal(em_connection_get_proxied_bytes(pair.from.connection), 0);
    pair_free(&pair);
}

static void after_stopping_bytes_are_received_and_the_count_stays(void **state)
{
    simulated_pair pair;
    pair_open_proxied(&pair, *state, NULL);
    feed_text(pair.from_peer, "relayed");
    run_turns(*state, 2);
    assert_int_equal(em_connection_stop_proxy(pair.from.connection), EM_OK);
    assert_int_equal(em_connection_stop_proxy(pair.from.connection), EM_INVALID_STATE);
    assert_null(em_connection_get_proxy_target(pair.from.connection));
    feed_text(pair.from_peer, "received");
    run_turns(*state, 2);
    expect_sent(pair.to_peer, "relayed");
    pair_expect_received(&pair.from, "received");
    assert_int_equal(em_connection_get_proxied_bytes(pair.from.connection), 7);
    pair_free(&pair);
}

static void start_to_other(recorder *from)
{
    recorder *to = from->user;
    expect_proxy(from->connection, to->connection, NULL);
}

static void a_proxy_that_is_started_in_receive_data_gets_what_follows(void **state)
{
    simulated_pair pair;
    pair_open(&pair, *state, &recording, NULL);
    pair.from.user = &pair.to;
    pair.from.on_data = start_to_other;
    feed_text(pair.from_peer, "head");
    run_turns(*state, 2);
    feed_text(pair.from_peer, "body");
    run_turns(*state, 2);
    pair_expect_received(&pair.from, "head");
    expect_sent(pair.to_peer, "body");
    pair_free(&pair);
}

static void a_source_may_get_another_handler(void **state)
{
    simulated_pair pair;
    pair_open_proxied(&pair, *state, NULL);
    assert_int_equal(em_connection_set_handler(pair.from.connection, &recording_without_end), EM_OK);
    feed_text(pair.from_peer, "still relayed");
    run_turns(*state, 2);
    expect_sent(pair.to_peer, "still relayed");
    pair_free(&pair);
}

/* What is refused */

static void a_second_source_for_a_target_is_refused_and_nothing_changes(void **state)
{
    simulated_pair pair, other;
    pair_open_proxied(&pair, *state, NULL);
    pair_open(&other, *state, &recording, NULL);
    assert_int_equal(em_connection_start_proxy(other.from.connection, pair.to.connection, NULL), EM_INVALID_STATE);
    assert_null(em_connection_get_proxy_target(other.from.connection));
    feed_text(other.from_peer, "mine");
    feed_text(pair.from_peer, "first");
    run_turns(*state, 2);
    pair_expect_received(&other.from, "mine");
    expect_sent(pair.to_peer, "first");
    pair_free(&other);
    feed_text(pair.from_peer, " still");
    run_turns(*state, 2);
    expect_sent(pair.to_peer, " still");
    expect_events(&pair.from, "I");
    pair_free(&pair);
}

static void a_refused_call_leaves_the_former_proxy_in_place(void **state)
{
    const em_proxy_options bad = {.size = sizeof bad, .at_end = (em_proxy_end)7};
    const em_proxy_options reserved = {.size = sizeof reserved, .reserved = 1};
    const em_proxy_options too_large = {.size = 100000};
    simulated_pair pair, other;
    pair_open_proxied(&pair, *state, NULL);
    pair_open_proxied(&other, *state, NULL);
    em_connection *from = pair.from.connection, *to = pair.to.connection;
    assert_int_equal(em_connection_start_proxy(from, to, &bad), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_start_proxy(from, to, &reserved), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_start_proxy(from, to, &too_large), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_start_proxy(from, from, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_start_proxy(from, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_start_proxy(NULL, to, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_start_proxy(from, other.to.connection, NULL), EM_INVALID_STATE);
    feed_text(pair.from_peer, "x");
    run_turns(*state, 2);
    expect_sent(pair.to_peer, "x");
    pair_free(&other);
    pair_free(&pair);
}

static void connections_that_have_ended_are_refused(void **state)
{
    simulated_pair pair;
    pair_open(&pair, *state, &recording, NULL);
    em_connection *from = pair.from.connection, *to = pair.to.connection;
    simulated_end(pair.from_peer);
    run_turns(*state, 2);
    assert_int_equal(em_connection_start_proxy(from, to, NULL), EM_CLOSED);
    assert_int_equal(em_connection_stop_proxy(from), EM_INVALID_STATE);
    em_connection_close(from);
    assert_int_equal(em_connection_start_proxy(from, to, NULL), EM_CLOSED);
    assert_int_equal(em_connection_stop_proxy(from), EM_CLOSED);
    assert_int_equal(em_connection_stop_proxy(NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_get_proxied_bytes(NULL), 0);
    assert_null(em_connection_get_proxy_target(NULL));
    pair_free(&pair);
}

static void connections_of_two_loops_are_refused(void **state)
{
    simulated_loop second;
    recorder stranger;
    simulated_pair pair;
    pair_open(&pair, *state, &recording, NULL);
    simulated_loop_open(&second, NULL, NULL);
    recorder_init(&stranger, &second);
    open_accepted(&stranger, &recording, NULL);
    assert_int_equal(em_connection_start_proxy(pair.from.connection, stranger.connection, NULL), EM_INVALID_ARGUMENT);
    recorder_free(&stranger);
    simulated_loop_close(&second);
    test_clock_stop();
    pair_free(&pair);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)
    static const struct CMUnitTest tests[] = {
        TEST(what_the_source_receives_is_sent_by_the_target),
        TEST(a_proxy_has_one_direction),
        TEST(two_connections_may_be_the_targets_of_each_other),
        TEST(chains_relay_each_connections_own_input),
        TEST(what_the_program_sends_comes_between_the_pieces_in_order),
        TEST(a_target_may_still_be_connecting),
        TEST(a_source_may_still_be_connecting),
        TEST(after_its_length_a_proxy_is_complete_and_the_surplus_is_received),
        TEST(a_length_that_is_met_exactly_leaves_no_surplus),
        TEST(a_proxy_that_is_started_when_one_is_complete_gets_the_surplus),
        TEST(a_pause_when_a_proxy_is_complete_keeps_the_surplus),
        TEST(a_source_may_be_closed_when_its_proxy_is_complete),
        TEST(a_source_that_is_detached_when_its_proxy_is_complete_gets_the_surplus_before),
        TEST(another_target_replaces_the_first_and_the_count_begins_again),
        TEST(the_same_target_may_be_given_again),
        TEST(after_stopping_bytes_are_received_and_the_count_stays),
        TEST(a_proxy_that_is_started_in_receive_data_gets_what_follows),
        TEST(a_source_may_get_another_handler),
        TEST(a_second_source_for_a_target_is_refused_and_nothing_changes),
        TEST(a_refused_call_leaves_the_former_proxy_in_place),
        TEST(connections_that_have_ended_are_refused),
        TEST(connections_of_two_loops_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
