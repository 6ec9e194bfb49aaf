/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * For streamers: waiting, without polling, until a connection has little left to send, or has ended.
 */
#include "rb_drained.h"

#include "rb_connection.h"
#include "rb_define.h"
#include "rb_module.h"
#include "rb_protect.h"
#include "rb_state.h"
#include "rb_status.h"
#include "rb_table.h"

static ID id_callables;

static VALUE call(VALUE callable)
{
    return rb_funcallv(callable, rb_em_id_call, 0, NULL);
}

/* Takes the callables off the object: an Array, because several streamers may wait. The object may be frozen by now. */
static VALUE take_callables(rb_em_slot *slot)
{
    rb_em_slot_clear_flags(slot, RB_EM_AWAITS_DRAIN);
    VALUE waiting = rb_attr_get(slot->value, id_callables);
    VALUE callables = rb_ary_dup(waiting);
    rb_ary_clear(waiting);
    return callables;
}

static void add_callable(rb_em_slot *slot, VALUE callable)
{
    VALUE waiting = rb_attr_get(slot->value, id_callables);
    if (NIL_P(waiting))
        rb_ivar_set(slot->value, id_callables, waiting = rb_ary_new());
    rb_ary_push(waiting, callable);
    slot->flags |= RB_EM_AWAITS_DRAIN;
}

/* If one of them leaves the loop, those after it go on waiting. */
static void call_all(rb_em_slot *slot, bool (*protect)(VALUE (*function)(VALUE), VALUE argument))
{
    if (!(slot->flags & RB_EM_AWAITS_DRAIN) || rb_em_is_leaving())
        return;
    VALUE callables = take_callables(slot);
    while (RARRAY_LEN(callables) > 0 && !rb_em_is_leaving())
        protect(call, rb_ary_shift(callables));
    while (RARRAY_LEN(callables) > 0 && !NIL_P(slot->value))
        add_callable(slot, rb_ary_shift(callables));
    RB_GC_GUARD(callables);
}

void rb_em_on_drained(em_connection *connection)
{
    rb_em_slot *slot = em_connection_get_user(connection);
    if (slot)
        call_all(slot, rb_em_call);
}

void rb_em_ended_undrained(rb_em_slot *slot)
{
    call_all(slot, rb_em_call_unbind);
}

static VALUE call_when_drained(VALUE self, VALUE signature, VALUE low, VALUE high, VALUE callable)
{
    rb_em_slot *slot = rb_em_find_entry(signature);
    em_connection *stream = slot ? rb_em_stream_of_slot(slot) : NULL;
    if (!stream || NIL_P(slot->value))
        return Qfalse;
    em_status status = em_connection_set_water_marks(stream, NUM2SIZET(low), NUM2SIZET(high));
    if (rb_em_check_memory(status) != EM_OK)
        return Qfalse;
    add_callable(slot, callable);
    return Qtrue;
}

void rb_em_define_drained(void)
{
    id_callables = rb_intern("drained"); /* not a name of an instance variable, so Ruby code cannot see it */
    RB_EM_FUNCTION("call_when_drained", call_when_drained, 4);
}
