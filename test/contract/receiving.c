/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The contract of every backend: receiving on streams.
 */
#include "support/contract.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void start(test_channel *channel)
{
    assert_int_equal(emi_channel_start_receiving(&channel->channel), EM_OK);
}

/* Sends the pattern as fast as the backend takes it. */
static void pump(contract_fixture *contract, test_peer *peer, size_t length)
{
    unsigned char *pattern = malloc(length);
    assert_non_null(pattern);
    pattern_fill(pattern, length, 0);
    for (size_t at = 0; at < length;) {
        at += peer_send(peer, pattern + at, length - at);
        contract_turn(contract, 0);
    }
    free(pattern);
}

static void messages_of_every_size_arrive_complete(void **state)
{
    static const size_t sizes[] = {
        1,     2,      100,    4096, CONTRACT_BUFFER_BYTES - 1, CONTRACT_BUFFER_BYTES, CONTRACT_BUFFER_BYTES + 1,
        65536, 100001, 1048576};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        test_channel channel;
        test_peer peer;
        open_stream(*state, &channel, 'A', &peer);
        start(&channel);
        pump(*state, &peer, sizes[i]);
        run_until(*state, bytes_length(&channel.received) >= sizes[i]);
        assert_int_equal(bytes_length(&channel.received), sizes[i]);
        assert_true(pattern_matches(bytes_at(&channel.received), sizes[i], 0));
        assert_int_equal(channel.end_events + channel.failed_events, 0);
        test_channel_end(&channel);
        peer_close(&peer);
    }
}

static void two_hundred_rounds_on_an_idle_stream_all_arrive(void **state)
{
    test_channel channel;
    test_peer peer;
    open_stream(*state, &channel, 'A', &peer);
    start(&channel);
    for (size_t round = 1; round <= 200; round++) {
        peer_send_text(&peer, "0123456789");
        run_until(*state, bytes_length(&channel.received) >= 10 * round);
    }
    assert_int_equal(bytes_length(&channel.received), 2000);
    test_channel_end(&channel);
    peer_close(&peer);
}

static void nothing_is_reported_before_receiving_starts(void **state)
{
    test_channel channel;
    test_peer peer;
    open_stream(*state, &channel, 'A', &peer);
    peer_send_text(&peer, "early");
    peer_end(&peer);
    settle(*state);
    assert_int_equal(channel.data_events + channel.end_events, 0);
    start(&channel);
    run_until(*state, channel.end_events == 1);
    assert_true(bytes_equal_text(&channel.received, "early"));
    test_channel_end(&channel);
    peer_close(&peer);
}

static void the_end_that_arrives_with_the_last_bytes_comes_after_them_and_once(void **state)
{
    test_channel channel;
    test_peer peer;
    open_stream(*state, &channel, 'A', &peer);
    start(&channel);
    peer_send_text(&peer, "last words");
    peer_end(&peer);
    run_until(*state, channel.end_events == 1);
    assert_true(bytes_equal_text(&channel.received, "last words"));
    settle(*state);
    assert_int_equal(channel.end_events, 1);
    assert_int_equal(channel.failed_events, 0);
    test_channel_end(&channel);
    peer_close(&peer);
}

static void an_end_alone_is_reported_once(void **state)
{
    test_channel channel;
    test_peer peer;
    open_stream(*state, &channel, 'A', &peer);
    start(&channel);
    settle(*state);
    assert_int_equal(channel.end_events, 0);
    peer_end(&peer);
    run_until(*state, channel.end_events == 1);
    settle(*state);
    assert_int_equal(channel.end_events, 1);
    test_channel_end(&channel);
    peer_close(&peer);
}

static void after_the_peer_s_end_sending_goes_on(void **state)
{
    test_channel channel;
    test_peer peer;
    open_stream(*state, &channel, 'A', &peer);
    test_channel_prepare(&channel, 100000);
    start(&channel);
    peer_end(&peer);
    run_until(*state, channel.end_events == 1);
    test_channel_send(&channel, 100000);
    size_t arrived = 0;
    for (; arrived < 100000; peer_check_pattern(&peer, &arrived))
        contract_turn(*state, 1000000);
    test_channel_end(&channel);
    peer_close(&peer);
}

