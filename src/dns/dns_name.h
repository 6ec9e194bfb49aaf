/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What can be told about a name without a lookup: whether it is well-formed, and whether it is one of those that are
 * never sent to a name server.
 */
#ifndef EMI_DNS_NAME_H
#define EMI_DNS_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include <eventmachine/status.h>

/** RFC 1035, section 2.3.4, with a final dot, but without the zero byte at the end. */
enum { EMI_LONGEST_NAME = 254, EMI_LONGEST_LABEL = 63 };

/** EM_OK for a name that may be looked up. EM_INVALID_ADDRESS: it is malformed. EM_NAME_NOT_FOUND: it is under .invalid
 * (RFC 6761) or .onion (RFC 7686). */
em_status emi_name_check(const char *name);

/** EM_OK for a name that may be in a query: also one that looks like an address. EM_INVALID_ADDRESS. */
em_status emi_name_check_query(const char *name);

/** Whether the name is this top-level one or under it, with or without a final dot, whatever the case. */
bool emi_name_is_under(const char *name, const char *top);

#endif
