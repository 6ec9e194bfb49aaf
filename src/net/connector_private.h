/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Opening a connection: what it needs until it is established, see connector.c and local_end.c.
 */
#ifndef EMI_CONNECTOR_PRIVATE_H
#define EMI_CONNECTOR_PRIVATE_H

#include <stdbool.h>

#include <eventmachine/connect.h>

#include "dns/resolver.h"

/** The local addresses that a connection may be bound to, see local_end.c. */
typedef struct emi_local_end {
    bool is_given;
    em_address ipv4; /* length 0: none */
    em_address ipv6; /* the same */
} emi_local_end;

/** Several attempts to connect at the same time, see attempts.h. */
typedef struct emi_attempts emi_attempts;

/** A socket option that was set before there is a socket, see early_options.h. */
typedef struct emi_early_option emi_early_option;

/** Options of TLS, see connection_tls.h. */
typedef struct emi_connector_tls emi_connector_tls;

/** The state of opening a connection; see connector.c. */
typedef struct emi_connector {
    emi_lookup *lookup;         /* while resolving */
    emi_attempts *attempts;     /* NULL: there is one address, which the connection's own channel connects to */
    em_address address;         /* that one, or the one that has won; length 0: not known yet */
    bool was_tried;             /* the only address */
    em_status failure;          /* of the only attempt, for the timer to act on; EM_OK: none */
    uint64_t due_ns;            /* when the timer is to act; UINT64_MAX: never */
    uint64_t pause_ns;          /* before the next attempt while the server's queue is full */
    em_connect_options options; /* without what it refers to */
    em_stream_options stream;
    emi_connector_tls *tls;   /* that the attempts use; NULL: the connection is established without TLS */
    const em_address *judged; /* while a handshake goes on, with whom; NULL: none does */
    emi_local_end local;
    emi_lookup *local_lookup;        /* while its name is resolved */
    emi_early_option *early_options; /* the first; NULL: none */
    uint16_t port;                   /* of the host as given */
    char host[];                     /* as given; "" for an address */
} emi_connector;

/* connector.c */

/** Opens a socket to connect to the address, bound and with its options, which is not attached yet. */
em_status emi_connector_open_socket(const emi_connector *connector, const em_address *address, int *socket);

/** Returns whether a socket that was just connected to the address is connected to itself. If so, it was reset, and the
 * attempt counts as refused. */
bool emi_connector_has_met_itself(int socket, const em_address *address);

/** Frees the connector, and gives up what it has begun. */
void emi_connector_close(em_connection *connection);

/** Called by the timer: does what is due. Returns true if the timer has nothing else to do. */
bool emi_connector_act(em_connection *connection);

/** Returns when emi_connector_act must be called; UINT64_MAX: never. */
uint64_t emi_connector_due_ns(const em_connection *connection);

/** Returns whether the system has decided about an attempt, and the loop has not noticed it yet. */
bool emi_connector_is_decided(const em_connection *connection);

/** Returns whether one of several attempts is connected and does its TLS handshake. */
bool emi_connector_is_securing(const em_connection *connection);

/* local_end.c */

/**
 * Reads the options: any address for NULL or "", a literal, a name under localhost. EM_IN_PROGRESS for a name that must
 * be looked up; EM_INVALID_ADDRESS, EM_INVALID_PORT, and for other failures the result of emi_local_end_failure.
 */
em_status emi_local_end_read(emi_local_end *local, const char *host, int port);

/** Takes the first address of each family. */
void emi_local_end_set(emi_local_end *local, const emi_addresses *addresses);

/** Binds a socket to it and closes it again: for a peer whose addresses are not known yet. With addresses of both
 * families, one is enough. Returns what the system says; EM_OK if there is no address or none is known yet. */
em_status emi_local_end_try(const emi_local_end *local, const em_connect_options *options);

/** Translates the status with which the local end's name has failed to resolve, so that it does not look as if the
 * peer's name had failed. */
em_status emi_local_end_failure(em_status status);

/** Returns the address to bind to before connecting to the peer; NULL for none. */
const em_address *emi_local_end_for(const emi_local_end *local, const em_address *peer);

/** Returns whether addresses of this family can be reached: there is a local address of it, or none is given. */
bool emi_local_end_has(const emi_local_end *local, em_address_family family);

#endif
