/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The end of a hold. See rb_complete.c.
 */
#ifndef RB_COMPLETE_H
#define RB_COMPLETE_H

#include "rb_slot.h"

/* The connection's object is complete: what was noted meanwhile is reported. */
void rb_em_complete_connection(rb_em_slot *slot);

/* Reports it at once. For the reactor's thread, and for a slot with RB_EM_READY. */
void rb_em_end_hold(rb_em_slot *slot);

#endif
