/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The contract of every backend: receiving and sending datagrams.
 */
#include <string.h>
#include <sys/socket.h>

#include "support/contract_datagrams.h"
#include "system/socket.h"

static datagram_owner owner; /* too large for the stack */

static void begin(void **state)
{
    open_datagrams(*state, &owner);
    assert_int_equal(emi_channel_start_receiving(&owner.channel), EM_OK);
}

static void send_number(datagram_peer *peer, unsigned number)
{
    const char *text = number_text(number);
    peer_send_datagram(peer, text, strlen(text));
}

static void queue_number(const em_address *to, unsigned number)
{
    const char *text = number_text(number);
    queue_datagram(&owner, to, text, strlen(text));
}

/* Receiving */

static void datagrams_arrive_one_by_one_in_order_with_their_senders(void **state)
{
    datagram_peer peers[8];
    begin(state);
    for (unsigned i = 0; i < 8; i++)
        open_datagram_peer(&owner, &peers[i]);
    for (unsigned i = 0; i < 100; i++)
        send_number(&peers[i % 8], i);
    run_until(*state, owner.received_count == 100);
    for (unsigned i = 0; i < 100; i++) {
        assert_string_equal(owner.received[i].head, number_text(i));
        assert_true(same_address(&owner.received[i].peer, &peers[i % 8].address));
    }
    end_datagrams(&owner);
    for (unsigned i = 0; i < 8; i++)
        close_datagram_peer(&peers[i]);
}

static void nothing_is_received_before_start_receiving(void **state)
{
    datagram_peer peer;
    open_datagrams(*state, &owner);
    open_datagram_peer(&owner, &peer);
    send_number(&peer, 1);
    settle(*state);
    assert_int_equal(owner.received_count, 0);
    assert_int_equal(emi_channel_start_receiving(&owner.channel), EM_OK);
    run_until(*state, owner.received_count == 1);
    end_datagrams(&owner);
    close_datagram_peer(&peer);
}

static void empty_datagrams_are_received_and_sent_in_their_order(void **state)
{
    datagram_peer peer;
    char data[8];
    size_t length;
    begin(state);
    open_datagram_peer(&owner, &peer);
    for (unsigned i = 0; i < 50; i++)
        peer_send_datagram(&peer, "x", i % 2);
    run_until(*state, owner.received_count == 50);
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(owner.received[i].length, i % 2);
    for (unsigned i = 0; i < 50; i++)
        queue_datagram(&owner, &peer.address, "x", i % 2);
    run_until(*state, owner.sent == 50);
    for (unsigned i = 0; i < 50; i++) {
        run_until(*state, peer_receive_datagram(&peer, data, sizeof data, &length));
        assert_int_equal(length, i % 2);
    }
    end_datagrams(&owner);
    close_datagram_peer(&peer);
}

static void the_largest_datagram_arrives_whole(void **state)
{
    enum { LARGEST = 65507 };
    static unsigned char bytes[LARGEST];
    datagram_peer peer;
    begin(state);
    open_datagram_peer(&owner, &peer);
    pattern_fill(bytes, sizeof bytes, 0);
    peer_send_datagram(&peer, bytes, sizeof bytes);
    run_until(*state, owner.received_count == 1);
    assert_int_equal(owner.received[0].length, LARGEST);
    assert_true(owner.received[0].is_pattern);
    assert_false(owner.received[0].is_truncated);
    end_datagrams(&owner);
    close_datagram_peer(&peer);
}

static void pause_at_every_third(datagram_owner *who)
{
    if (who->received_count % 3 == 0)
        emi_channel_stop_receiving(&who->channel);
}

static void a_pause_within_a_batch_takes_effect_before_the_next_datagram_and_loses_none(void **state)
{
    datagram_peer peer;
    begin(state);
    open_datagram_peer(&owner, &peer);
    owner.on_datagram = pause_at_every_third;
    for (unsigned i = 0; i < 60; i++)
        send_number(&peer, i);
    for (unsigned stop = 3; stop <= 60; stop += 3) {
        run_until(*state, owner.received_count == stop);
        settle(*state);
        assert_int_equal(owner.received_count, stop);
        send_number(&peer, 60 + stop / 3 - 1); /* arrives behind those that were kept */
        assert_int_equal(emi_channel_start_receiving(&owner.channel), EM_OK);
    }
    owner.on_datagram = NULL;
    run_until(*state, owner.received_count == 80);
    for (unsigned i = 0; i < 80; i++)
        assert_string_equal(owner.received[i].head, number_text(i));
    end_datagrams(&owner);
    close_datagram_peer(&peer);
}

