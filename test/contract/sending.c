/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The contract of every backend: sending on streams.
 */
#include "support/contract.h"

#include <stdlib.h>
#include <string.h>

#include "support/simulated_backend.h"
#include "system/socket.h"

#define MIB ((size_t)1024 * 1024)

static void start(test_channel *channel)
{
    assert_int_equal(emi_channel_start_receiving(&channel->channel), EM_OK);
}

/* Turns until the peer has everything that is queued, in order. */
static void run_until_arrived(contract_fixture *contract, test_channel *channel, test_peer *peer, size_t *arrived)
{
    while (*arrived < channel->queued || channel->sent < channel->queued) {
        contract_turn(contract, 1000000);
        peer_check_pattern(peer, arrived);
    }
    assert_int_equal(*arrived, channel->queued);
    assert_int_equal(channel->failed_events, 0);
}

static void messages_of_every_size_arrive_complete(void **state)
{
    static const size_t sizes[] = {1, 2, 100, 4096, 65535, 65536, 65537, MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        test_channel channel;
        test_peer peer;
        size_t arrived = 0;
        open_stream(*state, &channel, 'A', &peer);
        test_channel_prepare(&channel, sizes[i]);
        test_channel_send(&channel, sizes[i]);
        run_until_arrived(*state, &channel, &peer, &arrived);
        test_channel_end(&channel);
        peer_close(&peer);
    }
}

static void many_small_spans_are_gathered_until_nothing_is_left(void **state)
{
    test_channel channel;
    test_peer peer;
    size_t arrived = 0;
    open_stream(*state, &channel, 'A', &peer);
    channel.span_bytes = 37;
    test_channel_prepare(&channel, 100000);
    test_channel_send(&channel, 100000);
    run_until_arrived(*state, &channel, &peer, &arrived);
    test_channel_end(&channel);
    peer_close(&peer);
}

/* Released while its peer takes nothing: what was sent still arrives, and the end after it. */
static void a_stream_released_before_its_peer_takes_anything_delivers_it(void **state)
{
    enum { LENGTH = 100000 };
    contract_fixture *c = *state;
    test_channel channel;
    test_peer peer;
    size_t arrived = 0;
    static unsigned char taken[LENGTH + 1];
    bool ended = false;
    open_stream(c, &channel, 'A', &peer);
    start(&channel);
    test_channel_prepare(&channel, LENGTH);
    test_channel_send(&channel, LENGTH);
    run_until(c, channel.sent == LENGTH);
    test_channel_release(&channel);
    settle(c);
    while (!ended)
        arrived += peer_receive(&peer, taken + arrived, sizeof taken - arrived, &ended);
    assert_int_equal(arrived, LENGTH);
    assert_true(pattern_matches(taken, LENGTH, 0));
    test_channel_end(&channel);
    peer_close(&peer);
}

static void a_released_stream_does_not_wait_for_long_for_a_peer_that_takes_nothing(void **state)
{
    contract_fixture *c = *state;
    test_channel channel;
    test_peer peer;
    open_stream(c, &channel, 'A', &peer);
    shrink_buffers(channel.channel.descriptor);
    start(&channel);
    test_channel_prepare(&channel, 30 * MIB);
    test_channel_send(&channel, 30 * MIB);
    settle(c);
    assert_true(channel.sent < 30 * MIB);
    test_channel_end(&channel);
    peer_close(&peer);
}

static void partial_sends_keep_the_order(void **state)
{
    contract_fixture *c = *state;
    test_channel channel;
    test_peer peer;
    size_t arrived = 0;
    open_stream(c, &channel, 'A', &peer);
    if (c->simulated) {
        simulated_set_window(peer.simulated, 1000);
    } else {
        shrink_buffers(channel.channel.descriptor);
    }
    test_channel_prepare(&channel, 65536);
    test_channel_send(&channel, 65536);
    run_until_arrived(c, &channel, &peer, &arrived);
    assert_true(channel.sent_events > 1);
    test_channel_end(&channel);
    peer_close(&peer);
}

