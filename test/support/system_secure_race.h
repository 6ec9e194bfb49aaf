/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Races of addresses that TLS decides, over real sockets: servers of every kind in the loop of the client, each on a
 * port of its own, and what the client sees. Without OpenSSL none of these functions exist.
 */
#ifndef TEST_SYSTEM_SECURE_RACE_H
#define TEST_SYSTEM_SECURE_RACE_H

#include <eventmachine.h>

#include "support/bytes.h"

/** What a server does with those who connect. */
typedef enum secure_server_kind {
    SECURE_GOOD,       /* TLS with the right certificate; greets and echoes */
    SECURE_LATE,       /* the same, but its handshake waits for secure_server_begin */
    SECURE_SILENT,     /* accepts, and says nothing */
    SECURE_REFUSED,    /* nobody listens */
    SECURE_WRONG_NAME, /* a certificate for another host */
    SECURE_UNTRUSTED,  /* a certificate of its own making */
    SECURE_ALERT,      /* replies to the client's first message with an alert */
    SECURE_PLAIN,      /* speaks, but not TLS */
    SECURE_CLOSES,     /* ends the connection at the client's first message */
    SECURE_KINDS
} secure_server_kind;

typedef struct secure_server {
    secure_server_kind kind;
    em_loop *loop;
    em_server *server;
    em_tls_context *context;
    em_address address;
    unsigned accepted, ready, closed;
    em_status reason;     /* of the last unbind */
    byte_buffer received; /* from all clients: plain bytes, or those of the wire without TLS */
    em_connection *connection;
} secure_server;

/** What happened to a client. */
typedef struct secure_client {
    char events[32]; /* I: post_init, C: connection_completed, H: ssl_handshake_completed, D: receive_data, U: unbind */
    unsigned ended;
    em_status reason;
    char reason_text[4096];
    byte_buffer received;
    em_connection *connection; /* NULL after unbind */
    em_tls_options tls;        /* for example.com, trusting the authority of tls_test_credentials */
    em_connect_options options;
} secure_client;

/** Starts a server; it lives until secure_server_free. */
secure_server *secure_server_start(em_loop *loop, secure_server_kind kind);
/** Of SECURE_LATE: the handshake of its client begins. */
void secure_server_begin(secure_server *server);
void secure_server_free(secure_server *server);

/** A client that is not connected yet. Skips the test if connections have filters of the tests' own. */
secure_client *secure_client_new(void);
void secure_client_free(secure_client *client);
/** A context that trusts the tests' authority. */
em_tls_context *secure_client_context(em_tls_context_options options);

/** Lets it race to these servers. */
em_status secure_client_dial(secure_client *client, secure_server *const *servers, size_t count);
/** The same in another loop than theirs. */
em_status secure_client_dial_in(secure_client *client, em_loop *loop, secure_server *const *servers, size_t count);

/** The same by name, with the name as the default of what the certificate must be for. */
em_status secure_client_dial_name(secure_client *client, em_loop *loop, const char *host, int port);

/** Turns until the client has these events, and no others before. */
void secure_client_await(em_loop *loop, const secure_client *client, const char *events);

/** Closes the client, and turns until all servers have lost their connections. */
void secure_race_finish(em_loop *loop, secure_client *client, secure_server *const *servers, size_t count);

#endif
