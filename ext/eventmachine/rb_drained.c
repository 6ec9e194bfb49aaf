/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * For streamers: waiting, without polling, until little is left to be sent on a connection, or until it has ended.
 */
#include "rb_eventmachine.h"

static ID id_callable, id_call;

static VALUE call(VALUE callable)
{
    return rb_funcallv(callable, id_call, 0, NULL);
}

/* Takes what is to be called off the object, nil if there is nothing. */
static VALUE take_callable(rb_em_slot *slot)
{
    slot->flags &= (uint16_t)~RB_EM_AWAITS_DRAIN;
    VALUE callable = rb_ivar_get(slot->value, id_callable);
    rb_ivar_set(slot->value, id_callable, Qnil);
    return callable;
}

void rb_em_drained(em_connection *connection)
{
    rb_em_slot *slot = em_connection_get_user(connection);
    if (slot && slot->flags & RB_EM_AWAITS_DRAIN && rb_em_the_reactor.state == 0)
        rb_em_call(call, take_callable(slot));
}

void rb_em_ended_undrained(rb_em_slot *slot)
{
    if (slot->flags & RB_EM_AWAITS_DRAIN)
        rb_em_call_unbind(call, take_callable(slot));
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
    rb_ivar_set(slot->value, id_callable, callable);
    slot->flags |= RB_EM_AWAITS_DRAIN;
    return Qtrue;
}

void rb_em_define_drained(void)
{
    id_call = rb_intern("call");
    id_callable = rb_intern("drained"); /* no name of an instance variable: Ruby code does not see it */
    RB_EM_FUNCTION("call_when_drained", call_when_drained, 4);
}
