/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Why a connection has ended, in detail. The text is composed on request, from what is still known in unbind. That of a
 * connection that was never established lists every address that was tried; see connecting_reason.c.
 */
#include "net/connecting_reason.h"
#include "system/system_error.h"

#include <string.h>

enum { TEXT_BYTES = 4096 };

static void describe_established(em_connection *connection, emi_text *text)
{
    em_address peer;
    char address[EM_ADDRESS_TEXT_BYTES] = "";
    if (em_connection_get_peer_address(connection, &peer) == EM_OK)
        em_address_to_text(&peer, address, sizeof address);
    bool has_name = address[0] != '\0' && strcmp(address, "unix:") != 0;
    if (has_name)
        emi_text_add(text, "connection with %s: ", address);
    else
        emi_text_add(text, "connection: ");
    emi_text_add(text, "%s", emi_reason_in_words(connection));
}

const char *emi_reason_in_words(const em_connection *connection)
{
    if (connection->object.reason == EM_OK)
        return connection->peer_ended ? "closed by the peer" : "closed at this end";
    return emi_status_in_words((em_status)connection->object.reason, connection->object.system_error);
}

static void describe(em_connection *connection, emi_text *text)
{
    const emi_gate *gate = emi_gate_of(connection);
    const char *detail = gate ? gate->detail : NULL;
    if (connection->extras->connector)
        emi_describe_connecting(connection, text);
    else
        describe_established(connection, text);
    if (detail && strcmp(detail, emi_reason_in_words(connection)) != 0)
        emi_text_add(text, " (%s)", detail);
}

static const char *text_of(em_connection *connection)
{
    emi_connection_extras *extras = emi_connection_extras_of(connection);
    if (extras && !extras->reason_text) {
        extras->reason_text = emi_allocate(&connection->object.loop->memory, TEXT_BYTES);
        if (extras->reason_text)
            describe(connection, &(emi_text){.bytes = extras->reason_text, .capacity = TEXT_BYTES});
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
