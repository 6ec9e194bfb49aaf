/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Getters of a connection, its addresses and the options of its socket.
 */
#include <netinet/in.h>
#include <string.h>

#include "net/early_options.h"
#include "system/socket.h"

void emi_connection_note_peer(em_connection *connection, const em_address *peer)
{
    switch (em_address_get_family(peer)) {
    case EM_ADDRESS_IPV4: {
        struct sockaddr_in ipv4;
        memcpy(&ipv4, peer->storage.bytes, sizeof ipv4);
        connection->peer_ipv4 = ipv4.sin_addr.s_addr;
        connection->peer_port = ipv4.sin_port;
        break;
    }
    case EM_ADDRESS_IPV6:
        /* Without memory for it, the system is asked as long as it knows. */
        if (emi_connection_extras_of(connection))
            connection->extras->peer = *peer;
        break;
    case EM_ADDRESS_UNIX:
    case EM_ADDRESS_NONE:
        break;
    }
}

/* The peer's address as it was remembered, or that of the attempt whose certificate is being judged; length 0 if there
 * is none. */
static void remembered_peer(const em_connection *connection, em_address *address)
{
    *address = (em_address){.length = 0};
    if (connection->peer_port != 0) {
        struct sockaddr_in ipv4 = {
            .sin_family = AF_INET,
            .sin_port = connection->peer_port,
            .sin_addr.s_addr = connection->peer_ipv4,
        };
        em_address_from_sockaddr(&ipv4, sizeof ipv4, address);
    } else if (connection->extras && connection->extras->connector && connection->extras->connector->judged) {
        *address = *connection->extras->connector->judged;
    } else if (connection->extras) {
        *address = connection->extras->peer;
    }
}

em_status em_connection_get_peer_address(em_connection *connection, em_address *address)
{
    if (!connection || !address)
        return EM_INVALID_ARGUMENT;
    remembered_peer(connection, address);
    if (address->length > 0)
        return EM_OK;
    if (connection->channel.descriptor == EMI_NO_SOCKET)
        return EM_NOT_CONNECTED;
    return emi_socket_peer_address(connection->channel.descriptor, address);
}

em_status em_connection_get_local_address(em_connection *connection, em_address *address)
{
    if (!connection || !address)
        return EM_INVALID_ARGUMENT;
    *address = (em_address){.length = 0};
    if (connection->channel.descriptor == EMI_NO_SOCKET)
        return EM_NOT_CONNECTED;
    return emi_socket_local_address(connection->channel.descriptor, address);
}

em_loop *em_connection_get_loop(const em_connection *connection)
{
    return connection ? connection->object.loop : NULL;
}

void *em_connection_get_user(const em_connection *connection)
{
    return connection ? connection->object.user : NULL;
}

void em_connection_set_user(em_connection *connection, void *user)
{
    if (connection)
        connection->object.user = user;
}

em_status em_connection_set_handler(em_connection *connection, const em_handler *handler)
{
    if (!connection || emi_check_handler(handler) != EM_OK)
        return EM_INVALID_ARGUMENT;
    connection->handler = handler;
    if (!emi_connection_has_ended(connection))
        emi_connection_route(connection);
    return EM_OK;
}

em_signature em_connection_get_signature(const em_connection *connection)
{
    return connection ? connection->object.handle.signature : 0;
}

em_connection_state em_connection_get_state(const em_connection *connection)
{
    return connection ? (em_connection_state)connection->object.state : EM_STATE_CLOSED;
}

int em_connection_has_peer_ended(const em_connection *connection)
{
    return connection && connection->peer_ended;
}

uint64_t em_connection_get_idle_ns(const em_connection *connection)
{
    /* What happened in the present turn may be noted by the clock, which is ahead of the loop's time. */
    if (!connection || connection->object.active_ns >= connection->object.loop->now_ns)
        return 0;
    return connection->object.loop->now_ns - connection->object.active_ns;
}

void em_connection_get_byte_counts(const em_connection *connection, uint64_t *received, uint64_t *sent)
{
    if (received)
        *received = connection ? connection->bytes_received : 0;
    if (sent)
        *sent = connection ? connection->bytes_sent : 0;
}

int em_connection_get_descriptor(const em_connection *connection)
{
    return connection ? connection->channel.descriptor : EMI_NO_SOCKET;
}

em_status em_connection_take_error(em_connection *connection)
{
    if (!connection)
        return EM_INVALID_ARGUMENT;
    if (emi_connection_has_ended(connection))
        return EM_CLOSED;
    if (connection->channel.descriptor == EMI_NO_SOCKET || connection->channel.descriptor_kind != EMI_SOCKET)
        return EM_OK;
    em_status status = emi_socket_take_error(connection->channel.descriptor);
    if (status != EM_OK && connection->object.state == EM_STATE_CONNECTING)
        emi_connection_end(connection, status); /* nobody else will find it */
    return status;
}

/* Socket options */

static em_status check_socket(const em_connection *connection)
{
    return connection->channel.descriptor == EMI_NO_SOCKET ? EM_CLOSED : EM_OK;
}

em_status em_connection_set_socket_option(em_connection *connection, int level, int option, const void *value,
                                          size_t value_bytes)
{
    if (!connection || !value)
        return EM_INVALID_ARGUMENT;
    bool is_early = emi_has_early_options(connection);
    em_status status = is_early ? EM_OK : check_socket(connection);
    if (status != EM_OK)
        return status;
    connection->may_linger = connection->may_linger || emi_is_linger_option(level, option);
    if (is_early)
        return emi_early_option_set(connection, level, option, value, value_bytes);
    return emi_socket_set_option(connection->channel.descriptor, level, option, value, value_bytes);
}

em_status em_connection_get_socket_option(em_connection *connection, int level, int option, void *value,
                                          size_t *value_bytes)
{
    if (!connection || !value || !value_bytes)
        return EM_INVALID_ARGUMENT;
    if (emi_has_early_options(connection))
        return emi_early_option_get(connection, level, option, value, value_bytes);
    em_status status = check_socket(connection);
    if (status != EM_OK)
        return status;
    return emi_socket_get_option(connection->channel.descriptor, level, option, value, value_bytes);
}

em_status em_connection_set_keepalive(em_connection *connection, em_switch enable, int idle_seconds,
                                      int interval_seconds, int count)
{
    const emi_keepalive early = {enable == EM_ON, idle_seconds, interval_seconds, count};
    if (!connection || (enable != EM_ON && enable != EM_OFF) || idle_seconds < 0 || interval_seconds < 0 || count < 0)
        return EM_INVALID_ARGUMENT;
    if (emi_has_early_options(connection))
        return emi_early_keepalive_set(connection, &early);
    em_status status = check_socket(connection);
    if (status != EM_OK)
        return status;
    return emi_socket_set_keepalive(connection->channel.descriptor, enable == EM_ON, idle_seconds, interval_seconds,
                                    count);
}

void emi_connection_release(em_connection *connection)
{
    if (connection->may_linger)
        emi_socket_forget_linger(connection->channel.descriptor);
    emi_channel_release(&connection->channel);
}
