/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * How a proxy holds its source back, over the simulated backend: by the bytes that wait in the target, by limits, and
 * while the target accepts nothing. Nothing is lost by it, and other pauses are independent of it.
 */
#include "support/simulated_pair.h"

#include <string.h>

#include "system/clock.h"

enum { BUFFER_BYTES = 1000, LARGE_BYTES = 300000, READ_BYTES = 65536 };

static unsigned char large[LARGE_BYTES];

static void feed_large(simulated_peer *peer)
{
    pattern_fill(large, sizeof large, 0);
    simulated_feed(peer, large, sizeof large);
}

/* Takes what arrives at the target's peer until it is so much, and checks it. */
static void expect_large(simulated_loop *fixture, simulated_peer *peer, size_t bytes)
{
    static unsigned char taken[LARGE_BYTES + 100];
    size_t length = 0;
    for (unsigned turns = 0; length < bytes; turns++) {
        assert_true(turns < 100000);
        run_turns(fixture, 1);
        length += simulated_take(peer, taken + length, sizeof taken - length);
    }
    assert_int_equal(length, bytes);
    assert_true(pattern_matches(taken, length, 0));
}

static const em_proxy_options bounded = {.size = sizeof bounded, .buffer_bytes = BUFFER_BYTES};

static void a_target_that_is_not_read_holds_the_source_back(void **state)
{
    simulated_pair pair;
    pair_open_proxied(&pair, *state, &bounded);
    simulated_set_window(pair.to_peer, 0);
    feed_large(pair.from_peer);
    run_turns(*state, 20);
    size_t queued = em_connection_get_outbound_bytes(pair.to.connection);
    assert_in_range(queued, BUFFER_BYTES, BUFFER_BYTES + READ_BYTES);
    assert_int_equal(em_connection_is_paused(pair.from.connection), 0);
    assert_int_equal(em_connection_is_receiving_paused(pair.from.connection), 0);
    simulated_set_window(pair.to_peer, 500);
    expect_large(*state, pair.to_peer, sizeof large);
    assert_int_equal(em_connection_get_proxied_bytes(pair.from.connection), sizeof large);
    pair_free(&pair);
}

static void a_source_that_is_held_back_costs_no_turns(void **state)
{
    simulated_pair pair;
    pair_open_proxied(&pair, *state, &bounded);
    simulated_set_window(pair.to_peer, 0);
    feed_large(pair.from_peer);
    run_turns(*state, 20);
    uint64_t turns = stats_of(*state).turns;
    run_for(*state, 100 * EM_SECONDS);
    assert_true(stats_of(*state).turns < turns + 5);
    pair_free(&pair);
}

static void without_a_limit_everything_is_queued(void **state)
{
    const em_proxy_options unlimited = {.size = sizeof unlimited, .buffer_bytes = SIZE_MAX};
    simulated_pair pair;
    pair_open_proxied(&pair, *state, &unlimited);
    simulated_set_window(pair.to_peer, 0);
    feed_large(pair.from_peer);
    run_turns(*state, 20);
    assert_int_equal(em_connection_get_outbound_bytes(pair.to.connection), sizeof large);
    pair_free(&pair);
}

static void the_other_direction_goes_on_while_a_source_is_held_back(void **state)
{
    simulated_pair pair;
    pair_open_proxied(&pair, *state, &bounded);
    expect_proxy(pair.to.connection, pair.from.connection, &bounded);
    simulated_set_window(pair.to_peer, 0);
    feed_large(pair.from_peer);
    run_turns(*state, 20);
    feed_text(pair.to_peer, "back");
    run_turns(*state, 3);
    expect_sent(pair.from_peer, "back");
    pair_free(&pair);
}

/* Pauses of the program */

static void a_pause_of_the_program_outlasts_that_of_the_proxy(void **state)
{
    simulated_pair pair;
    pair_open_proxied(&pair, *state, &bounded);
    simulated_set_window(pair.to_peer, 0);
    feed_large(pair.from_peer);
    run_turns(*state, 20);
    assert_int_equal(em_connection_pause(pair.from.connection), EM_OK);
    assert_int_equal(em_connection_pause_receiving(pair.from.connection), EM_OK);
    uint64_t before = em_connection_get_proxied_bytes(pair.from.connection);
    simulated_set_window(pair.to_peer, LARGE_BYTES);
    run_turns(*state, 20);
    assert_int_equal(em_connection_get_outbound_bytes(pair.to.connection), 0);
    assert_int_equal(em_connection_get_proxied_bytes(pair.from.connection), before);
    assert_int_equal(em_connection_resume(pair.from.connection), EM_OK);
    assert_int_equal(em_connection_resume_receiving(pair.from.connection), EM_OK);
    expect_large(*state, pair.to_peer, sizeof large);
    pair_free(&pair);
}

