/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Resolving host names without blocking the loop, for programs that need addresses: em_datagram_socket_send_to, for
 * instance. em_loop_connect resolves names by itself. All functions are for the loop's thread.
 */
#ifndef EVENTMACHINE_RESOLVER_H
#define EVENTMACHINE_RESOLVER_H

#include <eventmachine/address.h>
#include <eventmachine/loop.h>

EM_BEGIN_DECLARATIONS

/** A look-up in progress. Owned by its loop; valid until `done` is called, or until em_lookup_cancel. */
typedef struct em_lookup em_lookup;

/**
 * The result of a look-up. status: EM_OK, EM_NAME_NOT_FOUND, EM_RESOLVER_FAILED (temporarily, try again later),
 * EM_NO_MEMORY. addresses: `count` addresses in the order in which they should be tried, at least one with EM_OK and
 * none otherwise; valid until the callback returns.
 */
typedef void (*em_resolved)(em_loop *loop, em_status status, const em_address *addresses, unsigned count, void *user);

/**
 * Resolves a host name to addresses with this port, by the system's resolver (getaddrinfo(3)) in a thread. A literal
 * address, and a name under localhost, need no look-up. `done` is called exactly once, in a later turn of the loop,
 * unless the look-up is cancelled or the loop is destroyed: then `dispose` is called with `user`, if it is not NULL.
 * There is no time limit; use a timer and em_lookup_cancel. lookup: set to the handle, NULL on failure; may be NULL.
 *
 * Errors that can be found without the network are returned at once, and neither `done` nor `dispose` is called:
 * EM_INVALID_ADDRESS (malformed), EM_NAME_NOT_FOUND (a name under .invalid, RFC 6761), EM_INVALID_PORT,
 * EM_INVALID_ARGUMENT, EM_NO_MEMORY, EM_LIMIT (no thread can be started), EM_FORKED, EM_INVALID_STATE (the loop is
 * being destroyed).
 */
EM_API em_status em_loop_resolve(em_loop *loop, const char *host, int port, em_resolved done, void *user,
                                 em_dispose dispose, em_lookup **lookup);

/** Cancels a look-up: `dispose` is called, and `done` is not. Takes constant time. EM_INVALID_ARGUMENT for NULL. */
EM_API em_status em_lookup_cancel(em_lookup *lookup);

EM_END_DECLARATIONS

#endif
