/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The socket's life after unbind. close(2) with input unread, or input that comes after it, makes TCP reset the connection and drop
 * what the peer has not acknowledged yet: a server that answers early and closes would lose its answer (RFC 9112, section
 * 9.6). So a connection that was closed after writing keeps its socket for a while if the peer may still send: it tells the
 * end, drops what comes, and closes when the peer has ended, or after two seconds.
 */
#include "net/net_private.h"
#include "system/socket.h"
#include "system/socket_state.h"

#define LONGEST_LINGER_NS (2 * EM_SECONDS)

static void stop(emi_channel *channel)
{
    em_connection *connection = EMI_CONTAINER(channel, em_connection, channel);
    emi_list_remove(&connection->extras->lingering);
    emi_loop_timer_cancel(connection->loop, &connection->extras->timer);
    if (!channel->released)
        emi_channel_release(channel);
}

static void drop(emi_channel *channel, const void *bytes, size_t length)
{
    (void)channel;
    (void)bytes;
    (void)length;
}

static unsigned gather_nothing(emi_channel *channel, emi_span *spans)
{
    (void)channel;
    (void)spans;
    return 0;
}

static void fail(emi_channel *channel, em_status reason)
{
    (void)reason;
    stop(channel);
}

static const emi_channel_events lingering_events = {
    .data = drop,
    .end = stop,
    .gather = gather_nothing,
    .failed = fail,
    .released = emi_connection_released,
};

static void fire(emi_loop_timer *timer)
{
    stop(&EMI_CONTAINER(timer, emi_connection_extras, timer)->connection->channel);
}

static bool is_at_risk(const em_connection *connection)
{
    return connection->is_tcp && connection->write_side == EMI_WRITE_CLOSING && connection->reason == EM_OK &&
           !connection->peer_ended && connection->outbox.bytes == 0 && !emi_net_at(connection->loop)->closing &&
           emi_socket_unacknowledged(connection->channel.descriptor) > 0;
}

bool emi_connection_linger(em_connection *connection)
{
    emi_channel *channel = &connection->channel;
    if (!is_at_risk(connection) || !emi_connection_extras_of(connection))
        return false;
    if (emi_socket_shutdown_write(channel->descriptor) != EM_OK || emi_channel_start_receiving(channel) != EM_OK)
        return false;
    em_loop *loop = connection->loop;
    channel->events = &lingering_events;
    emi_loop_timer_cancel(loop, &connection->extras->timer);
    emi_loop_timer_init(&connection->extras->timer, fire);
    emi_loop_timer_set(loop, &connection->extras->timer, emi_loop_due_ns(loop, LONGEST_LINGER_NS));
    emi_list_append(&emi_net_at(loop)->lingering, &connection->extras->lingering);
    return true;
}

void emi_net_stop_lingering(emi_net *net)
{
    while (!emi_list_is_empty(&net->lingering))
        stop(&EMI_CONTAINER(net->lingering.next, emi_connection_extras, lingering)->connection->channel);
}
