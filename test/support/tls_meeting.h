/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A client and a server of TLS meet once, with these certificates and options. Without OpenSSL it does not exist.
 */
#ifndef TEST_TLS_MEETING_H
#define TEST_TLS_MEETING_H

#include "support/tls_pair.h"

/** The server has this certificate (and key and chain, in PEM), the client trusts `authority_pem`. */
typedef struct tls_meeting {
    const char *server_pem;
    const char *authority_pem; /* NULL: the world's */
    const char *hostname;
    em_tls_context_options client; /* more for the client */
    em_tls_context_options server; /* more for the server */
    const char *client_pem;        /* the client's certificate */
} tls_meeting;

/** Both shake hands; the client sends "data". Close the pair. */
void tls_meeting_hold(const tls_meeting *meeting, tls_pair *pair);

/** They meet, the client ends with this status, and its text contains `detail`. Or the test ends. */
void tls_meeting_expect(const tls_meeting *meeting, em_status status, const char *detail);

#endif
