/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The contract of every backend: connecting streams.
 */
#include "support/contract.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Somewhere to connect to: a listening socket, or the simulated backend. */
typedef struct target {
    contract_fixture *contract;
    int listener; /* with a kernel */
    em_address address;
} target;

static void open_target(target *to, contract_fixture *contract)
{
    to->contract = contract;
    to->listener = listen_on_loopback(&to->address);
}

static void close_target(target *to)
{
    close(to->listener);
}

static em_status begin(const target *to, test_channel *channel)
{
    test_channel_init(channel, to->contract, 'A');
    channel->channel.exact_reads = true;
    assert_int_equal(test_channel_attach(channel, EMI_STREAM, tcp_socket(), EMI_OURS), EM_OK);
    return emi_channel_connect(&channel->channel, &to->address);
}

/* The peer of a connection under way, accepted. */
static test_peer accept_it(const target *to)
{
    test_peer peer = {.socket = -1};
    if (to->contract->simulated) {
        peer.simulated = simulated_take_connect(to->contract->simulated);
        assert_non_null(peer.simulated);
        simulated_accept_connect(peer.simulated);
    } else {
        assert_true(wait_until_readable(to->listener, 5000));
        peer.socket = accept4(to->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        assert_true(peer.socket >= 0);
    }
    return peer;
}

static void connecting_ends_in_connected_and_then_bytes_flow_both_ways(void **state)
{
    target to;
    test_channel channel;
    size_t arrived = 0;
    open_target(&to, *state);
    assert_int_equal(begin(&to, &channel), EM_OK);
    assert_int_equal(channel.connected_events, 0);
    test_peer peer = accept_it(&to);
    run_until(*state, channel.connected_events == 1);
    assert_int_equal(emi_channel_start_receiving(&channel.channel), EM_OK);
    test_channel_prepare(&channel, 1000);
    test_channel_send(&channel, 1000);
    peer_send_text(&peer, "welcome");
    for (; arrived < 1000 || bytes_length(&channel.received) < 7; peer_check_pattern(&peer, &arrived))
        contract_turn(*state, 1000000);
    assert_true(bytes_equal_text(&channel.received, "welcome"));
    assert_int_equal(channel.connected_events, 1);
    test_channel_end(&channel);
    peer_close(&peer);
    close_target(&to);
}

static void what_was_asked_to_be_sent_while_connecting_is_sent_afterwards(void **state)
{
    target to;
    test_channel channel;
    size_t arrived = 0;
    open_target(&to, *state);
    assert_int_equal(begin(&to, &channel), EM_OK);
    test_channel_prepare(&channel, 5000);
    test_channel_send(&channel, 5000);
    assert_int_equal(channel.gather_events, 0);
    test_peer peer = accept_it(&to);
    for (; arrived < 5000; peer_check_pattern(&peer, &arrived)) {
        assert_true(channel.connected_events == 1 || channel.gather_events == 0);
        contract_turn(*state, 1000000);
    }
    test_channel_end(&channel);
    peer_close(&peer);
    close_target(&to);
}

static void start_and_send(test_channel *channel)
{
    assert_int_equal(emi_channel_start_receiving(&channel->channel), EM_OK);
    test_channel_send(channel, 100);
}

static void receiving_and_sending_may_begin_within_connected(void **state)
{
    target to;
    test_channel channel;
    size_t arrived = 0;
    open_target(&to, *state);
    assert_int_equal(begin(&to, &channel), EM_OK);
    test_channel_prepare(&channel, 100);
    channel.on_connected = start_and_send;
    test_peer peer = accept_it(&to);
    peer_send_text(&peer, "first");
    for (; arrived < 100 || bytes_length(&channel.received) < 5; peer_check_pattern(&peer, &arrived))
        contract_turn(*state, 1000000);
    test_channel_end(&channel);
    peer_close(&peer);
    close_target(&to);
}

static void a_refused_connection_fails_once(void **state)
{
    contract_fixture *c = *state;
    target to;
    test_channel channel;
    to.contract = c;
    unused_address(&to.address, &to.listener);
    em_status status = begin(&to, &channel);
    if (c->simulated)
        simulated_refuse_connect(simulated_take_connect(c->simulated), EM_CONNECTION_REFUSED);
    /* A kernel that knows the result at once may report it at once. */
    if (status == EM_OK) {
        run_until(c, channel.failed_events == 1);
        status = channel.failure;
    }
    assert_int_equal(status, EM_CONNECTION_REFUSED);
    settle(c);
    assert_true(channel.failed_events <= 1);
    assert_int_equal(channel.connected_events, 0);
    test_channel_end(&channel);
    close_target(&to);
}

static void a_connection_can_be_given_up_while_it_is_under_way(void **state)
{
    contract_fixture *c = *state;
    target to;
    test_channel channel;
    open_target(&to, c);
    assert_int_equal(begin(&to, &channel), EM_OK);
    test_channel_release(&channel);
    run_until(c, channel.released_events == 1);
    assert_int_equal(channel.connected_events + channel.failed_events, 0);
    test_channel_clear(&channel);
    close_target(&to);
}

static void a_connection_can_be_given_up_within_connected_and_within_failed(void **state)
{
    contract_fixture *c = *state;
    target to;
    test_channel channel;
    open_target(&to, c);
    assert_int_equal(begin(&to, &channel), EM_OK);
    channel.on_connected = test_channel_release;
    test_peer peer = accept_it(&to);
    run_until(c, channel.released_events == 1);
    test_channel_clear(&channel);
    peer_close(&peer);
    close_target(&to);

    unused_address(&to.address, &to.listener);
    em_status status = begin(&to, &channel);
    if (c->simulated)
        simulated_refuse_connect(simulated_take_connect(c->simulated), EM_CONNECTION_REFUSED);
    channel.on_failed = test_channel_release;
    if (status != EM_OK)
        test_channel_release(&channel);
    run_until(c, channel.released_events == 1);
    test_channel_clear(&channel);
    close_target(&to);
}

static void a_failure_that_the_system_knows_at_once_fails_the_call(void **state)
{
    contract_fixture *c = *state;
    test_channel channel;
    em_address address;
    test_channel_init(&channel, c, 'A');
    assert_int_equal(em_address_from_path("/nowhere/socket", &address), EM_OK);
    int socket_to_nowhere = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(test_channel_attach(&channel, EMI_STREAM, socket_to_nowhere, EMI_OURS), EM_OK);
    if (c->simulated)
        simulated_fail_next(c->simulated, SIMULATED_CONNECT, EM_NO_SUCH_FILE);
    assert_int_equal(emi_channel_connect(&channel.channel, &address), EM_NO_SUCH_FILE);
    settle(c);
    assert_int_equal(channel.connected_events + channel.failed_events, 0);
    test_channel_end(&channel);
}

static void refuse_gather_before_connected(test_channel *channel)
{
    if (channel->connected_events == 0)
        stop_test("gather before connected");
}

/* A Unix-domain socket that listens in the abstract namespace, and one to connect to it. */
static void unix_listener_and_client(em_address *address, int *listener, int *client)
{
    char name[64];
    snprintf(name, sizeof name, "@eventmachine-test-%ld", (long)getpid());
    assert_int_equal(em_address_from_path(name, address), EM_OK);
    *listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(*listener, (struct sockaddr *)(void *)address->storage.bytes, address->length), 0);
    assert_int_equal(listen(*listener, 1), 0);
}

