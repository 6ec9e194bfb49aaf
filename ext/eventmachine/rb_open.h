/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What all functions share that open something. Each takes a slot, opens the native object with the slot as its user
 * pointer, and returns the signature, to which the caller assigns a Ruby object (rb_complete.c). See rb_open.c.
 */
#ifndef RB_OPEN_H
#define RB_OPEN_H

#include "rb_slot.h"

/* The loop. name: for the message of the RuntimeError if it cannot open anything any more. */
em_loop *rb_em_loop_to_open(const char *name);

/* Returns whether nothing can be opened any more. Then the slot is one that is unbound at once. */
bool rb_em_is_too_late(rb_em_slot *slot);

/* Counts it. Returns the signature. */
VALUE rb_em_opened(rb_em_slot *slot);

/* The same for what can report something at once, because it need not be established. */
VALUE rb_em_opened_ready(rb_em_slot *slot);

#endif
