/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * For streamers: waiting, without polling, until little is left to be sent on a connection, or until it has ended.
 */
#include "rb_eventmachine.h"

static ID id_callables, id_call;

static VALUE call(VALUE callable)
{
    return rb_funcallv(callable, id_call, 0, NULL);
}

/* Takes what is to be called off the object: an Array, for several streamers may wait. The object may be frozen by now.
 */
static VALUE take_callables(rb_em_slot *slot)
{
    slot->flags &= (uint16_t)~RB_EM_AWAITS_DRAIN;
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

/* Those behind one that takes the reactor down wait for the end of the connection. */
void rb_em_drained(em_connection *connection)
{
    rb_em_slot *slot = em_connection_get_user(connection);
    if (!slot || !(slot->flags & RB_EM_AWAITS_DRAIN) || rb_em_the_reactor.state != 0)
        return;
    VALUE callables = take_callables(slot);
    while (RARRAY_LEN(callables) > 0 && rb_em_the_reactor.state == 0)
        rb_em_call(call, rb_ary_shift(callables));
    while (RARRAY_LEN(callables) > 0 && !NIL_P(slot->value))
        add_callable(slot, rb_ary_shift(callables));
    RB_GC_GUARD(callables);
}

void rb_em_ended_undrained(rb_em_slot *slot)
{
    if (!(slot->flags & RB_EM_AWAITS_DRAIN))
        return;
    VALUE callables = take_callables(slot);
    while (RARRAY_LEN(callables) > 0)
        rb_em_call_unbind(call, rb_ary_shift(callables));
    RB_GC_GUARD(callables);
}

static VALUE call_when_drained(VALUE self, VALUE signature, VALUE low, VALUE high, VALUE callable)
{
    rb_em_slot *slot = rb_em_find(signature, RB_EM_CONNECTION);
    if (!slot || !slot->native.connection || NIL_P(slot->value))
        return Qfalse;
    em_status status = em_connection_set_water_marks(slot->native.connection, NUM2SIZET(low), NUM2SIZET(high));
    if (status == EM_NO_MEMORY)
        rb_memerror();
    if (status != EM_OK)
        return Qfalse;
    add_callable(slot, callable);
    return Qtrue;
}

void rb_em_define_drained(void)
{
    id_call = rb_intern("call");
    id_callables = rb_intern("drained"); /* no name of an instance variable: Ruby code does not see it */
    RB_EM_FUNCTION("call_when_drained", call_when_drained, 4);
}
