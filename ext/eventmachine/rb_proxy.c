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

/* Not one whose unbind is running: no proxy to it could ever end. */
static em_connection *target_of(VALUE signature)
{
    const rb_em_slot *slot = rb_em_find_entry(signature);
    em_connection *target = slot && slot->native.object ? rb_em_stream_of_slot(slot) : NULL;
    if (!target)
        rb_em_raise("ConnectionError", "Tried to proxy to an invalid descriptor");
    return target;
}

static void check(em_status status)
{
    rb_em_check_memory(status);
    if (status == EM_INVALID_STATE)
        rb_em_raise("ConnectionError", "Tried to proxy to a busy target");
    if (status < 0 && status != EM_CLOSED) /* the source has ended */
        rb_em_raise("ConnectionError", "Tried to proxy to an invalid descriptor");
}

static VALUE start_proxy(VALUE self, VALUE from, VALUE to, VALUE buffer_bytes, VALUE length_bytes)
{
    rb_em_loop("start_proxy");
    uint64_t buffer = size_of(buffer_bytes, "bufsize");
    em_proxy_options options = {.size = sizeof options, .length_bytes = size_of(length_bytes, "length")};
    options.buffer_bytes = buffer > 0 && buffer < SIZE_MAX ? (size_t)buffer : SIZE_MAX;
    em_connection *source = rb_em_find_stream(from);
    if (!source || em_connection_get_state(source) >= EM_STATE_RELEASING)
        return Qnil;
    em_connection *target = target_of(to);
    if (target == source)
        rb_em_raise("ConnectionError", "Tried to proxy a connection to itself");
    check(em_connection_start_proxy(source, target, &options));
    rb_em_changed();
    return Qnil;
}

static VALUE stop_proxy(VALUE self, VALUE from)
{
    em_connection *source = rb_em_find_stream(from);
    if (source)
        em_connection_stop_proxy(source);
    rb_em_changed();
    return Qnil;
}

static VALUE get_proxied_bytes(VALUE self, VALUE from)
{
    return ULL2NUM(em_connection_get_proxied_bytes(rb_em_find_stream(from)));
}

void rb_em_define_proxy(void)
{
    RB_EM_FUNCTION("start_proxy", start_proxy, 4);
    RB_EM_FUNCTION("stop_proxy", stop_proxy, 1);
    RB_EM_FUNCTION("get_proxied_bytes", get_proxied_bytes, 1);
}
