/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Attaching sockets that are connected already, and detaching sockets from their connections. A call that fails leaves
 * the socket as it was, including its modes.
 */
#include "net/net_private.h"
#include "system/socket.h"
#include "system/socket_state.h"

static bool is_tcp(const em_address *peer)
{
    em_address_family family = em_address_get_family(peer);
    return family == EM_ADDRESS_IPV4 || family == EM_ADDRESS_IPV6;
}

/* On success the socket belongs to the connection and is watched. Options are set when it is known that no other
 * connection has it. */
static em_status take(em_connection *connection, int socket, const em_stream_options *options)
{
    em_status status =
        emi_loop_attach_channel(connection->object.loop, &connection->channel, EMI_STREAM, socket, EMI_GIVEN);
    if (status != EM_OK) {
        emi_connection_free(connection);
        return status;
    }
    status = emi_apply_socket_options(socket, connection->is_tcp, options);
    if (status == EM_OK)
        status = emi_channel_start_receiving(&connection->channel);
    if (status != EM_OK) {
        connection->channel.ownership = EMI_SHARED;
        emi_connection_give_up(connection);
    }
    return status;
}

static em_status make_connection(emi_net *net, int socket, const em_address *peer, const em_handler *handler,
                                 const em_attach_options *options, em_connection **made)
{
    em_connection *connection;
    em_status status = emi_connection_create(net, handler, options->user, EM_STATE_OPEN, &connection);
    if (status != EM_OK)
        return status;
    connection->is_tcp = is_tcp(peer);
    connection->channel.exact_reads = connection->is_tcp;
    status = emi_apply_stream_options(connection, options->stream);
    if (status != EM_OK) {
        emi_connection_free(connection);
        return status;
    }
    status = take(connection, socket, options->stream);
    if (status != EM_OK)
        return status;
    emi_connection_note_peer(connection, peer);
    connection->may_linger = emi_socket_waits_at_close(socket);
    if (emi_socket_has_sent_end(socket))
        connection->write_side = EMI_WRITE_ENDED;
    emi_connection_arm(connection);
    *made = connection;
    return EM_OK;
}

/* For a socket that was checked to be connected. If this fails, its modes are restored. */
static em_status adopt(emi_net *net, int socket, const em_address *peer, const em_handler *handler,
                       const em_attach_options *options, em_connection **made)
{
    emi_socket_modes modes;
    em_status status = emi_socket_get_modes(socket, &modes);
    if (status != EM_OK)
        return status;
    status = make_connection(net, socket, peer, handler, options, made);
    if (status != EM_OK)
        emi_socket_restore_modes(socket, &modes);
    return status;
}

em_status em_loop_attach(em_loop *loop, int descriptor, const em_handler *handler, const em_attach_options *given,
                         em_connection **made)
{
    if (made)
        *made = NULL;
    emi_net *net;
    em_attach_options options;
    em_stream_options stream;
    em_address peer;
    em_connection *connection;
    em_status status = emi_check_handler(handler);
    if (status == EM_OK)
        status = emi_net_of(loop, &net);
    if (status == EM_OK)
        status = emi_read_attach_options(&options, &stream, given);
    if (status == EM_OK)
        status = emi_socket_check_connected(descriptor, &peer);
    if (status == EM_OK)
        status = adopt(net, descriptor, &peer, handler, &options, &connection);
    if (status != EM_OK)
        return status;
    loop->stats.connections_opened++;
    if (made)
        *made = connection;
    emi_connection_post_init(connection);
    return EM_OK;
}

/* To receive_data, which is called within em_connection_detach. A proxy no longer gets anything. */
static em_status deliver_held(em_connection *connection)
{
    connection->channel.events = &emi_connection_events;
    emi_loop_begin_callback(connection->object.loop);
    em_status status = emi_channel_deliver_held(&connection->channel);
    emi_loop_end_callback(connection->object.loop);
    emi_connection_route(connection);
    return status;
}

em_status em_connection_detach(em_connection *connection, int *descriptor)
{
    if (!descriptor)
        return EM_INVALID_ARGUMENT;
    *descriptor = EMI_NO_SOCKET;
    em_status status = emi_connection_check(connection);
    if (status == EM_OK)
        status = emi_loop_check(connection->object.loop);
    if (status == EM_OK && !emi_connection_is_open(connection))
        status = EM_NOT_CONNECTED;
    if (status == EM_OK && emi_gate_of(connection))
        status = EM_INVALID_STATE;
    if (status == EM_OK)
        status = deliver_held(connection);
    if (status == EM_OK)
        status = emi_connection_check(connection); /* receive_data may have ended it, or forked */
    if (status == EM_OK)
        status = emi_loop_check(connection->object.loop);
    if (status != EM_OK)
        return status;
    if (connection->extras)
        emi_proxy_stop(connection->extras->proxy);
    *descriptor = connection->channel.descriptor;
    connection->channel.ownership = EMI_SHARED;
    emi_channel_release(&connection->channel);
    emi_connection_end(connection, EM_OK);
    return EM_OK;
}
