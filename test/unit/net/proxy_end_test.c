/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * How proxies end with their source or their target, over the simulated backend, and what of the source's end is passed
 * on.
 */
#include "support/simulated_pair.h"

#include "system/socket.h"

static const em_proxy_options closing_write = {.size = sizeof closing_write, .at_end = EM_PROXY_CLOSE_WRITE};
static const em_proxy_options closing = {.size = sizeof closing, .at_end = EM_PROXY_CLOSE_AFTER_WRITING};

/* The target ends */

static void when_the_target_ends_the_source_is_told_after_unbind_and_receives_itself(void **state)
{
    simulated_pair pair;
    pair_open_proxied(&pair, *state, NULL);
    em_connection_close(pair.to.connection);
    expect_events(&pair.from, "I");
    feed_text(pair.from_peer, "too late");
    run_turns(*state, 3);
    expect_events(&pair.to, "IU");
    expect_events(&pair.from, "ITD");
    pair_expect_received(&pair.from, "too late");
    assert_null(em_connection_get_proxy_target(pair.from.connection));
    pair_free(&pair);
}

static void a_source_that_is_held_back_receives_when_the_target_has_ended(void **state)
{
    static const char large[100000];
    const em_proxy_options bounded = {.size = sizeof bounded, .buffer_bytes = 100};
    simulated_pair pair;
    pair_open_proxied(&pair, *state, &bounded);
    simulated_set_window(pair.to_peer, 0);
    simulated_feed(pair.from_peer, large, sizeof large);
    run_turns(*state, 5);
    size_t relayed = (size_t)em_connection_get_proxied_bytes(pair.from.connection);
    simulated_reset(pair.to_peer);
    run_turns(*state, 5);
    assert_int_equal(pair.to.reason, EM_CONNECTION_RESET);
    assert_int_equal(bytes_length(&pair.from.received), sizeof large - relayed);
    assert_int_equal(em_connection_get_proxied_bytes(pair.from.connection), relayed);
    pair_free(&pair);
}

static void close_user(recorder *record)
{
    recorder *other = record->user;
    if (other->connection)
        em_connection_close(other->connection);
}

static void a_source_may_be_closed_when_its_target_has_ended(void **state)
{
    simulated_pair pair;
    pair_open_proxied(&pair, *state, NULL);
    pair.from.user = &pair.from;
    pair.from.on_target_unbound = close_user;
    em_connection_close(pair.to.connection);
    run_turns(*state, 3);
    expect_events(&pair.from, "ITU");
    pair_free(&pair);
}

static void a_source_that_is_closed_in_the_unbind_of_its_target_is_told_before_its_own(void **state)
{
    simulated_pair pair;
    pair_open_proxied(&pair, *state, NULL);
    pair.to.user = &pair.from;
    pair.to.on_unbind = close_user;
    em_connection_close(pair.to.connection);
    run_turns(*state, 3);
    expect_events(&pair.from, "ITU");
    pair_free(&pair);
}

static void redirect(recorder *from)
{
    recorder *to = from->user;
    from->on_target_unbound = NULL;
    expect_proxy(from->connection, to->connection, NULL);
}

static void another_proxy_may_be_started_when_the_target_has_ended(void **state)
{
    simulated_pair pair, other;
    pair_open_proxied(&pair, *state, NULL);
    pair_open(&other, *state, &recording, NULL);
    pair.from.user = &other.to;
    pair.from.on_target_unbound = redirect;
    em_connection_close(pair.to.connection);
    feed_text(pair.from_peer, "redirected");
    run_turns(*state, 3);
    expect_events(&pair.from, "IT");
    expect_sent(other.to_peer, "redirected");
    pair_free(&other);
    pair_free(&pair);
}

static void a_target_that_is_about_to_end_is_accepted_and_its_end_told(void **state)
{
    simulated_pair pair;
    pair_open(&pair, *state, &recording, NULL);
    em_connection_close(pair.to.connection);
    expect_proxy(pair.from.connection, pair.to.connection, NULL);
    feed_text(pair.from_peer, "x");
    run_turns(*state, 3);
    expect_events(&pair.from, "ITD");
    pair_free(&pair);
}

static em_connection *ended;

static void try_ended(recorder *from)
{
    assert_int_equal(em_connection_start_proxy(from->connection, ended, NULL), EM_NOT_FOUND);
}

static void a_target_whose_unbind_has_returned_is_refused(void **state)
{
    simulated_pair pair;
    pair_open_proxied(&pair, *state, NULL);
    ended = pair.to.connection;
    pair.from.on_target_unbound = try_ended;
    em_connection_close(pair.to.connection);
    run_turns(*state, 3);
    expect_events(&pair.from, "IT");
    pair_free(&pair);
}

/* The source ends */

static void when_the_source_ends_nothing_is_called_on_the_target(void **state)
{
    simulated_pair pair;
    pair_open_proxied(&pair, *state, NULL);
    feed_text(pair.from_peer, "last");
    simulated_end(pair.from_peer);
    run_turns(*state, 3);
    expect_events(&pair.from, "IE");
    em_connection_close(pair.from.connection);
    run_turns(*state, 3);
    expect_events(&pair.to, "I");
    assert_int_equal(em_connection_get_state(pair.to.connection), EM_STATE_OPEN);
    expect_sent(pair.to_peer, "last");
    pair_free(&pair);
}

