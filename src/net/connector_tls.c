/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The options of TLS that are given with those of connecting. They are copied, because attempts may begin long after
 * the call, and checked by creating a filter, so that the call returns every error that the network does not cause.
 */
#include <stdio.h>
#include <string.h>

#include "net/connection_tls.h"

static em_status refuse(em_status status, const char *text)
{
    emi_set_status_detail(status, text);
    return status;
}

static size_t size_of(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static const char *copy_text(char **room, const char *text)
{
    size_t bytes = size_of(text);
    char *copy = *room;
    if (!text)
        return NULL;
    memcpy(copy, text, bytes);
    *room += bytes;
    return copy;
}

static em_status keep(em_connection *connection, const em_tls_options *options)
{
    emi_connector_tls *tls = emi_allocate(&connection->object.loop->memory,
                                          sizeof *tls + size_of(options->hostname) + size_of(options->server_name));
    if (!tls)
        return EM_NO_MEMORY;
    char *room = tls->names;
    tls->options = *options;
    tls->options.hostname = copy_text(&room, options->hostname);
    tls->options.server_name = copy_text(&room, options->server_name);
    em_tls_context_retain(tls->options.context);
    connection->extras->connector->tls = tls;
    return EM_OK;
}

static em_status check(em_connection *connection, const em_tls_options *options)
{
    emi_filter *filter;
    em_status status = emi_connection_open_filter(connection, options, false, NULL, &filter);
    if (status == EM_OK)
        filter->operations->destroy(filter);
    return status;
}

em_status emi_connector_set_tls(em_connection *connection, const em_tls_options *given, const char *hostname)
{
    em_tls_options options;
    bool is_server;
    if (!given)
        return EM_OK;
    if (emi_gate_of(connection))
        return refuse(EM_INVALID_STATE, "the connection has a filter already");
    em_status status = emi_connection_read_tls_options(connection, given, &options, &is_server);
    if (status == EM_OK && is_server)
        status = refuse(EM_INVALID_ARGUMENT, "em_connect_options: tls must be for a client");
    if (status != EM_OK)
        return status;
    if (!options.hostname)
        options.hostname = hostname;
    status = check(connection, &options);
    return status == EM_OK ? keep(connection, &options) : status;
}

void emi_connector_drop_tls(em_connection *connection)
{
    emi_connector *connector = connection->extras->connector;
    if (!connector->tls)
        return;
    em_tls_context_release(connector->tls->options.context);
    emi_release(&connection->object.loop->memory, connector->tls);
    connector->tls = NULL;
}

em_status emi_connector_open_filter(em_connection *connection, const em_address *address, emi_filter **filter)
{
    const emi_connector *connector = connection->extras->connector;
    char peer[EMI_TLS_PEER_BYTES];
    if (connector->host[0] != '\0')
        snprintf(peer, sizeof peer, "%s:%u", connector->host, connector->port);
    else
        em_address_to_text(address, peer, sizeof peer);
    return emi_connection_open_filter(connection, &connector->tls->options, false, peer, filter);
}
