/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The slots of connections: finding and closing them. An object is found by way of the callback that runs, because most
 * calls come from there; else by its signature.
 */
#include "rb_connection.h"

#include "rb_module.h"
#include "rb_state.h"
#include "rb_table.h"

rb_em_slot *rb_em_connection_of(VALUE object)
{
    rb_em_slot *current = rb_em_the_reactor.current;
    if (current && current->value == object && current->kind == RB_EM_CONNECTION)
        return current;
    return rb_em_find(rb_ivar_get(object, rb_em_id_signature), RB_EM_CONNECTION);
}

em_connection *rb_em_native_connection_of(VALUE object)
{
    rb_em_slot *slot = rb_em_connection_of(object);
    return slot ? slot->native.connection : NULL;
}

rb_em_slot *rb_em_find_connection(VALUE signature)
{
    rb_em_slot *slot = rb_em_find(signature, RB_EM_CONNECTION);
    rb_em_slot *unbinding = rb_em_the_reactor.unbinding;
    if (!slot && unbinding && (uint64_t)NUM2LL(signature) == unbinding->signature)
        slot = unbinding;
    return slot && slot->native.connection ? slot : NULL;
}

em_connection *rb_em_find_native_connection(VALUE signature)
{
    rb_em_slot *slot = rb_em_find_connection(signature);
    return slot ? slot->native.connection : NULL;
}

void rb_em_schedule_close(rb_em_slot *slot)
{
    if (slot->flags & RB_EM_CLOSING)
        return;
    slot->flags |= RB_EM_CLOSING;
    rb_em_the_reactor.close_scheduled++;
}

void rb_em_close(rb_em_slot *slot, bool after_writing)
{
    rb_em_schedule_close(slot);
    if (!slot->native.connection)
        return;
    if (after_writing)
        em_connection_close_after_writing(slot->native.connection);
    else
        em_connection_close(slot->native.connection);
    rb_em_changed();
}
