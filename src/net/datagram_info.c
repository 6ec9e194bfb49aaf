/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Looking at a datagram socket, and its options by the system's numbers.
 */
#include "net/datagram_private.h"
#include "system/socket.h"

em_loop *em_datagram_socket_get_loop(const em_datagram_socket *socket)
{
    return socket ? socket->object.loop : NULL;
}

void *em_datagram_socket_get_user(const em_datagram_socket *socket)
{
    return socket ? socket->object.user : NULL;
}

void em_datagram_socket_set_user(em_datagram_socket *socket, void *user)
{
    if (socket)
        socket->object.user = user;
}

em_signature em_datagram_socket_get_signature(const em_datagram_socket *socket)
{
    return socket ? socket->object.handle.signature : 0;
}

/* -1 once it is given back; it is still known in unbind otherwise. */
int em_datagram_socket_get_descriptor(const em_datagram_socket *socket)
{
    return socket && !socket->channel.released ? socket->channel.descriptor : EMI_NO_SOCKET;
}

em_status em_datagram_socket_get_local_address(const em_datagram_socket *socket, em_address *address)
{
    if (!socket || !address)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    int descriptor = em_datagram_socket_get_descriptor(socket);
    return descriptor == EMI_NO_SOCKET ? EM_CLOSED : emi_socket_local_address(descriptor, address);
}

int em_datagram_socket_get_port(const em_datagram_socket *socket)
{
    em_address address;
    if (!socket || em_datagram_socket_get_local_address(socket, &address) != EM_OK)
        return 0;
    int port = em_address_get_port(&address);
    return port < 0 ? 0 : port;
}

em_status em_datagram_socket_get_sender(const em_datagram_socket *socket, em_address *sender, em_address *local)
{
    if (!socket || !sender)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    const em_datagram *current = socket->current;
    *sender = current ? *current->peer : socket->sender;
    if (local && current)
        *local = current->local ? *current->local : (em_address){.length = 0};
    else if (local)
        *local = socket->destination;
    return sender->length > 0 ? EM_OK : EM_NOT_FOUND;
}

uint64_t em_datagram_socket_get_idle_ns(const em_datagram_socket *socket)
{
    if (!socket || socket->object.active_ns > socket->object.loop->now_ns)
        return 0;
    return socket->object.loop->now_ns - socket->object.active_ns;
}

void em_datagram_socket_get_counts(const em_datagram_socket *socket, uint64_t *received, uint64_t *sent)
{
    if (received)
        *received = socket ? socket->received : 0;
    if (sent)
        *sent = socket ? socket->sent : 0;
}

static em_status check_option(const em_datagram_socket *socket, const void *value)
{
    em_status status = emi_datagram_socket_check(socket);
    return status == EM_OK && !value ? emi_status_without_detail(EM_INVALID_ARGUMENT) : status;
}

em_status em_datagram_socket_set_socket_option(em_datagram_socket *socket, int level, int option, const void *value,
                                               size_t value_bytes)
{
    em_status status = check_option(socket, value);
    return status == EM_OK ? emi_socket_set_option(socket->channel.descriptor, level, option, value, value_bytes)
                           : status;
}

em_status em_datagram_socket_get_socket_option(em_datagram_socket *socket, int level, int option, void *value,
                                               size_t *value_bytes)
{
    em_status status = check_option(socket, value);
    if (status == EM_OK && !value_bytes)
        status = emi_status_without_detail(EM_INVALID_ARGUMENT);
    return status == EM_OK ? emi_socket_get_option(socket->channel.descriptor, level, option, value, value_bytes)
                           : status;
}
