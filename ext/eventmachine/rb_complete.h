/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The end of a hold. See rb_complete.c.
 */
#ifndef RB_COMPLETE_H
#define RB_COMPLETE_H

#include "rb_slot.h"

/* The connection's object is complete: what was noted meanwhile is reported. */
void rb_em_complete_connection(rb_em_slot *slot);

#endif