static void expect_count(recorder *record)
{
    uint64_t *count = record->user;
    *count = em_connection_get_proxied_bytes(record->connection);
}

static void the_count_can_be_read_in_unbind(void **state)
{
    uint64_t count = 0;
    simulated_pair pair;
    pair_open_proxied(&pair, *state, NULL);
    pair.from.user = &count;
    pair.from.on_unbind = expect_count;
    feed_text(pair.from_peer, "12345");
    run_turns(*state, 3);
    em_connection_close(pair.from.connection);
    run_turns(*state, 3);
    assert_int_equal(count, 5);
    pair_free(&pair);
}

static void everything_is_relayed_before_the_end_although_the_target_is_slow(void **state)
{
    static const char large[200000];
    const em_proxy_options options = {
        .size = sizeof options, .buffer_bytes = 100, .at_end = EM_PROXY_CLOSE_AFTER_WRITING};
    simulated_pair pair;
    pair_open_proxied(&pair, *state, &options);
    simulated_set_window(pair.to_peer, 1000);
    simulated_feed(pair.from_peer, large, sizeof large);
    simulated_end(pair.from_peer);
    size_t taken = 0;
    for (unsigned turns = 0; !simulated_saw_end(pair.to_peer); turns++) {
        assert_true(turns < 10000);
        run_turns(*state, 1);
        taken += simulated_take(pair.to_peer, NULL, SIZE_MAX);
    }
    assert_int_equal(taken, sizeof large);
    pair_free(&pair);
}

/* Passing the end on */

static void half_closes_are_relayed_both_ways_and_then_both_end(void **state)
{
    simulated_pair pair;
    pair_open(&pair, *state, &recording_without_end, NULL);
    expect_proxy(pair.from.connection, pair.to.connection, &closing_write);
    expect_proxy(pair.to.connection, pair.from.connection, &closing_write);
    feed_text(pair.from_peer, "request");
    simulated_end(pair.from_peer);
    run_turns(*state, 3);
    expect_sent(pair.to_peer, "request");
    assert_true(simulated_saw_end(pair.to_peer));
    assert_false(simulated_saw_end(pair.from_peer));
    feed_text(pair.to_peer, "reply");
    simulated_end(pair.to_peer);
    run_turns(*state, 5);
    expect_sent(pair.from_peer, "reply");
    assert_true(simulated_saw_end(pair.from_peer));
    expect_events(&pair.from, "IU");
    expect_events(&pair.to, "ITU"); /* both end in this turn, and its own target first */
    assert_int_equal(pair.from.reason, EM_OK);
    assert_int_equal(pair.to.reason, EM_OK);
    pair_free(&pair);
}

static void a_handler_with_receive_end_is_told_of_an_end_that_was_passed_on(void **state)
{
    simulated_pair pair;
    pair_open_proxied(&pair, *state, &closing_write);
    simulated_end(pair.from_peer);
    run_turns(*state, 3);
    expect_events(&pair.from, "IE");
    assert_true(simulated_saw_end(pair.to_peer));
    assert_int_equal(em_connection_get_state(pair.to.connection), EM_STATE_OPEN);
    feed_text(pair.to_peer, "x");
    run_turns(*state, 3);
    pair_expect_received(&pair.to, "x");
    pair_free(&pair);
}

static void a_source_without_another_direction_is_closed_at_its_end(void **state)
{
    simulated_pair pair;
    pair_open(&pair, *state, &recording_without_end, NULL);
    expect_proxy(pair.from.connection, pair.to.connection, &closing_write);
    simulated_end(pair.from_peer);
    run_turns(*state, 5);
    expect_events(&pair.from, "IU");
    assert_true(simulated_saw_end(pair.to_peer));
    expect_events(&pair.to, "I");
    pair_free(&pair);
}

static void a_reset_of_the_source_closes_the_target_after_writing(void **state)
{
    const em_proxy_options *each[] = {&closing_write, &closing};
    for (size_t i = 0; i < COUNT(each); i++) {
        simulated_pair pair;
        pair_open_proxied(&pair, *state, each[i]);
        feed_text(pair.from_peer, "sent before");
        run_turns(*state, 3);
        simulated_reset(pair.from_peer);
        run_turns(*state, 5);
        assert_int_equal(pair.from.reason, EM_CONNECTION_RESET);
        expect_sent(pair.to_peer, "sent before");
        expect_events(&pair.to, "IU");
        assert_int_equal(pair.to.reason, EM_OK);
        pair_free(&pair);
    }
}

static void stop_own_proxy(recorder *record)
{
    em_connection_stop_proxy(record->connection);
}

