/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * rubyeventmachine.so: the C library as Ruby's module EventMachine. This file only says what there is; `require
 * "eventmachine"` adds the part that is written in Ruby.
 */
#include "rb_eventmachine.h"

#include <stdlib.h>

VALUE rb_em_module;

RUBY_FUNC_EXPORTED void Init_rubyeventmachine(void);

/*
 * Strings for what arrives come from malloc(3) and go back by thousands when Ruby collects. glibc gives the top of the heap back
 * to the system as soon as 128 KiB are free there, so each collection would be followed by a page fault for every page taken
 * anew: for a stream of large pieces half of all time. glibc raises that limit by itself to twice the size of the largest block
 * freed (mallopt(3), M_TRIM_THRESHOLD), unless the user has set it.
 */
static void keep_freed_memory(void)
{
    enum { LARGEST_ADAPTIVE_BYTES = 31 * 1024 * 1024 };
    void *volatile block = malloc(LARGEST_ADAPTIVE_BYTES); /* volatile, or the compiler leaves both calls out */
    free(block);
}

void Init_rubyeventmachine(void)
{
    keep_freed_memory();
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
    rb_em_define_server();
    rb_em_define_client();
    rb_em_define_send();
    rb_em_define_socket();
    rb_em_define_flow();
    rb_em_define_settings();
    rb_em_define_stats();
}
