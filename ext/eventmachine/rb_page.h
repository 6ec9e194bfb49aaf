/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Where slots come from, and where they go. See rb_page.c.
 */
#ifndef RB_PAGE_H
#define RB_PAGE_H

#include "rb_slot.h"

rb_em_slot *rb_em_slot_take(rb_em_kind kind, VALUE value);

/* The only way to change a slot's value: it tells the collector. */
void rb_em_slot_set(rb_em_slot *slot, VALUE value);
void rb_em_slot_give_back(rb_em_slot *slot);

/* Calls visit with every slot in use, until it returns false. */
void rb_em_slot_each(bool (*visit)(rb_em_slot *slot, void *data), void *data);

#endif
