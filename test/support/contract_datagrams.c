/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Datagram channels that record their events, and their peers: real sockets, or the simulated backend's.
 */
#include "support/contract_datagrams.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "system/socket.h"

static datagram_owner *owner_of(emi_channel *channel)
{
    return EMI_CONTAINER(channel, datagram_owner, channel);
}

static void check_not_over(const datagram_owner *owner, const char *event)
{
    if (owner->released)
        stop_test("%s after release", event);
}

/* Events */

static void record(datagram_owner *owner, const em_datagram *datagram)
{
    received_datagram *made = &owner->received[owner->received_count++ % MOST_DATAGRAMS];
    size_t head = datagram->length < HEAD_BYTES ? datagram->length : HEAD_BYTES;
    made->peer = *datagram->peer;
    made->length = datagram->length;
    memcpy(made->head, datagram->data, head);
    made->head[head] = '\0';
    made->is_pattern = pattern_matches(datagram->data, datagram->length, 0);
    made->is_truncated = datagram->is_truncated;
}

static unsigned datagrams(emi_channel *channel, const em_datagram *batch, unsigned count)
{
    datagram_owner *owner = owner_of(channel);
    check_not_over(owner, "datagrams");
    if (!channel->receiving || count == 0)
        stop_test("%u datagrams, receiving: %d", count, channel->receiving);
    for (unsigned i = 0; i < count; i++) {
        record(owner, &batch[i]);
        if (owner->on_datagram)
            owner->on_datagram(owner);
        if (!channel->receiving)
            return i + 1;
    }
    return count;
}

static unsigned gather(emi_channel *channel, emi_outgoing *list)
{
    const datagram_owner *owner = owner_of(channel);
    check_not_over(owner, "gather");
    unsigned count = 0;
    for (unsigned i = owner->sent; i < owner->queued && count < EMI_MOST_SENT; i++)
        list[count++] = owner->outgoing[i];
    return count;
}

static void sent(emi_channel *channel, unsigned count, em_status status)
{
    datagram_owner *owner = owner_of(channel);
    check_not_over(owner, "sent");
    owner->sent += count;
    if (owner->sent > owner->queued)
        stop_test("more was sent than there was");
    owner->blocked += status == EM_WOULD_BLOCK;
    owner->short_of_buffers += status == EM_NO_BUFFERS;
    if (status == EM_OK || status == EM_WOULD_BLOCK || status == EM_NO_BUFFERS)
        return;
    owner->refused++;
    owner->refusal = status;
    owner->sent++;
}

static void lost(emi_channel *channel, const emi_datagram_error *error)
{
    datagram_owner *owner = owner_of(channel);
    check_not_over(owner, "lost");
    owner->lost++;
    owner->loss = error->status;
    owner->lost_peer = error->peer;
}

static void failed(emi_channel *channel, em_status reason)
{
    (void)reason;
    owner_of(channel)->failed_events++;
}

static void released(emi_channel *channel)
{
    owner_of(channel)->released_events++;
}

static const emi_channel_events events = {
    .datagrams = datagrams,
    .gather_datagrams = gather,
    .datagrams_sent = sent,
    .datagram_lost = lost,
    .failed = failed,
    .released = released,
};

/* Channels */

void attach_datagrams(contract_fixture *contract, datagram_owner *owner, int socket)
{
    emi_backend *backend = contract->backend;
    memset(owner, 0, sizeof *owner);
    emi_channel_init(&owner->channel, &events);
    owner->contract = contract;
    if (backend->operations->attach(backend, &owner->channel, EMI_DATAGRAM, socket, EMI_OURS) != EM_OK)
        stop_test("attach failed");
}

void open_datagrams(contract_fixture *contract, datagram_owner *owner)
{
    simulated_peer *simulated;
    em_address address = {.length = 0};
    int socket = contract->simulated ? simulated_open_stream(contract->simulated, &simulated)
                                     : udp_socket("127.0.0.1", &address);
    attach_datagrams(contract, owner, socket);
    owner->address = address;
}

