/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The module EventMachine and its class Connection, still empty.
 */
#include "rb_module.h"

#include "rb_define.h"

VALUE rb_em_module;
VALUE rb_em_connection_class;
ID rb_em_id_call;
ID rb_em_id_signature;

void rb_em_define_module(void)
{
    rb_em_module = rb_define_module("EventMachine");
    rb_gc_register_mark_object(rb_em_module);
    rb_em_connection_class = rb_define_class_under(rb_em_module, "Connection", rb_cObject);
    rb_gc_register_mark_object(rb_em_connection_class);
    rb_em_id_call = rb_intern("call");
    rb_em_id_signature = rb_intern("@signature");
}