static void resuming_does_not_break_the_limit(void **state)
{
    simulated_pair pair;
    pair_open_proxied(&pair, *state, &bounded);
    simulated_set_window(pair.to_peer, 0);
    feed_large(pair.from_peer);
    run_turns(*state, 20);
    size_t queued = em_connection_get_outbound_bytes(pair.to.connection);
    assert_int_equal(em_connection_pause(pair.from.connection), EM_OK);
    assert_int_equal(em_connection_resume(pair.from.connection), EM_OK);
    run_turns(*state, 20);
    assert_int_equal(em_connection_get_outbound_bytes(pair.to.connection), queued);
    pair_free(&pair);
}

static void a_target_that_the_program_pauses_holds_the_source_back_by_the_limit(void **state)
{
    simulated_pair pair;
    pair_open_proxied(&pair, *state, &bounded);
    assert_int_equal(em_connection_pause(pair.to.connection), EM_OK);
    feed_large(pair.from_peer);
    run_turns(*state, 20);
    assert_in_range(em_connection_get_outbound_bytes(pair.to.connection), BUFFER_BYTES, BUFFER_BYTES + READ_BYTES);
    assert_int_equal(em_connection_resume(pair.to.connection), EM_OK);
    expect_large(*state, pair.to_peer, sizeof large);
    pair_free(&pair);
}

/* Limits */

static void a_proxy_never_exceeds_the_outbox_limit_of_its_target(void **state)
{
    const em_stream_options limited = {.size = sizeof limited, .outbox_limit_bytes = 700};
    simulated_pair pair;
    pair_open(&pair, *state, &recording, &limited);
    expect_proxy(pair.from.connection, pair.to.connection, NULL);
    simulated_set_window(pair.to_peer, 0);
    feed_large(pair.from_peer);
    run_turns(*state, 20);
    assert_int_equal(em_connection_get_outbound_bytes(pair.to.connection), 700);
    simulated_set_window(pair.to_peer, 300);
    expect_large(*state, pair.to_peer, sizeof large);
    pair_free(&pair);
}

static void a_greater_outbox_limit_lets_the_source_go_on(void **state)
{
    const em_stream_options limited = {.size = sizeof limited, .outbox_limit_bytes = 700};
    simulated_pair pair;
    pair_open(&pair, *state, &recording, &limited);
    expect_proxy(pair.from.connection, pair.to.connection, NULL);
    simulated_set_window(pair.to_peer, 0);
    feed_large(pair.from_peer);
    run_turns(*state, 20);
    assert_int_equal(em_connection_set_outbox_limit_bytes(pair.to.connection, 5000), EM_OK);
    run_turns(*state, 20);
    assert_in_range(em_connection_get_outbound_bytes(pair.to.connection), 2501, 5000);
    pair_free(&pair);
}

static void open_limited_loop(simulated_loop *own, size_t limit_bytes)
{
    const em_loop_options options = {.size = sizeof options, .outbox_limit_bytes = limit_bytes};
    simulated_loop_open(own, NULL, &options);
}

static void a_proxy_never_exceeds_the_outbox_limit_of_the_loop(void **state)
{
    static const size_t limits[] = {1, 100, 5000, 100000};
    (void)state;
    for (size_t i = 0; i < COUNT(limits); i++) {
        simulated_loop own;
        simulated_pair pair;
        open_limited_loop(&own, limits[i]);
        pair_open_proxied(&pair, &own, NULL);
        simulated_set_window(pair.to_peer, 0);
        feed_large(pair.from_peer);
        run_turns(&own, 50);
        assert_in_range(stats_of(&own).outbox_bytes, 1, limits[i]);
        simulated_set_window(pair.to_peer, 10000);
        expect_large(&own, pair.to_peer, limits[i] < 100 ? 1000 : sizeof large);
        pair_free(&pair);
        simulated_loop_close(&own);
    }
    test_clock_stop();
}

/* Another connection has used up the limit, so nothing of the proxy's own reports that there is room again. */
static void a_proxy_goes_on_when_another_connection_makes_room_in_the_loop(void **state)
{
    simulated_loop own;
    simulated_pair pair;
    recorder other;
    static const char filler[10000];
    (void)state;
    open_limited_loop(&own, sizeof filler);
    recorder_init(&other, &own);
    simulated_peer *other_peer = open_accepted(&other, &recording, NULL);
    simulated_set_window(other_peer, 0);
    pair_open_proxied(&pair, &own, NULL);
    assert_int_equal(em_connection_send(other.connection, filler, sizeof filler), EM_OK);
    feed_text(pair.from_peer, "waits");
    run_turns(&own, 3);
    uint64_t turns = stats_of(&own).turns;
    run_for(&own, 100 * EM_SECONDS);
    assert_true(stats_of(&own).turns < turns + 5);
    assert_int_equal(em_connection_get_proxied_bytes(pair.from.connection), 0);
    simulated_set_window(other_peer, sizeof filler);
    run_turns(&own, 5);
    expect_sent(pair.to_peer, "waits");
    recorder_free(&other);
    pair_free(&pair);
    simulated_loop_close(&own);
    test_clock_stop();
}

