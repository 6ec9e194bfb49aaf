/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What is shared by the kinds of Connection that are made of the program's descriptors.
 */
#ifndef RB_DESCRIPTOR_H
#define RB_DESCRIPTOR_H

#include "rb_slot.h"

/* Whether a Connection that was made of this descriptor still has it. */
bool rb_em_is_registered(int descriptor);

/* Remembers the Connection that was made of a descriptor. */
void rb_em_register(int descriptor, const rb_em_slot *slot);

/* Raises RuntimeError, with the text of 1.x. */
NORETURN(void rb_em_refuse_descriptor(em_status status));

/* What follows unbind: closes the IO that was attached, unless it was detached. */
void rb_em_close_attached(rb_em_slot *slot);

/* See rb_datagram.c. Attaching returns a signature. */
bool rb_em_is_datagram_socket(int descriptor);
VALUE rb_em_attach_datagram_socket(int descriptor);

/* Returns a signature; see rb_watch.c. */
VALUE rb_em_watch_descriptor(int descriptor);

#endif
