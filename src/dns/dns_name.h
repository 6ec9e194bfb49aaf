/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Domain names as text: whether one is well-formed, whether it is one that is never sent to a name server, and
 * comparing names.
 */
#ifndef EMI_DNS_NAME_H
#define EMI_DNS_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <eventmachine/status.h>

/** In bytes of text (RFC 1035, section 2.3.4): a name with its final dot, without the zero byte; a label. */
enum { EMI_LONGEST_NAME = 254, EMI_LONGEST_LABEL = 63 };

/** EM_OK for a name that may be looked up. EM_INVALID_ADDRESS: it is malformed. EM_NAME_NOT_FOUND: it is under .invalid
 * (RFC 6761) or .onion (RFC 7686). */
em_status emi_name_check(const char *name);

/** EM_OK for a name that may be in a query: also the root, ".", and one that looks like an address. EM_INVALID_ADDRESS,
 * EM_NAME_NOT_FOUND as above. */
em_status emi_name_check_query(const char *name);

/** Whether the name is this top-level one or under it, with or without a final dot, whatever the case. */
bool emi_name_is_under(const char *name, const char *top);

/** Returns the length of a name without its final dot. */
size_t emi_name_length(const char *name);

/** Returns a hash of this much of a name. The case of letters makes no difference. */
uint32_t emi_name_hash(const char *name, size_t length);

/** Whether two names are the same, whatever their case (RFC 4343), with or without a final dot. */
bool emi_names_are_equal(const char *one, const char *other);

#endif
