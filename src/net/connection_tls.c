/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * TLS on a connection: installs a filter of tls/ in the gate. Chooses the role in the handshake and names the peer
 * whose sessions a client may resume.
 */
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "net/connection_tls.h"

static em_status refuse(em_status status, const char *text)
{
    emi_set_status_detail(status, text);
    return status;
}

static em_status check(const em_connection *connection)
{
    em_status status = emi_connection_check(connection);
    if (status == EM_OK)
        status = emi_loop_check(connection->object.loop);
    if (status != EM_OK)
        return status;
    const emi_connector *connector = connection->extras ? connection->extras->connector : NULL;
    if (emi_gate_of(connection) || (connector && connector->tls))
        return refuse(EM_INVALID_STATE, "TLS was started on this connection already");
    if (emi_gate_check(connection) == EM_INVALID_STATE)
        return refuse(EM_INVALID_STATE, "one side of the connection has ended");
    return EM_OK;
}

em_status emi_connection_read_tls_options(const em_connection *connection, const em_tls_options *given,
                                          em_tls_options *own, bool *is_server)
{
    em_status status = emi_read_named_options("em_tls_options", own, sizeof *own, given);
    if (status != EM_OK)
        return status;
    if (own->reserved != 0)
        return refuse(EM_INVALID_ARGUMENT, "em_tls_options: reserved must be 0");
    switch (own->role) {
    case EM_TLS_ROLE_DEFAULT:
        *is_server = emi_object_has_parent(&connection->object, EMI_SERVER);
        return EM_OK;
    case EM_TLS_CLIENT:
    case EM_TLS_SERVER:
        *is_server = own->role == EM_TLS_SERVER;
        return EM_OK;
    }
    return refuse(EM_INVALID_ARGUMENT, "em_tls_options: role is out of range");
}

/* While connecting: the destination as the program gave it. Returns false once that is no longer known. */
static bool name_destination(const em_connection *connection, char *text)
{
    const emi_connector *connector = connection->extras ? connection->extras->connector : NULL;
    if (!connector)
        return false;
    if (connector->host[0] != '\0')
        return snprintf(text, EMI_TLS_PEER_BYTES, "%s:%u", connector->host, connector->port) < EMI_TLS_PEER_BYTES;
    return connector->address.length > 0 && em_address_to_text(&connector->address, text, EMI_TLS_PEER_BYTES) > 0;
}

/* The text under which the peer's sessions are kept. Returns NULL if the peer has no name. */
static const char *name_peer(em_connection *connection, char *text)
{
    em_address address;
    if (name_destination(connection, text))
        return text;
    if (em_connection_get_peer_address(connection, &address) != EM_OK)
        return NULL;
    return em_address_to_text(&address, text, EMI_TLS_PEER_BYTES) > 0 ? text : NULL;
}

em_status emi_connection_open_filter(em_connection *connection, const em_tls_options *options, bool is_server,
                                     const char *peer, emi_filter **filter)
{
    emi_gates *gates;
    em_status status = emi_gates_of(emi_net_at(connection->object.loop), &gates);
    if (status != EM_OK)
        return status;
    const emi_tls_opening opening = {
        .options = options,
        .is_server = is_server,
        .connection = connection,
        .peer = peer,
        .memory = &connection->object.loop->memory,
        .wire_pool = &gates->wires,
    };
    return emi_tls_open(&opening, filter);
}

em_status em_connection_start_tls(em_connection *connection, const em_tls_options *given)
{
    em_tls_options options;
    bool is_server;
    emi_filter *filter;
    char text[EMI_TLS_PEER_BYTES];
    em_status status = check(connection);
    if (status == EM_OK)
        status = emi_connection_read_tls_options(connection, given, &options, &is_server);
    if (status != EM_OK)
        return status;
    const char *peer = is_server ? NULL : name_peer(connection, text);
    status = emi_connection_open_filter(connection, &options, is_server, peer, &filter);
    if (status != EM_OK)
        return status;
    status = emi_gate_open(connection, filter, options.handshake_timeout_ns);
    if (status != EM_OK)
        filter->operations->destroy(filter);
    return status;
}

/* Returns NULL if the connection has no TLS. */
static const emi_filter *tls_of(const em_connection *connection)
{
    const emi_gate *gate = connection ? emi_gate_of(connection) : NULL;
    return gate && emi_tls_is(gate->filter) ? gate->filter : NULL;
}

em_status em_connection_get_tls_info(const em_connection *connection, em_tls_info *info, size_t info_bytes)
{
    em_tls_info own;
    if (!connection || !info || info_bytes == 0 || info_bytes > EMI_LARGEST_STRUCT_BYTES)
        return EM_INVALID_ARGUMENT;
    const emi_filter *filter = tls_of(connection);
    if (!filter)
        return EM_INVALID_STATE;
    emi_tls_get_info(filter, &own);
    memset(info, 0, info_bytes);
    memcpy(info, &own, info_bytes < sizeof own ? info_bytes : sizeof own);
    return EM_OK;
}

em_status em_connection_get_peer_certificate(const em_connection *connection, unsigned index, em_tls_format format,
                                             void *certificate, size_t *certificate_bytes)
{
    if (!connection || !certificate_bytes || (!certificate && *certificate_bytes > 0) ||
        (format != EM_TLS_PEM && format != EM_TLS_DER))
        return EM_INVALID_ARGUMENT;
    const emi_filter *filter = tls_of(connection);
    size_t capacity = *certificate_bytes;
    *certificate_bytes = filter ? emi_tls_get_peer_certificate(filter, index, format, certificate, capacity) : 0;
    return *certificate_bytes > 0 ? EM_OK : EM_NOT_FOUND;
}

const void *em_connection_get_ocsp_response(const em_connection *connection, size_t *response_bytes)
{
    const emi_filter *filter = tls_of(connection);
    size_t bytes = 0;
    const void *response = filter ? emi_tls_get_ocsp_response(filter, &bytes) : NULL;
    if (response_bytes)
        *response_bytes = response ? bytes : 0;
    return response;
}
