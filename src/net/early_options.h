/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Socket options of a connection that has no socket of its own yet, because a name is being resolved or several
 * attempts to connect are being made. They are kept, and set on the socket of each attempt.
 */
#ifndef EMI_EARLY_OPTIONS_H
#define EMI_EARLY_OPTIONS_H

#include "net/net_private.h"

/** What em_connection_set_keepalive gets. */
typedef struct emi_keepalive {
    bool on;
    int idle_seconds;
    int interval_seconds;
    int count;
} emi_keepalive;

/** One option, in a list in the order in which they were set. */
struct emi_early_option {
    emi_early_option *next;
    bool is_keepalive;
    emi_keepalive keepalive; /* if it is that */
    int level;               /* of any other option */
    int option;
    size_t bytes;
    unsigned char value[];
};

/** Returns whether options are to be kept for later. */
bool emi_has_early_options(const em_connection *connection);

/** Keeps an option, and sets it on the sockets of attempts that have begun. Returns what the system says to it.
 * EM_LIMIT: too many of them, or too long. EM_NO_MEMORY, EM_NO_DESCRIPTORS. */
em_status emi_early_option_set(em_connection *connection, int level, int option, const void *value, size_t bytes);
em_status emi_early_keepalive_set(em_connection *connection, const emi_keepalive *keepalive);

/** Gets an option as a socket would have it now. */
em_status emi_early_option_get(const em_connection *connection, int level, int option, void *value, size_t *bytes);

/** Sets them all on a socket. One that belongs to the other address family is left out. */
em_status emi_early_options_apply(const emi_early_option *first, int socket);

void emi_early_options_free(const emi_memory *memory, emi_early_option *first);

#endif
