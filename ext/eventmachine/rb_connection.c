/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What connections report to their Ruby objects: connection_completed, receive_data, unbind. The slot is the
 * connection's user pointer, so a message costs one String, one call and no look-up.
 */
#include "rb_eventmachine.h"

static ID id_signature, id_receive_data, id_connection_completed, id_unbind;

typedef struct message {
    rb_em_slot *slot;
    const void *data;
    size_t length;
} message;

static VALUE receive_data(VALUE argument)
{
    const message *message = (void *)argument;
    VALUE object = message->slot->value;
    if (NIL_P(object))
        rb_em_raise("ConnectionNotBound", "received %lu bytes of data for unknown signature: %lu",
                    (unsigned long)message->length, (unsigned long)message->slot->signature);
    VALUE data = message->slot->flags & RB_EM_INTO ? rb_em_received_into(message->slot, message->data, message->length)
                                                   : rb_str_new(message->data, (long)message->length);
    return rb_funcallv(object, id_receive_data, 1, &data);
}

static VALUE connection_completed(VALUE argument)
{
    const message *message = (void *)argument;
    VALUE object = message->slot->value;
    if (NIL_P(object))
        rb_em_raise("ConnectionNotBound", "unknown connection: %lu", (unsigned long)message->slot->signature);
    return rb_funcallv(object, id_connection_completed, 0, NULL);
}

static void deliver(VALUE (*function)(VALUE), const message *message)
{
    rb_em_slot *slot = message->slot;
    if (!slot || slot->flags & RB_EM_SILENT)
        return;
    rb_em_slot *outer = rb_em_the_reactor.current;
    rb_em_the_reactor.current = slot;
    rb_em_call(function, (VALUE)message);
    rb_em_the_reactor.current = outer;
}

static void on_data(em_connection *connection, const void *data, size_t length)
{
    message message = {em_connection_get_user(connection), data, length};
    deliver(receive_data, &message);
}

static void on_completed(em_connection *connection)
{
    rb_em_slot *slot = em_connection_get_user(connection);
    if (slot && !rb_em_note_completed(slot))
        rb_em_report_completed(slot);
}

void rb_em_report_completed(rb_em_slot *slot)
{
    message message = {.slot = slot};
    deliver(connection_completed, &message);
}

/* There is no half-open state in Ruby: unbind comes at once, and what is queued is sent behind it. */
static void on_end(em_connection *connection)
{
    em_connection_close_in_background(connection);
}

/* A method without parameters gets none; the object's own method counts, singleton methods included. */
static VALUE unbind(VALUE argument)
{
    const rb_em_slot *slot = (void *)argument;
    VALUE object = slot->value;
    VALUE reason = rb_em_reason((em_status)slot->reason);
    return rb_funcallv(object, id_unbind, rb_obj_method_arity(object, id_unbind) == 0 ? 0 : 1, &reason);
}

static void call_unbind(rb_em_slot *slot)
{
    rb_em_reactor *reactor = &rb_em_the_reactor;
    rb_em_schedule_close(slot);
    if (!NIL_P(slot->value) && !(slot->flags & RB_EM_SILENT)) {
        rb_em_slot *outer = reactor->unbinding;
        reactor->unbinding = slot;
        rb_em_call_unbind(unbind, (VALUE)slot);
        reactor->unbinding = outer;
        rb_em_ended_undrained(slot);
    }
    reactor->close_scheduled--;
    reactor->connections--;
    rb_em_slot_give_back(slot);
}

static void put_off_unbind(rb_em_slot *slot)
{
    rb_em_reactor *reactor = &rb_em_the_reactor;
    slot->native.next = NULL;
    if (reactor->late_first)
        reactor->late_last->native.next = slot;
    else
        reactor->late_first = slot;
    reactor->late_last = slot;
}

/* The object is complete, so its unbind is called; the report that was posted will not run any more. */
static bool put_off_held(rb_em_slot *slot, void *data)
{
    unsigned ready = RB_EM_HELD | RB_EM_READY;
    if (slot->kind != RB_EM_CONNECTION || (slot->flags & ready) != ready || slot->native.connection)
        return true;
    slot->flags &= (uint16_t)~RB_EM_HELD;
    rb_em_table_remove(slot);
    put_off_unbind(slot);
    return true;
}

