/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Timeouts of connections, and how long they have been idle. Times are seconds in Ruby and nanoseconds in the C
 * library.
 */
#include "rb_argument.h"
#include "rb_connection.h"
#include "rb_define.h"
#include "rb_kind.h"
#include "rb_loop.h"
#include "rb_module.h"
#include "rb_state.h"
#include "rb_status.h"

static VALUE seconds(uint64_t ns)
{
    return DBL2NUM((double)ns / 1e9);
}

static VALUE get_comm_inactivity_timeout(VALUE self, VALUE signature)
{
    rb_em_loop("get_comm_inactivity_timeout");
    const rb_em_slot *slot = rb_em_find_connection(signature);
    if (!slot || !rb_em_operations_of(slot)->get_inactivity_timeout_ns)
        return seconds(0);
    return seconds(rb_em_operations_of(slot)->get_inactivity_timeout_ns(slot));
}

static VALUE finish_change(em_status status)
{
    rb_em_check_memory(status);
    rb_em_changed();
    return status >= 0 ? Qtrue : Qfalse;
}

/* Programs also use a negative number for "never". */
static VALUE set_comm_inactivity_timeout(VALUE self, VALUE signature, VALUE timeout)
{
    rb_em_loop("set_comm_inactivity_timeout");
    uint64_t timeout_ns = rb_em_seconds_to_ns(NUM2DBL(timeout));
    rb_em_slot *slot = rb_em_find_connection(signature);
    if (!slot || !rb_em_operations_of(slot)->set_inactivity_timeout_ns)
        return Qfalse;
    return finish_change(rb_em_operations_of(slot)->set_inactivity_timeout_ns(slot, timeout_ns));
}

/* 0.0 for what is not a stream, or is gone. */
static VALUE get_timeout(const char *name, VALUE signature, uint64_t (*get_ns)(const em_connection *connection))
{
    rb_em_loop(name);
    const em_connection *connection = rb_em_find_stream(signature);
    return seconds(connection ? get_ns(connection) : 0);
}

static VALUE get_pending_connect_timeout(VALUE self, VALUE signature)
{
    return get_timeout("get_pending_connect_timeout", signature, em_connection_get_connect_timeout_ns);
}

static VALUE set_pending_connect_timeout(VALUE self, VALUE signature, VALUE timeout)
{
    rb_em_loop("set_pending_connect_timeout");
    double number = NUM2DBL(timeout);
    em_connection *connection = rb_em_find_stream(signature);
    if (!connection || !(number >= 0.001))
        return Qfalse;
    return finish_change(em_connection_set_connect_timeout_ns(connection, rb_em_seconds_to_ns(number)));
}

static VALUE get_drain_timeout(VALUE self, VALUE signature)
{
    return get_timeout("get_drain_timeout", signature, em_connection_get_drain_timeout_ns);
}

/* 0 restores the default. */
static VALUE set_drain_timeout(VALUE self, VALUE signature, VALUE timeout)
{
    rb_em_loop("set_drain_timeout");
    double number = NUM2DBL(timeout);
    if (!(number >= 0))
        rb_raise(rb_eArgError, "the drain timeout must be at least 0 seconds");
    em_connection *connection = rb_em_find_stream(signature);
    if (!connection)
        return Qfalse;
    return finish_change(em_connection_set_drain_timeout_ns(connection, rb_em_seconds_to_ns(number)));
}

/* nil for a connection that is gone; the Integer 0 if no time has passed. */
static VALUE get_idle_time(VALUE self, VALUE signature)
{
    rb_em_loop("get_idle_time");
    const rb_em_slot *slot = rb_em_find_connection(signature);
    if (!slot || !rb_em_operations_of(slot)->get_idle_ns)
        return Qnil;
    uint64_t idle_ns = rb_em_operations_of(slot)->get_idle_ns(slot);
    return idle_ns == 0 ? INT2FIX(0) : seconds(idle_ns);
}

void rb_em_define_timeout(void)
{
    RB_EM_FUNCTION("get_comm_inactivity_timeout", get_comm_inactivity_timeout, 1);
    RB_EM_FUNCTION("set_comm_inactivity_timeout", set_comm_inactivity_timeout, 2);
    RB_EM_FUNCTION("get_pending_connect_timeout", get_pending_connect_timeout, 1);
    RB_EM_FUNCTION("set_pending_connect_timeout", set_pending_connect_timeout, 2);
    RB_EM_FUNCTION("get_drain_timeout", get_drain_timeout, 1);
    RB_EM_FUNCTION("set_drain_timeout", set_drain_timeout, 2);
    RB_EM_FUNCTION("get_idle_time", get_idle_time, 1);
}
