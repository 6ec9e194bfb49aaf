/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The details of a failure, which em_status_get_detail returns and em_status_report prints instead of the general text
 * of the status.
 */
#ifndef EMI_STATUS_DETAIL_H
#define EMI_STATUS_DETAIL_H

#include <eventmachine/status.h>

/** Sets the details of the calling thread's latest failure with this status. Copied, and truncated if it is too long.
 */
void emi_set_status_detail(em_status status, const char *text);

/** Sets the details and returns the status. */
em_status emi_status_with_detail(em_status status, const char *text);

/** Returns the status of a failure that has no details, so that an earlier failure's are not taken for its own. The
 * functions that most calls check their arguments with use it. */
em_status emi_status_without_detail(em_status status);

#endif