static void ten_mebibytes_both_ways_at_once_stay_in_order(void **state)
{
    enum { TOTAL = 10 * 1024 * 1024 };
    test_channel channel;
    test_peer peer;
    size_t arrived = 0;
    size_t fed = 0;
    unsigned char *pattern = malloc(TOTAL);
    assert_non_null(pattern);
    pattern_fill(pattern, TOTAL, 0);
    open_stream(*state, &channel, 'A', &peer);
    start(&channel);
    test_channel_prepare(&channel, TOTAL);
    channel.span_bytes = 5000;
    test_channel_send(&channel, TOTAL);
    while (arrived < TOTAL || bytes_length(&channel.received) < TOTAL) {
        size_t piece = TOTAL - fed < 262144 ? TOTAL - fed : 262144;
        fed += piece > 0 ? peer_send(&peer, pattern + fed, piece) : 0;
        contract_turn(*state, 1000000);
        peer_check_pattern(&peer, &arrived);
    }
    assert_int_equal(arrived, TOTAL);
    assert_int_equal(bytes_length(&channel.received), TOTAL);
    assert_memory_equal(bytes_at(&channel.received), pattern, TOTAL);
    free(pattern);
    test_channel_end(&channel);
    peer_close(&peer);
}

/* Sends until the system takes no more. */
static void block(contract_fixture *contract, test_channel *channel)
{
    test_channel_prepare(channel, 16 * MIB);
    test_channel_send(channel, 16 * MIB);
    for (size_t before = SIZE_MAX; before != channel->sent;) {
        before = channel->sent;
        settle(contract);
    }
    assert_true(channel->sent > 0);
    assert_true(channel->sent < channel->queued);
}

static void a_blocked_stream_goes_on_when_the_peer_takes_something(void **state)
{
    test_channel channel;
    test_peer peer;
    size_t arrived = 0;
    open_stream(*state, &channel, 'A', &peer);
    block(*state, &channel);
    run_until_arrived(*state, &channel, &peer, &arrived);
    test_channel_end(&channel);
    peer_close(&peer);
}

static void a_blocked_stream_still_receives_and_does_not_spin(void **state)
{
    contract_fixture *c = *state;
    test_channel channel;
    test_peer peer;
    open_stream(c, &channel, 'A', &peer);
    start(&channel);
    block(c, &channel);
    unsigned turns = 0;
    for (uint64_t begin_ns = system_clock_now_ns(); system_clock_now_ns() - begin_ns < 50000000; turns++)
        contract_turn(c, 10000000);
    assert_true(!c->is_plain || turns < 20);
    peer_send_text(&peer, "hello");
    run_until(c, bytes_length(&channel.received) == 5);
    test_channel_end(&channel);
    peer_close(&peer);
}

/* Takes as long as a slow callback. */
static void queue_ten_slowly(test_channel *channel)
{
    uint64_t begin_ns = system_clock_now_ns();
    while (system_clock_now_ns() - begin_ns < 1000000)
        continue;
    test_channel_send(channel, 10);
}

