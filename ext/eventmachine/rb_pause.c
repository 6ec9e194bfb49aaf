/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Pausing and resuming connections. A connection that is paused only because it is held (rb_hold.c) is not paused for
 * the program.
 */
#include "rb_connection.h"
#include "rb_define.h"
#include "rb_hold.h"
#include "rb_module.h"
#include "rb_state.h"

static VALUE pause_connection(VALUE self, VALUE signature)
{
    rb_em_slot *slot = rb_em_find_connection(signature);
    if (slot && rb_em_takes_pause(slot))
        return Qtrue;
    return slot && em_connection_pause(slot->native.connection) == EM_OK ? Qtrue : Qfalse;
}

static VALUE resume_connection(VALUE self, VALUE signature)
{
    rb_em_slot *slot = rb_em_find_connection(signature);
    if (slot && slot->flags & RB_EM_HELD_BACK)
        return Qfalse;
    em_status status = slot ? em_connection_resume(slot->native.connection) : EM_CLOSED;
    rb_em_changed();
    return status == EM_OK ? Qtrue : Qfalse;
}

static VALUE is_paused(VALUE self, VALUE signature)
{
    rb_em_slot *slot = rb_em_find_connection(signature);
    bool is_paused = slot && em_connection_is_paused(slot->native.connection);
    return is_paused && !(slot->flags & RB_EM_HELD_BACK) ? Qtrue : Qfalse;
}

void rb_em_define_pause(void)
{
    RB_EM_FUNCTION("pause_connection", pause_connection, 1);
    RB_EM_FUNCTION("resume_connection", resume_connection, 1);
    RB_EM_FUNCTION("connection_paused?", is_paused, 1);
}