static void a_reset_after_the_peer_s_end_is_reported_once(void **state)
{
    test_channel channel;
    test_peer peer;
    open_stream(*state, &channel, 'A', &peer);
    start(&channel);
    peer_end(&peer);
    run_until(*state, channel.end_events == 1);
    settle(*state);
    assert_int_equal(channel.failed_events, 0);
    peer_reset(&peer);
    run_until(*state, channel.failed_events == 1);
    settle(*state);
    assert_int_equal(channel.failed_events, 1);
    test_channel_end(&channel);
}

static void stop(test_channel *channel)
{
    emi_channel_stop_receiving(&channel->channel);
}

static void stopping_within_data_holds_back_all_the_rest(void **state)
{
    test_channel channel;
    test_peer peer;
    open_stream(*state, &channel, 'A', &peer);
    channel.on_data = stop;
    start(&channel);
    pump(*state, &peer, 100000);
    peer_end(&peer);
    for (unsigned pieces = 1; bytes_length(&channel.received) < 100000; pieces++) {
        run_until(*state, channel.data_events == pieces);
        size_t before = bytes_length(&channel.received);
        settle(*state);
        assert_int_equal(bytes_length(&channel.received), before);
        start(&channel);
    }
    channel.on_data = NULL;
    start(&channel);
    run_until(*state, channel.end_events == 1);
    assert_true(pattern_matches(bytes_at(&channel.received), 100000, 0));
    test_channel_end(&channel);
    peer_close(&peer);
}

static void stop_and_start(test_channel *channel)
{
    stop(channel);
    start(channel);
}

static void stopping_and_starting_within_data_loses_nothing(void **state)
{
    test_channel channel;
    test_peer peer;
    open_stream(*state, &channel, 'A', &peer);
    channel.on_data = stop_and_start;
    start(&channel);
    pump(*state, &peer, 300000);
    peer_end(&peer);
    run_until(*state, channel.end_events == 1);
    assert_int_equal(bytes_length(&channel.received), 300000);
    assert_true(pattern_matches(bytes_at(&channel.received), 300000, 0));
    test_channel_end(&channel);
    peer_close(&peer);
}

static void what_came_while_stopped_comes_first_after_the_restart(void **state)
{
    test_channel channel;
    test_peer peer;
    open_stream(*state, &channel, 'A', &peer);
    start(&channel);
    peer_send_text(&peer, "1");
    run_until(*state, channel.data_events == 1);
    stop(&channel);
    peer_send_text(&peer, "2");
    settle(*state);
    assert_true(bytes_equal_text(&channel.received, "1"));
    start(&channel);
    peer_send_text(&peer, "3");
    run_until(*state, bytes_length(&channel.received) == 3);
    assert_true(bytes_equal_text(&channel.received, "123"));
    test_channel_end(&channel);
    peer_close(&peer);
}

static void two_busy_streams_take_turns(void **state)
{
    test_channel channels[2];
    test_peer peers[2];
    unsigned char junk[262144] = {0};
    for (unsigned i = 0; i < 2; i++) {
        open_stream(*state, &channels[i], (char)('A' + i), &peers[i]);
        channels[i].channel.burst = 2;
        for (size_t at = 0; at < sizeof junk;)
            at += peer_send(&peers[i], junk + at, sizeof junk - at);
        start(&channels[i]);
    }
    contract_fixture *c = *state;
    run_until(c, channels[0].data_events + channels[1].data_events >= 20);
    unsigned in_a_row = 0;
    for (size_t i = 2; i < c->event_count; i += 2) {
        in_a_row = c->events[i] == c->events[i - 2] ? in_a_row + 1 : 1;
        assert_in_range(in_a_row, 1, 4);
    }
    for (unsigned i = 0; i < 2; i++) {
        test_channel_end(&channels[i]);
        peer_close(&peers[i]);
    }
}

static void a_reset_is_reported_to_the_receiver_and_ends_receiving(void **state)
{
    test_channel channel;
    test_peer peer;
    open_stream(*state, &channel, 'A', &peer);
    start(&channel);
    contract_turn(*state, 0);
    peer_reset(&peer);
    run_until(*state, channel.failed_events == 1);
    assert_int_equal(channel.failure, EM_CONNECTION_RESET);
    settle(*state);
    assert_int_equal(channel.failed_events + channel.end_events, 1);
    test_channel_end(&channel);
}

