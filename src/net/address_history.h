/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Which address of a host worked last, where that was not the first one to be tried: so that broken IPv6, say, delays
 * the first connection to a host and no other for a while (RFC 8305, section 4). It has a fixed size. An entry is used
 * for ten minutes; then the usual order is tried again.
 */
#ifndef EMI_ADDRESS_HISTORY_H
#define EMI_ADDRESS_HISTORY_H

#include <stdbool.h>

#include <eventmachine/address.h>

#include "base/memory.h"

typedef struct emi_address_history emi_address_history;

/** Looks for the address of a host and port that worked. Returns false if there is none. history: may be NULL. */
bool emi_address_history_find(emi_address_history *history, const char *host, int port, uint64_t now_ns,
                              em_address *address);

/** Notes the address that has worked. *history is created if it is NULL. Without memory nothing is noted. */
void emi_address_history_note(emi_address_history **history, const emi_memory *memory, const char *host,
                              const em_address *address, uint64_t now_ns);

/** Forgets what was noted for a host and port. */
void emi_address_history_forget(emi_address_history *history, const char *host, int port);

void emi_address_history_destroy(emi_address_history *history, const emi_memory *memory);

#endif
