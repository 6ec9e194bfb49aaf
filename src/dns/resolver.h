/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Resolving names to addresses without blocking the loop.
 */
#ifndef EMI_RESOLVER_H
#define EMI_RESOLVER_H

#include <stdbool.h>

#include <eventmachine/address.h>
#include <eventmachine/loop.h>

/** The most addresses of a name and family. Further ones are ignored. */
#define EMI_MOST_ADDRESSES 16

/** What a name resolved to. */
typedef struct emi_addresses {
    unsigned count;
    em_address list[EMI_MOST_ADDRESSES];
} emi_addresses;

/** Whether one of them is this address. */
bool emi_addresses_have(const emi_addresses *addresses, const em_address *address);

/** A lookup in progress. */
typedef struct emi_lookup emi_lookup;

/**
 * Resolves a name for streams to this port. done(user, status, addresses) is called once, in a later turn of the loop,
 * unless the lookup is cancelled or the loop is destroyed. With EM_OK there is at least one address. The addresses are
 * valid until `done` returns.
 *
 * Fails at once with EM_INVALID_ADDRESS (malformed), EM_NAME_NOT_FOUND (under .invalid or .onion), EM_NO_MEMORY,
 * EM_RESOLVER_FAILED (c-ares cannot be initialised), EM_LIMIT (no thread can be started).
 */
em_status emi_resolve(em_loop *loop, const char *name, int port,
                      void (*done)(void *user, em_status status, const emi_addresses *addresses), void *user,
                      emi_lookup **lookup);

/**
 * The result of a lookup for one family. EM_OK: at least one address, in the order in which they should be tried (RFC
 * 6724), valid until it returns. Otherwise why there is none: EM_NAME_NOT_FOUND, EM_NO_RECORDS, EM_RESOLVER_FAILED,
 * EM_RESOLVE_TIMEOUT, EM_NO_MEMORY and other statuses of the system. is_last: the other family was reported before.
 */
typedef void (*emi_family_resolved)(void *user, em_address_family family, em_status status,
                                    const emi_addresses *addresses, bool is_last);

/**
 * Like emi_resolve, but `resolved` is called once for IPv6 and once for IPv4, as soon as the result of each is known,
 * in later turns. Both are reported in one turn, IPv6 first, if the name is in the hosts file or in the cache.
 */
em_status emi_resolve_families(em_loop *loop, const char *name, int port, emi_family_resolved resolved, void *user,
                               emi_lookup **lookup);

/** Cancels a lookup in progress: its callback is not called any more. Takes constant time. */
void emi_resolve_cancel(emi_lookup *lookup);

/**
 * Resolves a name if that is possible without a lookup: EM_OK for a name under localhost, EM_IN_PROGRESS for a name
 * that must be looked up, otherwise the failures that emi_resolve returns at once.
 */
em_status emi_resolve_known(const char *name, int port, emi_addresses *addresses);

/** Like emi_resolve, but blocks until the result is known. */
em_status emi_resolve_blocking(const char *name, int port, emi_addresses *addresses);

#endif
