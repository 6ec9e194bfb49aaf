/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * TLS by the C API over real sockets: a client and a server in one loop, both ours, and what happens to them. Without
 * OpenSSL none of these functions exist.
 */
#ifndef TEST_SYSTEM_TLS_H
#define TEST_SYSTEM_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include <eventmachine.h>

#include "support/bytes.h"

enum { SYSTEM_TLS_REASON_BYTES = 256, SYSTEM_TLS_ALPN_BYTES = 32 };

/** One end of a connection: what it wants, and what happened to it. */
typedef struct system_tls_end {
    em_tls_options tls;
    const char *greeting;   /* sent at once, before the handshake */
    bool closes_at_once;    /* after the greeting */
    bool echoes;            /* what it receives */
    bool pauses;            /* after each piece */
    bool is_plain_at_first; /* until the peer says "STARTTLS", or "GO" */
    em_connection *connection;
    unsigned ready, ended, drained, unbound;
    size_t outbound_when_drained;
    em_status reason;
    char reason_text[SYSTEM_TLS_REASON_BYTES];
    em_tls_info info;                 /* when ready; its strings are not valid any more */
    em_tls_info info_at_end;          /* in unbind; the same holds */
    char alpn[SYSTEM_TLS_ALPN_BYTES]; /* when ready; "": none */
    byte_buffer received;
    byte_buffer received_plain; /* behind the word, in the same piece */
} system_tls_end;

/** Both ends. */
typedef struct system_tls_pair {
    em_loop *loop;
    system_tls_end client;
    system_tls_end server;
} system_tls_pair;

/** The user pointer is a system_tls_end. The first has no receive_end, with the second the test closes. */
extern const em_handler system_tls_handler;
extern const em_handler system_tls_open_handler;

/**
 * A pair that is not connected yet. The client wants "example.com" and trusts the authority of tls_test_credentials,
 * whose certificate the server has; the server echoes. Skips the test if connections have filters of the tests' own.
 */
system_tls_pair *system_tls_new_pair(em_loop *loop);

/** Other contexts in place of those; size is filled in. */
void system_tls_set_client(system_tls_pair *pair, em_tls_context_options options);
void system_tls_set_server(system_tls_pair *pair, em_tls_context_options options);

/** Connects them. */
void system_tls_begin(system_tls_pair *pair, const em_handler *both);

/** Starts the server alone, and returns its port. */
int system_tls_serve(system_tls_pair *pair);

/** Runs until one end has received so much, until both have done the handshake, or until both have ended. */
void system_tls_await_bytes(const system_tls_pair *pair, const system_tls_end *end, size_t length);
void system_tls_await_ready(const system_tls_pair *pair);
void system_tls_await_ends(const system_tls_pair *pair);

/** Runs until one end has had its unbind, and checks its reason, and that the text of it has this in it. */
void system_tls_expect_end(const system_tls_pair *pair, const system_tls_end *end, em_status reason, const char *text);

/** Closes both ends that are still open, expects one unbind for each, and frees what the pair has. */
void system_tls_finish(system_tls_pair *pair);

/** Frees what the pair has: for tests with one end. */
void system_tls_free(system_tls_pair *pair);

#endif
