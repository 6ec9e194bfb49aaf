/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the reactor counts: EventMachine.stats, connection_count and others; and the backend in use.
 */
#include "rb_define.h"
#include "rb_loop.h"
#include "rb_module.h"
#include "rb_state.h"
#include "rb_status.h"

static VALUE get_connection_count(VALUE self)
{
    rb_em_loop("get_connection_count");
    return SIZET2NUM(rb_em_the_reactor.connections + rb_em_the_reactor.servers);
}

static VALUE num_close_scheduled(VALUE self)
{
    rb_em_loop("num_close_scheduled");
    return SIZET2NUM(rb_em_the_reactor.close_scheduled);
}

static VALUE backend(VALUE self)
{
    return rb_str_new_cstr(em_loop_get_backend(rb_em_loop("backend")));
}

static VALUE backend_reason(VALUE self)
{
    const char *reason = em_loop_get_backend_reason(rb_em_loop("backend_reason"));
    return reason ? rb_str_new_cstr(reason) : Qnil;
}

static void put(VALUE hash, const char *name, uint64_t count)
{
    rb_hash_aset(hash, ID2SYM(rb_intern(name)), ULL2NUM(count));
}

static VALUE stats(VALUE self)
{
    em_loop_stats stats;
    em_status status = em_loop_get_stats(rb_em_loop("stats"), &stats, sizeof stats);
    if (status < 0)
        rb_em_raise_status(status);
    VALUE hash = rb_hash_new();
    put(hash, "turns", stats.turns);
    put(hash, "waits", stats.waits);
    put(hash, "timers_pending", stats.timers_pending);
    put(hash, "timers_fired", stats.timers_fired);
    put(hash, "ticks_run", stats.ticks_run);
    put(hash, "posts_run", stats.posts_run);
    put(hash, "connections_open", stats.connections_open);
    put(hash, "servers_open", stats.servers_open);
    put(hash, "connections_accepted", stats.connections_accepted);
    put(hash, "connections_opened", stats.connections_opened);
    put(hash, "connections_closed", stats.connections_closed);
    put(hash, "connections_shed", stats.connections_shed);
    put(hash, "accept_back_offs", stats.accept_back_offs);
    put(hash, "bytes_received", stats.bytes_received);
    put(hash, "bytes_sent", stats.bytes_sent);
    put(hash, "outbox_bytes", stats.outbox_bytes);
    put(hash, "jobs_open", stats.jobs_open);
    put(hash, "jobs_done", stats.jobs_done);
    put(hash, "jobs_cancelled", stats.jobs_cancelled);
    put(hash, "pool_threads", stats.pool_threads);
    put(hash, "file_watches_open", stats.file_watches_open);
    put(hash, "signal_watches_open", stats.signal_watches_open);
    put(hash, "datagram_sockets_open", stats.datagram_sockets_open);
    put(hash, "datagrams_received", stats.datagrams_received);
    put(hash, "datagrams_sent", stats.datagrams_sent);
    put(hash, "tls_unverified_clients", rb_em_the_reactor.unverified_clients);
    return hash;
}

void rb_em_define_stats(void)
{
    RB_EM_FUNCTION("get_connection_count", get_connection_count, 0);
    RB_EM_FUNCTION("num_close_scheduled", num_close_scheduled, 0);
    RB_EM_SINGLETON("backend", backend, 0);
    RB_EM_SINGLETON("backend_reason", backend_reason, 0);
    RB_EM_SINGLETON("stats", stats, 0);
}