static void datagrams_that_were_kept_can_be_had_before_a_release(void **state)
{
    contract_fixture *c = *state;
    datagram_peer peer;
    begin(state);
    open_datagram_peer(&owner, &peer);
    owner.on_datagram = pause_at_every_third;
    for (unsigned i = 0; i < 7; i++)
        send_number(&peer, i);
    run_until(c, owner.received_count == 3);
    owner.on_datagram = NULL;
    owner.channel.receiving = true; /* the owner takes them although it does not receive */
    assert_int_equal(c->backend->operations->deliver_held(&owner.channel), EM_OK);
    assert_int_equal(owner.received_count, c->simulated ? 3 : 7);
    end_datagrams(&owner);
    close_datagram_peer(&peer);
}

static void a_channel_can_be_released_within_a_batch(void **state)
{
    datagram_peer peer;
    begin(state);
    open_datagram_peer(&owner, &peer);
    owner.on_datagram = release_datagrams;
    for (unsigned i = 0; i < 10; i++)
        send_number(&peer, i);
    run_until(*state, owner.released_events == 1);
    assert_int_equal(owner.received_count, 1);
    close_datagram_peer(&peer);
}

static void a_channel_can_be_released_while_datagrams_are_kept_for_it(void **state)
{
    datagram_peer peer;
    begin(state);
    open_datagram_peer(&owner, &peer);
    owner.on_datagram = pause_at_every_third;
    for (unsigned i = 0; i < 10; i++)
        send_number(&peer, i);
    run_until(*state, owner.received_count == 3);
    end_datagrams(&owner);
    close_datagram_peer(&peer);
}

static void a_flood_leaves_other_channels_their_turn(void **state)
{
    static datagram_owner other;
    datagram_peer peer, other_peer;
    begin(state);
    open_datagrams(*state, &other);
    assert_int_equal(emi_channel_start_receiving(&other.channel), EM_OK);
    open_datagram_peer(&owner, &peer);
    open_datagram_peer(&other, &other_peer);
    for (unsigned i = 0; i < 150; i++)
        send_number(&peer, i);
    send_number(&other_peer, 1);
    run_until(*state, other.received_count == 1);
    contract_fixture *c = *state;
    if (c->is_plain) /* by a seed, things arrive late */
        assert_in_range(owner.received_count, 0, 149);
    run_until(*state, owner.received_count == 150);
    end_datagrams(&owner);
    end_datagrams(&other);
    close_datagram_peer(&peer);
    close_datagram_peer(&other_peer);
}

static void datagrams_without_memory_to_keep_them_are_lost_and_the_rest_goes_on(void **state)
{
    contract_fixture *c = *state;
    datagram_peer peer;
    begin(state);
    open_datagram_peer(&owner, &peer);
    owner.on_datagram = pause_at_every_third;
    for (unsigned i = 0; i < 9; i++)
        send_number(&peer, i);
    failing_allocator_fail(&c->allocator, 1, EM_ON);
    run_until(c, owner.received_count == 3);
    settle(c);
    failing_allocator_fail(&c->allocator, 0, EM_OFF);
    owner.on_datagram = NULL;
    assert_int_equal(emi_channel_start_receiving(&owner.channel), EM_OK);
    send_number(&peer, 9);
    run_until(c,
              owner.received_count > 0 && strcmp(owner.received[owner.received_count - 1].head, number_text(9)) == 0);
    end_datagrams(&owner);
    close_datagram_peer(&peer);
}

/* Sending */

