/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The peers of contract tests: real sockets, or the simulated backend's.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/contract.h"

static void attach_stream(contract_fixture *contract, test_channel *channel, char name, int descriptor,
                          bool exact_reads)
{
    test_channel_init(channel, contract, name);
    channel->channel.exact_reads = exact_reads;
    if (test_channel_attach(channel, EMI_STREAM, descriptor, EMI_OURS) != EM_OK)
        stop_test("attach failed");
}

void open_stream(contract_fixture *contract, test_channel *channel, char name, test_peer *peer)
{
    *peer = (test_peer){.socket = -1};
    if (contract->simulated) {
        int descriptor = simulated_open_stream(contract->simulated, &peer->simulated);
        attach_stream(contract, channel, name, descriptor, true);
        return;
    }
    int sockets[2];
    tcp_pair(sockets);
    peer->socket = sockets[1];
    attach_stream(contract, channel, name, sockets[0], true);
}

void open_unix_stream(contract_fixture *contract, test_channel *channel, char name, test_peer *peer)
{
    int sockets[2];
    unix_pair(sockets);
    *peer = (test_peer){.socket = sockets[1]};
    attach_stream(contract, channel, name, sockets[0], false);
}

size_t peer_send(test_peer *peer, const void *data, size_t length)
{
    if (!peer->simulated)
        return send_now(peer->socket, data, length);
    simulated_feed(peer->simulated, data, length);
    return length;
}

void peer_send_text(test_peer *peer, const char *text)
{
    assert_int_equal(peer_send(peer, text, strlen(text)), strlen(text));
}

size_t peer_receive(test_peer *peer, void *data, size_t capacity, bool *ended)
{
    if (!peer->simulated)
        return receive_now(peer->socket, data, capacity, ended);
    size_t length = simulated_take(peer->simulated, data, capacity);
    if (length == 0 && ended && simulated_saw_end(peer->simulated))
        *ended = true;
    return length;
}

void peer_end(test_peer *peer)
{
    if (peer->simulated)
        simulated_end(peer->simulated);
    else
        assert_int_equal(shutdown(peer->socket, SHUT_WR), 0);
}

void peer_reset(test_peer *peer)
{
    if (peer->simulated)
        simulated_reset(peer->simulated);
    else
        close_with_reset(peer->socket);
    peer->socket = -1;
}

void peer_vanish(test_peer *peer)
{
    if (peer->simulated)
        simulated_fail_sending(peer->simulated, EM_CONNECTION_RESET);
    else
        close_with_reset(peer->socket);
    peer->socket = -1;
}

void peer_close(test_peer *peer)
{
    if (!peer->simulated && peer->socket >= 0)
        close(peer->socket);
    peer->socket = -1;
}

void peer_check_pattern(test_peer *peer, size_t *offset)
{
    unsigned char buffer[8192];
    size_t length;
    while ((length = peer_receive(peer, buffer, sizeof buffer, NULL)) > 0) {
        if (!pattern_matches(buffer, length, *offset))
            stop_test("what was sent arrived changed, near byte %zu", *offset);
        *offset += length;
    }
}

/* Listeners */

void open_listener(contract_fixture *contract, test_listener *listener, char name)
{
    test_channel_init(&listener->channel, contract, name);
    listener->descriptor = listen_on_loopback(&listener->address);
    if (test_channel_attach(&listener->channel, EMI_LISTENER, listener->descriptor, EMI_OURS) != EM_OK)
        stop_test("attach failed");
}

void connect_peer(test_listener *listener, test_peer *peer)
{
    *peer = (test_peer){.socket = -1};
    if (listener->channel.contract->simulated)
        peer->simulated = simulated_connect(listener->channel.contract->simulated, listener->descriptor);
    else
        peer->socket = tcp_connect(&listener->address);
}

void close_accepted(test_listener *listener)
{
    for (unsigned i = 0; i < listener->channel.accepted_events; i++)
        if (listener->channel.accepted[i] >= 0)
            close(listener->channel.accepted[i]);
    listener->channel.accepted_events = 0;
}

/* Polled descriptors */

void open_pollable(contract_fixture *contract, test_channel *channel, char name, test_peer *other)
{
    test_channel_init(channel, contract, name);
    int sockets[2];
    unix_pair(sockets);
    *other = (test_peer){.socket = sockets[1]};
    if (test_channel_attach(channel, EMI_POLLED, sockets[0], EMI_OURS) != EM_OK)
        stop_test("attach failed");
    if (contract->simulated)
        simulated_make_ready(contract->simulated, sockets[0], EMI_WRITABLE);
}

void make_readable(test_channel *channel, test_peer *other)
{
    if (channel->contract->simulated)
        simulated_make_ready(channel->contract->simulated, channel->channel.descriptor, EMI_READABLE | EMI_WRITABLE);
    else
        assert_int_equal(send_now(other->socket, "x", 1), 1);
}

void make_unreadable(test_channel *channel)
{
    char bytes[16];
    if (channel->contract->simulated)
        simulated_make_ready(channel->contract->simulated, channel->channel.descriptor, EMI_WRITABLE);
    else
        receive_now(channel->channel.descriptor, bytes, sizeof bytes, NULL);
}
