/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Serving the channels of the simulated backend.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "io/bulk.h"
#include "support/deadline.h"
#include "support/simulated_private.h"
#include "system/clock.h"

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static size_t room_of(const simulated_peer *peer)
{
    size_t waiting = bytes_length(&peer->outbound);
    return waiting < peer->window_bytes ? peer->window_bytes - waiting : 0;
}

static bool can_send(const simulated_peer *peer)
{
    return room_of(peer) > 0 || peer->reset != EM_OK || peer->send_failure != EM_OK;
}

/* Reported whether the owner receives or not. */
static bool has_late_reset(const simulated_peer *peer)
{
    return peer->end_reported && peer->reset != EM_OK && !peer->late_reset_reported;
}

static uint64_t stream_due_ns(const simulated_peer *peer)
{
    const emi_channel *channel = peer->channel;
    uint64_t due_ns = UINT64_MAX;
    if (channel->connecting)
        return peer->answer == ACCEPTED || peer->answer == REFUSED ? peer->answered_ns : UINT64_MAX;
    bool has_input = bytes_length(&peer->inbound) > 0 || (peer->ended && !peer->end_reported) || peer->reset != EM_OK;
    if ((channel->receiving && has_input) || has_late_reset(peer))
        due_ns = peer->inbound_ns;
    if (peer->in_flight && can_send(peer))
        due_ns = earlier(due_ns, peer->sent_ns);
    else if (channel->sending && !emi_list_is_linked(&channel->flush) && can_send(peer))
        due_ns = 0;
    return due_ns;
}

uint64_t simulated_due_ns(const simulated_peer *peer)
{
    const emi_channel *channel = peer->channel;
    if (!channel || channel->released)
        return UINT64_MAX;
    switch ((emi_channel_kind)channel->kind) {
    case EMI_STREAM:
        return stream_due_ns(peer);
    case EMI_LISTENER:
        return channel->receiving && (peer->accept_failure || peer->accepted_count < peer->client_count)
                   ? peer->inbound_ns
                   : UINT64_MAX;
    case EMI_DATAGRAM:
        return simulated_datagrams_due_ns(peer);
    case EMI_POLLED:
        return peer->ready & channel->interest ? peer->inbound_ns : UINT64_MAX;
    }
    return UINT64_MAX;
}

static void fail(simulated_peer *peer, em_status reason)
{
    simulated_drop_gathered(peer);
    emi_channel_fail(peer->channel, reason);
}

/* Each piece is lent in an allocation of its own, so that a sanitizer finds reads beside it or later. */
static void lend_piece(simulated_peer *peer, size_t length)
{
    unsigned char *lent = malloc(length);
    if (!lent)
        stop_test("no memory");
    bytes_take(&peer->inbound, lent, length);
    peer->lent_bytes = length;
    peer->channel->events->data(peer->channel, lent, length);
    peer->lent_bytes = 0;
    free(lent);
}

void simulated_deliver_held(simulated_peer *peer)
{
    size_t length = peer->held_bytes;
    peer->held_bytes = 0;
    if (length > 0)
        lend_piece(peer, length);
}

/* The front of `inbound` is where the bytes were, so they must be the same. */
void simulated_put_back(simulated_peer *peer, const void *bytes, size_t length)
{
    if (length > peer->lent_bytes)
        stop_test("%zu bytes were given back of %zu that were lent", length, peer->lent_bytes);
    bytes_untake(&peer->inbound, bytes, length);
    peer->lent_bytes -= length;
    peer->held_bytes += length;
}

