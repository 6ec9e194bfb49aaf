/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Datagrams of the simulated backend. By its seed it splits batches and accepts only some of what is gathered.
 */
#include <stdlib.h>
#include <string.h>

#include "support/deadline.h"
#include "support/simulated_private.h"
#include "system/clock.h"

enum { MOST_AT_ONCE = 16 };

/* Buffers of datagrams */

static void append(byte_buffer *buffer, const em_address *address, const void *data, size_t length)
{
    simulated_datagram head = {.address = *address, .length = length};
    bytes_append(buffer, &head, sizeof head);
    if (length > 0)
        bytes_append(buffer, data, length);
}

/* The datagram at an offset; moves the offset behind it. Returns false if there is none. */
static bool look(const byte_buffer *buffer, size_t *offset, simulated_datagram *head, const unsigned char **data)
{
    if (*offset + sizeof *head > bytes_length(buffer))
        return false;
    memcpy(head, bytes_at(buffer) + *offset, sizeof *head);
    *data = bytes_at(buffer) + *offset + sizeof *head;
    *offset += sizeof *head + head->length;
    return true;
}

static void drop_first(byte_buffer *buffer)
{
    size_t offset = 0;
    simulated_datagram head;
    const unsigned char *data;
    if (look(buffer, &offset, &head, &data))
        bytes_take(buffer, NULL, offset);
}

/* The test's actions */

void simulated_feed_datagram(simulated_peer *peer, const em_address *from, const void *data, size_t length)
{
    if (bytes_length(&peer->inbound) == 0)
        peer->inbound_ns = simulated_later_ns(peer->backend);
    append(&peer->inbound, from, data, length);
}

bool simulated_take_datagram(simulated_peer *peer, em_address *to, void *data, size_t capacity, size_t *length)
{
    size_t offset = 0;
    simulated_datagram head;
    const unsigned char *bytes;
    if (!look(&peer->outbound, &offset, &head, &bytes))
        return false;
    if (head.length > capacity)
        stop_test("a datagram of %zu bytes", head.length);
    memcpy(data, bytes, head.length);
    *to = head.address;
    *length = head.length;
    drop_first(&peer->outbound);
    return true;
}

void simulated_fail_datagrams(simulated_peer *peer, em_status status)
{
    peer->datagram_failure = status;
}

void simulated_lose_datagram(simulated_peer *peer, const em_address *to, em_status status)
{
    peer->lost_status = status;
    peer->lost_address = *to;
}

/* Receiving: everything that is lent is in allocations of its own, so that a sanitizer finds reads beside it or later.
 */

typedef struct loan {
    unsigned count;
    em_datagram list[MOST_AT_ONCE];
    em_address *addresses[MOST_AT_ONCE];
    void *bytes[MOST_AT_ONCE];
} loan;

static void lend(loan *lent, const simulated_datagram *head, const unsigned char *data)
{
    unsigned i = lent->count++;
    lent->addresses[i] = malloc(sizeof *lent->addresses[i]);
    lent->bytes[i] = malloc(head->length > 0 ? head->length : 1);
    if (!lent->addresses[i] || !lent->bytes[i])
        stop_test("no memory");
    *lent->addresses[i] = head->address;
    memcpy(lent->bytes[i], data, head->length);
    lent->list[i] =
        (em_datagram){.data = lent->bytes[i], .length = head->length, .peer = lent->addresses[i], .ttl = -1, .ecn = -1};
}

static void end_loan(loan *lent)
{
    for (unsigned i = 0; i < lent->count; i++) {
        free(lent->addresses[i]);
        free(lent->bytes[i]);
    }
}

