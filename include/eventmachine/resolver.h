/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Resolving host names without blocking the loop, for programs that need addresses, for instance for
 * em_datagram_socket_send_to. em_loop_connect resolves names by itself.
 *
 * All functions here are for the loop's thread, and any callback may call them.
 */
#ifndef EVENTMACHINE_RESOLVER_H
#define EVENTMACHINE_RESOLVER_H

#include <eventmachine/address.h>
#include <eventmachine/loop.h>

EM_BEGIN_DECLARATIONS

/** A look-up in progress. Owned by its loop; valid until `done` is called, or until em_lookup_cancel. */
typedef struct em_lookup em_lookup;

/**
 * The result of a look-up. status: EM_OK, EM_NAME_NOT_FOUND, EM_RESOLVER_FAILED (temporary, try again later),
 * EM_NO_MEMORY. addresses: the addresses, in the order in which they should be tried; valid until the callback returns.
 * count: how many there are, at least 1 with EM_OK and otherwise 0. user: the pointer passed to em_loop_resolve.
 */
typedef void (*em_resolved)(em_loop *loop, em_status status, const em_address *addresses, unsigned count, void *user);

/**
 * Resolves a host name to addresses with this port, by the system's resolver (getaddrinfo(3)) in a thread. A literal
 * address, and a name under localhost, need no look-up. `done` is called exactly once, in a later turn of the loop.
 * There is no time limit: use a timer and em_lookup_cancel.
 *
 * dispose: called with `user` in place of `done` if the look-up is cancelled or the loop is destroyed first; NULL for
 * none. If em_loop_resolve itself fails, nothing is called, and the caller keeps `user`.
 *
 * lookup: set to the handle, NULL on failure; may be NULL.
 * Errors that can be found without the network are returned at once: EM_INVALID_ADDRESS (malformed), EM_NAME_NOT_FOUND
 * (a name under .invalid, RFC 6761), EM_INVALID_PORT, EM_INVALID_ARGUMENT, EM_NO_MEMORY, EM_LIMIT (no thread can be
 * started), EM_FORKED, EM_INVALID_STATE (the loop is being destroyed).
 */
EM_API em_status em_loop_resolve(em_loop *loop, const char *host, int port, em_resolved done, void *user,
                                 em_dispose dispose, em_lookup **lookup);

/** Cancels a look-up: `dispose` is called instead of `done`. Takes constant time. EM_INVALID_ARGUMENT for NULL. */
EM_API em_status em_lookup_cancel(em_lookup *lookup);

EM_END_DECLARATIONS

#endif