static void a_reset_while_stopped_is_reported_at_the_restart_and_nothing_spins_until_then(void **state)
{
    contract_fixture *c = *state;
    test_channel channel;
    test_peer peer;
    open_stream(c, &channel, 'A', &peer);
    start(&channel);
    contract_turn(c, 0);
    stop(&channel);
    peer_reset(&peer);
    unsigned turns = 0;
    for (uint64_t begin_ns = system_clock_now_ns(); system_clock_now_ns() - begin_ns < 50000000; turns++)
        contract_turn(c, 10000000);
    assert_int_equal(channel.failed_events, 0);
    assert_true(!c->is_plain || turns < 20);
    start(&channel);
    run_until(c, channel.failed_events == 1);
    assert_int_equal(channel.failure, EM_CONNECTION_RESET);
    test_channel_end(&channel);
}

static void urgent_data_does_not_stall_the_stream(void **state)
{
    test_channel channel;
    test_peer peer;
    open_stream(*state, &channel, 'A', &peer);
    start(&channel);
    peer_send_text(&peer, "abc");
    assert_int_equal(send(peer.socket, "!", 1, MSG_OOB), 1);
    peer_send_text(&peer, "def");
    run_until(*state, bytes_length(&channel.received) >= 6);
    assert_int_equal(send(peer.socket, "!", 1, MSG_OOB), 1);
    settle(*state);
    peer_send_text(&peer, "ghi");
    peer_end(&peer);
    run_until(*state, channel.end_events == 1);
    assert_true(bytes_equal_text(&channel.received, "abcdefghi"));
    test_channel_end(&channel);
    peer_close(&peer);
}

static void send_with_descriptor(int socket, const char *text)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    char copy[16];
    strncpy(copy, text, sizeof copy);
    struct iovec piece = {.iov_base = copy, .iov_len = strlen(text)};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &socket, sizeof socket);
    assert_int_equal(sendmsg(socket, &message, 0), strlen(text));
}

static void bytes_around_a_passed_descriptor_are_not_lost(void **state)
{
    test_channel channel;
    test_peer peer;
    open_unix_stream(*state, &channel, 'A', &peer);
    start(&channel);
    peer_send_text(&peer, "one ");
    send_with_descriptor(peer.socket, "two ");
    peer_send_text(&peer, "three");
    run_until(*state, bytes_length(&channel.received) >= 13);
    assert_true(bytes_equal_text(&channel.received, "one two three"));
    test_channel_end(&channel);
    peer_close(&peer);
}

static void streams_over_unix_sockets_deliver_data_and_end_together(void **state)
{
    test_channel channel;
    test_peer peer;
    open_unix_stream(*state, &channel, 'A', &peer);
    start(&channel);
    pump(*state, &peer, 500000);
    peer_close(&peer);
    run_until(*state, channel.end_events == 1);
    assert_int_equal(bytes_length(&channel.received), 500000);
    assert_true(pattern_matches(bytes_at(&channel.received), 500000, 0));
    test_channel_end(&channel);
}

/* A bulk stream may be received in another way, into the owner's memory if it offers some. */
static void large_and_small_pieces_in_turn_arrive_in_order(void **state)
{
    enum { MUCH = 200000, LITTLE = 30, ROUNDS = 5 };
    contract_fixture *c = *state;
    test_channel channel;
    test_peer peer;
    static unsigned char pattern[MUCH * ROUNDS + LITTLE * ROUNDS];
    pattern_fill(pattern, sizeof pattern, 0);
    open_stream(c, &channel, 'A', &peer);
    start(&channel);
    size_t at = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (size_t due = at + MUCH; at < due; contract_turn(c, 0))
            at += peer_send(&peer, pattern + at, due - at);
        for (unsigned i = 0; i < LITTLE; i++, at++) {
            assert_int_equal(peer_send(&peer, pattern + at, 1), 1);
            run_until(c, bytes_length(&channel.received) == at + 1);
        }
    }
    assert_true(pattern_matches(bytes_at(&channel.received), sizeof pattern, 0));
    if (c->offers_room)
        assert_in_range(channel.rooms_used, ROUNDS, channel.rooms_asked);
    else
        assert_int_equal(channel.rooms_asked, 0);
    test_channel_end(&channel);
    peer_close(&peer);
}

static void stop_receiving(test_channel *channel)
{
    emi_channel_stop_receiving(&channel->channel);
}

