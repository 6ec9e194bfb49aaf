/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A name server in a thread of the test, on 127.0.0.1, which replies well or badly. The first label of a name says how:
 * see the table in name_server_replies.c.
 */
#ifndef TEST_NAME_SERVER_H
#define TEST_NAME_SERVER_H

typedef struct name_server name_server;

/** Starts a server; port: 0 for any. */
name_server *name_server_start(int port);

/** The same, on any port, with a table of descriptors apart from that of the test, unshare(2): it can accept
 * connections when the test has no descriptors left. */
name_server *name_server_start_apart(void);

/** The server for em_resolver_options: "127.0.0.1:port". */
const char *name_server_address(const name_server *server);

int name_server_port(const name_server *server);

/** How many queries it has received. */
unsigned name_server_queries(name_server *server);

/** How many different ports and ids the queries had. */
unsigned name_server_ports(name_server *server);
unsigned name_server_ids(name_server *server);

/** From now on it does not reply. */
void name_server_be_silent(name_server *server);

void name_server_stop(name_server *server);

#endif
