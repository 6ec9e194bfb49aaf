/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * close_connection, by object and by signature. Only a literal true asks for what is queued to be sent first.
 */
#include "rb_connection.h"
#include "rb_define.h"
#include "rb_loop.h"
#include "rb_module.h"
#include "rb_server.h"
#include "rb_table.h"

static VALUE connection_close(int argc, VALUE *argv, VALUE self)
{
    rb_check_arity(argc, 0, 1);
    rb_em_slot *slot = rb_em_connection_of(self);
    if (slot)
        rb_em_close(slot, argc > 0 && argv[0] == Qtrue);
    else
        rb_em_loop("close_connection");
    return Qnil;
}

static VALUE close_connection(VALUE self, VALUE signature, VALUE after_writing)
{
    rb_em_loop("close_connection");
    rb_em_slot *slot = rb_em_find_entry(signature);
    rb_em_slot *server = rb_em_find(signature, RB_EM_SERVER);
    if (slot)
        rb_em_close(slot, after_writing == Qtrue);
    if (server)
        rb_em_stop_server(server);
    return Qnil;
}

void rb_em_define_close(void)
{
    RB_EM_METHOD("close_connection", connection_close, -1);
    RB_EM_FUNCTION("close_connection", close_connection, 2);
}
