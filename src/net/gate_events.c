/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the backend reports to a connection with a filter.
 */
#include "net/gate_private.h"
#include "net/net_private.h"

static void data(emi_channel *channel, const void *bytes, size_t length)
{
    em_connection *connection = emi_connection_of(channel);
    emi_gate *gate = connection->extras->gate;
    if (emi_connection_has_ended(connection))
        return;
    emi_connection_note_activity(connection);
    gate->has_heard = true;
    emi_gate_receive(gate, (emi_bytes){.next = bytes, .length = length});
}

static void end(emi_channel *channel)
{
    emi_gate_receive_end(emi_connection_of(channel)->extras->gate);
}

static void connected(emi_channel *channel)
{
    em_connection *connection = emi_connection_of(channel);
    emi_connection_connected(channel);
    if (!emi_connection_is_open(connection))
        return;
    emi_gate_note_ready(connection->extras->gate); /* of an attempt that has won, see emi_gate_open_ready */
    emi_gate_start_deadline(connection->extras->gate);
    emi_gate_serve(connection->extras->gate);
}

/* Whether nothing more is sent. */
static bool is_cut(const em_connection *connection)
{
    return emi_connection_has_ended(connection) && connection->write_side != EMI_WRITE_FLUSHING;
}

/* Whether something follows when fewer bytes wait. */
static bool must_act(const em_connection *connection)
{
    return connection->under_pressure || connection->write_side != EMI_WRITE_OPEN || connection->holds_source;
}

/* During a pause the program's bytes wait. The filter's own messages leave if none of the program's bytes are before
 * them. */
static unsigned gather(emi_channel *channel, emi_span *spans)
{
    em_connection *connection = emi_connection_of(channel);
    emi_gate *gate = connection->extras->gate;
    if (connection->object.state < EM_STATE_OPEN || is_cut(connection))
        return 0;
    if (connection->paused)
        return emi_gate_has_output(gate) ? emi_gate_gather(gate, spans) : 0;
    emi_gate_fill(gate);
    unsigned count = is_cut(connection) ? 0 : emi_gate_gather(gate, spans);
    if (count == 0 && must_act(connection))
        emi_connection_act_if_sent(connection);
    return count;
}

static bool sent(emi_channel *channel, size_t length)
{
    const em_connection *connection = emi_connection_of(channel);
    emi_gate *gate = connection->extras->gate;
    emi_gate_take(gate, length);
    return must_act(connection) || emi_gate_needs_turn(gate);
}

static void after_sent(emi_channel *channel)
{
    em_connection *connection = emi_connection_of(channel);
    emi_gate *gate = connection->extras->gate;
    if (must_act(connection))
        emi_connection_act_if_sent(connection);
    if (emi_gate_needs_turn(gate))
        emi_gate_go_on(gate);
}

static bool is_all_sent(const emi_gate *gate)
{
    return !gate->connection->outbox.first && gate->sealed_bytes == 0 && gate->filter->piece_bytes > 0 &&
           gate->was_ready;
}

/* The peer has closed in order. Whether it has missed nothing but what the filter has written for itself: messages such
 * as session tickets, or the end mark. Without a filter there would have been nothing to send, and so no failure. */
static bool has_missed_little(const emi_gate *gate)
{
    const em_connection *connection = gate->connection;
    bool is_missing = gate->filter->wire.bytes > 0 || emi_gate_owes_end(gate);
    return is_missing && is_all_sent(gate) && connection->object.state == EM_STATE_OPEN &&
           (connection->write_side == EMI_WRITE_OPEN || connection->write_side == EMI_WRITE_ENDING);
}

/* What the peer has sent before it closed is still to be received, perhaps after a pause. */
static void stop_writing(emi_gate *gate)
{
    em_connection *connection = gate->connection;
    gate->cannot_write = true;
    gate->end_sealed = gate->end_sealed || connection->write_side == EMI_WRITE_ENDING;
    emi_outbox_clear(&gate->filter->wire, gate->filter->pool);
    emi_connection_act_if_sent(connection);
    if (emi_connection_is_open(connection))
        emi_gate_go_on(gate);
}

/* A peer that has received all bytes need not wait for our end mark: its reset is no failure then. A filter that takes
 * no more may hold some of them back. After stop_writing, the failure is reported again when everything has been read.
 */
static void failed(emi_channel *channel, em_status reason)
{
    em_connection *connection = emi_connection_of(channel);
    emi_gate *gate = connection->extras->gate;
    if (connection->object.state == EM_STATE_DRAINING && is_all_sent(gate))
        emi_connection_end(connection, EM_OK);
    else if (reason == EM_BROKEN_PIPE && has_missed_little(gate))
        stop_writing(gate);
    else if (gate->cannot_write && is_all_sent(gate) && !connection->is_tcp && reason == EM_BROKEN_PIPE &&
             !emi_connection_has_ended(connection))
        emi_gate_receive_end(gate);
    else
        emi_connection_failed(channel, reason);
}

const emi_channel_events emi_gate_events = {
    .data = data,
    .end = end,
    .connected = connected,
    .gather = gather,
    .sent = sent,
    .after_sent = after_sent,
    .failed = failed,
    .released = emi_connection_released,
};
