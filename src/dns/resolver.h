/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * From names to addresses, without blocking the loop.
 */
#ifndef EMI_RESOLVER_H
#define EMI_RESOLVER_H

#include <eventmachine/address.h>
#include <eventmachine/loop.h>

/** The most addresses that one name yields; what comes after is not tried. */
#define EMI_MOST_ADDRESSES 16

/** What a name resolved to. */
typedef struct emi_addresses {
    unsigned count;
    em_address list[EMI_MOST_ADDRESSES];
} emi_addresses;

/** A resolution under way. */
typedef struct emi_resolution emi_resolution;

/**
 * Resolves a name for streams to this port. done(user, status, addresses) is called once, from a later turn of the
 * loop, unless it is cancelled or the loop ends; addresses are lent, at least one with EM_OK. What can be known to fail
 * without asking anybody fails at once: a name under .invalid (RFC 6761), a malformed one. EM_NO_MEMORY, EM_LIMIT.
 */
em_status emi_resolve(em_loop *loop, const char *name, int port,
                      void (*done)(void *user, em_status status, const emi_addresses *addresses), void *user,
                      emi_resolution **resolution);

/** Gives up a resolution that is not done: `done` is not called, and no other resolution waits for it. Takes constant
 * time. */
void emi_resolve_cancel(emi_resolution *resolution);

/**
 * The addresses of a name as far as they are known without a look-up: EM_OK for a name under localhost, EM_IN_PROGRESS
 * for one that must be looked up, else the failures that emi_resolve returns at once.
 */
em_status emi_resolve_known(const char *name, int port, emi_addresses *addresses);

/** As emi_resolve, while the caller waits. */
em_status emi_resolve_blocking(const char *name, int port, emi_addresses *addresses);

#endif
