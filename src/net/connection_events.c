/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the backend reports to a connection. Any callback of the user may end the connection. Its memory stays valid
 * until it is reaped.
 */
#include "base/invariant.h"
#include "net/net_private.h"
#include "system/socket.h"

static void data(emi_channel *channel, const void *bytes, size_t length)
{
    em_connection *connection = emi_connection_of(channel);
    em_loop *loop = connection->object.loop;
    if (EMI_UNLIKELY(emi_connection_has_ended(connection))) /* within receive_buffer */
        return;
    emi_connection_note_activity(connection);
    connection->bytes_received += length;
    loop->stats.bytes_received += length;
    if (connection->handler->receive_data)
        connection->handler->receive_data(connection, bytes, length);
}

void emi_connection_deliver(em_connection *connection, const void *bytes, size_t length)
{
    emi_proxy *proxy = emi_connection_proxy(connection);
    connection->bytes_received += length;
    connection->object.loop->stats.bytes_received += length;
    if (proxy)
        emi_proxy_relay(proxy, bytes, length);
    else if (connection->handler->receive_data)
        connection->handler->receive_data(connection, bytes, length);
}

void emi_connection_receive_end(em_connection *connection)
{
    connection->peer_ended = true;
    if (connection->object.state == EM_STATE_DRAINING || emi_connection_has_ended(connection))
        return;
    if (emi_connection_proxy(connection))
        emi_proxy_pass_end(connection->extras->links.proxy);
    if (emi_connection_has_ended(connection)) /* within the target's `drained` */
        return;
    if (connection->handler->receive_end)
        connection->handler->receive_end(connection);
    else if (!emi_connection_is_kept_open(connection))
        em_connection_close_after_writing(connection);
    emi_connection_act_if_sent(connection);
}

static void end(emi_channel *channel)
{
    emi_connection_receive_end(emi_connection_of(channel));
}

void emi_connection_post_init(em_connection *connection)
{
    em_loop *loop = connection->object.loop;
    emi_loop_begin_callback(loop);
    if (connection->handler->post_init)
        connection->handler->post_init(connection);
    emi_loop_end_callback(loop);
}

void emi_connection_start(em_connection *connection)
{
    emi_connection_note_activity(connection);
    if (connection->extras) {
        connection->extras->progress_ns = connection->object.active_ns;
        connection->extras->excuses = 0;
    }
    emi_connection_start_receiving(connection);
    emi_connection_request_send(connection);
}

void emi_connection_connected(emi_channel *channel)
{
    em_connection *connection = emi_connection_of(channel);
    if (connection->object.state != EM_STATE_CONNECTING)
        return;
    const emi_connector *connector = connection->extras->connector;
    if (connection->is_tcp && !connector->attempts &&
        emi_connector_has_met_itself(channel->descriptor, &connector->address)) {
        emi_connection_end(connection, EM_CONNECTION_REFUSED);
        return;
    }
    emi_connection_note_peer(connection, &connector->address);
    emi_connector_close(connection);
    emi_connection_enter(connection, EM_STATE_OPEN);
    emi_connection_start(connection);
    emi_connection_arm(connection);
    if (!emi_connection_has_ended(connection) && connection->handler->connection_completed)
        connection->handler->connection_completed(connection);
    if (connection->extras && !emi_gate_of(connection))
        connection->extras->limits_tls = false; /* a handshake that begins later has its own time */
    if (connection->write_side == EMI_WRITE_CLOSING && connection->object.state == EM_STATE_OPEN)
        emi_connection_enter(connection, EM_STATE_DRAINING);
    emi_connection_send_end(connection);
}

static bool may_send(const em_connection *connection)
{
    if (connection->paused || connection->object.state < EM_STATE_OPEN)
        return false;
    return !emi_connection_has_ended(connection) || connection->write_side == EMI_WRITE_FLUSHING;
}

static unsigned gather(emi_channel *channel, emi_span *spans)
{
    const em_connection *connection = emi_connection_of(channel);
    return may_send(connection) ? emi_outbox_gather(&connection->outbox, spans, EMI_MAX_SPANS) : 0;
}

void emi_connection_note_progress(em_connection *connection)
{
    connection->extras->progress_ns = connection->object.active_ns;
    if (connection->extras->files)
        emi_files_note_sent(connection);
}

/* Whether something follows when fewer bytes wait. */
static bool must_act(const em_connection *connection)
{
    return connection->under_pressure || connection->write_side != EMI_WRITE_OPEN || connection->holds_source;
}

static bool sent(emi_channel *channel, size_t length)
{
    em_connection *connection = emi_connection_of(channel);
    emi_connection_note_sent(connection, length); /* before the program gets back what was borrowed */
    emi_outbox_consume(&connection->outbox, &connection->object.loop->outboxes, length);
    return must_act(connection);
}

/* With files: */

