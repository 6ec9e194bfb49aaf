/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A pairing heap without recursion. A timer's link.next is its next sibling; link.previous its previous sibling or, for
 * a first child, its parent; NULL where there is none.
 */
#include "base/timer_heap.h"

#include "base/invariant.h"

static emi_timer *timer_at(emi_list *link)
{
    return link ? EMI_CONTAINER(link, emi_timer, link) : NULL;
}

static emi_list *link_of(emi_timer *timer)
{
    return timer ? &timer->link : NULL;
}

bool emi_timer_runs_before(const emi_timer *a, const emi_timer *b)
{
    if (a->due_ns != b->due_ns)
        return a->due_ns < b->due_ns;
    return (int64_t)(a->handle.signature - b->handle.signature) < 0;
}

/* Joins two trees whose roots have no siblings; either may be NULL. */
static emi_timer *meld(emi_timer *a, emi_timer *b)
{
    if (!a || !b)
        return a ? a : b;
    if (emi_timer_runs_before(b, a)) {
        emi_timer *swap = a;
        a = b;
        b = swap;
    }
    EMI_INVARIANT(!a->link.next && !a->link.previous && !b->link.next && !b->link.previous);
    b->link.next = link_of(a->child);
    if (a->child)
        a->child->link.previous = &b->link;
    b->link.previous = &a->link;
    a->child = b;
    return a;
}

static emi_timer *detach_first(emi_timer **siblings)
{
    emi_timer *first = *siblings;
    if (first) {
        *siblings = timer_at(first->link.next);
        first->link.next = NULL;
        first->link.previous = NULL;
    }
    return first;
}

/* Melds siblings in pairs from left to right, then the pairs from right to left. */
static emi_timer *combine(emi_timer *siblings)
{
    emi_timer *pairs = NULL;
    while (siblings) {
        emi_timer *first = detach_first(&siblings);
        emi_timer *pair = meld(first, detach_first(&siblings));
        pair->link.next = link_of(pairs);
        pairs = pair;
    }
    emi_timer *root = NULL;
    while (pairs)
        root = meld(root, detach_first(&pairs));
    return root;
}

void emi_timer_heap_insert(emi_timer **root, emi_timer *timer)
{
    timer->child = NULL;
    timer->link.next = NULL;
    timer->link.previous = NULL;
    *root = meld(*root, timer);
}

/* Merges two ascending chains by link.next. */
static emi_timer *merge(emi_timer *a, emi_timer *b)
{
    emi_list head;
    emi_list *last = &head;
    while (a && b) {
        emi_timer **first = emi_timer_runs_before(b, a) ? &b : &a;
        last->next = &(*first)->link;
        last = last->next;
        *first = timer_at(last->next);
    }
    last->next = link_of(a ? a : b);
    return timer_at(head.next);
}

/* Merge sort from the bottom up: chains[i] is empty or has 2^i timers. */
static emi_timer *sort(emi_list *timers)
{
    emi_timer *chains[64] = {NULL};
    unsigned used = 0;
    for (emi_list *link; (link = emi_list_take_first(timers));) {
        emi_timer *chain = timer_at(link);
        chain->link.next = NULL;
        unsigned i = 0;
        for (; chains[i]; i++) {
            chain = merge(chains[i], chain);
            chains[i] = NULL;
        }
        chains[i] = chain;
        used = i >= used ? i + 1 : used;
    }
    emi_timer *sorted = NULL;
    for (unsigned i = 0; i < used; i++)
        sorted = merge(chains[i], sorted);
    return sorted;
}

/* An ascending chain in which each timer is the only child of the one before is a heap whose root can be removed at no
 * cost. */
void emi_timer_heap_insert_all(emi_timer **root, emi_list *timers)
{
    emi_timer *first = sort(timers);
    emi_timer *parent = NULL;
    for (emi_timer *timer = first, *next; timer; timer = next) {
        next = timer_at(timer->link.next);
        timer->child = next;
        timer->link.next = NULL;
        timer->link.previous = link_of(parent);
        parent = timer;
    }
    *root = meld(*root, first);
}

static void cut_from_siblings(emi_timer *timer)
{
    emi_timer *previous = timer_at(timer->link.previous);
    if (previous->child == timer)
        previous->child = timer_at(timer->link.next);
    else
        previous->link.next = timer->link.next;
    if (timer->link.next)
        timer->link.next->previous = timer->link.previous;
}

void emi_timer_heap_remove(emi_timer **root, emi_timer *timer)
{
    EMI_INVARIANT(*root && (*root == timer || timer->link.previous));
    emi_timer *subtree = combine(timer->child);
    if (*root == timer) {
        *root = subtree;
    } else {
        cut_from_siblings(timer);
        *root = meld(*root, subtree);
    }
}