static void lend(simulated_peer *peer)
{
    simulated_backend *backend = peer->backend;
    size_t capacity = backend->receive_buffer_bytes;
    unsigned char *offered = emi_bulk_room(peer->channel, NULL, &capacity);
    size_t length = earlier(bytes_length(&peer->inbound), capacity);
    if (simulated_chance(backend, 2))
        length = 1 + random_below(&backend->seed, length);
    peer->held_bytes -= earlier(peer->held_bytes, length);
    emi_bulk_note(peer->channel, length);
    if (!offered) {
        lend_piece(peer, length);
        return;
    }
    bytes_take(&peer->inbound, offered, length);
    peer->lent_bytes = length;
    peer->channel->events->data(peer->channel, offered, length);
    peer->lent_bytes = 0;
}

/* One read. Returns false if there is nothing more. */
static bool receive_once(simulated_peer *peer)
{
    emi_channel *channel = peer->channel;
    if (has_late_reset(peer) && peer->inbound_ns <= emi_clock_now_ns()) {
        peer->late_reset_reported = true;
        fail(peer, peer->reset);
        return false;
    }
    if (!channel->receiving || peer->inbound_ns > emi_clock_now_ns())
        return false;
    if (peer->reset != EM_OK && peer->held_bytes == 0) {
        em_status reason = peer->reset;
        bytes_take(&peer->inbound, NULL, SIZE_MAX);
        fail(peer, reason);
        return false;
    }
    if (bytes_length(&peer->inbound) > 0) {
        lend(peer);
        return true;
    }
    if (peer->ended && !peer->end_reported) {
        peer->end_reported = true;
        channel->receiving = false;
        channel->events->end(channel);
    }
    return false;
}

/* Of every byte of small spans, and of samples from large ones. */
static uint64_t checksum_of(const simulated_peer *peer)
{
    uint64_t sum = 1;
    for (unsigned i = 0; i < peer->span_count; i++) {
        const unsigned char *data = peer->spans[i].data;
        size_t length = peer->spans[i].length;
        for (size_t at = 0; at < length; at += 1 + length / 1024)
            sum = (sum ^ data[at]) * UINT64_C(0x100000001B3);
    }
    return sum;
}

static void check_gathered(const simulated_peer *peer)
{
    if (checksum_of(peer) != peer->checksum)
        stop_test("bytes were changed between gather and sent");
}

static size_t gathered_bytes(const simulated_peer *peer)
{
    size_t length = 0;
    for (unsigned i = 0; i < peer->span_count; i++)
        length += peer->spans[i].length;
    return length;
}

static void put_out(simulated_peer *peer, size_t length)
{
    for (unsigned i = 0; i < peer->span_count && length > 0; i++) {
        size_t piece = earlier(length, peer->spans[i].length);
        bytes_append(&peer->outbound, peer->spans[i].data, piece);
        length -= piece;
    }
}

static bool gather(simulated_peer *peer)
{
    emi_channel *channel = peer->channel;
    peer->span_count = channel->events->gather(channel, peer->spans);
    if (peer->span_count == 0) {
        channel->sending = false;
        return false;
    }
    if (peer->span_count > EMI_MAX_SPANS || gathered_bytes(peer) == 0)
        stop_test("gather answered %u spans of %zu bytes", peer->span_count, gathered_bytes(peer));
    peer->checksum = checksum_of(peer);
    peer->in_flight = true;
    peer->sent_ns = simulated_later_ns(peer->backend);
    return true;
}

void simulated_drop_gathered(simulated_peer *peer)
{
    if (!peer->in_flight)
        return;
    check_gathered(peer);
    peer->in_flight = false;
    if (simulated_chance(peer->backend, 2))
        put_out(peer, earlier(gathered_bytes(peer), room_of(peer)));
}

/* What arrived before is reported first. */
static void fail_sending(simulated_peer *peer)
{
    em_status reason = peer->send_failure != EM_OK ? peer->send_failure : peer->reset;
    peer->channel->sending = false;
    while (peer->channel->receiving && peer->reset == EM_OK && bytes_length(&peer->inbound) > 0)
        lend(peer);
    if (!peer->channel->released)
        fail(peer, reason);
}

