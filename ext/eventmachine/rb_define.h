/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Each file's own part of Init. Only rb_eventmachine.c calls these.
 */
#ifndef RB_DEFINE_H
#define RB_DEFINE_H

void rb_em_define_accept(void);
void rb_em_define_argument(void);
void rb_em_define_attach(void);
void rb_em_define_client(void);
void rb_em_define_close(void);
void rb_em_define_complete(void);
void rb_em_define_connection_class(void);
void rb_em_define_datagram(void);
void rb_em_define_dns(void);
void rb_em_define_drained(void);
void rb_em_define_file_watch(void);
void rb_em_define_file(void);
void rb_em_define_fork(void);
void rb_em_define_handler(void);
void rb_em_define_loop(void);
void rb_em_define_module(void);
void rb_em_define_pages(void);
void rb_em_define_pause(void);
void rb_em_define_process(void);
void rb_em_define_process_watch(void);
void rb_em_define_protect(void);
void rb_em_define_proxy(void);
void rb_em_define_queue(void);
void rb_em_define_reactor(void);
void rb_em_define_receive(void);
void rb_em_define_release(void);
void rb_em_define_send(void);
void rb_em_define_server(void);
void rb_em_define_settings(void);
void rb_em_define_signature_table(void);
void rb_em_define_socket(void);
void rb_em_define_state(void);
void rb_em_define_stats(void);
void rb_em_define_status(void);
void rb_em_define_tick(void);
void rb_em_define_timeout(void);
void rb_em_define_timer(void);
void rb_em_define_tls(void);
void rb_em_define_tls_context(void);
void rb_em_define_tls_verify(void);
void rb_em_define_unbind(void);
void rb_em_define_watch(void);

#endif
