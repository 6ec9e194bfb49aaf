/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The slots of connections: finding and closing them.
 */
#ifndef RB_CONNECTION_H
#define RB_CONNECTION_H

#include "rb_slot.h"

/* The slot of the object's present connection, which may have ended; NULL if it is gone. */
rb_em_slot *rb_em_connection_of(VALUE object);

/* The same, as the native connection; NULL if it has ended. */
em_connection *rb_em_native_connection_of(VALUE object);

/* The slot of a connection that has not ended, or whose unbind is running; else NULL. TypeError as rb_em_find. */
rb_em_slot *rb_em_find_connection(VALUE signature);
em_connection *rb_em_find_native_connection(VALUE signature);

/* Counts the connection among those that are about to be closed. */
void rb_em_schedule_close(rb_em_slot *slot);

/* Closes it, as em_connection_close or em_connection_close_after_writing does. */
void rb_em_close(rb_em_slot *slot, bool after_writing);

#endif
