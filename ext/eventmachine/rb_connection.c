/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The slots of connections of every kind: finding and closing them. An object is found by way of the callback that
 * runs, because most calls come from there; else by its signature.
 */
#include "rb_connection.h"

#include "rb_kind.h"
#include "rb_module.h"
#include "rb_state.h"
#include "rb_table.h"

rb_em_slot *rb_em_connection_of(VALUE object)
{
    rb_em_slot *current = rb_em_the_reactor.current;
    if (current && current->value == object && rb_em_is_connection(current))
        return current;
    return rb_em_find_entry(rb_ivar_get(object, rb_em_id_signature));
}

em_connection *rb_em_stream_of_slot(const rb_em_slot *slot)
{
    if (!slot || !slot->native.object || !rb_em_operations_of(slot)->get_stream)
        return NULL;
    return rb_em_operations_of(slot)->get_stream(slot);
}

em_connection *rb_em_stream_of(VALUE object)
{
    return rb_em_stream_of_slot(rb_em_connection_of(object));
}

rb_em_slot *rb_em_find_entry(VALUE signature)
{
    rb_em_slot *slot = rb_em_find_any(signature);
    return slot && rb_em_is_connection(slot) ? slot : NULL;
}

rb_em_slot *rb_em_find_connection(VALUE signature)
{
    rb_em_slot *slot = rb_em_find_entry(signature);
    rb_em_slot *unbinding = rb_em_the_reactor.unbinding;
    if (!slot && unbinding && (uint64_t)NUM2LL(signature) == unbinding->signature)
        slot = unbinding;
    return slot && slot->native.object ? slot : NULL;
}

rb_em_slot *rb_em_find_socket(VALUE signature)
{
    rb_em_slot *slot = rb_em_find_connection(signature);
    return slot ? slot : rb_em_find(signature, RB_EM_SERVER);
}

em_connection *rb_em_find_stream(VALUE signature)
{
    return rb_em_stream_of_slot(rb_em_find_connection(signature));
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
    const rb_em_operations *operations = rb_em_operations_of(slot);
    if (!operations->close)
        return;
    if (slot->native.object)
        operations->close(slot, after_writing);
    rb_em_schedule_close(slot);
    rb_em_changed();
}

void rb_em_end(rb_em_slot *slot)
{
    rb_em_schedule_close(slot);
    if (!slot->native.object)
        return;
    rb_em_operations_of(slot)->end(slot);
    rb_em_changed();
}
