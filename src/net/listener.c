/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * One listening socket of a server. It accepts unless its server is paused or has reached its maximum of connections.
 * When descriptors are exhausted, it uses a descriptor held in reserve to turn away a few of the waiting clients, and
 * then backs off: it does not accept until a descriptor has become free or some time has passed. So it never spins. The
 * exhaustion is logged.
 */
#include "base/invariant.h"
#include "net/server_private.h"
#include "system/socket.h"

/* How many clients are turned away before each back-off. */
enum { SHED_BATCH = 16 };

#define SHORTEST_BACK_OFF_NS (100 * EM_MILLISECONDS)
#define LONGEST_BACK_OFF_NS (1 * EM_SECONDS)

static emi_listener *listener_of(emi_channel *channel)
{
    return EMI_CONTAINER(channel, emi_listener, channel);
}

static em_status make_connection(const emi_listener *listener, int socket, const em_address *peer, em_connection **made)
{
    const em_server *server = listener->server;
    emi_net *net = emi_net_at(server->object.loop);
    em_connection *connection;
    em_status status = emi_connection_create(net, server->handler, server->object.user, EM_STATE_OPEN, &connection);
    if (status != EM_OK)
        return status;
    connection->is_tcp = listener->is_tcp;
    connection->channel.exact_reads = connection->is_tcp;
    status = emi_apply_stream_options(connection, &server->stream);
    if (status == EM_OK)
        status = emi_loop_attach_channel(net->loop, &connection->channel, EMI_STREAM, socket, EMI_OURS);
    if (status != EM_OK) {
        emi_connection_free(connection);
        return status;
    }
    emi_connection_note_peer(connection, peer);
    connection->may_linger = listener->may_linger;
    *made = connection;
    return EM_OK;
}

static void accepted(emi_channel *channel, int socket, const em_address *peer)
{
    emi_listener *listener = listener_of(channel);
    em_server *server = listener->server;
    em_connection *connection;
    if (make_connection(listener, socket, peer, &connection) != EM_OK) {
        emi_socket_forget_linger(socket);
        emi_socket_close(socket);
        server->object.loop->stats.connections_shed++;
        return;
    }
    em_status status = EM_OK;
    if (!listener->inherits_options)
        status = emi_apply_socket_options(socket, listener->is_tcp, &server->stream);
    listener->back_off_ns = SHORTEST_BACK_OFF_NS;
    server->object.loop->stats.connections_accepted++;
    emi_server_count(server, connection);
    emi_connection_post_init(connection);
    if (emi_connection_has_ended(connection))
        return;
    if (status != EM_OK) {
        emi_connection_end(connection, status);
        return;
    }
    emi_connection_start(connection);
    emi_connection_arm(connection);
}

void emi_net_open_reserve(emi_net *net)
{
    if (net->reserve == EMI_NO_SOCKET)
        net->reserve = emi_open_reserve_descriptor();
}

static void start_back_off(emi_listener *listener)
{
    em_loop *loop = listener->server->object.loop;
    loop->stats.accept_back_offs++;
    emi_loop_timer_set(loop, &listener->back_off, emi_loop_due_ns(loop, listener->back_off_ns));
    emi_list_append(&emi_net_at(loop)->backing_off, &listener->backing_off);
    uint64_t longer_ns = listener->back_off_ns * 2;
    listener->back_off_ns = longer_ns < LONGEST_BACK_OFF_NS ? longer_ns : LONGEST_BACK_OFF_NS;
}

static void stop_back_off(emi_listener *listener)
{
    emi_list_remove(&listener->backing_off);
    emi_loop_timer_cancel(listener->server->object.loop, &listener->back_off);
}

/* Turns a few clients away, so that they fail now instead of timing out later. */
static void shed(const emi_listener *listener)
{
    em_loop *loop = listener->server->object.loop;
    emi_net *net = emi_net_at(loop);
    if (net->reserve == EMI_NO_SOCKET)
        return;
    emi_socket_close(net->reserve);
    net->reserve = EMI_NO_SOCKET;
    for (unsigned i = 0; i < SHED_BATCH; i++) {
        if (emi_socket_accept_and_close(listener->channel.descriptor) != EM_OK)
            break;
        loop->stats.connections_shed++;
    }
    emi_net_open_reserve(net);
}

/* The program has shut the socket down or closed its descriptor. */
static bool will_never_accept(em_status reason)
{
    return reason == EM_INVALID_ARGUMENT || reason == EM_BAD_DESCRIPTOR || reason == EM_NOT_A_SOCKET;
}

