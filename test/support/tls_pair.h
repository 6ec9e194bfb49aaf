/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * TLS without sockets: two filters whose wires are connected, as the connection would drive them, and an authority with
 * a server's certificate. Without OpenSSL none of these functions exist.
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
    size_t step;        /* how many bytes of the wire are handed over at once; 0: all */
    size_t carried;     /* bytes so far, both ways together */
    size_t flip_at;     /* the byte of this number, counted from 1, is changed; 0: none */
    size_t truncate_at; /* nothing is handed over after so many bytes; 0: no limit */
} tls_pair;

/** An authority, and what servers and clients of the tests have. */
typedef struct tls_world {
    test_certificate authority;
    char *authority_pem;
    test_certificate server; /* for example.com, *.example.com, 192.0.2.1, ::1 */
    char *server_pem;        /* certificate and key */
} tls_world;

/** The world is made once per program. */
const tls_world *tls_world_get(void);

/** PEM of certificate and key, to be freed. */
char *tls_pem_of(const test_certificate *certificate);

/** A context, or the end of the test. */
em_tls_context *tls_context_make(const em_tls_context_options *options);
em_tls_context *tls_server_context(void); /* with the world's certificate */
em_tls_context *tls_client_context(void); /* trusts the world's authority */

/** Opens one side; EM_OK, or what emi_tls_open returns. peer: what its sessions are kept under. */
em_status tls_end_open(tls_end *end, const em_tls_options *options, bool is_server, const char *peer);
void tls_end_close(tls_end *end);

/** Both sides, the client for example.com. The contexts are retained only. */
void tls_pair_open(tls_pair *pair, em_tls_context *client, em_tls_context *server);
void tls_pair_close(tls_pair *pair);

/** As the connection does it: hands bytes of the wire to `open` until all are used. */
void tls_end_receive(tls_end *end, const void *wire, size_t length);

/** Takes up to `length` bytes off the wire; returns how many. */
size_t tls_end_take_wire(tls_end *end, void *buffer, size_t length);

/** Hands bytes back and forth until both wires are empty. */
void tls_pair_run(tls_pair *pair);

/** tls_pair_open, tls_pair_run, and both sides are ready. */
void tls_pair_connect(tls_pair *pair, em_tls_context *client, em_tls_context *server);

/** Seals in pieces, as the connection does. */
em_status tls_end_send(tls_end *end, const void *plain, size_t length);

/** Sends a text and checks that it arrives. */
void tls_pair_check_text(tls_pair *pair, tls_end *from, tls_end *to, const char *text);

#endif
