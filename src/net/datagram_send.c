/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sending datagrams.
 */
#include "net/datagram_private.h"

void emi_datagram_socket_request_send(em_datagram_socket *socket)
{
    if (!socket->waits_to_retry && socket->queue.count > 0)
        emi_channel_send(&socket->channel);
}

em_status emi_datagram_socket_reach(const em_datagram_socket *socket, const em_address **peer, em_address *memory)
{
    em_address_family family = em_address_get_family(*peer);
    if (family == EM_ADDRESS_NONE || (family == EM_ADDRESS_UNIX && (*peer)->length <= sizeof(uint16_t)))
        return EM_INVALID_ADDRESS;
    if (em_address_get_port(*peer) == 0)
        return EM_INVALID_PORT;
    if (EMI_LIKELY(family == socket->family))
        return EM_OK;
    em_status status = emi_address_to_family(*peer, socket->family, memory);
    *peer = memory;
    return status;
}

static em_status check(const em_datagram_socket *socket, const void *data, size_t length)
{
    em_status status = emi_datagram_socket_check(socket);
    if (status != EM_OK)
        return status;
    if (socket->object.state != EMI_DATAGRAM_OPEN)
        return EM_CLOSED;
    if (!data && length > 0)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    bool is_too_long = length > (socket->family == EM_ADDRESS_UNIX ? UINT32_MAX / 2 : EMI_LARGEST_DATAGRAM_BYTES);
    return is_too_long ? emi_status_without_detail(EM_MESSAGE_TOO_LONG) : EM_OK;
}

static em_status append(em_datagram_socket *socket, const emi_outgoing *datagram, bool is_fixed)
{
    em_status status = emi_datagram_queue_append(&socket->queue, emi_datagram_pool_of(socket), datagram, is_fixed,
                                                 socket->limit_bytes);
    if (status != EM_OK)
        return status;
    emi_datagram_socket_request_send(socket);
    if (EMI_LIKELY(socket->queue.bytes <= socket->high_water_bytes))
        return EM_OK;
    socket->under_pressure = true;
    return EM_UNDER_PRESSURE;
}

static em_status send_from(em_datagram_socket *socket, const em_address *local, const em_address *peer,
                           const void *data, size_t length)
{
    em_address memory;
    em_status status = check(socket, data, length);
    if (status == EM_OK && !peer)
        status = emi_status_without_detail(EM_INVALID_ARGUMENT);
    if (status == EM_OK)
        status = emi_datagram_socket_reach(socket, &peer, &memory);
    if (status != EM_OK)
        return status;
    emi_outgoing datagram = {.data = data, .length = length, .peer = peer->storage.bytes, .peer_bytes = peer->length};
    if (local) {
        datagram.local = local->storage.bytes;
        datagram.local_bytes = local->length;
    }
    return append(socket, &datagram, false);
}

em_status em_datagram_socket_send_to(em_datagram_socket *socket, const void *data, size_t length,
                                     const em_address *peer)
{
    return send_from(socket, NULL, peer, data, length);
}

em_status em_datagram_socket_reply(em_datagram_socket *socket, const em_datagram *datagram, const void *data,
                                   size_t length)
{
    if (!datagram)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    return send_from(socket, datagram->local, datagram->peer, data, length);
}

em_status em_datagram_socket_send(em_datagram_socket *socket, const void *data, size_t length)
{
    em_status status = check(socket, data, length);
    if (status == EM_OK && socket->peer.length == 0)
        status = EM_NOT_CONNECTED;
    if (status != EM_OK)
        return status;
    emi_outgoing datagram = {
        .data = data, .length = length, .peer = socket->peer.storage.bytes, .peer_bytes = socket->peer.length};
    return append(socket, &datagram, true);
}

em_status em_datagram_socket_send_to_host(em_datagram_socket *socket, const void *data, size_t length, const char *host,
                                          int port)
{
    em_address peer;
    em_status status = check(socket, data, length);
    if (status == EM_OK && !host)
        status = emi_status_without_detail(EM_INVALID_ARGUMENT);
    if (status == EM_OK)
        status = em_address_from_text(host, port, &peer);
    return status == EM_OK ? send_from(socket, NULL, &peer, data, length) : status;
}

size_t em_datagram_socket_get_outbound_bytes(const em_datagram_socket *socket)
{
    return socket && !emi_datagram_socket_has_ended(socket) ? socket->queue.bytes : 0;
}

size_t em_datagram_socket_get_outbound_count(const em_datagram_socket *socket)
{
    return socket && !emi_datagram_socket_has_ended(socket) ? socket->queue.count : 0;
}

em_status em_datagram_socket_set_water_marks(em_datagram_socket *socket, size_t low_bytes, size_t high_bytes)
{
    em_status status = emi_datagram_socket_check(socket);
    if (status == EM_OK && (low_bytes > high_bytes || high_bytes == 0))
        status = emi_status_without_detail(EM_INVALID_ARGUMENT);
    if (status != EM_OK)
        return status;
    socket->low_water_bytes = low_bytes;
    socket->high_water_bytes = high_bytes;
    if (socket->queue.bytes > high_bytes)
        socket->under_pressure = true;
    return EM_OK;
}
