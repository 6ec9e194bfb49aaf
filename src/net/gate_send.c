/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * From the program to the wire. Plain bytes are sealed when the backend gathers, and not far ahead of what the system
 * accepts. Until then they wait in the connection's outbox, where the water marks count them. Sealed bytes still count
 * as waiting, in proportion: when the system has accepted half of the wire outbox, half of the plain bytes in it are
 * sent.
 */
#include <string.h>

#include "base/invariant.h"
#include "net/gate_private.h"
#include "net/net_private.h"
#include "system/clock.h"

/* Returns the next plain bytes as one contiguous piece of at most *length bytes, and sets *length. */
static const void *next_piece(const emi_gate *gate, size_t *length)
{
    emi_span spans[EMI_MAX_SPANS];
    unsigned count = emi_outbox_gather_to_mark(&gate->connection->outbox, spans, EMI_MAX_SPANS);
    if (count == 1 || spans[0].length >= *length) {
        *length = spans[0].length < *length ? spans[0].length : *length;
        return spans[0].data;
    }
    unsigned char *piece = gate->gates->piece;
    size_t used = 0;
    for (unsigned i = 0; i < count && used < *length; i++) {
        size_t part = spans[i].length < *length - used ? spans[i].length : *length - used;
        memcpy(piece + used, spans[i].data, part);
        used += part;
    }
    *length = used;
    return piece;
}

/* How many of the plain bytes that wait have their wire form in the wire outbox. */
static size_t plain_bytes_on_wire(const emi_gate *gate)
{
    EMI_INVARIANT(gate->filter->held.bytes <= gate->sealed_bytes);
    return gate->sealed_bytes - gate->filter->held.bytes;
}

/* The system has accepted the wire form of these plain bytes. */
static void note_taken(emi_gate *gate, size_t plain_bytes)
{
    EMI_INVARIANT(plain_bytes <= gate->sealed_bytes);
    gate->sealed_bytes -= plain_bytes;
    gate->connection->object.loop->outboxes.bytes -= plain_bytes;
    emi_connection_note_sent(gate->connection, plain_bytes);
}

/* Some bytes cannot be sent, so nothing after them may be sent. */
static void fail(emi_gate *gate, em_status reason)
{
    em_connection *connection = gate->connection;
    gate->has_failed = true;
    gate->detail = gate->filter->detail;
    if (connection->object.state == EM_STATE_RELEASING && connection->object.reason == EM_OK)
        connection->object.reason = (int16_t)reason; /* closed in the background, and unbind has not been called yet */
    emi_connection_end(connection, reason);
}

/* Returns false if the connection has ended. */
static bool seal(emi_gate *gate, const void *plain, size_t length)
{
    emi_filter *filter = gate->filter;
    gate->is_busy = true;
    em_status status = filter->operations->seal(filter, plain, length);
    gate->is_busy = false;
    if (status != EM_OK) {
        fail(gate, status);
        return false;
    }
    gate->connection->object.loop->outboxes.bytes += length;
    gate->sealed_bytes += length;
    return true;
}

static void note_if_all_taken(emi_gate *gate)
{
    if (gate->filter->wire.bytes == 0)
        note_taken(gate, plain_bytes_on_wire(gate));
}

static size_t most_in_a_piece(const emi_filter *filter)
{
    return filter->piece_bytes < EMI_FILTER_ROOM_BYTES ? filter->piece_bytes : EMI_FILTER_ROOM_BYTES;
}

/* To give a borrowed piece back is to call the program, which must not seal the next one in the middle of this. */
static void seal_piece(emi_gate *gate)
{
    em_connection *connection = gate->connection;
    size_t length = most_in_a_piece(gate->filter);
    const void *plain = next_piece(gate, &length);
    if (!seal(gate, plain, length))
        return;
    gate->is_busy = true;
    emi_outbox_consume(&connection->outbox, &connection->object.loop->outboxes, length);
    gate->is_busy = false;
    note_if_all_taken(gate);
}

static void seal_end(emi_gate *gate)
{
    emi_filter *filter = gate->filter;
    gate->end_sealed = true;
    gate->is_busy = true;
    em_status status = filter->operations->seal_end(filter);
    gate->is_busy = false;
    if (status != EM_OK)
        fail(gate, status);
}

/* The filter may not be able to write the mark yet. A half-close waits for the handshake, because an earlier end of the
 * stream would look like a failure to the peer. A close does not wait if nothing is left to be sent. */
