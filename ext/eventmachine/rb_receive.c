/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Receiving into a String of the user's, the same again and again. A new String for each piece is in memory that the
 * processor's cache does not hold any more, since Ruby collects only after many megabytes; where much arrives that
 * takes most of the time.
 */
#include "rb_eventmachine.h"

#include <ruby/encoding.h>

/* As much as arrives in one piece; what the loop's own memory takes, too. */
enum { BUFFER_BYTES = 64 * 1024 };

static ID id_receive_into;

/* The bytes are about to be overwritten: they become the String's alone, and enough. FrozenError. */
static VALUE make_ready(VALUE text)
{
    rb_str_modify(text);
    if (rb_str_capacity(text) < BUFFER_BYTES)
        rb_str_modify_expand(text, BUFFER_BYTES - RSTRING_LEN(text));
    return text;
}

/* What cannot be received into is received elsewhere: then receive_data tells why. */
void *rb_em_receive_buffer(em_connection *connection, size_t *capacity)
{
    const rb_em_slot *slot = em_connection_get_user(connection);
    if (!slot || slot->flags & RB_EM_SILENT || NIL_P(slot->value) || rb_em_the_reactor.state != 0)
        return NULL;
    int state = 0;
    VALUE text = rb_protect(make_ready, rb_ivar_get(slot->value, id_receive_into), &state);
    if (state != 0) {
        rb_set_errinfo(Qnil);
        return NULL;
    }
    *capacity = BUFFER_BYTES;
    return RSTRING_PTR(text);
}

VALUE rb_em_received_into(const rb_em_slot *slot, const void *data, size_t length)
{
    VALUE text = rb_ivar_get(slot->value, id_receive_into);
    if (data == RSTRING_PTR(text)) {
        rb_str_set_len(text, (long)length);
        return text;
    }
    rb_str_modify(text);
    rb_str_set_len(text, 0);
    return rb_str_cat(text, data, (long)length);
}

static VALUE receive_into(VALUE module, VALUE connection, VALUE buffer)
{
    if (!NIL_P(buffer)) {
        StringValue(buffer);
        rb_str_modify(buffer);
        rb_enc_associate(buffer, rb_ascii8bit_encoding());
    }
    rb_em_slot *slot = rb_em_connection_of(connection);
    if (!slot || !slot->native.connection)
        return Qnil;
    rb_ivar_set(connection, id_receive_into, buffer);
    slot->flags = (uint16_t)(NIL_P(buffer) ? slot->flags & ~RB_EM_INTO : slot->flags | RB_EM_INTO);
    em_connection_set_handler(slot->native.connection, NIL_P(buffer) ? &rb_em_outgoing_handler : &rb_em_into_handler);
    return buffer;
}

void rb_em_define_receive(void)
{
    id_receive_into = rb_intern("receive_into"); /* no name of an instance variable: Ruby code does not see it */
    rb_define_singleton_method(rb_em_module, "receive_into", receive_into, 2);
}
