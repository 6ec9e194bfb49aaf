/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Races that TLS decides, over the simulated backend: its peers are TLS servers without sockets. Without OpenSSL none
 * of these functions exist.
 */
#ifndef TEST_SIMULATED_TLS_H
#define TEST_SIMULATED_TLS_H

#include "support/simulated_race.h"
#include "support/tls_pair.h"

/** What a server does once it has accepted. */
typedef enum manner { GOOD, SILENT, WRONG_NAME, NOT_TLS, ENDS, RESETS, MANNERS } manner;

typedef struct tls_server {
    simulated_peer *peer;
    tls_end end;
    manner manner;
    bool has_tls;
    bool has_acted;
} tls_server;

/** For the group of tests: make and release the contexts of all servers and of the clients. */
int simulated_tls_set_up(void **state);
int simulated_tls_tear_down(void **state);

/** Trusts the authority of the servers. */
em_tls_context *simulated_tls_client(void);

/** A server accepts. *made must stay where it is until simulated_tls_close. */
void simulated_tls_accept(tls_server *made, simulated_peer *peer, manner how);
void simulated_tls_close(tls_server *server);

/** The server takes what was sent to it, and replies. */
void simulated_tls_go_on(tls_server *server);

/** Begins a race for example.com to these addresses. */
em_status simulated_tls_begin(recorder *told, simulated_loop *fixture, const int *numbers, size_t count);

/** Turns, with what the servers do, until there are so many events. */
void simulated_tls_play(recorder *told, tls_server *servers, unsigned count, size_t events);

#endif