static void datagrams_are_sent_in_order_each_to_its_peer(void **state)
{
    datagram_peer peers[4];
    char data[8];
    size_t length;
    begin(state);
    for (unsigned i = 0; i < 4; i++)
        open_datagram_peer(&owner, &peers[i]);
    for (unsigned i = 0; i < 200; i++)
        queue_number(&peers[i % 4].address, i);
    for (unsigned i = 0; i < 200; i++) {
        run_until(*state, peer_receive_datagram(&peers[i % 4], data, sizeof data - 1, &length));
        data[length] = '\0';
        assert_string_equal(data, number_text(i));
    }
    run_until(*state, owner.sent == 200);
    assert_int_equal(owner.refused, 0);
    end_datagrams(&owner);
    for (unsigned i = 0; i < 4; i++)
        close_datagram_peer(&peers[i]);
}

static void echo_number(datagram_owner *who)
{
    const received_datagram *last = &who->received[who->received_count - 1];
    queue_datagram(who, &last->peer, last->head, last->length);
}

static void answers_leave_in_the_turn_in_which_the_questions_have_arrived(void **state)
{
    datagram_peer peer;
    unsigned next = 0;
    begin(state);
    open_datagram_peer(&owner, &peer);
    owner.on_datagram = echo_number;
    for (unsigned i = 0; i < 100; i++)
        send_number(&peer, i);
    peer_expect_numbers(&peer, &next, 100);
    end_datagrams(&owner);
    close_datagram_peer(&peer);
}

static void a_datagram_that_the_system_refuses_concerns_no_other(void **state)
{
    static unsigned char large[65508];
    contract_fixture *c = *state;
    datagram_peer peer;
    unsigned next = 0;
    begin(state);
    open_datagram_peer(&owner, &peer);
    queue_number(&peer.address, 0);
    if (c->simulated) {
        run_until(c, owner.sent == 1);
        simulated_fail_datagrams(simulated_peer_of(c->simulated, owner.channel.descriptor), EM_MESSAGE_TOO_LONG);
    }
    queue_datagram(&owner, &peer.address, large, sizeof large);
    queue_number(&peer.address, 1);
    run_until(c, owner.sent == 3);
    assert_int_equal(owner.refused, 1);
    assert_int_equal(owner.refusal, EM_MESSAGE_TOO_LONG);
    peer_expect_numbers(&peer, &next, 2);
    send_number(&peer, 7);
    run_until(c, owner.received_count == 1);
    end_datagrams(&owner);
    close_datagram_peer(&peer);
}

/* Simulated or over a pair of Unix-domain sockets, whose queue is short. */

static bool take_from_pair(datagram_peer *peer, unsigned *next)
{
    char text[8];
    size_t length;
    if (!peer_receive_datagram(peer, text, sizeof text - 1, &length))
        return false;
    text[length] = '\0';
    assert_string_equal(text, number_text((*next)++));
    return true;
}

static void open_pair(contract_fixture *contract, datagram_peer *peer)
{
    int ends[2];
    if (contract->simulated) {
        open_datagrams(contract, &owner);
        simulated_set_window(simulated_peer_of(contract->simulated, owner.channel.descriptor), 2000);
        *peer = (datagram_peer){.owner = &owner, .socket = EMI_NO_SOCKET};
        return;
    }
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    attach_datagrams(contract, &owner, ends[0]);
    *peer = (datagram_peer){.owner = &owner, .socket = ends[1]};
}

static void what_would_block_is_kept_and_sent_in_order_when_there_is_room(void **state)
{
    enum { MANY = 2000 };
    contract_fixture *c = *state;
    datagram_peer peer;
    unsigned next = 0;
    open_pair(c, &peer);
    for (unsigned i = 0; i < MANY; i++)
        queue_number(NULL, i);
    run_until(c, owner.blocked > 0);
    unsigned blocked = owner.blocked;
    settle(c);
    assert_int_equal(owner.blocked, blocked); /* it waits, and does not try again and again */
    while (next < MANY)
        if (!take_from_pair(&peer, &next))
            contract_turn(c, 1000000);
    run_until(c, owner.sent == MANY);
    assert_int_equal(owner.refused, 0);
    end_datagrams(&owner);
    close_datagram_peer(&peer);
}