static bool deliver(simulated_peer *peer)
{
    loan lent = {.count = 0};
    size_t offset = 0;
    simulated_datagram head;
    const unsigned char *data;
    unsigned most = peer->backend->seed ? 1 + (unsigned)random_below(&peer->backend->seed, MOST_AT_ONCE) : MOST_AT_ONCE;
    while (lent.count < most && look(&peer->inbound, &offset, &head, &data))
        lend(&lent, &head, data);
    if (lent.count == 0)
        return false;
    unsigned taken = peer->channel->events->datagrams(peer->channel, lent.list, lent.count);
    if (taken > lent.count)
        stop_test("%u of %u datagrams were taken", taken, lent.count);
    if (taken < lent.count && peer->channel->receiving && !peer->channel->released)
        stop_test("datagrams were not taken without a reason");
    for (unsigned i = 0; i < taken; i++)
        drop_first(&peer->inbound);
    end_loan(&lent);
    return taken == lent.count;
}

/* Sending */

static bool can_send(const simulated_peer *peer)
{
    return peer->datagram_failure != EM_WOULD_BLOCK && bytes_length(&peer->outbound) < peer->window_bytes;
}

static void put_out(simulated_peer *peer, const emi_outgoing *outgoing)
{
    em_address to = {.length = 0};
    if (outgoing->peer_bytes > 0 && em_address_from_sockaddr(outgoing->peer, outgoing->peer_bytes, &to) != EM_OK)
        stop_test("a bad address was gathered");
    append(&peer->outbound, &to, outgoing->data, outgoing->length);
}

/* What happens to the first one. */
static em_status take_failure(simulated_peer *peer)
{
    em_status status = peer->datagram_failure;
    if (status == EM_OK && !can_send(peer))
        return EM_WOULD_BLOCK;
    if (status != EM_WOULD_BLOCK && status != EM_NO_BUFFERS)
        peer->datagram_failure = EM_OK;
    return status;
}

static bool send_once(simulated_peer *peer)
{
    emi_channel *channel = peer->channel;
    emi_outgoing list[EMI_MOST_SENT];
    unsigned count = channel->events->gather_datagrams(channel, list);
    if (count > EMI_MOST_SENT)
        stop_test("%u datagrams were gathered", count);
    if (count == 0) {
        channel->sending = false;
        return false;
    }
    em_status status = take_failure(peer);
    unsigned most =
        simulated_chance(peer->backend, 2) ? 1 + (unsigned)random_below(&peer->backend->seed, count) : count;
    unsigned sent = 0;
    while (status == EM_OK && sent < most && (sent == 0 || can_send(peer)))
        put_out(peer, &list[sent++]);
    if (status == EM_NO_BUFFERS)
        channel->sending = false;
    channel->events->datagrams_sent(channel, sent, status);
    return status != EM_NO_BUFFERS && status != EM_WOULD_BLOCK;
}

void simulated_send_datagrams(simulated_peer *peer)
{
    for (unsigned batches = 0; batches < peer->channel->burst; batches++)
        if (!send_once(peer) || peer->channel->released || !peer->channel->sending)
            return;
    peer->found = true;
}

/* Serving */

uint64_t simulated_datagrams_due_ns(const simulated_peer *peer)
{
    const emi_channel *channel = peer->channel;
    if (peer->lost_status != EM_OK)
        return 0;
    if (channel->sending && !emi_list_is_linked(&channel->flush) && can_send(peer))
        return 0;
    return channel->receiving && bytes_length(&peer->inbound) > 0 ? peer->inbound_ns : UINT64_MAX;
}

static void report_loss(simulated_peer *peer)
{
    emi_datagram_error error = {.status = peer->lost_status, .peer = peer->lost_address};
    peer->lost_status = EM_OK;
    if (error.status != EM_OK)
        peer->channel->events->datagram_lost(peer->channel, &error);
}

void simulated_serve_datagrams(simulated_peer *peer)
{
    emi_channel *channel = peer->channel;
    report_loss(peer);
    if (!channel->released && channel->receiving && peer->inbound_ns <= emi_clock_now_ns() && deliver(peer))
        peer->found = true;
    if (!channel->released && channel->sending && !emi_list_is_linked(&channel->flush) && can_send(peer))
        simulated_send_datagrams(peer);
}
