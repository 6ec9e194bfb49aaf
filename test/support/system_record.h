/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Handlers for tests: one that records what happens, one that echoes; and short ways to start a server and a client
 * on 127.0.0.1.
 */
#ifndef TEST_SYSTEM_RECORD_H
#define TEST_SYSTEM_RECORD_H

#include <stddef.h>

#include <eventmachine.h>

/** Events at which a recorder stops the loop. */
typedef enum system_event {
    SYSTEM_NONE = 0,
    SYSTEM_POST_INIT = 1,
    SYSTEM_COMPLETED = 2,
    SYSTEM_DATA = 4,
    SYSTEM_END = 8,
    SYSTEM_DRAINED = 16,
    SYSTEM_UNBIND = 32
} system_event;

/** What happened to the connections whose user pointer this is. */
typedef struct system_record {
    unsigned post_init; /* how often each callback was called */
    unsigned completed;
    unsigned data;
    unsigned end;
    unsigned drained;
    unsigned unbind;
    em_status reason; /* of the last unbind */
    int peer_had_ended;
    size_t outbound_at_drained; /* bytes that waited then */
    size_t bytes;               /* that arrived */
    char text[256];             /* the first of them */
    em_connection *connection;  /* the last one; NULL after its unbind */
    unsigned stop_at;           /* system_event: stops the loop there */
} system_record;

/** A record, which lives until the test's loop is gone. stop_at: of system_event. */
system_record *system_new_record(unsigned stop_at);

/** Records into the user pointer. No receive_end: the library closes when the peer has ended. */
extern const em_handler system_recorder;

/** The same with receive_end, which records and does nothing: the test closes. */
extern const em_handler system_open_recorder;

/** The same, and echoes. */
extern const em_handler system_echo;

/** A server on a free port of 127.0.0.1; returns the port. */
int system_serve(em_loop *loop, const em_handler *handler, void *user);
int system_serve_with(em_loop *loop, const em_handler *handler, em_server_options options, em_server **server);

/** A connection to 127.0.0.1. */
em_connection *system_dial(em_loop *loop, int port, const em_handler *handler, void *user);
em_connection *system_dial_with(em_loop *loop, int port, const em_handler *handler, em_connect_options options);

/** A client's socket, connected to such a server, which has accepted it. */
int system_connected_client(em_loop *loop, const em_handler *handler, system_record *served);

/** A server's port. */
int system_port_of(const em_server *server);

#endif
