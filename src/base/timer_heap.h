/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The ordered part of the timer queue: an intrusive pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986), by due
 * time, then by order of adding.
 */
#ifndef EMI_TIMER_HEAP_H
#define EMI_TIMER_HEAP_H

#include <stdbool.h>

#include "base/timer.h"

/** Whether `a` is due before `b`, or together with it and was added before. */
bool emi_timer_runs_before(const emi_timer *a, const emi_timer *b);

void emi_timer_heap_insert(emi_timer **root, emi_timer *timer);

/** Inserts all timers of a list, which is empty afterwards. Takes less time than one by one. */
void emi_timer_heap_insert_all(emi_timer **root, emi_list *timers);

/** Removes any timer of the heap, the root too. */
void emi_timer_heap_remove(emi_timer **root, emi_timer *timer);

#endif
