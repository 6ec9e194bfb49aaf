/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A server over the simulated backend that keeps a list of the connections it has accepted, for tests of when it
 * accepts.
 */
#ifndef TEST_SIMULATED_SERVER_H
#define TEST_SIMULATED_SERVER_H

#include "support/simulated_loop.h"

enum { SIMULATED_MOST_CLIENTS = 64 };

/** A server, and those of its connections that are open. */
typedef struct simulated_server {
    simulated_loop *fixture;
    em_server *server; /**< the test sets it to NULL when it has stopped it */
    em_connection *open[SIMULATED_MOST_CLIENTS];
    unsigned open_count;
    unsigned accepted;
    unsigned pause_at; /**< pauses within post_init of this one, counted from 1 */
    void (*on_accept)(struct simulated_server *set, em_connection *connection);
    void (*on_unbind)(struct simulated_server *set, em_connection *connection);
} simulated_server;

/** Of its connections; their user pointer is the simulated_server. */
extern const em_handler simulated_server_handler;

/** On 127.0.0.1. */
void serve(simulated_server *set, simulated_loop *fixture, unsigned max_connections);
void serve_at_host(simulated_server *set, simulated_loop *fixture, const char *host, unsigned max_connections);

/** So many clients connect, spread over the server's sockets. */
void connect_clients(simulated_server *set, unsigned count);

/** A few turns, enough for all that happens at once. */
void run_a_few_turns(const simulated_server *set);

/** Closes the oldest connection, and runs a few turns. */
void close_oldest(simulated_server *set);

/** Checks how many were accepted and how many of them are open; the server's own count, too. */
void expect_accepted(const simulated_server *set, unsigned accepted, unsigned open);

/** Closes what is open and stops the server; no channel may be left. */
void end_server(simulated_server *set);

#endif
