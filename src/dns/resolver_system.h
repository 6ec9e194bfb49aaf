/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Lookups by the system, getaddrinfo(3), in the pool of threads.
 */
#ifndef EMI_RESOLVER_SYSTEM_H
#define EMI_RESOLVER_SYSTEM_H

#include "dns/resolver.h"

typedef struct emi_system_lookup emi_system_lookup;

/** Looks up a name that emi_name_check accepts. done(user, status, addresses) is called once, in a later turn of the
 * loop, unless the lookup is cancelled or the loop is destroyed. With EM_OK there is at least one address.
 * EM_NO_MEMORY, EM_LIMIT (no thread). */
em_status emi_system_lookup_start(em_loop *loop, const char *name, int port,
                                  void (*done)(void *user, em_status status, const emi_addresses *addresses),
                                  void *user, emi_system_lookup **started);

/** Cancels it: `done` is not called. Takes constant time, and no other lookup waits for its thread. */
void emi_system_lookup_cancel(emi_system_lookup *started);

#endif
