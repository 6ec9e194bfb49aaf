/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Why a connection has ended, in detail. The text is composed on request, from what is still known in unbind.
 */
#include <stdio.h>
#include <string.h>

#include "net/net_private.h"
#include "system/system_error.h"

enum { TEXT_BYTES = 640, WHERE_BYTES = 448 };

/* Before the first attempt to connect, the step is the look-up of the peer's name or of the local end's. */
static const char *present_step(const em_connection *connection)
{
    const emi_connector *connector = connection->extras->connector;
    if (connector->next > 0)
        return "connect to";
    if (connection->object.reason == EM_ADDRESS_NOT_AVAILABLE || connection->object.reason == EM_ADDRESS_FAMILY)
        return "find a local address to reach";
    return connector->host[0] != '\0' ? "resolve" : "connect to";
}

static void describe_connecting(const em_connection *connection, char *text, size_t capacity)
{
    const emi_connector *connector = connection->extras->connector;
    const char *step = present_step(connection);
    char address[EM_ADDRESS_TEXT_BYTES] = "";
    unsigned present = connector->next > 0 ? connector->next - 1 : 0;
    if (connector->addresses.count > 0)
        em_address_to_text(&connector->addresses.list[present], address, sizeof address);
    if (connector->host[0] == '\0')
        snprintf(text, capacity, "%s %s", step, address);
    else if (connector->next == 0)
        snprintf(text, capacity, "%s %.255s", step, connector->host);
    else
        snprintf(text, capacity, "%s %.255s (%s)", step, connector->host, address);
}

static void describe_established(em_connection *connection, char *text, size_t capacity)
{
    em_address peer;
    char address[EM_ADDRESS_TEXT_BYTES] = "";
    if (em_connection_get_peer_address(connection, &peer) == EM_OK)
        em_address_to_text(&peer, address, sizeof address);
    bool has_name = address[0] != '\0' && strcmp(address, "unix:") != 0;
    snprintf(text, capacity, has_name ? "connection with %s" : "connection", address);
}

static const char *what_happened(const em_connection *connection)
{
    if (connection->object.reason == EM_OK)
        return connection->peer_ended ? "closed by the peer" : "closed at this end";
    if (connection->object.system_error != 0)
        return emi_system_error_text(connection->object.system_error);
    return em_status_get_text((em_status)connection->object.reason);
}

static void describe(em_connection *connection, char *text)
{
    const emi_gate *gate = emi_gate_of(connection);
    const char *what = what_happened(connection);
    const char *detail = gate && gate->detail && strcmp(gate->detail, what) != 0 ? gate->detail : NULL;
    char where[WHERE_BYTES];
    if (connection->extras->connector)
        describe_connecting(connection, where, sizeof where);
    else
        describe_established(connection, where, sizeof where);
    if (detail)
        snprintf(text, TEXT_BYTES, "%s: %s (%s)", where, what, detail);
    else
        snprintf(text, TEXT_BYTES, "%s: %s", where, what);
}

static const char *text_of(em_connection *connection)
{
    emi_connection_extras *extras = emi_connection_extras_of(connection);
    if (extras && !extras->reason_text) {
        extras->reason_text = emi_allocate(&connection->object.loop->memory, TEXT_BYTES);
        if (extras->reason_text)
            describe(connection, extras->reason_text);
    }
    return extras && extras->reason_text ? extras->reason_text
                                         : em_status_get_text((em_status)connection->object.reason);
}

em_status em_connection_get_reason(em_connection *connection, em_reason *reason)
{
    if (!connection || !reason || !emi_is_struct_size(reason->size))
        return EM_INVALID_ARGUMENT;
    if (!emi_connection_has_ended(connection))
        return EM_INVALID_STATE;
    size_t size = reason->size;
    const em_reason own = {
        .size = size,
        .status = (em_status)connection->object.reason,
        .system_error = connection->object.system_error,
        .text = text_of(connection),
    };
    memset(reason, 0, size);
    memcpy(reason, &own, size < sizeof own ? size : sizeof own);
    return EM_OK;
}