/* Fast callbacks may run in a row before their replies are sent; a reply never waits for slow ones. */
static void a_reply_queued_within_a_slow_callback_is_gathered_right_after_it(void **state)
{
    contract_fixture *c = *state;
    test_channel channels[2];
    test_peer peers[2];
    for (unsigned i = 0; i < 2; i++) {
        open_stream(c, &channels[i], (char)('A' + i), &peers[i]);
        test_channel_prepare(&channels[i], 10);
        channels[i].on_data = queue_ten_slowly;
        start(&channels[i]);
        peer_send_text(&peers[i], "?");
    }
    run_until(c, channels[0].sent == 10 && channels[1].sent == 10);
    for (size_t i = 0; i + 2 < c->event_count; i += 2) {
        if (c->events[i + 1] == 'd') {
            assert_int_equal(c->events[i + 2], c->events[i]);
            assert_int_equal(c->events[i + 3], 'g');
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        test_channel_end(&channels[i]);
        peer_close(&peers[i]);
    }
}

static void queue_more(test_channel *channel)
{
    if (channel->queued < 50000)
        test_channel_send(channel, 1000);
}

static void what_is_queued_within_sent_leaves_too(void **state)
{
    test_channel channel;
    test_peer peer;
    size_t arrived = 0;
    open_stream(*state, &channel, 'A', &peer);
    test_channel_prepare(&channel, 60000);
    channel.on_sent = queue_more;
    test_channel_send(&channel, 1);
    run_until(*state, channel.queued >= 50000);
    run_until_arrived(*state, &channel, &peer, &arrived);
    test_channel_end(&channel);
    peer_close(&peer);
}

static void asking_to_send_nothing_is_harmless(void **state)
{
    contract_fixture *c = *state;
    test_channel channel;
    test_peer peer;
    size_t arrived = 0;
    open_stream(c, &channel, 'A', &peer);
    test_channel_prepare(&channel, 10);
    emi_channel_send(&channel.channel);
    settle(c);
    assert_int_equal(channel.gather_events, 1);
    assert_int_equal(channel.sent_events, 0);
    assert_false(c->backend->operations->has_work(c->backend));
    test_channel_send(&channel, 10);
    run_until_arrived(c, &channel, &peer, &arrived);
    test_channel_end(&channel);
    peer_close(&peer);
}

static void sending_works_while_receiving_is_stopped(void **state)
{
    test_channel channel;
    test_peer peer;
    size_t arrived = 0;
    open_stream(*state, &channel, 'A', &peer);
    start(&channel);
    contract_turn(*state, 0);
    emi_channel_stop_receiving(&channel.channel);
    peer_send_text(&peer, "not now");
    test_channel_prepare(&channel, 4 * MIB);
    test_channel_send(&channel, 4 * MIB);
    run_until_arrived(*state, &channel, &peer, &arrived);
    assert_int_equal(channel.data_events, 0);
    test_channel_end(&channel);
    peer_close(&peer);
}

static void what_the_peer_sent_before_it_closed_is_delivered_before_sending_fails(void **state)
{
    test_channel channel;
    test_peer peer;
    open_stream(*state, &channel, 'A', &peer);
    test_channel_prepare(&channel, 4 * MIB);
    start(&channel);
    peer_send_text(&peer, "last words");
    peer_vanish(&peer);
    test_channel_send(&channel, 4 * MIB);
    run_until(*state, channel.failed_events == 1);
    assert_true(bytes_equal_text(&channel.received, "last words"));
    assert_true(channel.failure == EM_CONNECTION_RESET || channel.failure == EM_BROKEN_PIPE);
    settle(*state);
    assert_int_equal(channel.failed_events + channel.end_events, 1);
    test_channel_end(&channel);
}

static void a_reset_while_blocked_and_stopped_fails_the_sender(void **state)
{
    test_channel channel;
    test_peer peer;
    open_stream(*state, &channel, 'A', &peer);
    block(*state, &channel);
    peer_reset(&peer);
    run_until(*state, channel.failed_events == 1);
    assert_true(channel.failure == EM_CONNECTION_RESET || channel.failure == EM_BROKEN_PIPE);
    settle(*state);
    assert_int_equal(channel.failed_events, 1);
    test_channel_end(&channel);
}

static void the_peer_sees_the_end_after_all_that_was_sent(void **state)
{
    test_channel channel;
    test_peer peer;
    size_t arrived = 0;
    bool ended = false;
    open_stream(*state, &channel, 'A', &peer);
    test_channel_prepare(&channel, 10000);
    test_channel_send(&channel, 10000);
    run_until(*state, channel.sent == 10000);
    test_channel_end(&channel);
    for (char byte[10000]; !ended;) {
        size_t length = peer_receive(&peer, byte, sizeof byte, &ended);
        assert_true(pattern_matches(byte, length, arrived));
        arrived += length;
    }
    assert_int_equal(arrived, 10000);
    peer_close(&peer);
}

int main(void)
{
    static const contract_test tests[] = {
        CONTRACT_TEST(messages_of_every_size_arrive_complete),
        CONTRACT_TEST(many_small_spans_are_gathered_until_nothing_is_left),
        KERNEL_TEST(a_released_stream_does_not_wait_for_long_for_a_peer_that_takes_nothing),
        KERNEL_TEST(a_stream_released_before_its_peer_takes_anything_delivers_it),
        CONTRACT_TEST(partial_sends_keep_the_order),
        CONTRACT_TEST(ten_mebibytes_both_ways_at_once_stay_in_order),
        CONTRACT_TEST(a_blocked_stream_goes_on_when_the_peer_takes_something),
        CONTRACT_TEST(a_blocked_stream_still_receives_and_does_not_spin),
        CONTRACT_TEST(a_reply_queued_within_a_slow_callback_is_gathered_right_after_it),
        CONTRACT_TEST(what_is_queued_within_sent_leaves_too),
        CONTRACT_TEST(asking_to_send_nothing_is_harmless),
        CONTRACT_TEST(sending_works_while_receiving_is_stopped),
        CONTRACT_TEST(what_the_peer_sent_before_it_closed_is_delivered_before_sending_fails),
        CONTRACT_TEST(a_reset_while_blocked_and_stopped_fails_the_sender),
        CONTRACT_TEST(the_peer_sees_the_end_after_all_that_was_sent),
    };
    return run_contract("sending", tests, sizeof tests / sizeof tests[0]);
}