void release_datagrams(datagram_owner *owner)
{
    owner->released = true;
    emi_channel_release(&owner->channel);
}

void end_datagrams(datagram_owner *owner)
{
    if (!owner->released)
        release_datagrams(owner);
    run_until(owner->contract, owner->released_events > 0);
    assert_int_equal(owner->released_events, 1);
}

void queue_datagram(datagram_owner *owner, const em_address *to, const void *data, size_t length)
{
    emi_outgoing *next = &owner->outgoing[owner->queued++];
    *next = (emi_outgoing){.data = data, .length = length};
    if (to) {
        next->peer = to->storage.bytes;
        next->peer_bytes = to->length;
    }
    emi_channel_send(&owner->channel);
}

/* Peers */

int udp_socket(const char *host, em_address *address)
{
    em_address bound;
    assert_int_equal(em_address_from_text(host, 0, &bound), EM_OK);
    int made;
    assert_int_equal(emi_datagram_open(em_address_get_family(&bound), &made), EM_OK);
    assert_int_equal(emi_socket_bind(made, &bound), EM_OK);
    assert_int_equal(emi_socket_local_address(made, address), EM_OK);
    return made;
}

static simulated_peer *simulated_of_owner(const datagram_owner *owner)
{
    return simulated_peer_of(owner->contract->simulated, owner->channel.descriptor);
}

void open_datagram_peer(datagram_owner *owner, datagram_peer *peer)
{
    static int next_port = 1024;
    *peer = (datagram_peer){.owner = owner, .socket = EMI_NO_SOCKET};
    if (owner->contract->simulated)
        em_address_from_text("192.0.2.7", next_port++, &peer->address);
    else
        peer->socket = udp_socket("127.0.0.1", &peer->address);
}

void close_datagram_peer(datagram_peer *peer)
{
    emi_socket_close(peer->socket);
}

void peer_send_datagram(datagram_peer *peer, const void *data, size_t length)
{
    const em_address *to = &peer->owner->address;
    if (peer->socket == EMI_NO_SOCKET) {
        simulated_feed_datagram(simulated_of_owner(peer->owner), &peer->address, data, length);
        return;
    }
    ssize_t result =
        sendto(peer->socket, data, length, 0, (const struct sockaddr *)(const void *)to->storage.bytes, to->length);
    assert_int_equal(result, length);
}

bool peer_receive_datagram(datagram_peer *peer, void *data, size_t capacity, size_t *length)
{
    em_address to;
    if (peer->socket == EMI_NO_SOCKET) {
        bool any = simulated_take_datagram(simulated_of_owner(peer->owner), &to, data, capacity, length);
        if (any && !same_address(&to, &peer->address))
            stop_test("a datagram was sent to another peer");
        return any;
    }
    ssize_t result = recv(peer->socket, data, capacity, 0);
    if (result < 0 && errno != EAGAIN)
        stop_test("recv failed: %s", strerror(errno));
    *length = result < 0 ? 0 : (size_t)result;
    return result >= 0;
}

void peer_expect_numbers(datagram_peer *peer, unsigned *next, unsigned end)
{
    char text[32];
    size_t length;
    while (*next < end) {
        while (peer_receive_datagram(peer, text, sizeof text - 1, &length)) {
            text[length] = '\0';
            assert_string_equal(text, number_text((*next)++));
        }
        contract_turn(peer->owner->contract, 1000000);
    }
}

bool same_address(const em_address *one, const em_address *other)
{
    return one->length == other->length && memcmp(one->storage.bytes, other->storage.bytes, one->length) == 0;
}

const char *number_text(unsigned number)
{
    static char texts[MOST_DATAGRAMS][8];
    assert_in_range(number, 0, MOST_DATAGRAMS - 1);
    snprintf(texts[number], sizeof texts[number], "%u", number);
    return texts[number];
}
