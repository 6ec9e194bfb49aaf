/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The tick phase. See rb_tick.c.
 */
#ifndef RB_TICK_H
#define RB_TICK_H

/* Schedules the tick phase, for the present turn or the next one. */
void rb_em_schedule_tick(void);

#endif
