/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Collecting the addresses of a name from the hosts file or the system.
 */
#ifndef EMI_DNS_ADDRESSES_H
#define EMI_DNS_ADDRESSES_H

#include "dns/resolver.h"

/** Adds an address, unless it is there. If the list is full, those of one family leave room for eight of the other. */
void emi_addresses_add(emi_addresses *addresses, const em_address *address);

#endif
