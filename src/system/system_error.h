/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * From the operating system's error numbers to statuses. Only files of this folder see errno.
 */
#ifndef EMI_SYSTEM_ERROR_H
#define EMI_SYSTEM_ERROR_H

#include <eventmachine/status.h>

/** errno's value as a status; EM_SYSTEM_ERROR for those without one of their own. */
em_status emi_status_from_errno(int error);

/** The status of errno as it is now. */
em_status emi_last_status(void);

#endif
