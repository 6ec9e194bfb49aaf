/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Events of what another thread has opened are noted, to be reported later. See rb_hold.c.
 */
#ifndef RB_HOLD_H
#define RB_HOLD_H

#include "rb_slot.h"

/* To be called for what was opened just now: holds it unless this is the reactor's thread. */
void rb_em_hold(rb_em_slot *slot);

/* The same for what can report something at once, because it need not be established: it is paused as well. */
void rb_em_hold_back(rb_em_slot *slot);

/* Each returns whether the slot is held; then the event is noted. */
bool rb_em_note_completed(rb_em_slot *slot);
bool rb_em_note_handshake(rb_em_slot *slot);
bool rb_em_note_end(rb_em_slot *slot, em_status reason);

/* Returns whether the connection was paused only because it is held. From now on the pause is the caller's. */
bool rb_em_takes_pause(rb_em_slot *slot);

#endif
