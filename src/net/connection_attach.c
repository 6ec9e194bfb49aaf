/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Attaching descriptors that exist already: connected sockets, pipes, terminals, files, devices. And detaching them
 * from their connections. A call that fails leaves the descriptor as it was, including its modes.
 */
#include "net/net_private.h"
#include "system/descriptor.h"
#include "system/socket.h"
#include "system/socket_state.h"

/* What is to be attached, and what is known about it. */
typedef struct attachment {
    int descriptor;
    emi_descriptor found;
    em_address peer; /* of a socket; else its length is 0 */
    em_attach_options options;
    em_stream_options stream;
} attachment;

static bool is_tcp(const em_address *peer)
{
    em_address_family family = em_address_get_family(peer);
    return family == EM_ADDRESS_IPV4 || family == EM_ADDRESS_IPV6;
}

static bool keeps_mode(const attachment *given)
{
    return given->options.nonblocking == EM_OFF;
}

/* On success the descriptor belongs to the connection and is watched. Options are set when it is known that no other
 * connection has it. */
static em_status take(em_connection *connection, const attachment *given)
{
    emi_channel *channel = &connection->channel;
    em_status status = emi_loop_attach_channel(connection->object.loop, channel, EMI_STREAM, given->descriptor,
                                               keeps_mode(given) ? EMI_SHARED : EMI_GIVEN);
    if (status != EM_OK) {
        emi_connection_free(connection);
        return status;
    }
    status = emi_apply_socket_options(given->descriptor, connection->is_tcp, &given->stream);
    if (status == EM_OK)
        status = emi_channel_start_receiving(channel);
    if (status != EM_OK || given->options.close_descriptor == EM_OFF)
        channel->ownership = EMI_SHARED;
    if (status != EM_OK)
        emi_connection_give_up(connection);
    return status;
}

/* A write to a descriptor that may be blocking could wait, so there is none. */
static void describe_channel(em_connection *connection, const attachment *given)
{
    emi_descriptor abilities = given->found;
    connection->is_tcp = is_tcp(&given->peer);
    connection->channel.exact_reads = connection->is_tcp;
    abilities.can_send = abilities.can_send && !keeps_mode(given);
    emi_channel_set_descriptor(&connection->channel, &abilities);
}

static bool has_sent_end(const em_connection *connection)
{
    if (connection->channel.cannot_send)
        return true;
    return connection->channel.descriptor_kind == EMI_SOCKET && emi_socket_has_sent_end(connection->channel.descriptor);
}

static em_status make_connection(emi_net *net, const attachment *given, const em_handler *handler, em_connection **made)
{
    em_connection *connection;
    em_status status = emi_connection_create(net, handler, given->options.user, EM_STATE_OPEN, &connection);
    if (status != EM_OK)
        return status;
    describe_channel(connection, given);
    status = emi_apply_stream_options(connection, &given->stream);
    if (status != EM_OK) {
        emi_connection_free(connection);
        return status;
    }
    status = take(connection, given);
    if (status != EM_OK)
        return status;
    emi_connection_note_peer(connection, &given->peer);
    connection->may_linger = given->found.kind == EMI_SOCKET && emi_socket_waits_at_close(given->descriptor);
    if (has_sent_end(connection))
        connection->write_side = EMI_WRITE_ENDED;
    emi_connection_arm(connection);
    *made = connection;
    return EM_OK;
}

/* Only sockets get another close-on-exec flag. Each call to the system counts: a process has three streams. */
static em_status get_modes(const attachment *given, emi_socket_modes *modes)
{
    *modes = (emi_socket_modes){.status_flags = given->found.status_flags, .descriptor_flags = -1};
    return given->found.kind == EMI_SOCKET ? emi_socket_get_modes(given->descriptor, modes) : EM_OK;
}

/* For a descriptor that was examined. If this fails, its modes are restored. */
static em_status adopt(emi_net *net, const attachment *given, const em_handler *handler, em_connection **made)
{
    emi_socket_modes modes;
    em_status status = get_modes(given, &modes);
    if (status != EM_OK)
        return status;
    status = make_connection(net, given, handler, made);
    if (status != EM_OK)
        emi_socket_restore_modes(given->descriptor, &modes);
    return status;
}

static em_status read_options(attachment *given, const em_attach_options *options)
{
    em_status status = emi_read_attach_options(&given->options, &given->stream, options);
    if (status == EM_OK && keeps_mode(given) && given->options.close_descriptor != EM_OFF)
        return emi_status_with_detail(EM_INVALID_ARGUMENT,
                                      "em_attach_options: nonblocking EM_OFF needs close_descriptor EM_OFF");
    return status;
}

static em_status examine(attachment *given)
{
    given->peer.length = 0;
    em_status status = emi_descriptor_examine(given->descriptor, &given->found);
    if (status == EM_OK && given->found.kind == EMI_SOCKET)
        status = emi_socket_check_connected(given->descriptor, &given->peer);
    return status;
}

em_status em_loop_attach(em_loop *loop, int descriptor, const em_handler *handler, const em_attach_options *options,
                         em_connection **made)
{
    if (made)
        *made = NULL;
    emi_net *net;
    attachment given = {.descriptor = descriptor};
    em_connection *connection;
    em_status status = emi_check_handler(handler);
    if (status == EM_OK)
        status = emi_net_of(loop, &net);
    if (status == EM_OK)
        status = read_options(&given, options);
    if (status == EM_OK)
        status = examine(&given);
    if (status == EM_OK)
        status = adopt(net, &given, handler, &connection);
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
        emi_proxy_stop(connection->extras->links.proxy);
    *descriptor = connection->channel.descriptor;
    connection->channel.ownership = EMI_SHARED;
    emi_channel_release(&connection->channel);
    emi_connection_end(connection, EM_OK);
    return EM_OK;
}
