/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Cancelling timers. See rb_timer.c.
 */
#ifndef RB_TIMER_H
#define RB_TIMER_H

#include "rb_slot.h"

void rb_em_cancel_timer(rb_em_slot *slot);

#endif
