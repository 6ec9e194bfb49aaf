/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sending. The loop copies short texts and borrows long ones: a frozen String shares the bytes with the caller's, which
 * Ruby copies when the caller changes it, and a slot keeps it alive until the bytes have been sent.
 */
#include "rb_connection.h"
#include "rb_define.h"
#include "rb_fork.h"
#include "rb_loop.h"
#include "rb_module.h"
#include "rb_page.h"
#include "rb_state.h"
#include "rb_status.h"
#include "rb_table.h"

/* From this length on sharing a String costs less than copying it. */
enum { BORROW_BYTES = 16 * 1024 };

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

static em_status send_native(em_connection *connection, VALUE text, size_t length)
{
    return length < BORROW_BYTES ? em_connection_send(connection, RSTRING_PTR(text), length)
                                 : send_borrowed(connection, text, length);
}

static VALUE send_text(rb_em_slot *slot, VALUE text, size_t length)
{
    em_connection *connection = slot->native.connection;
    if (!connection || length == 0)
        return INT2FIX(0);
    em_status status = send_native(connection, text, length);
    if (RB_UNLIKELY(status == EM_FORKED) && rb_em_take_over_to_send())
        status = send_native(connection, text, length);
    rb_em_check_memory(status);
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

static VALUE get_outbound_data_size(VALUE self)
{
    em_connection *connection = rb_em_native_connection_of(self);
    return connection ? ULL2NUM(em_connection_get_outbound_bytes(connection)) : INT2FIX(0);
}

void rb_em_define_send(void)
{
    RB_EM_METHOD("send_data", connection_send_data, 1);
    RB_EM_METHOD("get_outbound_data_size", get_outbound_data_size, 0);
    RB_EM_FUNCTION("send_data", send_data, 3);
}
