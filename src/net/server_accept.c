/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Accepting. When descriptors run out, a server turns away a few of those that knock, by means of a descriptor held in reserve,
 * and then does not accept until one has become free or some time has passed: it never spins, and it says so.
 */
#include "net/net_private.h"
#include "system/socket.h"

/* So many are turned away before each pause. */
enum { SHED_BATCH = 16 };

#define SHORTEST_BACK_OFF_NS (100 * EM_MILLISECONDS)
#define LONGEST_BACK_OFF_NS (1 * EM_SECONDS)

static em_server *server_of(emi_channel *channel)
{
    return EMI_CONTAINER(channel, em_server, channel);
}

static em_status make_connection(em_server *server, int socket, const em_address *peer, em_connection **made)
{
    em_loop *loop = server->loop;
    em_connection *connection;
    em_status status =
        emi_connection_create(emi_net_at(loop), server->handler, server->user, EM_STATE_OPEN, &connection);
    if (status != EM_OK)
        return status;
    connection->is_tcp = server->family != EM_ADDRESS_UNIX;
    connection->channel.exact_reads = connection->is_tcp;
    status = emi_connection_apply(connection, &server->stream);
    if (status == EM_OK)
        status = loop->backend->operations->attach(loop->backend, &connection->channel, EMI_STREAM, socket, EMI_OURS);
    if (status != EM_OK) {
        emi_connection_free(connection);
        return status;
    }
    emi_net_at(loop)->channels++;
    emi_connection_note_peer(connection, peer);
    if (!server->inherits_options)
        emi_apply_to_socket(socket, connection->is_tcp, &server->stream);
    *made = connection;
    return EM_OK;
}

static void accepted(emi_channel *channel, int socket, const em_address *peer)
{
    em_server *server = server_of(channel);
    em_connection *connection;
    if (make_connection(server, socket, peer, &connection) != EM_OK) {
        emi_socket_close(socket);
        server->loop->stats.connections_shed++;
        return;
    }
    server->back_off_ns = SHORTEST_BACK_OFF_NS;
    server->loop->stats.connections_accepted++;
    if (connection->handler->post_init)
        connection->handler->post_init(connection);
    if (emi_connection_has_ended(connection))
        return;
    emi_connection_start(connection);
    emi_connection_arm(connection);
}

void emi_net_open_reserve(emi_net *net)
{
    if (net->reserve == EMI_NO_SOCKET)
        net->reserve = emi_open_reserve_descriptor();
}

/* Turns a few away, so that they learn it now and not when they lose patience. */
static void shed(em_server *server)
{
    emi_net *net = emi_net_at(server->loop);
    if (net->reserve == EMI_NO_SOCKET)
        return;
    emi_socket_close(net->reserve);
    net->reserve = EMI_NO_SOCKET;
    for (unsigned i = 0; i < SHED_BATCH; i++) {
        if (emi_socket_accept_and_close(server->channel.descriptor) != EM_OK)
            break;
        server->loop->stats.connections_shed++;
    }
    emi_net_open_reserve(net);
}

static void failed(emi_channel *channel, em_status reason)
{
    em_server *server = server_of(channel);
    em_loop *loop = server->loop;
    emi_net *net = emi_net_at(loop);
    /* A descriptor that becomes free ends the pause early; turning away and telling the log keep to the long rhythm. */
    if (net->shed_ns == 0 || loop->now_ns - net->shed_ns >= SHORTEST_BACK_OFF_NS) {
        net->shed_ns = loop->now_ns;
        emi_loop_log(loop, EM_LOG_WARNING,
                     reason == EM_NO_DESCRIPTORS ? "server: no more file descriptors, connections are turned away"
                                                 : "server: accepting failed, pausing");
        if (reason == EM_NO_DESCRIPTORS)
            shed(server);
    }
    if (reason == EM_NO_DESCRIPTORS)
        emi_net_stop_lingering(net);
    loop->stats.accept_pauses++;
    emi_loop_timer_set(loop, &server->back_off, emi_loop_due_ns(loop, server->back_off_ns));
    emi_list_append(&net->backing_off, &server->backing_off);
    server->back_off_ns = server->back_off_ns * 2 < LONGEST_BACK_OFF_NS ? server->back_off_ns * 2 : LONGEST_BACK_OFF_NS;
}

void emi_server_stop_back_off(em_server *server)
{
    emi_list_remove(&server->backing_off);
    emi_loop_timer_cancel(server->loop, &server->back_off);
}

void emi_server_resume(em_server *server)
{
    emi_server_stop_back_off(server);
    em_status status = emi_channel_start_receiving(&server->channel);
    if (status != EM_OK)
        failed(&server->channel, status);
}

static void fire(emi_loop_timer *timer)
{
    emi_server_resume(EMI_CONTAINER(timer, em_server, back_off));
}

void emi_server_init_back_off(em_server *server)
{
    emi_list_init(&server->backing_off);
    emi_loop_timer_init(&server->back_off, fire);
    server->back_off_ns = SHORTEST_BACK_OFF_NS;
}

void emi_net_descriptor_freed(emi_net *net)
{
    emi_list waiting;
    emi_list_init(&waiting);
    emi_list_move_all(&waiting, &net->backing_off);
    for (emi_list *link; (link = emi_list_take_first(&waiting));)
        emi_server_resume(EMI_CONTAINER(link, em_server, backing_off));
    emi_net_open_reserve(net);
}

static void released(emi_channel *channel)
{
    em_server *server = server_of(channel);
    emi_net_at(server->loop)->channels--;
    emi_server_free(server);
}

const emi_channel_events emi_server_events = {
    .accepted = accepted,
    .failed = failed,
    .released = released,
};
