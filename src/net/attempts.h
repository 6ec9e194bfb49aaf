/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The attempts of one connection to connect to several addresses at the same time: the race of race.h over sockets.
 * Each attempt has a channel, and with TLS a handshake. Those of the winner go to the connection, and the other
 * channels are released. The memory stays until `released` was called for all of them, so it may outlive the
 * connection.
 */
#ifndef EMI_ATTEMPTS_H
#define EMI_ATTEMPTS_H

#include "net/net_private.h"
#include "net/race.h"

/** The TLS handshake of an attempt, see securing.h. */
typedef struct emi_securing emi_securing;

typedef struct emi_attempt {
    emi_channel channel;
    emi_attempts *all;
    emi_securing *securing; /* NULL: none has begun */
    char *detail;           /* why it has failed in words, beyond its status; or NULL */
} emi_attempt;

struct emi_attempts {
    emi_race race;
    emi_net *net;
    emi_list link;             /* in the net's list */
    em_connection *connection; /* NULL: it does not need them any more */
    unsigned attached;         /* channels that are not released yet */
    bool may_linger;           /* SO_LINGER may be set, so close(2) might wait */
    bool was_postponed;        /* the next start, because the system had decided an attempt; see emi_attempts_act */
    emi_attempt list[EMI_MOST_ATTEMPTS];
};

/** Creates the attempts of a connection, without addresses. EM_NO_MEMORY. */
em_status emi_attempts_create(em_connection *connection);

/** Reports the result of the lookup for a family. */
void emi_attempts_resolved(em_connection *connection, em_address_family family, em_status status,
                           const emi_addresses *addresses);

/** Called when the local end is known: leaves out addresses that it cannot reach. */
void emi_attempts_limit(em_connection *connection);

/** Calls a function with the socket of each attempt that is being made. */
void emi_attempts_each_socket(const emi_attempts *attempts, void (*act)(const void *user, int socket),
                              const void *user);

/** Does what is due now: starts attempts, ends the connection, or schedules its timer. */
void emi_attempts_go_on(em_connection *connection);

/** The same, called by the timer. */
void emi_attempts_act(em_connection *connection);

/** Whether one of them is being secured. */
bool emi_attempts_are_securing(const emi_attempts *attempts);

/** Returns whether the system has decided about one of them, and the loop has not noticed it yet. */
bool emi_attempts_are_decided(const emi_attempts *attempts);

/** Ends those that are left. Frees the memory, now or when the channels are released. */
void emi_attempts_close(emi_attempts *attempts);

/** When the loop is destroyed: frees those of a forked child, in which no channel is released. */
void emi_net_free_attempts(emi_net *net);

#endif
