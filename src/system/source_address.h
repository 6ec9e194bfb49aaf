/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Which of this machine's addresses the system would send from.
 */
#ifndef EMI_SOURCE_ADDRESS_H
#define EMI_SOURCE_ADDRESS_H

#include <eventmachine/address.h>

/** Finds the source address for an IPv4 or IPv6 destination by connecting a datagram socket, which sends nothing. Makes
 * four system calls. What the system says if there is no route to it. EM_NO_DESCRIPTORS, EM_NO_MEMORY. */
em_status emi_find_source_address(const em_address *destination, em_address *source);

#endif
