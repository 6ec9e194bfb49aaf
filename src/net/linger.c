/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sockets that stay open after unbind until the peer has received everything.
 *
 * If a program calls close(2) while input is unread, or if input arrives after it, TCP resets the connection and drops
 * what the peer has not acknowledged. A server that replies early and closes would lose its reply (RFC 9112, section
 * 9.6). So a connection that was closed after writing keeps its socket while this can happen. One that was closed in
 * the background keeps it also while bytes remain to be sent:
 *
 *   sending ──► end sent, waiting for acknowledgements ──► up to two seconds for the peer's end ──► closed
 *
 * Input is dropped meanwhile. A peer that takes no more bytes is given up by the rules of drain.c, with a reset, so
 * that a partial reply does not look complete.
 */
#include "net/net_private.h"
#include "system/socket.h"
#include "system/socket_state.h"

#define GRACE_NS (2 * EM_SECONDS)
/* No event reports an acknowledgement, so a timer checks for it at least this often. */
#define LONGEST_WAIT_NS (500 * EM_MILLISECONDS)

static void stop(em_connection *connection)
{
    emi_channel *channel = &connection->channel;
    emi_list_remove(&connection->extras->lingering);
    emi_loop_timer_cancel(connection->object.loop, &connection->extras->timer);
    if (channel->released)
        return;
    if (emi_connection_has_unsent(connection))
        emi_socket_reset(channel->descriptor);
    emi_connection_release(connection);
}

/* With a filter, the peer may have ended its plain side only. */
static bool has_wire_ended(const em_connection *connection)
{
    const emi_gate *gate = emi_gate_of(connection);
    return gate ? gate->wire_ended : connection->peer_ended;
}

/* Everything has been handed to the system. EM_CLOSED if there is nothing to wait for: a peer that has ended sends
 * nothing more that would make TCP reset the connection. */
static em_status finish_sending(em_connection *connection)
{
    if (has_wire_ended(connection) || !connection->is_tcp)
        return EM_CLOSED;
    return emi_socket_shutdown_write(connection->channel.descriptor);
}

static void drop(emi_channel *channel, const void *bytes, size_t length)
{
    (void)channel;
    (void)bytes;
    (void)length;
}

static void finish_if_sent(em_connection *connection)
{
    if (!emi_connection_has_unsent(connection) && finish_sending(connection) != EM_OK)
        stop(connection);
}

static unsigned gather_from(em_connection *connection, emi_gate *gate, emi_span *spans)
{
    emi_gate_fill(gate);
    unsigned count = emi_gate_gather(gate, spans);
    if (count == 0 && emi_connection_has_unsent(connection))
        stop(connection); /* the filter has failed */
    else if (count == 0)
        finish_if_sent(connection);
    return count;
}

static unsigned gather(emi_channel *channel, emi_span *spans)
{
    em_connection *connection = emi_connection_of(channel);
    emi_gate *gate = emi_gate_of(connection);
    return gate ? gather_from(connection, gate, spans) : emi_outbox_gather(&connection->outbox, spans, EMI_MAX_SPANS);
}

static bool sent(emi_channel *channel, size_t length)
{
    em_connection *connection = emi_connection_of(channel);
    emi_gate *gate = emi_gate_of(connection);
    if (gate) {
        emi_gate_take(gate, length);
    } else {
        emi_connection_note_sent(connection, length); /* before the program gets back what was borrowed */
        emi_outbox_consume(&connection->outbox, &connection->object.loop->outboxes, length);
    }
    return !emi_connection_has_unsent(connection);
}

static void after_sent(emi_channel *channel)
{
    finish_if_sent(emi_connection_of(channel));
}

static void end(emi_channel *channel)
{
    em_connection *connection = emi_connection_of(channel);
    connection->peer_ended = true;
    if (emi_gate_of(connection))
        connection->extras->gate->wire_ended = true;
    if (!emi_connection_has_unsent(connection))
        stop(connection);
}

