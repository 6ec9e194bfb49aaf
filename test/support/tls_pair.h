/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * TLS without sockets: two filters that are connected by their wires and called as a connection would call them, and an
 * authority with a server's certificate. Without OpenSSL none of these functions exist.
 */
#ifndef TEST_TLS_PAIR_H
#define TEST_TLS_PAIR_H

#include "support/bytes.h"
#include "support/certificates.h"
#include "support/failing_allocator.h"
#include "tls/tls.h"

/** One side. */
typedef struct tls_end {
    failing_allocator allocator;
    emi_outbox_pool pool;
    emi_filter *filter;
    byte_buffer received;     /* plain bytes */
    emi_filter_result result; /* of the last `open` */
    unsigned calls;           /* of `open` */
} tls_end;

typedef struct tls_pair {
    tls_end client;
    tls_end server;
    size_t step;        /* how many wire bytes are passed at once; 0: all */
    size_t carried;     /* wire bytes so far, in both directions */
    size_t flip_at;     /* this byte is corrupted, counted from 1 in both directions; 0: none */
    size_t truncate_at; /* after this many bytes nothing is passed; 0: no limit */
} tls_pair;

/** The authority and the server's certificate that the tests use. */
typedef struct tls_credentials {
    test_certificate authority;
    char *authority_pem;
    test_certificate server; /* for example.com, *.example.com, 192.0.2.1, ::1 */
    char *server_pem;        /* certificate and key */
} tls_credentials;

/** Returns them. They are made once per program. */
const tls_credentials *tls_test_credentials(void);

/** Returns certificate and key in PEM, to be freed. */
char *tls_pem_of(const test_certificate *certificate);

/** Create a context, or fail the test. */
em_tls_context *tls_context_make(const em_tls_context_options *options);
em_tls_context *tls_server_context(void); /* with the tests' certificate */
em_tls_context *tls_client_context(void); /* trusts the tests' authority */

/** Opens one side. Returns the status of emi_tls_open. peer: under which its sessions are kept. */
em_status tls_end_open(tls_end *end, const em_tls_options *options, bool is_server, const char *peer);
void tls_end_close(tls_end *end);

/** Opens both sides, the client with the hostname example.com. Retains the contexts. */
void tls_pair_open(tls_pair *pair, em_tls_context *client, em_tls_context *server);
void tls_pair_close(tls_pair *pair);

/** Passes wire bytes to `open` until all are used, as a connection does. */
void tls_end_receive(tls_end *end, const void *wire, size_t length);

/** Takes up to `length` bytes from the wire outbox. Returns how many. */
size_t tls_end_take_wire(tls_end *end, void *buffer, size_t length);

/** Passes bytes back and forth until both wires are empty. */
void tls_pair_run(tls_pair *pair);

/** Calls tls_pair_open and tls_pair_run, and checks that both sides are ready. */
void tls_pair_connect(tls_pair *pair, em_tls_context *client, em_tls_context *server);

/** Seals in pieces, as a connection does. */
em_status tls_end_send(tls_end *end, const void *plain, size_t length);

/** Sends a text and checks that it arrives. */
void tls_pair_check_text(tls_pair *pair, tls_end *from, tls_end *to, const char *text);

#endif
