/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A client over c-ares: one c-ares channel, which carries one question at a time. See dns_client.c.
 */
#ifndef EMI_DNS_CLIENT_H
#define EMI_DNS_CLIENT_H

#include <ares.h>

#include "dns/dns_transport.h"
#include "loop/loop_private.h"

typedef struct emi_dns_client emi_dns_client;
typedef struct emi_query_socket emi_query_socket;

struct emi_dns_client {
    emi_list link; /* among the transport's busy or idle ones */
    em_loop *loop;
    ares_channel channel;
    emi_question *question;           /* NULL: it is idle, or the question was taken back */
    emi_dns_config *config;           /* what the channel is set up for */
    bool is_plain;                    /* without EDNS */
    emi_loop_timer timer;             /* for c-ares' timeouts */
    emi_list sockets;                 /* those that c-ares has open */
    emi_list *closing_sockets;        /* the transport's list of those that it has closed */
    emi_query_socket *spare;          /* for the next question; NULL: none */
    unsigned order[EMI_MOST_SERVERS]; /* the servers as they were given to c-ares: indices of the configuration */
    unsigned order_count;
    int last_server;                         /* the one that was asked last; -1: none */
    em_status failure;                       /* why a socket could not be opened; EM_OK: all could */
    bool is_answered;                        /* c-ares has accepted a response */
    bool is_truncated;                       /* a response was */
    bool was_cut_off;                        /* a server has closed its connection */
    bool has_edns_failed;                    /* a server does not support EDNS */
    void (*settled)(emi_dns_client *client); /* called when the question has ended */
    void *transport;
};

/** Creates a client without a question. EM_NO_MEMORY, EM_RESOLVER_FAILED (c-ares refuses the configuration). */
em_status emi_dns_client_create(em_loop *loop, emi_dns_config *config, bool is_plain, emi_dns_client **client);

/** Whether the channel is set up for questions of this kind. */
bool emi_dns_client_suits(const emi_dns_client *client, const emi_question *question);

/** Sends a question. `settled` may be called before it returns. */
void emi_dns_client_ask(emi_dns_client *client, emi_question *question);

/** Takes the question back; `settled` is not called. */
void emi_dns_client_cancel(emi_dns_client *client);

/** Closes its sockets and frees it. */
void emi_dns_client_destroy(emi_dns_client *client);

/* dns_socket.c */

/** Makes c-ares use sockets that are channels of the loop. */
void emi_dns_client_use_sockets(emi_dns_client *client);

/** Called by c-ares: what it wants to be told of a socket. */
void emi_dns_socket_watch(emi_dns_client *client, int descriptor, bool readable, bool writable);

/** Closes the spare socket, if there is one. */
void emi_dns_client_close_spare(emi_dns_client *client);

/** Frees sockets whose channels will never be reaped, in a forked child. */
void emi_dns_sockets_free(emi_list *sockets);

/* dns_client.c */

/** Lets c-ares do what is due: on a readable and a writable descriptor, ARES_SOCKET_BAD for none, and timeouts. */
void emi_dns_client_process(emi_dns_client *client, int readable, int writable);

#endif