/* A target that accepts nothing */

static void a_target_that_is_being_closed_holds_the_source_back_until_unbind(void **state)
{
    simulated_pair pair;
    pair_open_proxied(&pair, *state, NULL);
    simulated_set_window(pair.to_peer, 0);
    em_connection_send_text(pair.to.connection, "last");
    em_connection_close_after_writing(pair.to.connection);
    feed_text(pair.from_peer, "not lost");
    run_turns(*state, 5);
    expect_events(&pair.from, "I");
    assert_int_equal(em_connection_get_proxied_bytes(pair.from.connection), 0);
    simulated_set_window(pair.to_peer, 1000);
    run_turns(*state, 5);
    expect_sent(pair.to_peer, "last");
    expect_events(&pair.from, "ITD");
    pair_expect_received(&pair.from, "not lost");
    pair_free(&pair);
}

static void a_half_closed_target_holds_the_source_back_until_the_proxy_is_stopped(void **state)
{
    simulated_pair pair;
    pair_open_proxied(&pair, *state, NULL);
    em_connection_close_write(pair.to.connection);
    feed_text(pair.from_peer, "not lost");
    run_turns(*state, 5);
    expect_events(&pair.from, "I");
    assert_int_equal(em_connection_stop_proxy(pair.from.connection), EM_OK);
    run_turns(*state, 5);
    pair_expect_received(&pair.from, "not lost");
    pair_free(&pair);
}

static void what_could_not_be_relayed_goes_to_the_next_target(void **state)
{
    simulated_pair pair, other;
    pair_open_proxied(&pair, *state, NULL);
    pair_open(&other, *state, &recording, NULL);
    em_connection_close_write(pair.to.connection);
    feed_text(pair.from_peer, "first ");
    run_turns(*state, 5);
    feed_text(pair.from_peer, "second");
    expect_proxy(pair.from.connection, other.to.connection, NULL);
    run_turns(*state, 5);
    expect_sent(other.to_peer, "first second");
    expect_events(&pair.from, "I");
    pair_free(&other);
    pair_free(&pair);
}

static void bytes_that_wait_for_a_target_hold_off_the_inactivity_timeout(void **state)
{
    simulated_pair pair;
    pair_open_proxied(&pair, *state, NULL);
    assert_int_equal(em_connection_set_inactivity_timeout_ns(pair.from.connection, 10 * EM_MILLISECONDS), EM_OK);
    em_connection_close_write(pair.to.connection);
    feed_text(pair.from_peer, "waits");
    run_for(*state, 100 * EM_MILLISECONDS);
    expect_events(&pair.from, "I");
    pair_free(&pair);
}

static void relaying_is_activity_on_both_sides(void **state)
{
    simulated_pair pair;
    pair_open_proxied(&pair, *state, NULL);
    assert_int_equal(em_connection_set_inactivity_timeout_ns(pair.from.connection, 10 * EM_MILLISECONDS), EM_OK);
    assert_int_equal(em_connection_set_inactivity_timeout_ns(pair.to.connection, 10 * EM_MILLISECONDS), EM_OK);
    for (unsigned i = 0; i < 10; i++) {
        feed_text(pair.from_peer, "x");
        run_for(*state, 8 * EM_MILLISECONDS);
    }
    expect_events(&pair.from, "I");
    expect_events(&pair.to, "I");
    run_for(*state, 20 * EM_MILLISECONDS);
    assert_int_equal(pair.from.reason, EM_INACTIVITY_TIMEOUT);
    assert_int_equal(pair.to.reason, EM_INACTIVITY_TIMEOUT);
    pair_free(&pair);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)
    static const struct CMUnitTest tests[] = {
        TEST(a_target_that_is_not_read_holds_the_source_back),
        TEST(a_source_that_is_held_back_costs_no_turns),
        TEST(without_a_limit_everything_is_queued),
        TEST(the_other_direction_goes_on_while_a_source_is_held_back),
        TEST(a_pause_of_the_program_outlasts_that_of_the_proxy),
        TEST(resuming_does_not_break_the_limit),
        TEST(a_target_that_the_program_pauses_holds_the_source_back_by_the_limit),
        TEST(a_proxy_never_exceeds_the_outbox_limit_of_its_target),
        TEST(a_greater_outbox_limit_lets_the_source_go_on),
        TEST(a_proxy_never_exceeds_the_outbox_limit_of_the_loop),
        TEST(a_proxy_goes_on_when_another_connection_makes_room_in_the_loop),
        TEST(a_target_that_is_being_closed_holds_the_source_back_until_unbind),
        TEST(a_half_closed_target_holds_the_source_back_until_the_proxy_is_stopped),
        TEST(what_could_not_be_relayed_goes_to_the_next_target),
        TEST(bytes_that_wait_for_a_target_hold_off_the_inactivity_timeout),
        TEST(relaying_is_activity_on_both_sides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