/* Such a connection is established within connect; the order of events is the same. */
static void a_connection_established_at_once_is_reported_before_anything_is_gathered(void **state)
{
    contract_fixture *c = *state;
    test_channel channel;
    em_address address;
    int listener, client;
    unix_listener_and_client(&address, &listener, &client);
    test_channel_init(&channel, c, 'A');
    assert_int_equal(test_channel_attach(&channel, EMI_STREAM, client, EMI_OURS), EM_OK);
    assert_int_equal(emi_channel_connect(&channel.channel, &address), EM_OK);
    assert_int_equal(channel.connected_events, 0);
    channel.on_gather = refuse_gather_before_connected;
    test_channel_prepare(&channel, 100);
    test_channel_send(&channel, 100);
    run_until(c, channel.sent == 100);
    assert_int_equal(channel.connected_events, 1);
    test_channel_end(&channel);
    close(listener);
}

/* So many channels that a backend with a list of them must enlarge it for the next one. */
static void a_connect_that_fails_without_memory_reports_nothing_later(void **state)
{
    enum { OTHERS = 63 };
    contract_fixture *c = *state;
    test_channel others[OTHERS];
    test_peer peers[OTHERS];
    test_channel channel;
    em_address address;
    int listener, client;
    for (unsigned i = 0; i < OTHERS; i++) {
        open_unix_stream(c, &others[i], 'O', &peers[i]);
        assert_int_equal(emi_channel_start_receiving(&others[i].channel), EM_OK);
    }
    unix_listener_and_client(&address, &listener, &client);
    test_channel_init(&channel, c, 'A');
    assert_int_equal(test_channel_attach(&channel, EMI_STREAM, client, EMI_OURS), EM_OK);
    failing_allocator_fail(&c->allocator, 1, EM_ON);
    em_status status = emi_channel_connect(&channel.channel, &address);
    settle(c);
    failing_allocator_fail(&c->allocator, 0, EM_DEFAULT);
    settle(c);
    assert_int_equal(channel.connected_events + channel.failed_events, status == EM_OK);
    test_channel_end(&channel);
    close(listener);
    for (unsigned i = 0; i < OTHERS; i++) {
        test_channel_end(&others[i]);
        peer_close(&peers[i]);
    }
}

int main(void)
{
    static const contract_test tests[] = {
        CONTRACT_TEST(connecting_ends_in_connected_and_then_bytes_flow_both_ways),
        CONTRACT_TEST(what_was_asked_to_be_sent_while_connecting_is_sent_afterwards),
        CONTRACT_TEST(receiving_and_sending_may_begin_within_connected),
        CONTRACT_TEST(a_refused_connection_fails_once),
        CONTRACT_TEST(a_connection_can_be_given_up_while_it_is_under_way),
        CONTRACT_TEST(a_connection_can_be_given_up_within_connected_and_within_failed),
        CONTRACT_TEST(a_failure_that_the_system_knows_at_once_fails_the_call),
        KERNEL_TEST(a_connect_that_fails_without_memory_reports_nothing_later),
        KERNEL_TEST(a_connection_established_at_once_is_reported_before_anything_is_gathered),
    };
    return run_contract("connecting", tests, sizeof tests / sizeof tests[0]);
}
