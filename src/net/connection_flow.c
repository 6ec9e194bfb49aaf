/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Flow control: pauses, and the marks and limits for the bytes waiting to be sent. There are three independent pauses:
 * of both directions, of receiving alone, and that of a proxy. A connection receives only while none is in effect.
 */
#include "net/net_private.h"

static bool wants_input(const em_connection *connection)
{
    const emi_gate *gate = emi_gate_of(connection);
    return gate ? emi_gate_wants_input(gate)
                : !connection->paused && !connection->receiving_paused && !connection->is_held &&
                      !connection->peer_ended;
}

/* The bytes that a filter holds are delivered before those that the system holds. */
em_status emi_connection_start_receiving(em_connection *connection)
{
    emi_gate *gate = emi_gate_of(connection);
    if (gate && emi_gate_needs_turn(gate))
        emi_gates_add_due(gate);
    if (!emi_connection_is_open(connection) || !wants_input(connection))
        return EM_OK;
    em_status status = emi_channel_start_receiving(&connection->channel);
    if (status != EM_OK)
        emi_connection_end(connection, status);
    return status;
}

/* While connecting nothing is received yet. A filter's handshake continues during a pause. */
static void stop_receiving(em_connection *connection)
{
    if (connection->channel.backend && !connection->channel.released &&
        !(emi_gate_of(connection) && wants_input(connection)))
        emi_channel_stop_receiving(&connection->channel);
}

void emi_connection_update_receiving(em_connection *connection)
{
    bool wants = wants_input(connection);
    if (wants && !connection->channel.receiving)
        emi_connection_start_receiving(connection);
    else if (!wants && connection->channel.receiving)
        emi_channel_stop_receiving(&connection->channel);
}

/* For the beginning of a pause, which must not hold yet, and for its end. */
static em_status check(const em_connection *connection, bool may_change)
{
    em_status status = emi_connection_check(connection);
    return status == EM_OK && !may_change ? EM_INVALID_STATE : status;
}

em_status em_connection_pause(em_connection *connection)
{
    em_status status = check(connection, connection && !connection->paused);
    if (status != EM_OK)
        return status;
    connection->paused = true;
    stop_receiving(connection);
    return EM_OK;
}

em_status em_connection_resume(em_connection *connection)
{
    em_status status = check(connection, connection && connection->paused);
    if (status != EM_OK)
        return status;
    connection->paused = false;
    if (!emi_connection_is_open(connection))
        return EM_OK;
    emi_connection_start_receiving(connection);
    emi_connection_request_send(connection);
    emi_connection_act_if_sent(connection);
    return EM_OK;
}

int em_connection_is_paused(const em_connection *connection)
{
    return connection && connection->paused && !emi_connection_has_ended(connection);
}

em_status em_connection_pause_receiving(em_connection *connection)
{
    em_status status = check(connection, connection && !connection->receiving_paused);
    if (status != EM_OK)
        return status;
    connection->receiving_paused = true;
    stop_receiving(connection);
    return EM_OK;
}

em_status em_connection_resume_receiving(em_connection *connection)
{
    em_status status = check(connection, connection && connection->receiving_paused);
    if (status != EM_OK)
        return status;
    connection->receiving_paused = false;
    emi_connection_start_receiving(connection);
    return EM_OK;
}

int em_connection_is_receiving_paused(const em_connection *connection)
{
    return connection && connection->receiving_paused && !emi_connection_has_ended(connection);
}

void emi_connection_hold(em_connection *connection, bool is_held)
{
    connection->is_held = is_held;
    if (is_held)
        stop_receiving(connection);
    else
        emi_connection_start_receiving(connection);
}

em_status em_connection_set_water_marks(em_connection *connection, size_t low_bytes, size_t high_bytes)
{
    if (high_bytes == 0 || low_bytes > high_bytes)
        return EM_INVALID_ARGUMENT;
    emi_connection_extras *extras;
    em_status status = emi_connection_extras_to_set(connection, &extras);
    if (status != EM_OK)
        return status;
    extras->low_water_bytes = low_bytes;
    extras->high_water_bytes = high_bytes;
    if (emi_connection_outbound_bytes(connection) > high_bytes)
        connection->under_pressure = true;
    return EM_OK;
}

em_status em_connection_set_outbox_limit_bytes(em_connection *connection, size_t limit_bytes)
{
    emi_connection_extras *extras;
    em_status status = emi_connection_extras_to_set(connection, &extras);
    if (status != EM_OK)
        return status;
    extras->outbox_limit_bytes = limit_bytes;
    if (extras->links.feeder)
        emi_proxy_note_room(extras->links.feeder);
    return EM_OK;
}

size_t em_connection_get_outbound_bytes(const em_connection *connection)
{
    if (!connection || emi_connection_has_ended(connection))
        return 0;
    size_t bytes = emi_connection_outbound_bytes(connection);
    uint64_t of_files = emi_files_unsent_bytes(connection);
    return of_files < SIZE_MAX - bytes ? bytes + (size_t)of_files : SIZE_MAX;
}
