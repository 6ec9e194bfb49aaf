/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * From the wire to the program. The filter is called until it needs more input, because it may hold plain bytes that no
 * event of the kernel will report. If that stops early, because the program pauses, other connections are to be served,
 * or too much waits to be sent, the rest of the input is kept here, and nothing is received until it is used. So the
 * order is kept, and the peer's end comes after its data.
 */
#include <string.h>

#include "base/invariant.h"
#include "net/gate_private.h"
#include "net/net_private.h"
#include "system/clock.h"

enum {
    MOST_CALLS = 64,                 /* of a filter in a row, before other connections are served */
    MOST_WIRE_BYTES = 256 * 1024,    /* with more to be sent, the filter gets no input: it might reply to it */
    MOST_DROPPED_BYTES = 1024 * 1024 /* of a peer that sends on after its end, which is against the protocol */
};

static bool is_paused(const emi_gate *gate)
{
    const em_connection *connection = gate->connection;
    return gate->filter->is_ready && (connection->paused || connection->receiving_paused || connection->is_held);
}

/* Whether the filter may be called, apart from the time that it would take. */
static bool may_open(const emi_gate *gate)
{
    return emi_connection_is_open(gate->connection) && !gate->has_ended && !gate->has_failed && !is_paused(gate) &&
           gate->filter->wire.bytes <= MOST_WIRE_BYTES;
}

bool emi_gate_needs_turn(const emi_gate *gate)
{
    return may_open(gate) && (!gate->has_begun || !gate->is_starved || gate->held_bytes > 0);
}

bool emi_gate_wants_input(const emi_gate *gate)
{
    if (!emi_connection_is_open(gate->connection) || gate->wire_ended)
        return false;
    if (gate->has_ended)
        return gate->dropped_bytes < MOST_DROPPED_BYTES;
    return gate->is_starved && gate->held_bytes == 0 && !is_paused(gate);
}

void emi_gate_go_on(emi_gate *gate)
{
    if (emi_gate_needs_turn(gate))
        emi_gates_add_due(gate);
    emi_connection_update_receiving(gate->connection);
}

/* The ends */

/* What is left is sent after unbind, as by em_connection_close_in_background. */
static void end_and_flush(emi_gate *gate, em_status reason)
{
    em_connection *connection = gate->connection;
    if (connection->write_side != EMI_WRITE_ENDED) {
        gate->flushes = true;
        connection->write_side = EMI_WRITE_FLUSHING;
        connection->paused = false;
        emi_connection_request_send(connection);
    }
    emi_connection_end(connection, reason);
}

static void fail(emi_gate *gate)
{
    em_connection *connection = gate->connection;
    EMI_INVARIANT(gate->filter->failure < 0);
    gate->has_failed = true;
    gate->detail = gate->filter->detail;
    emi_outbox_clear(&connection->outbox, &connection->object.loop->outboxes);
    end_and_flush(gate, gate->filter->failure);
}

static void end_plain_side(emi_gate *gate)
{
    gate->has_ended = true;
    emi_connection_receive_end(gate->connection);
}

/* A peer that has our end mark need not send its own. */
void emi_gate_receive_end(emi_gate *gate)
{
    em_connection *connection = gate->connection;
    emi_filter *filter = gate->filter;
    gate->wire_ended = true;
    if (emi_connection_has_ended(connection) || gate->has_ended)
        return;
    gate->is_busy = true;
    em_status status = filter->operations->check_end(filter);
    gate->is_busy = false;
    if (status == EM_OK || (connection->object.state == EM_STATE_DRAINING && filter->is_ready)) {
        end_plain_side(gate);
        return;
    }
    gate->detail = filter->detail;
    if (!filter->is_ready)
        emi_outbox_clear(&connection->outbox, &connection->object.loop->outboxes);
    end_and_flush(gate, status);
}

/* Opening */

static emi_filter_result call_open(emi_gate *gate, emi_bytes *input, void *plain, size_t *length)
{
    emi_gates *gates = gate->gates;
    emi_filter *filter = gate->filter;
    bool is_handshake = !filter->is_ready;
    uint64_t begun_ns = is_handshake ? emi_clock_now_ns() : 0;
    gate->is_busy = true;
    emi_filter_result result = filter->operations->open(filter, input, plain, length);
    gate->is_busy = false;
    if (is_handshake)
        gates->spent_ns += emi_clock_now_ns() - begun_ns;
    return result;
}

void emi_gate_note_ready(emi_gate *gate)
{
    em_connection *connection = gate->connection;
    if (!gate->filter->is_ready || gate->was_ready)
        return;
    gate->was_ready = true;
    emi_loop_timer_cancel(connection->object.loop, &gate->deadline);
    emi_gate_note_waiting(gate);
    if (connection->handler->ssl_handshake_completed && !emi_connection_has_ended(connection))
        connection->handler->ssl_handshake_completed(connection);
}

