/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Waiting until a connection has little left to send. See rb_drained.c.
 */
#ifndef RB_DRAINED_H
#define RB_DRAINED_H

#include "rb_slot.h"

/* For handlers. */
void rb_em_on_drained(em_connection *connection);

/* To be called after unbind. */
void rb_em_ended_undrained(rb_em_slot *slot);

#endif
