/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * rubyeventmachine.so: the C library as Ruby's module EventMachine. This file only says what there is; `require
 * "eventmachine"` adds the part that is written in Ruby.
 */
#include "rb_eventmachine.h"

VALUE rb_em_module;

RUBY_FUNC_EXPORTED void Init_rubyeventmachine(void);

void Init_rubyeventmachine(void)
{
    rb_em_keep_freed_memory();
    rb_em_module = rb_define_module("EventMachine");
    rb_gc_register_mark_object(rb_em_module);
    rb_em_define_pages();
    rb_em_define_argument();
    rb_em_define_status();
    rb_em_define_protect();
    rb_em_define_class();
    rb_em_define_connection();
    rb_em_define_receive();
    rb_em_define_accept();
    rb_em_define_views();
    rb_em_define_reactor();
    rb_em_define_release();
    rb_em_define_fork();
    rb_em_define_hold();
    rb_em_define_timer();
    rb_em_define_tick();
    rb_em_define_queue();
    rb_em_define_server();
    rb_em_define_client();
    rb_em_define_send();
    rb_em_define_socket();
    rb_em_define_flow();
    rb_em_define_drained();
    rb_em_define_settings();
    rb_em_define_stats();
}
