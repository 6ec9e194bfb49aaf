/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A circular, doubly linked, intrusive list. The list and its links have the same type. A link that is in no list
 * points to itself, so removing it twice is harmless.
 */
#ifndef EMI_LIST_H
#define EMI_LIST_H

#include <stdbool.h>

#include "base/container.h"
#include "base/invariant.h"

typedef struct emi_list emi_list;
struct emi_list {
    emi_list *next;
    emi_list *previous;
};

static inline void emi_list_init(emi_list *list)
{
    list->next = list;
    list->previous = list;
}

static inline bool emi_list_is_empty(const emi_list *list)
{
    return list->next == list;
}

/** Returns whether a link is in a list. */
static inline bool emi_list_is_linked(const emi_list *link)
{
    return link->next != link;
}

static inline void emi_list_append(emi_list *list, emi_list *link)
{
    EMI_INVARIANT(list->previous->next == list);
    link->next = list;
    link->previous = list->previous;
    list->previous->next = link;
    list->previous = link;
}

static inline void emi_list_remove(emi_list *link)
{
    EMI_INVARIANT(link->next->previous == link && link->previous->next == link);
    link->previous->next = link->next;
    link->next->previous = link->previous;
    emi_list_init(link);
}

/** Takes the first link off the list; NULL if it is empty. */
static inline emi_list *emi_list_take_first(emi_list *list)
{
    if (emi_list_is_empty(list))
        return NULL;
    emi_list *first = list->next;
    emi_list_remove(first);
    return first;
}

/** Moves all links of `from` to the end of `to`; `from` is empty afterwards. */
static inline void emi_list_move_all(emi_list *to, emi_list *from)
{
    if (emi_list_is_empty(from))
        return;
    from->next->previous = to->previous;
    from->previous->next = to;
    to->previous->next = from->next;
    to->previous = from->previous;
    emi_list_init(from);
}

#endif
