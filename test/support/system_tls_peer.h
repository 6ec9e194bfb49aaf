/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The other side of a TLS connection, by OpenSSL over a bare socket, for what our own side never does. Without OpenSSL
 * it does not exist.
 */
#ifndef TEST_SYSTEM_TLS_PEER_H
#define TEST_SYSTEM_TLS_PEER_H

#include "support/tls_raw.h"

#if EMI_HAVE_OPENSSL

typedef struct system_tls_peer {
    tls_raw raw;
    em_loop *loop; /* of our side */
    int socket;
    bool has_ended; /* our side has sent its last byte */
} system_tls_peer;

/** A client that is connected to this port, or a server for the next connection of a listening socket. */
void system_tls_peer_connect(system_tls_peer *peer, em_loop *loop, int port);
void system_tls_peer_accept(system_tls_peer *peer, em_loop *loop, int listener);

/** Begins TLS as a client over a socket that has been used before. */
void system_tls_peer_start(system_tls_peer *peer, em_loop *loop, int socket);

/** Moves what there is in both directions, and runs one turn of the loop. */
void system_tls_peer_turn(system_tls_peer *peer);

/** Turns until the handshake is done; until so much has been received; until our side has sent its last byte. */
void system_tls_peer_await_ready(system_tls_peer *peer);
void system_tls_peer_await_bytes(system_tls_peer *peer, size_t length);
void system_tls_peer_await_end(system_tls_peer *peer);

/** Sends a text, at once. */
void system_tls_peer_send(system_tls_peer *peer, const char *text);

/** Closes the socket without a word, and frees it all. */
void system_tls_peer_close(system_tls_peer *peer);

#endif

#endif
