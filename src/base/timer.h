/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A timer as the timer queue and its heap see it.
 */
#ifndef EMI_TIMER_H
#define EMI_TIMER_H

#include <stdint.h>

#include "base/handle_table.h"
#include "base/list.h"

typedef struct emi_timer emi_timer;

/** Embedded in its owner. */
struct emi_timer {
    emi_list link; /**< in a slot or in the list of those due; in the heap: next sibling, previous sibling or parent */
    emi_timer *child; /**< in the heap: the first child or NULL; elsewhere EMI_TIMER_LISTED or EMI_TIMER_IDLE */
    uint64_t due_ns;
    emi_handle handle; /**< breaks ties: smaller numbers (modulo 2^64) run first. Set by the owner */
};

#endif
