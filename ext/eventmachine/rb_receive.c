/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * EventMachine.receive_into: receiving into a String of the user's, which is filled again and again. A new String for
 * each piece lies in memory that the processor's cache no longer holds, because Ruby collects only after many
 * megabytes. For bulk data that takes most of the time.
 */
#include <ruby/encoding.h>

#include "rb_connection.h"
#include "rb_define.h"
#include "rb_drained.h"
#include "rb_handler.h"
#include "rb_module.h"
#include "rb_state.h"

/* As much as arrives in one piece, like the loop's own memory. */
enum { BUFFER_BYTES = 64 * 1024 };

static ID id_receive_into;

/* The bytes are about to be overwritten: makes them the String's alone, and enough. Raises FrozenError. */
static VALUE make_ready(VALUE text)
{
    rb_str_modify(text);
    if (rb_str_capacity(text) < BUFFER_BYTES)
        rb_str_modify_expand(text, BUFFER_BYTES - RSTRING_LEN(text));
    return text;
}

/* If the String cannot be used, the loop's memory is, and receive_data below raises the error. */
static void *receive_buffer(em_connection *connection, size_t *capacity)
{
    const rb_em_slot *slot = em_connection_get_user(connection);
    if (!slot || slot->flags & RB_EM_SILENT || NIL_P(slot->value) || rb_em_is_leaving())
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

/* The bytes are in the String already, unless it was another one when they arrived. */
static VALUE fill(VALUE text, const void *data, size_t length)
{
    if (data == RSTRING_PTR(text)) {
        rb_str_set_len(text, (long)length);
        return text;
    }
    rb_str_modify(text);
    rb_str_set_len(text, 0);
    return rb_str_cat(text, data, (long)length);
}

static VALUE receive_data(VALUE argument)
{
    const rb_em_message *message = (void *)argument;
    VALUE object = rb_em_receiver(message);
    VALUE text = rb_ivar_get(object, id_receive_into);
    return rb_em_call_receive_data(object, fill(text, message->data, message->length));
}

static void on_data(em_connection *connection, const void *data, size_t length)
{
    rb_em_message message = {em_connection_get_user(connection), data, length};
    rb_em_deliver(receive_data, &message);
}

static const em_handler into_handler = {
    .connection_completed = rb_em_on_completed,
    .receive_data = on_data,
    .receive_buffer = receive_buffer,
    .receive_end = rb_em_on_end,
    .drained = rb_em_on_drained,
    .ssl_handshake_completed = rb_em_on_handshake_completed,
    .proxy_completed = rb_em_on_proxy_completed,
    .proxy_target_unbound = rb_em_on_proxy_target_unbound,
    .unbind = rb_em_on_unbind,
};

static VALUE receive_into(VALUE module, VALUE connection, VALUE buffer)
{
    if (!NIL_P(buffer)) {
        StringValue(buffer);
        rb_str_modify(buffer);
        rb_enc_associate(buffer, rb_ascii8bit_encoding());
    }
    em_connection *native = rb_em_stream_of(connection);
    if (!native)
        return Qnil;
    rb_ivar_set(connection, id_receive_into, buffer);
    em_connection_set_handler(native, NIL_P(buffer) ? &rb_em_connection_handler : &into_handler);
    return buffer;
}

void rb_em_define_receive(void)
{
    id_receive_into = rb_intern("receive_into"); /* not a name of an instance variable, so Ruby code cannot see it */
    RB_EM_SINGLETON("receive_into", receive_into, 2);
}