void rb_em_put_off_held(void)
{
    rb_em_slot_each(put_off_held, NULL);
}

static bool put_off_never_opened(rb_em_slot *slot, void *data)
{
    if (slot->kind != RB_EM_CONNECTION || !(slot->flags & RB_EM_NEVER_OPENED) || slot->signature == 0)
        return true;
    rb_em_table_remove(slot);
    slot->signature = 0;
    slot->reason = EM_OK;
    put_off_unbind(slot);
    return --rb_em_the_reactor.never_opened > 0;
}

static void run_late_unbinds(void)
{
    rb_em_reactor *reactor = &rb_em_the_reactor;
    while (reactor->late_first && reactor->state == 0) {
        rb_em_slot *slot = reactor->late_first;
        reactor->late_first = slot->native.next;
        slot->native.connection = NULL;
        call_unbind(slot);
    }
}

void rb_em_run_late_unbinds(void)
{
    run_late_unbinds();
    while (rb_em_the_reactor.never_opened > 0 && rb_em_the_reactor.state == 0) {
        rb_em_slot_each(put_off_never_opened, NULL);
        run_late_unbinds();
    }
}

/* Once the loop is being left no Ruby code may run before its frames are gone, see rb_protect.c. */
void rb_em_report_end(rb_em_slot *slot)
{
    rb_em_table_remove(slot);
    if (rb_em_the_reactor.state != 0 && !(slot->flags & RB_EM_SILENT))
        put_off_unbind(slot);
    else
        call_unbind(slot);
}

static void on_unbind(em_connection *connection, em_status reason)
{
    rb_em_slot *slot = em_connection_get_user(connection);
    if (!slot || rb_em_note_end(slot, reason))
        return;
    slot->reason = reason;
    rb_em_report_end(slot);
    if (rb_em_the_reactor.releasing)
        rb_em_run_late_unbinds();
}

const em_handler rb_em_outgoing_handler = {
    .connection_completed = on_completed,
    .receive_data = on_data,
    .receive_end = on_end,
    .drained = rb_em_drained,
    .unbind = on_unbind,
};

const em_handler rb_em_accepted_handler = {
    .post_init = rb_em_accepted,
    .receive_data = on_data,
    .receive_end = on_end,
    .drained = rb_em_drained,
    .unbind = on_unbind,
};

const em_handler rb_em_into_handler = {
    .connection_completed = on_completed,
    .receive_data = on_data,
    .receive_buffer = rb_em_receive_buffer,
    .receive_end = on_end,
    .drained = rb_em_drained,
    .unbind = on_unbind,
};

rb_em_slot *rb_em_connection_of(VALUE object)
{
    rb_em_slot *current = rb_em_the_reactor.current;
    if (current && current->value == object && current->kind == RB_EM_CONNECTION)
        return current;
    return rb_em_find(rb_ivar_get(object, id_signature), RB_EM_CONNECTION);
}

rb_em_slot *rb_em_find_connection(VALUE signature)
{
    rb_em_slot *slot = rb_em_find(signature, RB_EM_CONNECTION);
    rb_em_slot *unbinding = rb_em_the_reactor.unbinding;
    if (!slot && unbinding && (uint64_t)NUM2LL(signature) == unbinding->signature)
        slot = unbinding;
    return slot && slot->native.connection ? slot : NULL;
}

void rb_em_schedule_close(rb_em_slot *slot)
{
    if (slot->flags & RB_EM_CLOSING)
        return;
    slot->flags |= RB_EM_CLOSING;
    rb_em_the_reactor.close_scheduled++;
}

void rb_em_define_connection(void)
{
    id_signature = rb_intern("@signature");
    id_receive_data = rb_intern("receive_data");
    id_connection_completed = rb_intern("connection_completed");
    id_unbind = rb_intern("unbind");
}
