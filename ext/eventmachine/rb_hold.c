/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connections and servers that other threads open are held. Ruby may switch to the reactor's thread at any point
 * between the opening and the end of `initialize` and `post_init`, so what happens to the native connection meanwhile
 * is noted in the slot: the connection is paused when it is established, which does not stop a TLS handshake, and its
 * end waits. rb_complete.c reports all that once the object is complete. For servers see rb_accept.c.
 */
#include "rb_hold.h"

#include "rb_connection.h"
#include "rb_kind.h"
#include "rb_state.h"

void rb_em_hold(rb_em_slot *slot)
{
    if (!rb_em_is_reactor_thread())
        slot->flags |= RB_EM_HELD;
}

static void hold_back(rb_em_slot *slot)
{
    const rb_em_operations *operations = rb_em_operations_of(slot);
    if (operations->pause && operations->pause(slot))
        slot->flags |= RB_EM_HELD_BACK;
}

void rb_em_hold_back(rb_em_slot *slot)
{
    rb_em_hold(slot);
    if (slot->flags & RB_EM_HELD && slot->native.object)
        hold_back(slot);
}

bool rb_em_note_completed(rb_em_slot *slot)
{
    if (!(slot->flags & RB_EM_HELD))
        return false;
    slot->flags |= RB_EM_COMPLETED;
    hold_back(slot);
    return true;
}

bool rb_em_note_handshake(rb_em_slot *slot)
{
    if (!(slot->flags & RB_EM_HELD))
        return false;
    slot->flags |= RB_EM_HANDSHAKEN;
    return true;
}

bool rb_em_note_end(rb_em_slot *slot, em_status reason)
{
    if (!(slot->flags & RB_EM_HELD))
        return false;
    rb_em_schedule_close(slot);
    slot->reason = reason;
    slot->native.object = NULL;
    /* At the reactor's end nothing can be reported later. An object that is not complete yet is unbound by the thread
     * that makes it. */
    if (rb_em_the_reactor.releasing && slot->flags & RB_EM_READY)
        rb_em_slot_clear_flags(slot, RB_EM_HELD);
    return slot->flags & RB_EM_HELD;
}

bool rb_em_takes_pause(rb_em_slot *slot)
{
    bool was_held_back = slot->flags & RB_EM_HELD_BACK;
    rb_em_slot_clear_flags(slot, RB_EM_HELD_BACK);
    return was_held_back;
}
