/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The contract of every backend: what an owner gives back of the bytes that were lent to it.
 */
#include <string.h>

#include "support/contract.h"

enum { STREAM_BYTES = 300000 };

static void put_back(test_channel *channel, size_t length)
{
    byte_buffer *received = &channel->received;
    received->end -= length;
    const emi_backend_operations *operations = channel->channel.backend->operations;
    assert_int_equal(operations->put_back(&channel->channel, received->data + received->end, length), EM_OK);
}

static size_t last_piece(const test_channel *channel)
{
    const size_t *before = channel->user;
    return bytes_length(&channel->received) - *before;
}

static void put_all_back_and_stop(test_channel *channel)
{
    channel->on_data = NULL;
    if (channel->user)
        *(size_t *)channel->user = bytes_length(&channel->received);
    put_back(channel, bytes_length(&channel->received));
    channel->channel.backend->operations->stop_receiving(&channel->channel);
}

static void what_was_put_back_comes_first_when_the_channel_receives_again(void **state)
{
    contract_fixture *c = *state;
    test_channel channel;
    test_peer peer;
    open_stream(c, &channel, 'A', &peer);
    channel.on_data = put_all_back_and_stop;
    assert_int_equal(emi_channel_start_receiving(&channel.channel), EM_OK);
    peer_send_text(&peer, "first ");
    run_until(c, channel.data_events == 1);
    peer_send_text(&peer, "second");
    peer_end(&peer);
    settle(c);
    assert_int_equal(channel.data_events, 1);
    assert_int_equal(emi_channel_start_receiving(&channel.channel), EM_OK);
    run_until(c, channel.end_events == 1);
    assert_true(bytes_equal_text(&channel.received, "first second"));
    test_channel_end(&channel);
    peer_close(&peer);
}

static void put_a_part_back(test_channel *channel)
{
    static uint64_t seed = 7;
    size_t *before = channel->user;
    if (random_below(&seed, 2) == 0)
        put_back(channel, random_below(&seed, last_piece(channel) + 1));
    *before = bytes_length(&channel->received);
}

static void a_stream_whose_pieces_are_put_back_again_and_again_stays_in_order(void **state)
{
    contract_fixture *c = *state;
    static unsigned char pattern[STREAM_BYTES];
    test_channel channel;
    test_peer peer;
    size_t before = 0, sent = 0;
    open_stream(c, &channel, 'A', &peer);
    channel.user = &before;
    channel.on_data = put_a_part_back;
    pattern_fill(pattern, sizeof pattern, 0);
    assert_int_equal(emi_channel_start_receiving(&channel.channel), EM_OK);
    while (sent < sizeof pattern) {
        sent += peer_send(&peer, pattern + sent, sizeof pattern - sent);
        contract_turn(c, 1000000);
    }
    peer_end(&peer);
    run_until(c, channel.end_events == 1);
    assert_int_equal(bytes_length(&channel.received), sizeof pattern);
    assert_true(pattern_matches(bytes_at(&channel.received), sizeof pattern, 0));
    test_channel_end(&channel);
    peer_close(&peer);
}

static void a_channel_may_be_released_with_bytes_that_were_put_back(void **state)
{
    contract_fixture *c = *state;
    test_channel channel;
    test_peer peer;
    open_stream(c, &channel, 'A', &peer);
    channel.on_data = put_all_back_and_stop;
    assert_int_equal(emi_channel_start_receiving(&channel.channel), EM_OK);
    peer_send_text(&peer, "never delivered");
    run_until(c, channel.data_events == 1);
    test_channel_end(&channel);
    peer_close(&peer);
}

static void what_was_put_back_is_delivered_before_a_reset(void **state)
{
    contract_fixture *c = *state;
    test_channel channel;
    test_peer peer;
    open_stream(c, &channel, 'A', &peer);
    size_t given_back = 0;
    channel.user = &given_back;
    channel.on_data = put_all_back_and_stop;
    assert_int_equal(emi_channel_start_receiving(&channel.channel), EM_OK);
    peer_send_text(&peer, "last words");
    run_until(c, channel.data_events == 1);
    peer_reset(&peer);
    settle(c);
    assert_int_equal(emi_channel_start_receiving(&channel.channel), EM_OK);
    run_until(c, channel.failed_events == 1);
    assert_in_range(bytes_length(&channel.received), given_back, strlen("last words"));
    assert_memory_equal(bytes_at(&channel.received), "last words", given_back);
    assert_int_equal(channel.failure, EM_CONNECTION_RESET);
    test_channel_end(&channel);
    peer_close(&peer);
}

int main(void)
{
    static const contract_test tests[] = {
        CONTRACT_TEST(what_was_put_back_comes_first_when_the_channel_receives_again),
        CONTRACT_TEST(a_stream_whose_pieces_are_put_back_again_and_again_stays_in_order),
        CONTRACT_TEST(a_channel_may_be_released_with_bytes_that_were_put_back),
        CONTRACT_TEST(what_was_put_back_is_delivered_before_a_reset),
    };
    return run_contract("putting back", tests, sizeof tests / sizeof tests[0]);
}