static void deliver(em_connection *connection, const void *plain, size_t length)
{
    if (!emi_connection_has_ended(connection))
        emi_connection_deliver(connection, plain, length);
}

/* As long as they are there, the filter does not count as starved, so the wire's next bytes and its end come later. */
em_status emi_gate_put_back(emi_gate *gate, const void *plain, size_t length)
{
    EMI_INVARIANT(!gate->plain);
    gate->plain = emi_allocate(&gate->connection->object.loop->memory, length);
    if (!gate->plain)
        return EM_NO_MEMORY;
    memcpy(gate->plain, plain, length);
    gate->plain_bytes = length;
    gate->is_starved = false;
    return EM_OK;
}

static void deliver_again(emi_gate *gate)
{
    unsigned char *plain = gate->plain;
    gate->plain = NULL;
    deliver(gate->connection, plain, gate->plain_bytes);
    emi_release(&gate->connection->object.loop->memory, plain);
}

/* After our end mark nothing may follow on the wire. */
static void drop_unsendable(emi_gate *gate)
{
    if (gate->connection->write_side == EMI_WRITE_ENDED)
        emi_outbox_clear(&gate->filter->wire, gate->filter->pool);
}

/* If there are plain bytes, an end or a failure is left to the next call, so that receive_data may pause before it.
 * Returns whether another call should follow. */
static bool open_once(emi_gate *gate, emi_bytes *input)
{
    if (gate->plain) {
        deliver_again(gate);
        return true;
    }
    unsigned char *plain = gate->gates->plain;
    emi_bytes none = {.length = 0};
    bool is_first = !gate->has_begun;
    size_t length = 0;
    gate->has_begun = true;
    emi_filter_result result = call_open(gate, is_first ? &none : input, plain, &length);
    gate->is_starved = result == EMI_FILTER_STARVED;
    EMI_INVARIANT(!gate->is_starved || is_first || input->length == 0);
    drop_unsendable(gate);
    EMI_INVARIANT(length == 0 || gate->was_ready);
    emi_gate_note_ready(gate);
    if (length > 0)
        deliver(gate->connection, plain, length);
    else if (!emi_connection_has_ended(gate->connection) && result == EMI_FILTER_ENDED)
        end_plain_side(gate);
    else if (!emi_connection_has_ended(gate->connection) && result == EMI_FILTER_FAILED)
        fail(gate);
    return !gate->is_starved || input->length > 0;
}

static void open_all(emi_gate *gate, emi_bytes *input)
{
    const emi_gates *gates = gate->gates;
    const em_loop *loop = gate->connection->object.loop;
    for (unsigned calls = 0; calls < MOST_CALLS && may_open(gate) && !emi_loop_is_forked(loop); calls++)
        if ((!gate->filter->is_ready && !emi_gates_has_time(gates)) || !open_once(gate, input))
            break;
}

/* Keeping */

static bool will_not_open(const emi_gate *gate)
{
    return gate->has_ended || gate->has_failed || emi_connection_has_ended(gate->connection);
}

static void release_held(emi_gate *gate)
{
    emi_release(&gate->connection->object.loop->memory, gate->held);
    gate->held = NULL;
    gate->held_begin = 0;
    gate->held_bytes = 0;
}

/* Appends to what is held already. */
static void hold(emi_gate *gate, const emi_bytes *rest)
{
    em_connection *connection = gate->connection;
    if (rest->length == 0)
        return;
    if (will_not_open(gate)) {
        gate->dropped_bytes += rest->length;
        return;
    }
    size_t end = gate->held_begin + gate->held_bytes;
    unsigned char *held = emi_reallocate(&connection->object.loop->memory, gate->held, end + rest->length);
    if (!held) {
        emi_connection_end(connection, EM_NO_MEMORY);
        return;
    }
    memcpy(held + end, rest->next, rest->length);
    gate->held = held;
    gate->held_bytes += rest->length;
}

static void settle(emi_gate *gate)
{
    em_connection *connection = gate->connection;
    if (!emi_connection_is_open(connection))
        return;
    emi_gate_go_on(gate);
    emi_connection_request_send(connection);
    emi_gates_note_active(gate);
    if (connection->write_side != EMI_WRITE_OPEN)
        emi_connection_act_if_sent(connection);
}

void emi_gate_receive(emi_gate *gate, emi_bytes input)
{
    if (gate->held_bytes == 0)
        open_all(gate, &input);
    hold(gate, &input);
    settle(gate);
}

void emi_gate_serve(emi_gate *gate)
{
    emi_bytes input = {.next = gate->held ? gate->held + gate->held_begin : NULL, .length = gate->held_bytes};
    open_all(gate, &input);
    gate->held_begin += gate->held_bytes - input.length;
    gate->held_bytes = input.length;
    if (input.length == 0 || will_not_open(gate))
        release_held(gate);
    settle(gate);
}
