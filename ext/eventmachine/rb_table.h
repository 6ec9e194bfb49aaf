/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Slots by signature. See rb_table.c.
 */
#ifndef RB_TABLE_H
#define RB_TABLE_H

#include "rb_slot.h"

/* Takes a slot, and enters it under the next signature. */
rb_em_slot *rb_em_table_add(rb_em_kind kind, VALUE value);

/* Removes it, and gives the slot back. */
void rb_em_table_delete(rb_em_slot *slot);

/* Removes it; the slot remains in use. */
void rb_em_table_remove(rb_em_slot *slot);
rb_em_slot *rb_em_table_find(uint64_t signature);

/* Returns NULL if there is no such object of this kind. Raises TypeError unless the signature is an Integer. */
rb_em_slot *rb_em_find(VALUE signature, rb_em_kind kind);

/* The same, of any kind. */
rb_em_slot *rb_em_find_any(VALUE signature);

/* The latest signature. */
uint64_t rb_em_last_signature(void);

#endif
