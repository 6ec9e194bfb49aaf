/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * One handshake of a client and a server with given certificates and options. Without OpenSSL these functions do not
 * exist.
 */
#ifndef TEST_TLS_HANDSHAKE_H
#define TEST_TLS_HANDSHAKE_H

#include "support/tls_pair.h"

typedef struct tls_handshake {
    const char *server_pem;    /* certificate, chain and key of the server */
    const char *authority_pem; /* that the client trusts; NULL: that of the tests */
    const char *hostname;
    em_tls_context_options client; /* other options of the client */
    em_tls_context_options server; /* other options of the server */
    const char *client_pem;        /* certificate and key of the client, or NULL */
} tls_handshake;

/** Runs the handshake, then the client sends "data". Close the pair afterwards. */
void tls_handshake_run(const tls_handshake *given, tls_pair *pair);

/** Runs the handshake, and checks that the client ends with this status and a text that contains `detail`. */
void tls_handshake_expect(const tls_handshake *given, em_status status, const char *detail);

#endif