static void a_bulk_stream_can_be_stopped_after_each_piece(void **state)
{
    enum { LENGTH = 400000 };
    contract_fixture *c = *state;
    test_channel channel;
    test_peer peer;
    static unsigned char pattern[LENGTH];
    pattern_fill(pattern, sizeof pattern, 0);
    open_stream(c, &channel, 'A', &peer);
    channel.on_data = stop_receiving;
    start(&channel);
    for (size_t at = 0; bytes_length(&channel.received) < LENGTH; contract_turn(c, 0)) {
        at += peer_send(&peer, pattern + at, sizeof pattern - at);
        unsigned pieces = channel.data_events;
        contract_turn(c, 0);
        assert_in_range(channel.data_events, pieces, pieces + 1);
        if (!channel.channel.receiving)
            start(&channel);
    }
    assert_true(pattern_matches(bytes_at(&channel.received), LENGTH, 0));
    peer_end(&peer);
    channel.on_data = NULL;
    if (!channel.channel.receiving)
        start(&channel);
    run_until(c, channel.end_events == 1);
    test_channel_end(&channel);
    peer_close(&peer);
}

static void the_end_after_bulk_data_comes_last_and_once(void **state)
{
    enum { LENGTH = 300000 };
    contract_fixture *c = *state;
    test_channel channel;
    test_peer peer;
    static unsigned char pattern[LENGTH];
    pattern_fill(pattern, sizeof pattern, 0);
    open_stream(c, &channel, 'A', &peer);
    start(&channel);
    for (size_t at = 0; at < LENGTH; contract_turn(c, 0))
        at += peer_send(&peer, pattern + at, sizeof pattern - at);
    peer_end(&peer);
    run_until(c, channel.end_events == 1);
    assert_int_equal(bytes_length(&channel.received), LENGTH);
    settle(c);
    assert_int_equal(channel.end_events, 1);
    assert_int_equal(channel.failed_events, 0);
    assert_false(c->backend->operations->has_work(c->backend));
    test_channel_end(&channel);
    peer_close(&peer);
}

/* What a burst leaves is served without another event of the poller. */
static void a_short_burst_on_a_unix_socket_does_not_leave_the_rest(void **state)
{
    enum { LENGTH = 4 * CONTRACT_BUFFER_BYTES };
    contract_fixture *c = *state;
    test_channel channel;
    test_peer peer;
    static unsigned char pattern[LENGTH];
    pattern_fill(pattern, sizeof pattern, 0);
    open_unix_stream(c, &channel, 'A', &peer);
    channel.channel.burst = 1;
    for (size_t at = 0; at < sizeof pattern;)
        at += peer_send(&peer, pattern + at, sizeof pattern - at);
    start(&channel);
    run_until(c, bytes_length(&channel.received) == LENGTH);
    assert_true(pattern_matches(bytes_at(&channel.received), LENGTH, 0));
    settle(c);
    assert_false(c->backend->operations->has_work(c->backend));
    test_channel_end(&channel);
    peer_close(&peer);
}

int main(void)
{
    static const contract_test tests[] = {
        CONTRACT_TEST(messages_of_every_size_arrive_complete),
        CONTRACT_TEST(two_hundred_rounds_on_an_idle_stream_all_arrive),
        CONTRACT_TEST(nothing_is_reported_before_receiving_starts),
        CONTRACT_TEST(the_end_that_arrives_with_the_last_bytes_comes_after_them_and_once),
        CONTRACT_TEST(an_end_alone_is_reported_once),
        CONTRACT_TEST(after_the_peer_s_end_sending_goes_on),
        CONTRACT_TEST(a_reset_after_the_peer_s_end_is_reported_once),
        CONTRACT_TEST(stopping_within_data_holds_back_all_the_rest),
        CONTRACT_TEST(stopping_and_starting_within_data_loses_nothing),
        CONTRACT_TEST(what_came_while_stopped_comes_first_after_the_restart),
        CONTRACT_TEST(two_busy_streams_take_turns),
        CONTRACT_TEST(a_reset_is_reported_to_the_receiver_and_ends_receiving),
        CONTRACT_TEST(a_reset_while_stopped_is_reported_at_the_restart_and_nothing_spins_until_then),
        KERNEL_TEST(urgent_data_does_not_stall_the_stream),
        KERNEL_TEST(bytes_around_a_passed_descriptor_are_not_lost),
        KERNEL_TEST(streams_over_unix_sockets_deliver_data_and_end_together),
        CONTRACT_TEST(large_and_small_pieces_in_turn_arrive_in_order),
        CONTRACT_TEST(a_bulk_stream_can_be_stopped_after_each_piece),
        CONTRACT_TEST(the_end_after_bulk_data_comes_last_and_once),
        KERNEL_TEST(a_short_burst_on_a_unix_socket_does_not_leave_the_rest),
    };
    return run_contract("receiving", tests, sizeof tests / sizeof tests[0]);
}
