/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Files that are being sent. See rb_file.c.
 */
#ifndef RB_FILE_H
#define RB_FILE_H

#include "rb_slot.h"

/* Tells who waits for the file how its sending has ended, and gives the slot back. */
void rb_em_report_file(rb_em_slot *slot);

#endif
