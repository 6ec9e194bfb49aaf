/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * In which order the addresses of a name should be tried: destination address selection by RFC 6724, section 6, with
 * its default policy table.
 */
#ifndef EMI_ADDRESS_ORDER_H
#define EMI_ADDRESS_ORDER_H

#include <stdint.h>

#include <eventmachine/address.h>

/** Returns the precedence of an address in the policy table of RFC 6724, section 2.1. */
unsigned emi_address_precedence(const em_address *address);

/** Returns the rank of a destination, greater than 0; one with a higher rank is tried earlier. source: the address that
 * the system would send from; NULL: it has no route to the destination. */
uint64_t emi_address_rank(const em_address *destination, const em_address *source);

/** Sorts by rank, best first. Those with equal ranks stay in their order. */
void emi_addresses_sort(em_address *list, uint64_t *ranks, unsigned count);

#endif
