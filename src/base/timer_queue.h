/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The timer queue: intrusive, without allocation, without limit. Adding and removing take constant time however many
 * timers are pending.
 *
 * Timers that are overdue or due within the present tick of about a millisecond are in a pairing heap, ordered to the
 * nanosecond. All later ones are, unordered, in a hierarchical wheel: level L has 64 slots of 64^L ticks. A timer's
 * level is the highest base-64 digit in which its tick differs from the wheel's present one, so that every occupied
 * slot of a level lies ahead of the hand. As time passes, slots that are reached are emptied into lower levels and
 * finally into the heap.
 */
#ifndef EMI_TIMER_QUEUE_H
#define EMI_TIMER_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/timer.h"

/* The levels cover all 44 bits of a tick number: 8 * 6 >= 64 - 20. */
#define EMI_TIMER_TICK_BITS 20
#define EMI_TIMER_LEVEL_BITS 6
#define EMI_TIMER_SLOTS 64
#define EMI_TIMER_LEVELS 8

/** What `child` points to while a timer is in a list, or is not pending. */
extern emi_timer emi_timer_listed;
extern emi_timer emi_timer_idle;
#define EMI_TIMER_LISTED (&emi_timer_listed)
#define EMI_TIMER_IDLE (&emi_timer_idle)

typedef struct emi_timer_queue {
    uint64_t tick;                       /**< the wheel's hand; timers of ticks up to this one are in the heap */
    uint64_t count;                      /**< timers pending */
    emi_timer *root;                     /**< of the heap */
    uint64_t occupied[EMI_TIMER_LEVELS]; /**< a bit per slot; may be set for a slot that has become empty */
    emi_list slots[EMI_TIMER_LEVELS][EMI_TIMER_SLOTS];
} emi_timer_queue;

void emi_timer_queue_init(emi_timer_queue *queue, uint64_t now_ns);

/** Makes a timer idle, before its first use. Does not set the handle. */
static inline void emi_timer_init(emi_timer *timer)
{
    timer->child = EMI_TIMER_IDLE;
}

static inline bool emi_timer_is_pending(const emi_timer *timer)
{
    return timer->child != EMI_TIMER_IDLE;
}

/** Adds an idle timer. */
void emi_timer_queue_add(emi_timer_queue *queue, emi_timer *timer, uint64_t due_ns);

/** Removes a pending timer, which is idle afterwards. It may be one that emi_timer_queue_expire has moved to its list.
 */
void emi_timer_queue_remove(emi_timer_queue *queue, emi_timer *timer);

/**
 * Moves all timers due at now_ns to the end of `due`, in the order of due time and then of adding. They are still
 * pending. The caller removes each by emi_timer_queue_remove before it calls its owner; owners may remove any of them.
 */
void emi_timer_queue_expire(emi_timer_queue *queue, uint64_t now_ns, emi_list *due);

/**
 * Returns when the next timer is due, or a little earlier if finding the exact time would take long; UINT64_MAX if
 * there is none. Timers that were moved to a list of those due do not count.
 */
uint64_t emi_timer_queue_next_ns(emi_timer_queue *queue);

#endif
