/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Proxies of connections with a filter, over the simulated backend: plain bytes are relayed, and what could not be
 * relayed is kept on the plain side.
 */
#include <string.h>

#include "support/filtered.h"
#include "support/simulated_pair.h"

/* A source with a filter, and a target without one. */
static void open_both(filtered *from, recorder *to, simulated_peer **to_peer, simulated_loop *fixture)
{
    filtered_open(from, fixture, NULL, NULL);
    recorder_init(to, fixture);
    *to_peer = open_accepted(to, &recording, NULL);
}

static void plain_bytes_are_relayed(void **state)
{
    filtered from;
    recorder to;
    simulated_peer *to_peer;
    open_both(&from, &to, &to_peer, *state);
    expect_proxy(from.told.connection, to.connection, NULL);
    expect_proxy(to.connection, from.told.connection, NULL);
    filtered_feed(&from, "opened");
    feed_text(to_peer, "sealed");
    run_turns(*state, 3);
    expect_sent(to_peer, "opened");
    filtered_expect_sent(&from, "sealed");
    assert_int_equal(em_connection_get_proxied_bytes(from.told.connection), 6);
    recorder_free(&to);
    filtered_free(&from);
}

static void a_filter_may_be_installed_while_a_proxy_is_there(void **state)
{
    filtered from = {.peer = NULL};
    recorder to;
    recorder_init(&from.told, *state);
    recorder_init(&to, *state);
    from.peer = open_accepted(&from.told, &recording, NULL);
    simulated_peer *to_peer = open_accepted(&to, &recording, NULL);
    expect_proxy(from.told.connection, to.connection, NULL);
    feed_text(from.peer, "plain ");
    run_turns(*state, 2);
    filtered_install(&from, NULL, 0);
    filtered_feed(&from, "filtered");
    run_turns(*state, 2);
    expect_sent(to_peer, "plain filtered");
    recorder_free(&to);
    filtered_free(&from);
}

static void the_surplus_of_a_record_is_received_before_the_next_one(void **state)
{
    const em_proxy_options options = {.size = sizeof options, .length_bytes = 5};
    filtered from;
    recorder to;
    simulated_peer *to_peer;
    open_both(&from, &to, &to_peer, *state);
    expect_proxy(from.told.connection, to.connection, &options);
    filtered_feed(&from, "helloworld");
    filtered_feed(&from, "!");
    filtered_feed_end(&from);
    run_turns(*state, 3);
    expect_sent(to_peer, "hello");
    filtered_expect_received(&from, "world!");
    expect_events(&from.told, "IPDDE");
    recorder_free(&to);
    filtered_free(&from);
}

static void what_could_not_be_relayed_is_received_after_the_proxy(void **state)
{
    filtered from;
    recorder to;
    simulated_peer *to_peer;
    open_both(&from, &to, &to_peer, *state);
    expect_proxy(from.told.connection, to.connection, NULL);
    em_connection_close_write(to.connection);
    filtered_feed(&from, "first");
    filtered_feed(&from, "second");
    filtered_feed_end(&from);
    run_turns(*state, 3);
    expect_events(&from.told, "I");
    uint64_t turns = stats_of(*state).turns;
    run_for(*state, 100 * EM_SECONDS);
    assert_in_range(stats_of(*state).turns, turns, turns + 8);
    recorder_free(&to);
    run_turns(*state, 3);
    filtered_expect_received(&from, "firstsecond");
    expect_events(&from.told, "ITDDE");
    uint64_t received;
    em_connection_get_byte_counts(from.told.connection, &received, NULL);
    assert_int_equal(received, 11);
    filtered_free(&from);
}

static void a_connection_may_end_with_plain_bytes_put_back(void **state)
{
    filtered from;
    recorder to;
    simulated_peer *to_peer;
    open_both(&from, &to, &to_peer, *state);
    expect_proxy(from.told.connection, to.connection, NULL);
    em_connection_close_write(to.connection);
    filtered_feed(&from, "never received");
    run_turns(*state, 3);
    filtered_free(&from);
    recorder_free(&to);
}

static void a_filtered_target_holds_its_source_back(void **state)
{
    static char large[200000];
    const em_proxy_options bounded = {.size = sizeof bounded, .buffer_bytes = 1000};
    filtered to;
    recorder from;
    filtered_open(&to, *state, NULL, NULL);
    recorder_init(&from, *state);
    simulated_peer *from_peer = open_accepted(&from, &recording, NULL);
    expect_proxy(from.connection, to.told.connection, &bounded);
    simulated_set_window(to.peer, 0);
    memset(large, 'x', sizeof large);
    simulated_feed(from_peer, large, sizeof large);
    run_turns(*state, 20);
    assert_in_range(em_connection_get_outbound_bytes(to.told.connection), 1000, 1000 + 65536);
    simulated_set_window(to.peer, 1 << 20);
    for (unsigned i = 0; i < 20; i++) {
        run_turns(*state, 2);
        filtered_take(&to);
    }
    assert_int_equal(bytes_length(&to.plain), sizeof large);
    recorder_free(&from);
    filtered_free(&to);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)
    static const struct CMUnitTest tests[] = {
        TEST(plain_bytes_are_relayed),
        TEST(a_filter_may_be_installed_while_a_proxy_is_there),
        TEST(the_surplus_of_a_record_is_received_before_the_next_one),
        TEST(what_could_not_be_relayed_is_received_after_the_proxy),
        TEST(a_connection_may_end_with_plain_bytes_put_back),
        TEST(a_filtered_target_holds_its_source_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
