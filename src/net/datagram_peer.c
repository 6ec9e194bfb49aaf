/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Whom a datagram socket talks to: the fixed peer, connect(2), and multicast groups, RFC 3678.
 */
#include "net/datagram_private.h"
#include "system/socket.h"

/* A forked child must not change a socket that it shares with its parent. */
static em_status check(const em_datagram_socket *socket)
{
    em_status status = emi_datagram_socket_check(socket);
    return status == EM_OK ? emi_loop_check(socket->object.loop) : status;
}

em_status em_datagram_socket_connect(em_datagram_socket *socket, const em_address *peer)
{
    em_address memory;
    em_status status = check(socket);
    if (status == EM_OK && !peer)
        status = emi_status_without_detail(EM_INVALID_ARGUMENT);
    if (status == EM_OK)
        status = emi_datagram_socket_reach(socket, &peer, &memory);
    if (status == EM_OK)
        status = emi_socket_connect(socket->channel.descriptor, peer);
    if (status != EM_OK)
        return status;
    emi_datagram_queue_unfix(&socket->queue);
    socket->peer = *peer;
    emi_datagram_socket_note_room(socket);
    return EM_OK;
}

/* Linux takes away a port that it has chosen itself, so the socket is bound to it again. */
static em_status undo_connect(int descriptor)
{
    em_address before, after;
    em_status status = emi_socket_local_address(descriptor, &before);
    if (status == EM_OK)
        status = emi_datagram_undo_connect(descriptor);
    if (status == EM_OK)
        status = emi_socket_local_address(descriptor, &after);
    if (status == EM_OK && em_address_get_port(&after) == 0 && em_address_get_port(&before) > 0)
        status = emi_socket_bind(descriptor, &before);
    return status;
}

em_status em_datagram_socket_disconnect(em_datagram_socket *socket)
{
    em_status status = check(socket);
    if (status == EM_OK && socket->peer.length == 0)
        status = EM_NOT_CONNECTED;
    if (status == EM_OK)
        status = undo_connect(socket->channel.descriptor);
    if (status != EM_OK)
        return status;
    emi_datagram_queue_unfix(&socket->queue);
    socket->peer.length = 0;
    return EM_OK;
}

em_status em_datagram_socket_get_peer_address(const em_datagram_socket *socket, em_address *address)
{
    if (!socket || !address)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    *address = socket->peer;
    return socket->peer.length > 0 ? EM_OK : EM_NOT_CONNECTED;
}

static em_status change_group(em_datagram_socket *socket, bool join, const em_address *group, unsigned interface_index,
                              const em_address *source)
{
    em_status status = check(socket);
    if (status != EM_OK)
        return status;
    if (!group || !emi_address_is_multicast(group))
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    em_address_family family = em_address_get_family(group);
    if (family != socket->family || (source && em_address_get_family(source) != family))
        return EM_ADDRESS_FAMILY;
    return emi_datagram_change_group(socket->channel.descriptor, join, group, interface_index, source);
}

em_status em_datagram_socket_join(em_datagram_socket *socket, const em_address *group, unsigned interface_index,
                                  const em_address *source)
{
    return change_group(socket, true, group, interface_index, source);
}

em_status em_datagram_socket_leave(em_datagram_socket *socket, const em_address *group, unsigned interface_index,
                                   const em_address *source)
{
    return change_group(socket, false, group, interface_index, source);
}
