/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Calling unbind, now or later. See rb_unbind.c.
 */
#ifndef RB_UNBIND_H
#define RB_UNBIND_H

#include "rb_slot.h"

/* Calls the object's unbind. */
void rb_em_unbind_object(VALUE object, em_status reason);

/* The native object has ended: calls unbind, now or later. */
void rb_em_ended(rb_em_slot *slot, em_status reason);

/* A watch was stopped: calls unbind at once on the reactor's thread. For other threads the native end does. */
void rb_em_watch_stopped(rb_em_slot *slot);

/* The connection has ended with the slot's reason: calls unbind, or puts it off until the loop has been left. */
void rb_em_report_end(rb_em_slot *slot);

/* No Ruby code may run now: the connection's unbind, or the report of a file, is called when the loop has been left. */
void rb_em_put_off(rb_em_slot *slot);

/* Calls those that were put off. */
void rb_em_run_late_unbinds(void);

/* At the reactor's end: puts off the unbind of held connections whose object is complete, so that it comes with the
 * others. */
void rb_em_put_off_held(void);

#endif
