/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Which address of a host has worked, where that was not the first one to be tried. So a broken IPv6 network, for
 * instance, delays the first connection to a host, and no other for ten minutes (RFC 8305, section 4). The history has
 * a fixed size.
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

/** Notes the address that has worked, for the host and the address's port. *history is created if it is NULL. If there
 * is no memory, nothing is noted. */
void emi_address_history_note(emi_address_history **history, const emi_memory *memory, const char *host,
                              const em_address *address, uint64_t now_ns);

void emi_address_history_destroy(emi_address_history *history, const emi_memory *memory);

#endif