static unsigned gather_to_file(emi_channel *channel, emi_span *spans)
{
    em_connection *connection = emi_connection_of(channel);
    if (!may_send(connection) || !emi_files_provide(connection))
        return 0;
    return emi_outbox_gather_to_mark(&connection->outbox, spans, EMI_MAX_SPANS);
}

static bool gather_file(emi_channel *channel, emi_file_span *piece)
{
    em_connection *connection = emi_connection_of(channel);
    return may_send(connection) && !connection->extras->pipe && emi_files_gather(connection, piece);
}

static void file_failed(emi_channel *channel, em_status reason)
{
    emi_files_refuse(emi_connection_of(channel), reason);
}

static bool file_sent(emi_channel *channel, size_t length)
{
    em_connection *connection = emi_connection_of(channel);
    if (!emi_outbox_first_mark(&connection->outbox))
        return sent(channel, length);
    emi_files_note_taken(connection, length);
    emi_connection_note_sent(connection, length);
    return must_act(connection);
}

static void after_sent(emi_channel *channel)
{
    emi_connection_act_if_sent(emi_connection_of(channel));
}

/* On a TCP socket that has received the peer's end, Linux reports a reset as EPIPE. Nothing else causes EPIPE over TCP,
 * because nothing is sent after our own end. */
static em_status plain_reason(const em_connection *connection, em_status reason)
{
    return connection->is_tcp && reason == EM_BROKEN_PIPE ? EM_CONNECTION_RESET : reason;
}

void emi_connection_failed(emi_channel *channel, em_status given)
{
    em_connection *connection = emi_connection_of(channel);
    if (emi_connection_has_ended(connection))
        connection->write_side = EMI_WRITE_ENDED; /* a failure is reported once, so nothing may wait for another */
    else
        emi_connection_end(connection, plain_reason(connection, given));
}

void emi_connection_released(emi_channel *channel)
{
    em_connection *connection = emi_connection_of(channel);
    EMI_INVARIANT(connection->object.state != EM_STATE_OPEN);
    emi_loop_note_released(connection->object.loop, channel);
    if (connection->object.state == EM_STATE_CLOSED)
        emi_connection_free(connection);
}

static bool has_extra_events(const em_connection *connection)
{
    return emi_files_are_waiting(connection) || emi_connection_proxy(connection) ||
           (connection->extras && (connection->extras->links.feeder || connection->extras->pipe));
}

const emi_channel_events *emi_connection_choose_events(const em_connection *connection)
{
    if (emi_gate_of(connection))
        return &emi_gate_events;
    return has_extra_events(connection) ? &emi_connection_events_with_extras : &emi_connection_events;
}

static void *room(emi_channel *channel, size_t *capacity)
{
    em_connection *connection = emi_connection_of(channel);
    return connection->handler->receive_buffer(connection, capacity);
}

static void relay_data(emi_channel *channel, const void *bytes, size_t length)
{
    em_connection *connection = emi_connection_of(channel);
    if (emi_connection_has_ended(connection))
        return;
    emi_connection_note_activity(connection);
    if (emi_connection_proxy(connection))
        emi_proxy_note_read(connection->extras->links.proxy, length);
    emi_connection_deliver(connection, bytes, length);
}

/* A source offers no memory of its handler's, see emi_connection_route, but may receive into a pipe. */
static void *room_or_pipe(emi_channel *channel, size_t *capacity)
{
    em_connection *connection = emi_connection_of(channel);
    if (!emi_connection_proxy(connection))
        return room(channel, capacity);
    if (emi_connection_splice(connection))
        *capacity = EMI_ROOM_NOT_NEEDED;
    return NULL;
}

/* What is in a pipe is sent before the outbox. */
static unsigned gather_behind_pipe(emi_channel *channel, emi_span *spans)
{
    em_connection *connection = emi_connection_of(channel);
    if (!connection->extras->pipe || !may_send(connection))
        return gather_to_file(channel, spans);
    bool is_empty = emi_connection_send_pipe(connection);
    if (is_empty)
        emi_connection_route(connection);
    if (!is_empty || !connection->outbox.first)
        emi_connection_act_if_sent(connection);
    return is_empty ? gather_to_file(channel, spans) : 0;
}

const emi_channel_events emi_connection_events = {
    .data = data,
    .room = room,
    .end = end,
    .connected = emi_connection_connected,
    .gather = gather,
    .sent = sent,
    .after_sent = after_sent,
    .failed = emi_connection_failed,
    .released = emi_connection_released,
};

const emi_channel_events emi_connection_events_with_extras = {
    .data = relay_data,
    .room = room_or_pipe,
    .end = end,
    .connected = emi_connection_connected,
    .gather = gather_behind_pipe,
    .gather_file = gather_file,
    .file_failed = file_failed,
    .sent = file_sent,
    .after_sent = after_sent,
    .failed = emi_connection_failed,
    .released = emi_connection_released,
};
