/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Pausing and resuming connections.
 */
#include "rb_connection.h"
#include "rb_define.h"
#include "rb_kind.h"
#include "rb_module.h"
#include "rb_state.h"

static VALUE pause_connection(VALUE self, VALUE signature)
{
    rb_em_slot *slot = rb_em_find_connection(signature);
    return slot && rb_em_operations_of(slot)->pause && rb_em_operations_of(slot)->pause(slot) ? Qtrue : Qfalse;
}

static VALUE resume_connection(VALUE self, VALUE signature)
{
    rb_em_slot *slot = rb_em_find_connection(signature);
    bool was_paused = slot && rb_em_operations_of(slot)->resume && rb_em_operations_of(slot)->resume(slot);
    rb_em_changed();
    return was_paused ? Qtrue : Qfalse;
}

static VALUE is_paused(VALUE self, VALUE signature)
{
    const rb_em_slot *slot = rb_em_find_connection(signature);
    return slot && rb_em_operations_of(slot)->is_paused && rb_em_operations_of(slot)->is_paused(slot) ? Qtrue : Qfalse;
}

void rb_em_define_pause(void)
{
    RB_EM_FUNCTION("pause_connection", pause_connection, 1);
    RB_EM_FUNCTION("resume_connection", resume_connection, 1);
    RB_EM_FUNCTION("connection_paused?", is_paused, 1);
}
