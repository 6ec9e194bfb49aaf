/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sending and closing. Short texts are copied by the loop; long ones it borrows: a frozen String shares the bytes with
 * the caller's, which Ruby copies when the caller changes it, and a slot keeps it until the bytes have left.
 */
#include "rb_eventmachine.h"

/* From about here on sharing a String costs less than copying it. */
enum { BORROW_BYTES = 16 * 1024 };

static ID id_close_connection;

static void release_text(void *user, const void *data)
{
    rb_em_slot_give_back(user);
}

static em_status send_borrowed(em_connection *connection, VALUE text, size_t length)
{
    VALUE frozen = rb_str_new_frozen(text);
    rb_em_slot *holder = rb_em_slot_take(RB_EM_TEXT, frozen);
    return em_connection_send_borrowed(connection, RSTRING_PTR(frozen), length, release_text, holder);
}

static VALUE send_text(rb_em_slot *slot, VALUE text, size_t length)
{
    em_connection *connection = slot->native.connection;
    em_status status;
    if (!connection || length == 0)
        return INT2FIX(0);
    if (length < BORROW_BYTES)
        status = em_connection_send(connection, RSTRING_PTR(text), length);
    else
        status = send_borrowed(connection, text, length);
    if (status == EM_NO_MEMORY)
        rb_memerror();
    rb_em_changed();
    return status < 0 ? INT2FIX(0) : ULL2NUM(length);
}

static VALUE connection_send_data(VALUE self, VALUE data)
{
    VALUE text = RB_TYPE_P(data, T_STRING) ? data : rb_obj_as_string(data);
    rb_em_slot *slot = rb_em_connection_of(self);
    if (slot)
        return send_text(slot, text, (size_t)RSTRING_LEN(text));
    rb_em_loop("send_data_to_connection");
    return INT2FIX(-1);
}

static VALUE send_data(VALUE self, VALUE signature, VALUE text, VALUE length)
{
    long bytes = NUM2LONG(length);
    StringValue(text);
    rb_em_loop("send_data_to_connection");
    rb_em_slot *slot = rb_em_find(signature, RB_EM_CONNECTION);
    if (bytes < 0)
        rb_raise(rb_eArgError, "negative length");
    if (bytes > RSTRING_LEN(text))
        bytes = RSTRING_LEN(text);
    return slot ? send_text(slot, text, (size_t)bytes) : INT2FIX(-1);
}

/* Only a literal true asks for what is queued to be sent first. */
static void close_slot(rb_em_slot *slot, VALUE after_writing)
{
    rb_em_schedule_close(slot);
    if (!slot->native.connection)
        return;
    if (after_writing == Qtrue)
        em_connection_close_after_writing(slot->native.connection);
    else
        em_connection_close(slot->native.connection);
    rb_em_changed();
}

static VALUE connection_close(int argc, VALUE *argv, VALUE self)
{
    rb_check_arity(argc, 0, 1);
    rb_em_slot *slot = rb_em_connection_of(self);
    if (slot)
        close_slot(slot, argc > 0 ? argv[0] : Qfalse);
    else
        rb_em_loop("close_connection");
    return Qnil;
}

/* By way of close_connection, which classes override. */
static VALUE connection_close_after_writing(VALUE self)
{
    VALUE after_writing = Qtrue;
    return rb_funcallv(self, id_close_connection, 1, &after_writing);
}

static VALUE close_connection(VALUE self, VALUE signature, VALUE after_writing)
{
    rb_em_loop("close_connection");
    rb_em_slot *slot = rb_em_find(signature, RB_EM_CONNECTION);
    rb_em_slot *server = rb_em_find(signature, RB_EM_SERVER);
    if (slot)
        close_slot(slot, after_writing);
    if (server)
        rb_em_stop_server(server);
    return Qnil;
}

/* Closes a connection whose object could not be made, without a callback. */
static VALUE discard_connection(VALUE self, VALUE signature)
{
    rb_em_slot *slot = rb_em_find(signature, RB_EM_CONNECTION);
    if (!slot)
        return Qnil;
    slot->flags |= RB_EM_SILENT;
    rb_em_slot_set(slot, Qnil);
    if (!rb_em_discard_held(slot))
        close_slot(slot, Qfalse);
    return Qnil;
}

static VALUE get_outbound_data_size(VALUE self)
{
    rb_em_slot *slot = rb_em_connection_of(self);
    if (!slot || !slot->native.connection)
        return INT2FIX(0);
    return ULL2NUM(em_connection_get_outbound_bytes(slot->native.connection));
}

void rb_em_define_send(void)
{
    id_close_connection = rb_intern("close_connection");
    rb_define_method(rb_em_connection_class, "send_data", connection_send_data, 1);
    rb_define_method(rb_em_connection_class, "close_connection", connection_close, -1);
    rb_define_method(rb_em_connection_class, "close_connection_after_writing", connection_close_after_writing, 0);
    rb_define_method(rb_em_connection_class, "get_outbound_data_size", get_outbound_data_size, 0);
    RB_EM_FUNCTION("send_data", send_data, 3);
    RB_EM_FUNCTION("close_connection", close_connection, 2);
    rb_define_private_method(rb_singleton_class(rb_em_module), "discard_connection", discard_connection, 1);
}
