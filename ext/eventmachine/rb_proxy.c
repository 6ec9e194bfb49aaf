/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Proxies: start_proxy, stop_proxy and get_proxied_bytes. The bytes do not come to Ruby. What a proxy reports to its
 * source is in rb_handler.c.
 */
#include "rb_connection.h"
#include "rb_define.h"
#include "rb_loop.h"
#include "rb_module.h"
#include "rb_state.h"
#include "rb_status.h"

/* A negative number would be an enormous one. */
static uint64_t size_of(VALUE number, const char *name)
{
    VALUE integer = rb_to_int(number);
    if (RTEST(rb_funcall(integer, '<', 1, INT2FIX(0))))
        rb_raise(rb_eArgError, "%s must not be negative", name);
    return NUM2ULL(integer);
}

/* The number by which the loop knows it; 0: it is gone, or of a kind that carries no bytes, as watches are. */
static em_signature native_of(const rb_em_slot *slot)
{
    if (!slot || !slot->native.object)
        return 0;
    if (slot->kind == RB_EM_DATAGRAM_SOCKET)
        return em_datagram_socket_get_signature(slot->native.object);
    return em_connection_get_signature(rb_em_stream_of_slot(slot));
}

static void check(em_status status, bool is_itself)
{
    rb_em_check_memory(status);
    if (status < 0 && status != EM_CLOSED && is_itself)
        rb_em_raise("ConnectionError", "Tried to proxy a connection to itself");
    if (status == EM_INVALID_STATE)
        rb_em_raise("ConnectionError", "Tried to proxy to a busy target");
    if (status < 0 && status != EM_CLOSED) /* the source has ended */
        rb_em_raise("ConnectionError", "Tried to proxy to an invalid descriptor");
}

static VALUE start_proxy(VALUE self, VALUE from, VALUE to, VALUE buffer_bytes, VALUE length_bytes)
{
    em_loop *loop = rb_em_loop("start_proxy");
    uint64_t buffer = size_of(buffer_bytes, "bufsize");
    em_proxy_options options = {.size = sizeof options, .length_bytes = size_of(length_bytes, "length")};
    options.buffer_bytes = buffer > 0 && buffer < SIZE_MAX ? (size_t)buffer : SIZE_MAX;
    em_signature source = native_of(rb_em_find_entry(from));
    if (source == 0)
        return Qnil;
    em_signature target = native_of(rb_em_find_entry(to)); /* not one whose unbind runs: no proxy to it could end */
    check(em_loop_start_proxy(loop, source, target, &options), target == source);
    rb_em_changed();
    return Qnil;
}

static VALUE stop_proxy(VALUE self, VALUE from)
{
    em_signature source = native_of(rb_em_find_entry(from));
    if (source > 0)
        em_loop_stop_proxy(rb_em_loop("stop_proxy"), source);
    rb_em_changed();
    return Qnil;
}

static VALUE get_proxied_bytes(VALUE self, VALUE from)
{
    em_signature source = native_of(rb_em_find_connection(from));
    return ULL2NUM(em_loop_get_proxied_bytes(rb_em_the_reactor.loop, source));
}

void rb_em_define_proxy(void)
{
    RB_EM_FUNCTION("start_proxy", start_proxy, 4);
    RB_EM_FUNCTION("stop_proxy", stop_proxy, 1);
    RB_EM_FUNCTION("get_proxied_bytes", get_proxied_bytes, 1);
}
