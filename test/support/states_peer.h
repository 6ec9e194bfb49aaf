/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Awkward states, the peer's sockets. They have small buffers, which few bytes fill, and segments as large as a
 * network's.
 */
#ifndef TEST_STATES_PEER_H
#define TEST_STATES_PEER_H

#include <stddef.h>

#include "support/states_model.h"
#include "support/states_table.h"

/** The size of the buffers at either end, as set by SO_SNDBUF and SO_RCVBUF. */
enum { STATES_BUFFER_BYTES = 16 * 1024 };

/** What a peer sends. */
extern const char states_peer_data[];

/** The path of the server, or of the peers' listener, for em_loop_start_unix_domain_server and
 * em_loop_connect_unix_domain. */
void states_path(const char *role, char *path, size_t capacity);

/** Listens for connections that we open. port: set to the port, TCP only. */
int states_peer_listen(states_kind kind, int *port);

/** Connects to our server. */
int states_peer_connect(states_kind kind, int port);

/** Makes a move on the socket, which is -1 afterwards if that closed it. */
void states_peer_make(int *peer, states_kind kind, states_peer_move move);

/** Waits until a descriptor shows that such a move has arrived, or is closed. */
void states_peer_await(int descriptor, states_kind kind, states_peer_move move);

/** Waits, up to some seconds, until a descriptor has these events of poll(2) or an error. */
void states_await(int descriptor, short events);

/**
 * Reads once what is there. Returns how many bytes, 0 at the end of either kind, which *end then says, -1 if nothing is
 * there.
 */
long states_peer_read(int peer, void *buffer, size_t capacity, states_end *end);

#endif