static void fail(emi_channel *channel, em_status reason)
{
    (void)reason;
    stop(emi_connection_of(channel));
}

static const emi_channel_events lingering_events = {
    .data = drop,
    .end = end,
    .gather = gather,
    .sent = sent,
    .after_sent = after_sent,
    .failed = fail,
    .released = emi_connection_released,
};

static void wait_for(em_connection *connection, uint64_t due_ns)
{
    uint64_t longest_ns = emi_loop_due_ns(connection->object.loop, LONGEST_WAIT_NS);
    emi_loop_timer_set(connection->object.loop, &connection->extras->timer, due_ns < longest_ns ? due_ns : longest_ns);
}

static void await_end(emi_loop_timer *timer)
{
    stop(EMI_CONTAINER(timer, emi_connection_extras, timer)->connection);
}

static void await_acknowledgement(emi_loop_timer *timer)
{
    em_connection *connection = EMI_CONTAINER(timer, emi_connection_extras, timer)->connection;
    const emi_drain *drain = &connection->extras->drain;
    em_loop *loop = connection->object.loop;
    if (!emi_connection_has_unsent(connection) && emi_socket_unacknowledged(connection->channel.descriptor) == 0) {
        emi_loop_timer_init(timer, await_end);
        emi_loop_timer_set(loop, timer, emi_loop_due_ns(loop, GRACE_NS));
    } else if (loop->now_ns < drain->check_ns || emi_drain_check(connection)) {
        wait_for(connection, drain->check_ns);
    } else {
        emi_socket_reset(connection->channel.descriptor);
        stop(connection);
    }
}

static bool ends_well(const em_connection *connection)
{
    const emi_gate *gate = emi_gate_of(connection);
    return connection->object.reason == EM_OK || (gate && gate->flushes);
}

bool emi_connection_must_linger(const em_connection *connection)
{
    /* A descriptor that stays open is the caller's from unbind on. */
    if (!connection->channel.backend || connection->channel.released || !ends_well(connection) ||
        connection->object.loop->closing || connection->channel.ownership == EMI_SHARED)
        return false;
    if (emi_connection_has_unsent(connection))
        return connection->write_side == EMI_WRITE_FLUSHING;
    return connection->write_side >= EMI_WRITE_CLOSING && connection->is_tcp && !has_wire_ended(connection) &&
           emi_socket_unacknowledged(connection->channel.descriptor) > 0;
}

bool emi_connection_linger(em_connection *connection)
{
    emi_channel *channel = &connection->channel;
    if (emi_drain_begin(connection) != EM_OK || emi_connection_empty_pipe(connection) != EM_OK)
        return false;
    if (!emi_connection_has_unsent(connection) && finish_sending(connection) != EM_OK)
        return false;
    if (!has_wire_ended(connection) && emi_channel_start_receiving(channel) != EM_OK)
        return false;
    channel->events = &lingering_events;
    channel->offers_room = false;
    emi_loop_timer_cancel(connection->object.loop, &connection->extras->timer);
    emi_loop_timer_init(&connection->extras->timer, await_acknowledgement);
    wait_for(connection, connection->extras->drain.check_ns);
    emi_list_append(&emi_net_at(connection->object.loop)->lingering, &connection->extras->lingering);
    if (emi_connection_has_unsent(connection))
        emi_channel_send(channel);
    return true;
}

bool emi_connection_is_lingering(const em_connection *connection)
{
    return connection->channel.events == &lingering_events;
}

void emi_connection_stop_lingering(em_connection *connection)
{
    if (emi_connection_is_lingering(connection) && !emi_loop_is_forked(connection->object.loop))
        stop(connection);
}

void emi_net_stop_lingering(emi_net *net)
{
    while (!emi_list_is_empty(&net->lingering))
        stop(EMI_CONTAINER(net->lingering.next, emi_connection_extras, lingering)->connection);
}
