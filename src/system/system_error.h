/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The operating system's error numbers as statuses.
 */
#ifndef EMI_SYSTEM_ERROR_H
#define EMI_SYSTEM_ERROR_H

#include <eventmachine/status.h>

/** Returns the status of a value of errno; EM_SYSTEM_ERROR if it has none of its own. */
em_status emi_status_from_errno(int error);

/** Returns the status of errno. */
em_status emi_last_status(void);

/** What an error number means, strerror(3). Valid until the next call in this thread. */
const char *emi_system_error_text(int error);

#endif
