/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What em_status_report prints instead of a status's general text.
 */
#ifndef EMI_STATUS_DETAIL_H
#define EMI_STATUS_DETAIL_H

#include <eventmachine/status.h>

/** Remembers, for the calling thread, what its latest failure with this status was about. Copied, and cut if it is
 * long. */
void emi_set_status_detail(em_status status, const char *text);

#endif
