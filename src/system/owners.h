/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Users and groups, to whom files belong.
 */
#ifndef EMI_OWNERS_H
#define EMI_OWNERS_H

#include <stdint.h>

#include <eventmachine/status.h>

/** In place of the number of a user or a group: leaves the file's. */
#define EMI_KEEP_OWNER INT64_C(-1)

/** The number of a user, by name or, as chown(1) has it, if nobody has that name, by a decimal number. NULL:
 * EMI_KEEP_OWNER. EM_NOT_FOUND, EM_INVALID_ARGUMENT for "", EM_NO_MEMORY, and what the system says. May wait. */
em_status emi_find_user(const char *text, int64_t *number);

/** The same for a group. */
em_status emi_find_group(const char *text, int64_t *number);

#endif
