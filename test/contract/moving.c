/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The contract of every backend: moving what is attached from one channel to another, as the connector does when one of
 * several attempts to connect has won.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "support/contract.h"

typedef struct moving {
    contract_fixture *contract;
    int listener;
    em_address address;
    test_channel from, to;
    test_peer peer;
} moving;

static void begin(moving *m, contract_fixture *contract)
{
    *m = (moving){.contract = contract};
    m->listener = listen_on_loopback(&m->address);
    test_channel_init(&m->from, contract, 'F');
    test_channel_init(&m->to, contract, 'T');
    m->from.channel.exact_reads = m->to.channel.exact_reads = true;
    m->from.user = m;
    assert_int_equal(test_channel_attach(&m->from, EMI_STREAM, tcp_socket(), EMI_OURS), EM_OK);
    assert_int_equal(emi_channel_connect(&m->from.channel, &m->address), EM_OK);
}

static void accept_peer(moving *m)
{
    m->peer = (test_peer){.socket = -1};
    if (m->contract->simulated) {
        m->peer.simulated = simulated_take_connect(m->contract->simulated);
        simulated_accept_connect(m->peer.simulated);
        return;
    }
    assert_true(wait_until_readable(m->listener, 5000));
    m->peer.socket = accept4(m->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(m->peer.socket >= 0);
}

static void move(test_channel *from)
{
    moving *m = from->user;
    int descriptor = from->channel.descriptor;
    emi_channel_move(&m->to.channel, &from->channel);
    from->released = true;
    assert_int_equal(m->to.channel.descriptor, descriptor);
    assert_int_equal(from->channel.descriptor, -1);
}

static void finish(moving *m)
{
    run_until(m->contract, m->from.released_events == 1);
    test_channel_clear(&m->from);
    test_channel_end(&m->to);
    peer_close(&m->peer);
    close(m->listener);
}

static void move_and_use(test_channel *from)
{
    moving *m = from->user;
    move(from);
    assert_int_equal(emi_channel_start_receiving(&m->to.channel), EM_OK);
    test_channel_send(&m->to, 1000);
}

static void a_channel_moved_within_connected_loses_nothing_either_way(void **state)
{
    moving m;
    size_t arrived = 0;
    begin(&m, *state);
    test_channel_prepare(&m.to, 1000);
    m.from.on_connected = move_and_use;
    accept_peer(&m);
    peer_send_text(&m.peer, "early"); /* may be reported together with the connection */
    for (; arrived < 1000 || bytes_length(&m.to.received) < 5; peer_check_pattern(&m.peer, &arrived))
        contract_turn(*state, 1000000);
    assert_true(bytes_equal_text(&m.to.received, "early"));
    assert_int_equal(m.from.connected_events, 1);
    assert_int_equal(m.to.connected_events, 0);
    assert_int_equal(m.from.data_events, 0);
    finish(&m);
}

static void a_channel_may_be_moved_while_it_is_connecting(void **state)
{
    moving m;
    begin(&m, *state);
    move(&m.from);
    accept_peer(&m);
    run_until(*state, m.to.connected_events == 1);
    assert_int_equal(m.from.connected_events, 0);
    finish(&m);
}

static void what_arrived_before_a_channel_was_moved_is_reported_after_it(void **state)
{
    moving m;
    begin(&m, *state);
    accept_peer(&m);
    run_until(*state, m.from.connected_events == 1);
    peer_send_text(&m.peer, "kept");
    settle(*state); /* the poller has reported it, and nobody receives */
    move(&m.from);
    settle(*state);
    assert_int_equal(emi_channel_start_receiving(&m.to.channel), EM_OK);
    run_until(*state, bytes_length(&m.to.received) == 4);
    assert_true(bytes_equal_text(&m.to.received, "kept"));
    finish(&m);
}

static void what_was_asked_to_be_sent_is_sent_by_the_new_channel(void **state)
{
    moving m;
    size_t arrived = 0;
    begin(&m, *state);
    accept_peer(&m);
    run_until(*state, m.from.connected_events == 1);
    emi_channel_send(&m.from.channel);
    test_channel_prepare(&m.to, 100);
    move(&m.from);
    test_channel_send(&m.to, 100);
    for (; arrived < 100; peer_check_pattern(&m.peer, &arrived))
        contract_turn(*state, 1000000);
    assert_int_equal(m.from.gather_events, 0);
    finish(&m);
}

static void a_channel_that_was_moved_to_another_may_be_attached_again(void **state)
{
    moving m;
    test_peer peer;
    begin(&m, *state);
    accept_peer(&m);
    run_until(*state, m.from.connected_events == 1);
    move(&m.from);
    run_until(*state, m.from.released_events == 1);
    test_channel_clear(&m.from);
    open_stream(*state, &m.from, 'F', &peer);
    assert_int_equal(emi_channel_start_receiving(&m.from.channel), EM_OK);
    assert_int_equal(emi_channel_start_receiving(&m.to.channel), EM_OK);
    peer_send_text(&peer, "one");
    peer_send_text(&m.peer, "other");
    run_until(*state, bytes_length(&m.from.received) == 3 && bytes_length(&m.to.received) == 5);
    test_channel_release(&m.from);
    peer_close(&peer);
    finish(&m);
}

int main(void)
{
    static const contract_test tests[] = {
        CONTRACT_TEST(a_channel_moved_within_connected_loses_nothing_either_way),
        CONTRACT_TEST(a_channel_may_be_moved_while_it_is_connecting),
        CONTRACT_TEST(what_arrived_before_a_channel_was_moved_is_reported_after_it),
        CONTRACT_TEST(what_was_asked_to_be_sent_is_sent_by_the_new_channel),
        CONTRACT_TEST(a_channel_that_was_moved_to_another_may_be_attached_again),
    };
    return run_contract("moving", tests, sizeof tests / sizeof tests[0]);
}
