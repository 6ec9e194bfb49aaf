/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connections with TLS one after the other, which may resume sessions. Without OpenSSL none of these functions exist.
 */
#ifndef TEST_TLS_RESUMPTION_H
#define TEST_TLS_RESUMPTION_H

#include "support/tls_pair.h"

/** Create a context, or fail the test: with the certificate of tls_test_credentials; and trusting its authority, unless
 * `verify` is off. size is filled in. */
em_tls_context *tls_resumption_server(em_tls_context_options options);
em_tls_context *tls_resumption_client(em_tls_context_options options);

typedef struct tls_resumption_wish {
    const char *hostname; /* NULL: example.com */
    const char *peer;     /* NULL: "192.0.2.1:443" */
    bool ends_badly;      /* no close_notify */
} tls_resumption_wish;

/** Makes a connection, sends some data in both directions, and closes it. Returns whether a session was resumed. */
bool tls_resumption_connect(em_tls_context *client, em_tls_context *server, tls_resumption_wish wanted);

#endif
