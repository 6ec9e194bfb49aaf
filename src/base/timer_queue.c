/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The wheel of the timer queue. The heap into which it is emptied is in timer_heap.c.
 */
#include "base/timer_queue.h"

#include "base/invariant.h"
#include "base/timer_heap.h"

/* How many timers of the first slot are compared to find the exact next due time. */
enum { EXACT_SEARCH = 16 };

emi_timer emi_timer_listed;
emi_timer emi_timer_idle;

static uint64_t tick_of(uint64_t due_ns)
{
    return due_ns >> EMI_TIMER_TICK_BITS;
}

void emi_timer_queue_init(emi_timer_queue *queue, uint64_t now_ns)
{
    *queue = (emi_timer_queue){.tick = tick_of(now_ns)};
    for (unsigned level = 0; level < EMI_TIMER_LEVELS; level++)
        for (unsigned slot = 0; slot < EMI_TIMER_SLOTS; slot++)
            emi_list_init(&queue->slots[level][slot]);
}

static void place(emi_timer_queue *queue, emi_timer *timer)
{
    uint64_t tick = tick_of(timer->due_ns);
    if (tick <= queue->tick) {
        emi_timer_heap_insert(&queue->root, timer);
        return;
    }
    unsigned highest_bit = 63U - (unsigned)__builtin_clzll(tick ^ queue->tick);
    unsigned level = highest_bit / EMI_TIMER_LEVEL_BITS;
    EMI_INVARIANT(level < EMI_TIMER_LEVELS);
    unsigned slot = (unsigned)(tick >> (level * EMI_TIMER_LEVEL_BITS)) % EMI_TIMER_SLOTS;
    timer->child = EMI_TIMER_LISTED;
    emi_list_append(&queue->slots[level][slot], &timer->link);
    queue->occupied[level] |= UINT64_C(1) << slot;
}

void emi_timer_queue_add(emi_timer_queue *queue, emi_timer *timer, uint64_t due_ns)
{
    timer->due_ns = due_ns;
    queue->count++;
    place(queue, timer);
}

void emi_timer_queue_remove(emi_timer_queue *queue, emi_timer *timer)
{
    EMI_INVARIANT(emi_timer_is_pending(timer) && queue->count > 0);
    if (timer->child == EMI_TIMER_LISTED)
        emi_list_remove(&timer->link);
    else
        emi_timer_heap_remove(&queue->root, timer);
    timer->child = EMI_TIMER_IDLE;
    queue->count--;
}

typedef struct reached_slot {
    emi_list *timers;
    unsigned level;
    uint64_t tick; /* at which it begins */
} reached_slot;

/* The first occupied slot ahead of the hand; false if the wheel is empty. */
static bool first_slot(emi_timer_queue *queue, reached_slot *slot)
{
    for (unsigned level = 0; level < EMI_TIMER_LEVELS; level++) {
        while (queue->occupied[level]) {
            unsigned index = (unsigned)__builtin_ctzll(queue->occupied[level]);
            slot->timers = &queue->slots[level][index];
            if (emi_list_is_empty(slot->timers)) {
                queue->occupied[level] &= ~(UINT64_C(1) << index);
                continue;
            }
            unsigned shift = level * EMI_TIMER_LEVEL_BITS;
            uint64_t digits_above = queue->tick >> shift >> EMI_TIMER_LEVEL_BITS;
            slot->tick = ((digits_above << EMI_TIMER_LEVEL_BITS) | index) << shift;
            slot->level = level;
            return true;
        }
    }
    return false;
}

/* Moves the hand to now and empties every slot that it reaches. */
static void advance(emi_timer_queue *queue, uint64_t now_tick)
{
    reached_slot slot;
    while (first_slot(queue, &slot) && slot.tick <= now_tick) {
        EMI_INVARIANT(slot.tick > queue->tick);
        emi_list reached;
        emi_list_init(&reached);
        emi_list_move_all(&reached, slot.timers);
        queue->tick = slot.tick;
        if (slot.level == 0)
            emi_timer_heap_insert_all(&queue->root, &reached);
        for (emi_list *link; (link = emi_list_take_first(&reached));)
            place(queue, EMI_CONTAINER(link, emi_timer, link));
    }
    if (now_tick > queue->tick)
        queue->tick = now_tick;
}

/* Whether a timer may follow those in the list. */
static bool is_in_order(emi_list *due, const emi_timer *timer)
{
    return emi_list_is_empty(due) || !emi_timer_runs_before(timer, EMI_CONTAINER(due->previous, emi_timer, link));
}

void emi_timer_queue_expire(emi_timer_queue *queue, uint64_t now_ns, emi_list *due)
{
    advance(queue, tick_of(now_ns));
    while (queue->root && queue->root->due_ns <= now_ns) {
        emi_timer *timer = queue->root;
        emi_timer_heap_remove(&queue->root, timer);
        timer->child = EMI_TIMER_LISTED;
        EMI_INVARIANT(is_in_order(due, timer));
        emi_list_append(due, &timer->link);
    }
}

uint64_t emi_timer_queue_next_ns(emi_timer_queue *queue)
{
    if (queue->root)
        return queue->root->due_ns;
    reached_slot slot;
    if (!first_slot(queue, &slot))
        return UINT64_MAX;
    uint64_t earliest_ns = UINT64_MAX;
    unsigned looked_at = 0;
    for (emi_list *link = slot.timers->next; link != slot.timers; link = link->next) {
        if (++looked_at > EXACT_SEARCH)
            return slot.tick << EMI_TIMER_TICK_BITS;
        const emi_timer *timer = EMI_CONTAINER(link, emi_timer, link);
        if (timer->due_ns < earliest_ns)
            earliest_ns = timer->due_ns;
    }
    return earliest_ns;
}