bool emi_gate_owes_end(const emi_gate *gate)
{
    if (gate->has_failed)
        return false;
    if (gate->end_sealed)
        return gate->filter->piece_bytes == 0;
    switch ((emi_write_side)gate->connection->write_side) {
    case EMI_WRITE_ENDING:
        return true;
    case EMI_WRITE_CLOSING:
    case EMI_WRITE_FLUSHING:
        return gate->filter->is_ready && gate->connection->object.state >= EM_STATE_OPEN;
    case EMI_WRITE_OPEN:
    case EMI_WRITE_ENDED:
        break;
    }
    return false;
}

bool emi_gate_has_output(const emi_gate *gate)
{
    const em_connection *connection = gate->connection;
    if (connection->paused)
        return gate->filter->wire.bytes > 0 && plain_bytes_on_wire(gate) == 0;
    return gate->filter->wire.bytes > 0 || (gate->filter->is_ready && gate->filter->piece_bytes > 0 &&
                                            (connection->outbox.first || emi_gate_owes_end(gate)));
}

static bool may_seal(const emi_gate *gate)
{
    const emi_filter *filter = gate->filter;
    return !gate->has_failed && filter->piece_bytes > 0 && filter->wire.bytes < EMI_GATE_WIRE_BYTES;
}

static bool may_call_filter(const emi_gate *gate)
{
    return gate->was_ready && !gate->is_busy && !emi_loop_is_forked(gate->connection->object.loop);
}

void emi_gate_fill(emi_gate *gate)
{
    const em_connection *connection = gate->connection;
    const emi_filter *filter = gate->filter;
    if (!may_call_filter(gate))
        return;
    while (may_seal(gate) && emi_files_provide(gate->connection))
        seal_piece(gate);
    if (!connection->outbox.first && filter->piece_bytes > 0 && emi_gate_owes_end(gate))
        seal_end(gate);
}

size_t emi_gate_seal_now(emi_gate *gate, const void *plain, size_t length)
{
    const unsigned char *next = plain;
    size_t left = length;
    while (may_call_filter(gate) && may_seal(gate) && left >= most_in_a_piece(gate->filter)) {
        size_t piece = most_in_a_piece(gate->filter);
        if (!seal(gate, next, piece))
            break;
        next += piece;
        left -= piece;
        note_if_all_taken(gate);
    }
    return length - left;
}

void emi_gate_note_waiting(emi_gate *gate)
{
    const em_connection *connection = gate->connection;
    emi_connection_extras *extras = connection->extras;
    bool waits = gate->filter->wire.bytes > 0 || gate->filter->held.bytes > 0 ||
                 (connection->outbox.first && gate->was_ready && !connection->paused);
    if (waits && !gate->was_waiting && extras->write_timeout_ns > 0) {
        extras->progress_ns = emi_clock_now_ns();
        emi_connection_arm(gate->connection);
    }
    gate->was_waiting = waits;
}

unsigned emi_gate_gather(emi_gate *gate, emi_span *spans)
{
    emi_gate_note_waiting(gate);
    return emi_outbox_gather(&gate->filter->wire, spans, EMI_MAX_SPANS);
}

void emi_gate_take(emi_gate *gate, size_t length)
{
    emi_filter *filter = gate->filter;
    size_t before = filter->wire.bytes;
    if (length == 0)
        return;
    bool takes_all = length >= before;
    size_t on_wire = plain_bytes_on_wire(gate);
    size_t plain_bytes = takes_all ? on_wire : (size_t)((uint64_t)on_wire * length / before);
    gate->wire_sent_bytes += length;
    gate->was_waiting = !takes_all;
    note_taken(gate, plain_bytes);
    emi_gates_note_active(gate);
    emi_outbox_consume(&filter->wire, filter->pool, length); /* what was sent before the filter may be borrowed */
}

static bool may_send_end_now(const emi_gate *gate)
{
    const em_connection *connection = gate->connection;
    const emi_channel *channel = &connection->channel;
    /* The filter's own messages, such as session tickets, leave together with the end mark. */
    bool is_quiet = !connection->outbox.first && gate->sealed_bytes == 0 && !gate->is_busy;
    bool is_usable = channel->backend && !channel->released && channel->backend->operations->send_now &&
                     !emi_loop_is_forked(connection->object.loop);
    return is_quiet && is_usable && emi_connection_is_open(connection) && gate->was_ready && !gate->end_sealed &&
           !gate->has_failed && gate->filter->piece_bytes > 0 && connection->write_side != EMI_WRITE_ENDED;
}

void emi_gate_send_end_now(emi_gate *gate)
{
    emi_channel *channel = &gate->connection->channel;
    emi_span spans[EMI_MAX_SPANS];
    if (!may_send_end_now(gate))
        return;
    seal_end(gate);
    unsigned count = emi_outbox_gather(&gate->filter->wire, spans, EMI_MAX_SPANS);
    if (count > 0)
        emi_gate_take(gate, channel->backend->operations->send_now(channel, spans, count));
}
