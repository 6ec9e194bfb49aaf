/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * send_data, by object and by signature, and how much waits to be sent.
 */
#include "rb_connection.h"
#include "rb_define.h"
#include "rb_kind.h"
#include "rb_loop.h"
#include "rb_module.h"

static VALUE send_text(rb_em_slot *slot, VALUE text, size_t length)
{
    if (!slot->native.object)
        return INT2FIX(0);
    const rb_em_operations *operations = rb_em_operations_of(slot);
    return operations->send ? operations->send(slot, text, length) : INT2FIX(-1);
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
    rb_em_slot *slot = rb_em_find_entry(signature);
    if (bytes < 0)
        rb_raise(rb_eArgError, "negative length");
    if (bytes > RSTRING_LEN(text))
        bytes = RSTRING_LEN(text);
    return slot ? send_text(slot, text, (size_t)bytes) : INT2FIX(-1);
}

static VALUE get_outbound_data_size(VALUE self)
{
    const rb_em_slot *slot = rb_em_connection_of(self);
    if (!slot || !slot->native.object || !rb_em_operations_of(slot)->get_outbound_bytes)
        return INT2FIX(0);
    return ULL2NUM(rb_em_operations_of(slot)->get_outbound_bytes(slot));
}

void rb_em_define_send(void)
{
    RB_EM_METHOD("send_data", connection_send_data, 1);
    RB_EM_METHOD("get_outbound_data_size", get_outbound_data_size, 0);
    RB_EM_FUNCTION("send_data", send_data, 3);
}
