/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Opening and freeing a gate, and the deadline of its filter's handshake. There is one deadline for the whole
 * handshake, and progress does not extend it, so a peer cannot keep the connection by sending a byte now and then.
 */
#include "net/gate_private.h"

#include "net/net_private.h"
#include "system/clock.h"
#include "system/socket_state.h"

enum { LATENESS_FACTOR = 8 };

em_status emi_gate_check(const em_connection *connection)
{
    em_status status = emi_connection_check(connection);
    if (status == EM_OK)
        status = emi_loop_check(connection->object.loop);
    if (status == EM_OK && (emi_gate_of(connection) || emi_files_are_waiting(connection) ||
                            connection->write_side != EMI_WRITE_OPEN || emi_connection_receives_no_more(connection)))
        status = EM_INVALID_STATE;
    return status;
}

uint64_t emi_gate_excused_ns(uint64_t late_ns, uint64_t handshake_timeout_ns, bool has_input)
{
    uint64_t most_ns = handshake_timeout_ns;
    uint64_t granted_ns = late_ns < most_ns / LATENESS_FACTOR ? late_ns * LATENESS_FACTOR : most_ns;
    if (has_input && granted_ns < most_ns / LATENESS_FACTOR)
        granted_ns = most_ns / LATENESS_FACTOR;
    return granted_ns;
}

const char *emi_gate_progress(bool has_heard)
{
    return has_heard ? "the peer has sent something, but not all of its part" : "the peer has sent nothing";
}

static uint64_t excused_ns(const emi_gate *gate)
{
    bool has_input = emi_list_is_linked(&gate->due) ||
                     (emi_socket_look(gate->connection->channel.descriptor) & EMI_SOCKET_HAS_INPUT);
    uint64_t late_ns = gate->connection->object.loop->now_ns - gate->deadline.timer.due_ns;
    return emi_gate_excused_ns(late_ns, gate->handshake_timeout_ns, has_input);
}

static void expire(emi_loop_timer *timer)
{
    emi_gate *gate = EMI_CONTAINER(timer, emi_gate, deadline);
    em_connection *connection = gate->connection;
    uint64_t granted_ns = gate->is_excused ? 0 : excused_ns(gate);
    if (granted_ns > 0) {
        gate->is_excused = true;
        emi_loop_timer_set(connection->object.loop, timer, emi_loop_due_ns(connection->object.loop, granted_ns));
        return;
    }
    gate->detail = emi_gate_progress(gate->has_heard);
    emi_connection_end(connection, EM_TLS_HANDSHAKE_TIMEOUT);
}

/* Returns what is left of the connect timeout if it covers the handshake as well, at least 1 ns. */
static uint64_t time_to_connect_ns(const emi_connection_extras *extras)
{
    if (!extras->limits_tls || extras->connect_timeout_ns == EM_FOREVER)
        return EM_FOREVER;
    uint64_t passed_ns = emi_clock_now_ns() - extras->created_ns;
    return extras->connect_timeout_ns > passed_ns ? extras->connect_timeout_ns - passed_ns : 1;
}

void emi_gate_start_deadline(emi_gate *gate)
{
    em_loop *loop = gate->connection->object.loop;
    uint64_t left_ns = time_to_connect_ns(gate->connection->extras);
    if (left_ns < gate->handshake_timeout_ns)
        gate->handshake_timeout_ns = left_ns;
    if (gate->was_ready || gate->handshake_timeout_ns == EM_FOREVER)
        return;
    emi_loop_refresh_time(loop);
    emi_loop_timer_set(loop, &gate->deadline, emi_loop_due_ns(loop, gate->handshake_timeout_ns));
}

/* What was sent before leaves unfiltered, before the filter's first byte, and still counts as waiting. */
static void take_queue(emi_gate *gate)
{
    emi_outbox *outbox = &gate->connection->outbox;
    emi_filter *filter = gate->filter;
    EMI_INVARIANT(filter->wire.bytes == 0);
    filter->wire = *outbox;
    filter->pool->bytes += outbox->bytes;
    gate->sealed_bytes = outbox->bytes;
    *outbox = (emi_outbox){.bytes = 0};
}

static void install(emi_gate *gate)
{
    em_connection *connection = gate->connection;
    connection->extras->gate = gate;
    connection->channel.events = &emi_gate_events;
    connection->channel.offers_room = false;
}

/* The gate gets the filter, and is not installed yet. */
static em_status make_gate(em_connection *connection, emi_filter *filter, emi_gate **made)
{
    emi_gates *gates;
    emi_connection_extras *extras = emi_connection_extras_of(connection);
    em_status status = extras ? emi_gates_of(emi_net_at(connection->object.loop), &gates) : EM_NO_MEMORY;
    if (status != EM_OK)
        return status;
    *made = emi_allocate_zeroed(&connection->object.loop->memory, sizeof **made);
    emi_gate *gate = *made;
    if (!gate)
        return EM_NO_MEMORY;
    gate->gates = gates;
    gate->connection = connection;
    gate->filter = filter;
    filter->pool = &gates->wires;
    emi_loop_timer_init(&gate->deadline, expire);
    emi_list_init(&gate->due);
    emi_list_init(&gate->active);
    return EM_OK;
}

em_status emi_gate_open(em_connection *connection, emi_filter *filter, uint64_t handshake_timeout_ns)
{
    emi_gate *gate;
    em_status status = emi_gate_check(connection);
    if (status == EM_OK)
        status = emi_connection_empty_pipe(connection);
    if (status == EM_OK)
        status = make_gate(connection, filter, &gate);
    if (status != EM_OK)
        return status;
    gate->handshake_timeout_ns = handshake_timeout_ns > 0 ? handshake_timeout_ns : EMI_DEFAULT_HANDSHAKE_TIMEOUT_NS;
    gate->wire_sent_bytes = connection->bytes_sent;
    gate->is_starved = true;
    gate->was_ready = filter->is_ready;
    take_queue(gate);
    install(gate);
    if (emi_connection_is_open(connection)) {
        emi_gate_start_deadline(gate);
        emi_gates_add_due(gate);
    }
    return EM_OK;
}

/* What the filter may hold back is asked for when the connection is established. */
em_status emi_gate_open_ready(em_connection *connection, emi_filter *filter, unsigned char *held, size_t held_bytes,
                              uint64_t wire_sent_bytes)
{
    emi_gate *gate;
    em_status status = make_gate(connection, filter, &gate);
    if (status != EM_OK)
        return status;
    gate->held = held;
    gate->held_bytes = held_bytes;
    gate->wire_sent_bytes = wire_sent_bytes;
    gate->has_begun = true;
    gate->has_heard = true;
    install(gate);
    return EM_OK;
}

void emi_gate_stop(emi_gate *gate)
{
    emi_loop_timer_cancel(gate->connection->object.loop, &gate->deadline);
    emi_list_remove(&gate->due);
    emi_list_remove(&gate->active);
}

void emi_gate_free(emi_gate *gate)
{
    em_loop *loop = gate->connection->object.loop;
    emi_filter *filter = gate->filter;
    emi_gate_stop(gate);
    emi_outbox_clear(&filter->wire, filter->pool);
    loop->outboxes.bytes -= gate->sealed_bytes;
    filter->operations->destroy(filter);
    emi_release(&loop->memory, gate->held);
    emi_release(&loop->memory, gate->plain);
    emi_release(&loop->memory, gate);
}
