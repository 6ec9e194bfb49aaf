/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What connections report to their Ruby objects: connection_completed, receive_data, unbind. The slot is the
 * connection's user pointer, so a message costs one String, one call and no lookup. Two kinds of connections have a
 * handler with other callbacks beside these: rb_accept.c, rb_receive.c.
 */
#include "rb_handler.h"

#include <string.h>

#include "rb_define.h"
#include "rb_drained.h"
#include "rb_hold.h"
#include "rb_kind.h"
#include "rb_protect.h"
#include "rb_state.h"
#include "rb_status.h"
#include "rb_unbind.h"

static ID id_receive_data, id_connection_completed, id_ssl_handshake_completed, id_proxy_completed,
    id_proxy_target_unbound;

VALUE rb_em_receiver(const rb_em_message *message)
{
    VALUE object = message->slot->value;
    if (NIL_P(object))
        rb_em_raise("ConnectionNotBound", "received %lu bytes of data for unknown signature: %lu",
                    (unsigned long)message->length, (unsigned long)message->slot->signature);
    return object;
}

VALUE rb_em_object_of(const rb_em_slot *slot)
{
    if (NIL_P(slot->value))
        rb_em_raise("ConnectionNotBound", "unknown connection: %lu", (unsigned long)slot->signature);
    return slot->value;
}

VALUE rb_em_call_receive_data(VALUE object, VALUE data)
{
    return rb_funcallv(object, id_receive_data, 1, &data);
}

static VALUE receive_data(VALUE argument)
{
    const rb_em_message *message = (void *)argument;
    VALUE object = rb_em_receiver(message);
    return rb_em_call_receive_data(object, rb_str_new(message->data, (long)message->length));
}

static VALUE connection_completed(VALUE argument)
{
    const rb_em_message *message = (void *)argument;
    return rb_funcallv(rb_em_object_of(message->slot), id_connection_completed, 0, NULL);
}

static VALUE handshake_completed(VALUE argument)
{
    const rb_em_message *message = (void *)argument;
    return rb_funcallv(rb_em_object_of(message->slot), id_ssl_handshake_completed, 0, NULL);
}

static VALUE proxy_completed(VALUE argument)
{
    const rb_em_message *message = (void *)argument;
    return rb_funcallv(rb_em_object_of(message->slot), id_proxy_completed, 0, NULL);
}

static VALUE proxy_target_unbound(VALUE argument)
{
    const rb_em_message *message = (void *)argument;
    return rb_funcallv(rb_em_object_of(message->slot), id_proxy_target_unbound, 0, NULL);
}

void rb_em_deliver(VALUE (*function)(VALUE), const rb_em_message *message)
{
    rb_em_slot *slot = message->slot;
    if (!slot || slot->flags & RB_EM_SILENT)
        return;
    rb_em_slot *outer = rb_em_the_reactor.current;
    rb_em_the_reactor.current = slot;
    rb_em_call(function, (VALUE)message);
    rb_em_the_reactor.current = outer;
}

void rb_em_deliver_text(rb_em_slot *slot, const char *text)
{
    rb_em_message message = {slot, text, strlen(text)};
    rb_em_deliver(receive_data, &message);
}

void rb_em_on_data(em_connection *connection, const void *data, size_t length)
{
    rb_em_message message = {em_connection_get_user(connection), data, length};
    rb_em_deliver(receive_data, &message);
}

void rb_em_report_completed(rb_em_slot *slot)
{
    rb_em_message message = {.slot = slot};
    if (rb_em_operations_of(slot)->report_completed)
        rb_em_operations_of(slot)->report_completed(slot);
    else
        rb_em_deliver(connection_completed, &message);
}

void rb_em_on_completed(em_connection *connection)
{
    rb_em_slot *slot = em_connection_get_user(connection);
    if (slot && !rb_em_note_completed(slot))
        rb_em_report_completed(slot);
}

void rb_em_report_handshake(rb_em_slot *slot)
{
    rb_em_message message = {.slot = slot};
    rb_em_deliver(handshake_completed, &message);
}

void rb_em_on_handshake_completed(em_connection *connection)
{
    rb_em_slot *slot = em_connection_get_user(connection);
    if (slot && !rb_em_note_handshake(slot))
        rb_em_report_handshake(slot);
}

void rb_em_report_proxy_completed(rb_em_slot *slot)
{
    rb_em_message message = {.slot = slot};
    rb_em_deliver(proxy_completed, &message);
}

void rb_em_on_proxy_completed(em_connection *connection)
{
    rb_em_report_proxy_completed(em_connection_get_user(connection));
}

void rb_em_report_proxy_target_unbound(rb_em_slot *slot)
{
    rb_em_message message = {.slot = slot};
    rb_em_deliver(proxy_target_unbound, &message);
}

void rb_em_on_proxy_target_unbound(em_connection *connection)
{
    rb_em_report_proxy_target_unbound(em_connection_get_user(connection));
}

/* There is no half-open state in Ruby: unbind is called at once, and what is queued is sent afterwards. */
void rb_em_on_end(em_connection *connection)
{
    em_connection_close_in_background(connection);
}

void rb_em_on_unbind(em_connection *connection, em_status reason)
{
    rb_em_slot *slot = em_connection_get_user(connection);
    if (!slot)
        return;
    if (rb_em_operations_of(slot)->stream_unbound)
        rb_em_operations_of(slot)->stream_unbound(slot);
    else
        rb_em_ended(slot, reason);
}

const em_handler rb_em_connection_handler = {
    .connection_completed = rb_em_on_completed,
    .receive_data = rb_em_on_data,
    .receive_end = rb_em_on_end,
    .drained = rb_em_on_drained,
    .ssl_handshake_completed = rb_em_on_handshake_completed,
    .proxy_completed = rb_em_on_proxy_completed,
    .proxy_target_unbound = rb_em_on_proxy_target_unbound,
    .unbind = rb_em_on_unbind,
};

void rb_em_define_handler(void)
{
    id_receive_data = rb_intern("receive_data");
    id_connection_completed = rb_intern("connection_completed");
    id_ssl_handshake_completed = rb_intern("ssl_handshake_completed");
    id_proxy_completed = rb_intern("proxy_completed");
    id_proxy_target_unbound = rb_intern("proxy_target_unbound");
}
