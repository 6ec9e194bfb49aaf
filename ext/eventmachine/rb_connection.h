/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The slots of connections of every kind: finding and closing them.
 */
#ifndef RB_CONNECTION_H
#define RB_CONNECTION_H

#include "rb_slot.h"

/* The slot of the object's present connection, which may have ended; NULL if it is gone. */
rb_em_slot *rb_em_connection_of(VALUE object);

/* The native stream; NULL if it has ended or is none. */
em_connection *rb_em_stream_of(VALUE object);
em_connection *rb_em_stream_of_slot(const rb_em_slot *slot);

/* The slot of a connection, which may have ended; else NULL. TypeError as rb_em_find. */
rb_em_slot *rb_em_find_entry(VALUE signature);

/* The slot of a connection that has not ended, or whose unbind is running; else NULL. TypeError as rb_em_find. */
rb_em_slot *rb_em_find_connection(VALUE signature);

/* The same, or the slot of a server. */
rb_em_slot *rb_em_find_socket(VALUE signature);

em_connection *rb_em_find_stream(VALUE signature);

/* Counts the connection among those that are about to be closed. */
void rb_em_schedule_close(rb_em_slot *slot);

/* close_connection, also of a connection that has ended. */
void rb_em_close(rb_em_slot *slot, bool after_writing);

/* Ends it for the reactor's own purposes. */
void rb_em_end(rb_em_slot *slot);

#endif