/* Sends one piece. Returns false if there is no more to do now. */
static bool send_once(simulated_peer *peer)
{
    simulated_backend *backend = peer->backend;
    /* A kernel that completes operations accepts bytes before it has room for them; one that reports readiness does
     * not. */
    if (!peer->in_flight && !can_send(peer) && !simulated_chance(backend, 2))
        return false;
    if (!peer->in_flight && !(peer->channel->sending && gather(peer)))
        return false;
    if (peer->sent_ns > emi_clock_now_ns() || !can_send(peer))
        return false;
    if (peer->reset != EM_OK || peer->send_failure != EM_OK) {
        fail_sending(peer);
        return false;
    }
    check_gathered(peer);
    size_t length = earlier(gathered_bytes(peer), room_of(peer));
    if (simulated_chance(backend, 2))
        length = 1 + random_below(&backend->seed, length);
    put_out(peer, length);
    peer->in_flight = false;
    if (peer->channel->events->sent(peer->channel, length))
        peer->channel->events->after_sent(peer->channel);
    return true;
}

void simulated_send(simulated_peer *peer)
{
    emi_list_remove(&peer->channel->flush);
    if (peer->channel->kind == EMI_DATAGRAM) {
        simulated_send_datagrams(peer);
        return;
    }
    for (unsigned writes = 0; writes < peer->channel->burst; writes++)
        if (!send_once(peer) || peer->channel->released)
            return;
    peer->found = true;
}

static void finish_connect(simulated_peer *peer)
{
    if (peer->answered_ns > emi_clock_now_ns() || (peer->answer != ACCEPTED && peer->answer != REFUSED))
        return;
    peer->channel->connecting = false;
    if (peer->answer == REFUSED)
        fail(peer, peer->refusal);
    else
        peer->channel->events->connected(peer->channel);
}

static void serve_stream(simulated_peer *peer)
{
    emi_channel *channel = peer->channel;
    if (channel->connecting)
        finish_connect(peer);
    if (channel->released || channel->connecting)
        return;
    for (unsigned reads = 0; reads < channel->burst; reads++) {
        if (!receive_once(peer) || channel->released)
            break;
        if (channel->sending)
            simulated_send(peer);
        if (channel->released)
            return;
    }
    if (!channel->released && (channel->sending || peer->in_flight))
        simulated_send(peer);
}

static void hand_over(emi_channel *listener, simulated_peer *peer, int port)
{
    em_address address;
    em_address_from_text("192.0.2.1", port, &address);
    peer->is_held = false;
    listener->events->accepted(listener, peer->descriptor, &address);
    if (!peer->channel && fcntl(peer->descriptor, F_GETFD) < 0)
        peer->descriptor = -1; /* turned away */
}

static void serve_listener(simulated_peer *peer)
{
    emi_channel *channel = peer->channel;
    for (unsigned accepts = 0; accepts < channel->burst && !channel->released && channel->receiving; accepts++) {
        if (atomic_load(&channel->backend->stopping))
            break;
        em_status failure = peer->accept_failure;
        if (failure != EM_OK) {
            peer->accept_failure = EM_OK;
            channel->receiving = false;
            channel->events->failed(channel, failure);
        } else if (peer->accepted_count < peer->client_count) {
            simulated_peer *accepted = peer->clients[peer->accepted_count++];
            hand_over(channel, accepted, 1024 + (int)(peer->accepted_count % 60000));
        } else {
            return;
        }
    }
}

void simulated_serve(simulated_peer *peer)
{
    emi_channel *channel = peer->channel;
    if (!channel || channel->released)
        return;
    switch ((emi_channel_kind)channel->kind) {
    case EMI_STREAM:
        serve_stream(peer);
        break;
    case EMI_LISTENER:
        serve_listener(peer);
        break;
    case EMI_DATAGRAM:
        simulated_serve_datagrams(peer);
        break;
    case EMI_POLLED:
        if (peer->ready & channel->interest)
            channel->events->ready(channel, peer->ready & channel->interest);
        break;
    }
}
