/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * File watches. See rb_file_watch.c.
 */
#ifndef RB_FILE_WATCH_H
#define RB_FILE_WATCH_H

#include "rb_slot.h"

/* Something has changed while the watch was held. */
void rb_em_report_change(rb_em_slot *slot);

#endif