/* The queue of an unconnected Unix-domain peer is full, which polling does not tell. */
static void without_buffers_sending_stops_until_the_owner_asks_again(void **state)
{
    contract_fixture *c = *state;
    datagram_peer peer;
    unsigned next = 0;
    begin(state);
    open_datagram_peer(&owner, &peer);
    if (c->simulated) /* see datagrams_of_kernels.c for kernels */
        simulated_fail_datagrams(simulated_peer_of(c->simulated, owner.channel.descriptor), EM_NO_BUFFERS);
    for (unsigned i = 0; i < 5; i++)
        queue_number(&peer.address, i);
    settle(c);
    if (c->simulated) {
        assert_int_equal(owner.short_of_buffers, 1);
        simulated_fail_datagrams(simulated_peer_of(c->simulated, owner.channel.descriptor), EM_OK);
        settle(c);
        assert_int_equal(owner.sent, 0);
        emi_channel_send(&owner.channel);
    }
    peer_expect_numbers(&peer, &next, 5);
    end_datagrams(&owner);
    close_datagram_peer(&peer);
}

static void datagrams_that_are_queued_when_the_channel_is_released_are_not_sent(void **state)
{
    datagram_peer peer;
    begin(state);
    open_datagram_peer(&owner, &peer);
    queue_number(&peer.address, 1);
    release_datagrams(&owner);
    end_datagrams(&owner);
    assert_int_equal(owner.sent, 0);
    close_datagram_peer(&peer);
}

static void what_the_network_reports_is_told_and_ends_nothing(void **state)
{
    contract_fixture *c = *state;
    datagram_peer peer;
    em_address gone;
    begin(state);
    open_datagram_peer(&owner, &peer);
    if (!c->simulated) {
        assert_int_equal(emi_datagram_set_report_errors(owner.channel.descriptor, EM_ADDRESS_IPV4, true), EM_OK);
        owner.channel.has_error_queue = true;
        emi_socket_close(udp_socket("127.0.0.1", &gone));
        queue_number(&gone, 0);
    } else {
        simulated_lose_datagram(simulated_peer_of(c->simulated, owner.channel.descriptor), &peer.address,
                                EM_CONNECTION_REFUSED);
    }
    run_until(c, owner.lost == 1);
    assert_int_equal(owner.loss, EM_CONNECTION_REFUSED);
    assert_int_equal(em_address_get_family(&owner.lost_peer), EM_ADDRESS_IPV4);
    send_number(&peer, 3);
    run_until(c, owner.received_count == 1);
    unsigned next = 5;
    queue_number(&peer.address, 5);
    peer_expect_numbers(&peer, &next, 6);
    assert_int_equal(owner.refused, 0);
    assert_int_equal(owner.failed_events, 0);
    end_datagrams(&owner);
    close_datagram_peer(&peer);
}

int main(void)
{
    static const contract_test tests[] = {
        CONTRACT_TEST(datagrams_arrive_one_by_one_in_order_with_their_senders),
        CONTRACT_TEST(nothing_is_received_before_start_receiving),
        CONTRACT_TEST(empty_datagrams_are_received_and_sent_in_their_order),
        CONTRACT_TEST(the_largest_datagram_arrives_whole),
        CONTRACT_TEST(a_pause_within_a_batch_takes_effect_before_the_next_datagram_and_loses_none),
        CONTRACT_TEST(datagrams_that_were_kept_can_be_had_before_a_release),
        CONTRACT_TEST(a_channel_can_be_released_within_a_batch),
        CONTRACT_TEST(a_channel_can_be_released_while_datagrams_are_kept_for_it),
        CONTRACT_TEST(a_flood_leaves_other_channels_their_turn),
        CONTRACT_TEST(datagrams_without_memory_to_keep_them_are_lost_and_the_rest_goes_on),
        CONTRACT_TEST(datagrams_are_sent_in_order_each_to_its_peer),
        CONTRACT_TEST(answers_leave_in_the_turn_in_which_the_questions_have_arrived),
        CONTRACT_TEST(a_datagram_that_the_system_refuses_concerns_no_other),
        CONTRACT_TEST(what_would_block_is_kept_and_sent_in_order_when_there_is_room),
        CONTRACT_TEST(without_buffers_sending_stops_until_the_owner_asks_again),
        CONTRACT_TEST(datagrams_that_are_queued_when_the_channel_is_released_are_not_sent),
        CONTRACT_TEST(what_the_network_reports_is_told_and_ends_nothing),
    };
    return run_contract("datagrams", tests, sizeof tests / sizeof tests[0]);
}
