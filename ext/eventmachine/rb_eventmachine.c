/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * rubyeventmachine.so: the C library as Ruby's module EventMachine. This file only lists the parts; each defines its
 * own methods. `require "eventmachine"` adds the part that is written in Ruby.
 */
#include <ruby.h>

#include "rb_define.h"
#include "rb_malloc.h"

RUBY_FUNC_EXPORTED void Init_rubyeventmachine(void);

void Init_rubyeventmachine(void)
{
    rb_em_keep_freed_memory();
    rb_em_define_module();
    rb_em_define_pages();
    rb_em_define_state();
    rb_em_define_argument();
    rb_em_define_status();
    rb_em_define_fork();
    rb_em_define_protect();
    rb_em_define_loop();
    rb_em_define_connection_class();
    rb_em_define_drained();
    rb_em_define_unbind();
    rb_em_define_handler();
    rb_em_define_receive();
    rb_em_define_accept();
    rb_em_define_complete();
    rb_em_define_timer();
    rb_em_define_tick();
    rb_em_define_release();
    rb_em_define_reactor();
    rb_em_define_signature_table();
    rb_em_define_queue();
    rb_em_define_server();
    rb_em_define_client();
    rb_em_define_attach();
    rb_em_define_watch();
    rb_em_define_send();
    rb_em_define_datagram();
    rb_em_define_file();
    rb_em_define_close();
    rb_em_define_pause();
    rb_em_define_proxy();
    rb_em_define_timeout();
    rb_em_define_socket();
    rb_em_define_tls_verify();
    rb_em_define_tls_context();
    rb_em_define_tls();
    rb_em_define_file_watch();
    rb_em_define_process();
    rb_em_define_process_watch();
    rb_em_define_dns();
    rb_em_define_settings();
    rb_em_define_stats();
}
