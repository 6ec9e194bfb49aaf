/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the backend reports of datagram sockets.
 */
#include "base/features.h"
#include "net/datagram_private.h"

static bool may_receive(const em_datagram_socket *socket)
{
    if (EMI_UNLIKELY(socket->detaches))
        return !emi_datagram_socket_has_ended(socket);
    return socket->channel.receiving && !emi_loop_is_forked(socket->object.loop);
}

/* For a proxy's replies and for what it could not relay. */
static void note_sender(em_datagram_socket *socket, const em_datagram *datagram)
{
    bool was_unknown = socket->sender.length == 0;
    socket->sender = *datagram->peer;
    if (datagram->local)
        socket->destination = *datagram->local;
    else
        socket->destination.length = 0;
    if (EMI_UNLIKELY(was_unknown))
        emi_datagram_socket_note_room(socket);
}

/* What was relayed of it is left out. */
static void pass_on(em_datagram_socket *socket, const em_datagram *datagram)
{
    em_datagram rest = *datagram;
    if (socket->rest_bytes > 0) {
        rest.data = (const char *)datagram->data + datagram->length - socket->rest_bytes;
        rest.length = socket->rest_bytes;
    }
    socket->rest_bytes = 0;
    if (socket->handler->receive_datagram)
        socket->handler->receive_datagram(socket, &rest);
}

/* Returns whether it is done with. */
static bool deliver(em_datagram_socket *socket, const em_datagram *datagram)
{
    if (EMI_UNLIKELY(emi_proxy_is_on(socket->links.proxy)))
        return emi_datagram_socket_relay(socket, datagram);
    if (EMI_UNLIKELY(socket->rest_bytes > 0))
        pass_on(socket, datagram);
    else if (EMI_LIKELY(socket->handler->receive_datagram))
        socket->handler->receive_datagram(socket, datagram);
    return true;
}

static unsigned datagrams(emi_channel *channel, const em_datagram *batch, unsigned count)
{
    em_datagram_socket *socket = emi_datagram_socket_of(channel);
    unsigned taken = 0;
    emi_datagram_socket_note_activity(socket);
    while (taken < count && may_receive(socket)) {
        socket->received++;
        socket->object.loop->stats.datagrams_received++;
        socket->current = &batch[taken];
        if (EMI_LIKELY(deliver(socket, &batch[taken]))) {
            taken++;
            continue;
        }
        socket->received--; /* it comes again */
        socket->object.loop->stats.datagrams_received--;
    }
    socket->current = NULL;
    if (taken > 0)
        note_sender(socket, &batch[taken - 1]);
    return taken;
}

static unsigned gather(emi_channel *channel, emi_outgoing *list)
{
    const em_datagram_socket *socket = emi_datagram_socket_of(channel);
    if (emi_datagram_socket_has_ended(socket))
        return 0;
    return emi_datagram_queue_gather(&socket->queue, list, EMI_MOST_SENT);
}

/* The first datagram of the queue could not be sent. */
static void report_refusal(em_datagram_socket *socket, em_status status)
{
    emi_outgoing first;
    em_address peer = {.length = 0};
    em_datagram_failure failure = {.status = status, .system_error = em_status_get_system_error(status)};
    emi_datagram_queue_look(&socket->queue, &first);
    if (first.peer_bytes > 0 && em_address_from_sockaddr(first.peer, first.peer_bytes, &peer) == EM_OK)
        failure.peer = &peer;
    failure.data = first.data;
    failure.length = first.length;
    if (socket->handler->send_failed)
        socket->handler->send_failed(socket, &failure);
}

static void note_sent(em_datagram_socket *socket, unsigned count)
{
    socket->sent += count;
    socket->object.loop->stats.datagrams_sent += count;
    emi_datagram_socket_note_activity(socket);
    emi_datagram_socket_note_progress(socket);
    emi_datagram_queue_consume(&socket->queue, emi_datagram_pool_of(socket), count);
}

static void sent(emi_channel *channel, unsigned count, em_status status)
{
    em_datagram_socket *socket = emi_datagram_socket_of(channel);
    if (emi_datagram_socket_has_ended(socket))
        return; /* nothing of the queue is sent any more */
    if (count > 0)
        note_sent(socket, count);
    if (status == EM_NO_BUFFERS) {
        emi_datagram_socket_retry_later(socket);
    } else if (status != EM_OK && status != EM_WOULD_BLOCK) {
        report_refusal(socket, status);
        emi_datagram_queue_consume(&socket->queue, emi_datagram_pool_of(socket), 1);
        emi_datagram_socket_note_progress(socket);
    }
    if (!emi_datagram_socket_has_ended(socket))
        emi_datagram_socket_act_if_sent(socket);
}

static void lost(emi_channel *channel, const emi_datagram_error *error)
{
    em_datagram_socket *socket = emi_datagram_socket_of(channel);
    if (!socket->handler->send_failed || emi_datagram_socket_has_ended(socket))
        return;
    em_datagram_failure failure = {
        .status = error->status,
        .system_error = em_status_get_system_error(error->status),
        .is_remote = 1,
        .data = error->data,
        .length = error->length,
    };
    if (error->peer.length > 0)
        failure.peer = &error->peer;
    else if (socket->peer.length > 0)
        failure.peer = &socket->peer;
    if (error->reporter.length > 0)
        failure.reporter = &error->reporter;
    socket->handler->send_failed(socket, &failure);
}

static void failed(emi_channel *channel, em_status reason)
{
    emi_datagram_socket_end(emi_datagram_socket_of(channel), reason);
}

void emi_datagram_socket_released(emi_channel *channel)
{
    em_datagram_socket *socket = emi_datagram_socket_of(channel);
    emi_loop_note_released(socket->object.loop, channel);
    if (socket->object.state == EMI_DATAGRAM_CLOSED)
        emi_datagram_socket_free(socket);
}

const emi_channel_events emi_datagram_events = {
    .datagrams = datagrams,
    .gather_datagrams = gather,
    .datagrams_sent = sent,
    .datagram_lost = lost,
    .failed = failed,
    .released = emi_datagram_socket_released,
};
