/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Resolving names to addresses without blocking the loop.
 */
#ifndef EMI_RESOLVER_H
#define EMI_RESOLVER_H

#include <eventmachine/address.h>
#include <eventmachine/loop.h>

/** The most addresses of one name. Further ones are ignored. */
#define EMI_MOST_ADDRESSES 16

/** What a name resolved to. */
typedef struct emi_addresses {
    unsigned count;
    em_address list[EMI_MOST_ADDRESSES];
} emi_addresses;

/** A resolution in progress. */
typedef struct emi_resolution emi_resolution;

/**
 * Resolves a name for streams to this port. done(user, status, addresses) is called once, in a later turn of the loop,
 * unless the resolution is cancelled or the loop is destroyed. The addresses are valid until `done` returns; with EM_OK
 * there is at least one. Malformed names and names under .invalid (RFC 6761) fail at once, without a look-up.
 * EM_INVALID_ADDRESS, EM_NAME_NOT_FOUND, EM_NO_MEMORY, EM_LIMIT.
 */
em_status emi_resolve(em_loop *loop, const char *name, int port,
                      void (*done)(void *user, em_status status, const emi_addresses *addresses), void *user,
                      emi_resolution **resolution);

/** Cancels a resolution in progress: `done` is not called. Other resolutions do not wait for it. Takes constant time.
 */
void emi_resolve_cancel(emi_resolution *resolution);

/**
 * Resolves a name if that is possible without a look-up: EM_OK for a name under localhost, EM_IN_PROGRESS for a name
 * that must be looked up, otherwise the failures that emi_resolve returns at once.
 */
em_status emi_resolve_known(const char *name, int port, emi_addresses *addresses);

/** Like emi_resolve, but blocks until the result is known. */
em_status emi_resolve_blocking(const char *name, int port, emi_addresses *addresses);

#endif
