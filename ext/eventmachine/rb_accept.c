/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * From an accepted connection to its Ruby object: the class that start_server was given is instantiated, then comes the
 * server's block. If the constructor or post_init raises, the connection is closed at once and never gets an unbind.
 */
#include "rb_eventmachine.h"

static ID id_new, id_call;

typedef struct acceptance {
    rb_em_slot *server;
    rb_em_slot *slot;
    em_connection *connection;
} acceptance;

static VALUE instantiate(const rb_em_slot *server, VALUE description, uint64_t signature)
{
    VALUE class = rb_ary_entry(description, 0);
    VALUE arguments = rb_ary_entry(description, 1);
    long count = RARRAY_LEN(arguments);
    VALUE *values = ALLOCA_N(VALUE, count + 1);
    values[0] = ULL2NUM(signature);
    for (long i = 0; i < count; i++)
        values[i + 1] = rb_ary_entry(arguments, i);
    int keywords = server->flags & RB_EM_KEYWORDS ? RB_PASS_KEYWORDS : RB_NO_KEYWORDS;
    return rb_funcallv_kw(class, id_new, (int)count + 1, values, keywords);
}

static VALUE construct(VALUE argument)
{
    acceptance *acceptance = (void *)argument;
    VALUE description = acceptance->server->value;
    if (NIL_P(description))
        rb_em_raise("NoHandlerForAcceptedConnection", "no handler for the server with signature %lu",
                    (unsigned long)acceptance->server->signature);
    rb_em_slot *slot = rb_em_enter(RB_EM_CONNECTION, Qnil);
    slot->flags = RB_EM_SILENT;
    slot->native.connection = acceptance->connection;
    rb_em_the_reactor.connections++;
    em_connection_set_user(acceptance->connection, slot);
    VALUE object = instantiate(acceptance->server, description, slot->signature);
    rb_em_slot_set(slot, object);
    slot->flags &= (uint16_t)~RB_EM_SILENT;
    acceptance->slot = slot;
    VALUE block = rb_ary_entry(description, 2);
    if (!NIL_P(block))
        rb_funcallv(block, id_call, 1, &object);
    return Qnil;
}

void rb_em_accepted(em_connection *connection)
{
    acceptance acceptance = {.server = em_connection_get_user(connection), .connection = connection};
    em_connection_set_user(connection, NULL);
    if (NIL_P(acceptance.server->value) && rb_em_note_early_client(acceptance.server, connection))
        return;
    rb_em_call(construct, (VALUE)&acceptance);
    if (!acceptance.slot)
        em_connection_close(connection);
}

void rb_em_define_accept(void)
{
    id_new = rb_intern("new");
    id_call = rb_intern("call");
}
