/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Reporting how sending a file has ended. See rb_file_report.c.
 */
#ifndef RB_FILE_REPORT_H
#define RB_FILE_REPORT_H

#include "rb_slot.h"

/* Reports how sending the file has ended, and gives the slot back. */
void rb_em_report_file(rb_em_slot *slot);

#endif
