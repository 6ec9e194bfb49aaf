/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * TLS on connections: what connection_tls.c does also for connections that are being opened, and the options of TLS
 * that those keep until their attempts need them, see `tls` in em_connect_options.
 */
#ifndef EMI_CONNECTION_TLS_H
#define EMI_CONNECTION_TLS_H

#include "net/net_private.h"
#include "tls/tls.h"

/** The longest host name with a port. */
enum { EMI_TLS_PEER_BYTES = 512 };

/* connection_tls.c */

/** Reads and checks options, and decides about the role. EM_INVALID_ARGUMENT. */
em_status emi_connection_read_tls_options(const em_connection *connection, const em_tls_options *given,
                                          em_tls_options *own, bool *is_server);

/** Creates a filter for a connection. peer: the text under which a client keeps sessions; NULL: none are kept. The
 * errors of emi_tls_open. */
em_status emi_connection_open_filter(em_connection *connection, const em_tls_options *options, bool is_server,
                                     const char *peer, emi_filter **filter);

/* connector_tls.c */

/** The options that a connector keeps, with everything that they refer to. */
struct emi_connector_tls {
    em_tls_options options;
    char names[]; /* hostname and server_name */
};

/**
 * Reads, checks and copies the options that the attempts of a connection will use. given: NULL for none. hostname: the
 * default. Returns the errors of em_connection_start_tls.
 */
em_status emi_connector_set_tls(em_connection *connection, const em_tls_options *given, const char *hostname);

/** Frees the options, if there are any. */
void emi_connector_drop_tls(em_connection *connection);

/** Creates the filter of the attempt with this address. */
em_status emi_connector_open_filter(em_connection *connection, const em_address *address, emi_filter **filter);

#endif