static void failed(emi_channel *channel, em_status reason)
{
    emi_listener *listener = listener_of(channel);
    em_loop *loop = listener->server->object.loop;
    emi_net *net = emi_net_at(loop);
    if (will_never_accept(reason)) {
        listener->is_unusable = true;
        emi_loop_log(loop, EM_LOG_ERROR, "server: the listening socket does not accept any more");
        return;
    }
    start_back_off(listener);
    /* A descriptor that becomes free ends the back-off early. The rate at which clients are turned away, and at which
     * this is logged, is the same with and without that. */
    if (net->shed_ns == 0 || loop->now_ns - net->shed_ns >= SHORTEST_BACK_OFF_NS) {
        net->shed_ns = loop->now_ns;
        emi_loop_log(loop, EM_LOG_WARNING,
                     reason == EM_NO_DESCRIPTORS ? "server: too many open files, connections are turned away"
                                                 : "server: accepting failed, trying again later");
        if (reason == EM_NO_DESCRIPTORS)
            shed(listener);
    }
    if (reason == EM_NO_DESCRIPTORS)
        emi_net_stop_lingering(net);
}

static bool may_accept(const emi_listener *listener)
{
    return emi_server_may_accept(listener->server) && !listener->is_unusable &&
           !emi_list_is_linked(&listener->backing_off);
}

void emi_listener_update(emi_listener *listener)
{
    emi_channel *channel = &listener->channel;
    if (!channel->backend || channel->released || channel->receiving == may_accept(listener))
        return;
    if (channel->receiving) {
        emi_channel_stop_receiving(channel);
        return;
    }
    em_status status = emi_channel_start_receiving(channel);
    if (status != EM_OK)
        failed(channel, status);
}

static void end_back_off(emi_listener *listener)
{
    stop_back_off(listener);
    emi_listener_update(listener);
}

static void fire(emi_loop_timer *timer)
{
    end_back_off(EMI_CONTAINER(timer, emi_listener, back_off));
}

void emi_net_descriptor_freed(emi_net *net)
{
    emi_list waiting;
    emi_list_init(&waiting);
    emi_list_move_all(&waiting, &net->backing_off);
    for (emi_list *link; (link = emi_list_take_first(&waiting));)
        end_back_off(EMI_CONTAINER(link, emi_listener, backing_off));
    emi_net_open_reserve(net);
}

static void released(emi_channel *channel)
{
    em_server *server = listener_of(channel)->server;
    EMI_INVARIANT(server->attached > 0);
    emi_loop_note_released(server->object.loop, channel);
    server->attached--;
    emi_server_free_if_unused(server);
}

void emi_listener_init(emi_listener *listener, em_server *server)
{
    static const emi_channel_events events = {
        .accepted = accepted,
        .failed = failed,
        .released = released,
    };
    listener->server = server;
    emi_channel_init(&listener->channel, &events);
    emi_list_init(&listener->backing_off);
    emi_loop_timer_init(&listener->back_off, fire);
    listener->back_off_ns = SHORTEST_BACK_OFF_NS;
}

/* Sockets from the caller may be shared with other processes, so their options stay as they are. Accepted Unix-domain
 * sockets inherit no options. */
static em_status set_options(emi_listener *listener, int socket, emi_ownership ownership)
{
    em_address address;
    em_status status = emi_socket_local_address(socket, &address);
    listener->is_tcp = status != EM_OK || em_address_get_family(&address) != EM_ADDRESS_UNIX;
    listener->inherits_options = EMI_ACCEPTED_INHERIT_OPTIONS && ownership == EMI_OURS && listener->is_tcp;
    listener->may_linger =
        listener->server->stream.linger_seconds > 0 || (ownership == EMI_GIVEN && emi_socket_waits_at_close(socket));
    return listener->inherits_options ? emi_apply_socket_options(socket, true, &listener->server->stream) : EM_OK;
}

em_status emi_listener_start(emi_listener *listener, int socket, emi_ownership ownership)
{
    em_server *server = listener->server;
    em_status status = set_options(listener, socket, ownership);
    if (status == EM_OK)
        status = emi_loop_attach_channel(server->object.loop, &listener->channel, EMI_LISTENER, socket, ownership);
    if (status != EM_OK)
        return status;
    server->attached++;
    return emi_channel_start_receiving(&listener->channel);
}

em_status emi_listener_set_option(emi_listener *listener, int level, int option, const void *value, size_t bytes)
{
    listener->may_linger = listener->may_linger || emi_is_linger_option(level, option);
    return emi_socket_set_option(listener->channel.descriptor, level, option, value, bytes);
}

void emi_listener_release(emi_listener *listener)
{
    stop_back_off(listener);
    if (listener->channel.backend && !listener->channel.released)
        emi_channel_release(&listener->channel);
}