static void a_proxy_that_receive_end_stops_does_not_close_the_target_later(void **state)
{
    simulated_pair pair;
    pair_open_proxied(&pair, *state, &closing_write);
    pair.from.on_end = stop_own_proxy;
    simulated_end(pair.from_peer);
    run_turns(*state, 3);
    em_connection_close(pair.from.connection);
    run_turns(*state, 3);
    expect_events(&pair.to, "I");
    pair_free(&pair);
}

/* Both, and everything */

static void connections_that_are_each_others_targets_may_end_in_any_order(void **state)
{
    for (unsigned i = 0; i < 8; i++) {
        simulated_pair pair;
        pair_open_proxied(&pair, *state, i & 1 ? &closing_write : NULL);
        expect_proxy(pair.to.connection, pair.from.connection, i & 2 ? &closing : NULL);
        if (i & 4)
            em_connection_close(pair.from.connection);
        em_connection_close(pair.to.connection);
        run_turns(*state, 3);
        pair_free(&pair);
    }
}

static void a_loop_may_be_destroyed_in_the_middle(void **state)
{
    static const char large[100000];
    const em_proxy_options bounded = {.size = sizeof bounded, .buffer_bytes = 100};
    simulated_loop own;
    simulated_pair pair;
    (void)state;
    simulated_loop_open(&own, NULL, NULL);
    pair_open_proxied(&pair, &own, &bounded);
    expect_proxy(pair.to.connection, pair.from.connection, &closing_write);
    simulated_set_window(pair.to_peer, 0);
    simulated_feed(pair.from_peer, large, sizeof large);
    run_turns(&own, 5);
    simulated_loop_close(&own);
    assert_int_equal(pair.from.unbinds, 1);
    assert_int_equal(pair.to.unbinds, 1);
    expect_events(&pair.from, "IU");
    test_clock_stop();
    bytes_free(&pair.from.received);
    bytes_free(&pair.to.received);
}

static void the_target_may_be_detached(void **state)
{
    int descriptor;
    simulated_pair pair;
    pair_open_proxied(&pair, *state, NULL);
    assert_int_equal(em_connection_detach(pair.to.connection, &descriptor), EM_OK);
    feed_text(pair.from_peer, "x");
    run_turns(*state, 3);
    expect_events(&pair.from, "ITD");
    emi_socket_close(descriptor);
    pair_free(&pair);
}

static void detaching_the_source_ends_the_proxy_without_passing_an_end_on(void **state)
{
    int descriptor;
    simulated_pair pair;
    pair_open_proxied(&pair, *state, &closing);
    em_connection_close_write(pair.to.connection);
    feed_text(pair.from_peer, "held back");
    run_turns(*state, 3);
    assert_int_equal(em_connection_detach(pair.from.connection, &descriptor), EM_OK);
    pair_expect_received(&pair.from, "held back");
    run_turns(*state, 3);
    expect_events(&pair.from, "IDU");
    expect_events(&pair.to, "I");
    emi_socket_close(descriptor);
    pair_free(&pair);
}

static void a_detach_that_fails_leaves_the_proxy_in_place(void **state)
{
    int descriptor;
    simulated_loop *fixture = *state;
    simulated_pair pair;
    pair_open_proxied(&pair, fixture, NULL);
    simulated_fail_next(fixture->backend, SIMULATED_DELIVER_HELD, EM_CONNECTION_RESET);
    assert_int_equal(em_connection_detach(pair.from.connection, &descriptor), EM_CONNECTION_RESET);
    feed_text(pair.from_peer, "relayed");
    run_turns(fixture, 3);
    expect_sent(pair.to_peer, "relayed");
    pair_free(&pair);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)
    static const struct CMUnitTest tests[] = {
        TEST(when_the_target_ends_the_source_is_told_after_unbind_and_receives_itself),
        TEST(a_source_that_is_held_back_receives_when_the_target_has_ended),
        TEST(a_source_may_be_closed_when_its_target_has_ended),
        TEST(a_source_that_is_closed_in_the_unbind_of_its_target_is_told_before_its_own),
        TEST(another_proxy_may_be_started_when_the_target_has_ended),
        TEST(a_target_that_is_about_to_end_is_accepted_and_its_end_told),
        TEST(a_target_whose_unbind_has_returned_is_refused),
        TEST(when_the_source_ends_nothing_is_called_on_the_target),
        TEST(the_count_can_be_read_in_unbind),
        TEST(everything_is_relayed_before_the_end_although_the_target_is_slow),
        TEST(half_closes_are_relayed_both_ways_and_then_both_end),
        TEST(a_handler_with_receive_end_is_told_of_an_end_that_was_passed_on),
        TEST(a_source_without_another_direction_is_closed_at_its_end),
        TEST(a_reset_of_the_source_closes_the_target_after_writing),
        TEST(a_proxy_that_receive_end_stops_does_not_close_the_target_later),
        TEST(connections_that_are_each_others_targets_may_end_in_any_order),
        TEST(a_loop_may_be_destroyed_in_the_middle),
        TEST(the_target_may_be_detached),
        TEST(detaching_the_source_ends_the_proxy_without_passing_an_end_on),
        TEST(a_detach_that_fails_leaves_the_proxy_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
