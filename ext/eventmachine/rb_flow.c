/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Pausing and timeouts of connections. Times are seconds in Ruby, nanoseconds below.
 */
#include "rb_eventmachine.h"

static em_connection *connection_of(VALUE signature)
{
    rb_em_slot *slot = rb_em_find_connection(signature);
    return slot ? slot->native.connection : NULL;
}

static VALUE pause_connection(VALUE self, VALUE signature)
{
    rb_em_slot *slot = rb_em_find_connection(signature);
    if (slot && rb_em_takes_pause(slot))
        return Qtrue;
    return slot && em_connection_pause(slot->native.connection) == EM_OK ? Qtrue : Qfalse;
}

static VALUE resume_connection(VALUE self, VALUE signature)
{
    rb_em_slot *slot = rb_em_find_connection(signature);
    if (slot && slot->flags & RB_EM_HELD_BACK)
        return Qfalse;
    em_status status = slot ? em_connection_resume(slot->native.connection) : EM_CLOSED;
    rb_em_changed();
    return status == EM_OK ? Qtrue : Qfalse;
}

static VALUE is_paused(VALUE self, VALUE signature)
{
    rb_em_slot *slot = rb_em_find_connection(signature);
    bool is_paused = slot && em_connection_is_paused(slot->native.connection);
    return is_paused && !(slot->flags & RB_EM_HELD_BACK) ? Qtrue : Qfalse;
}

static VALUE seconds(uint64_t ns)
{
    return DBL2NUM((double)ns / 1e9);
}

static VALUE get_comm_inactivity_timeout(VALUE self, VALUE signature)
{
    rb_em_loop("get_comm_inactivity_timeout");
    em_connection *connection = connection_of(signature);
    return seconds(connection ? em_connection_get_inactivity_timeout_ns(connection) : 0);
}

static VALUE finish_change(em_status status)
{
    if (status == EM_NO_MEMORY)
        rb_memerror();
    rb_em_changed();
    return status >= 0 ? Qtrue : Qfalse;
}

/* Programs say "never" with a negative number, too. */
static VALUE set_comm_inactivity_timeout(VALUE self, VALUE signature, VALUE timeout)
{
    rb_em_loop("set_comm_inactivity_timeout");
    uint64_t timeout_ns = rb_em_seconds_to_ns(NUM2DBL(timeout));
    em_connection *connection = connection_of(signature);
    return connection ? finish_change(em_connection_set_inactivity_timeout_ns(connection, timeout_ns)) : Qfalse;
}

static VALUE get_pending_connect_timeout(VALUE self, VALUE signature)
{
    rb_em_loop("get_pending_connect_timeout");
    em_connection *connection = connection_of(signature);
    return seconds(connection ? em_connection_get_connect_timeout_ns(connection) : 0);
}

static VALUE set_pending_connect_timeout(VALUE self, VALUE signature, VALUE timeout)
{
    rb_em_loop("set_pending_connect_timeout");
    double number = NUM2DBL(timeout);
    em_connection *connection = connection_of(signature);
    if (!connection || !(number >= 0.001))
        return Qfalse;
    return finish_change(em_connection_set_connect_timeout_ns(connection, rb_em_seconds_to_ns(number)));
}

static VALUE get_drain_timeout(VALUE self, VALUE signature)
{
    rb_em_loop("get_drain_timeout");
    em_connection *connection = connection_of(signature);
    return seconds(connection ? em_connection_get_drain_timeout_ns(connection) : 0);
}

/* 0 restores the default. */
static VALUE set_drain_timeout(VALUE self, VALUE signature, VALUE timeout)
{
    rb_em_loop("set_drain_timeout");
    double number = NUM2DBL(timeout);
    if (!(number >= 0))
        rb_raise(rb_eArgError, "a drain timeout is at least 0 seconds");
    em_connection *connection = connection_of(signature);
    if (!connection)
        return Qfalse;
    return finish_change(em_connection_set_drain_timeout_ns(connection, rb_em_seconds_to_ns(number)));
}

/* nil for a connection that is gone; an Integer 0 where no time has passed. */
static VALUE get_idle_time(VALUE self, VALUE signature)
{
    rb_em_loop("get_idle_time");
    em_connection *connection = connection_of(signature);
    if (!connection)
        return Qnil;
    uint64_t idle_ns = em_connection_get_idle_ns(connection);
    return idle_ns == 0 ? INT2FIX(0) : seconds(idle_ns);
}

void rb_em_define_flow(void)
{
    RB_EM_FUNCTION("pause_connection", pause_connection, 1);
    RB_EM_FUNCTION("resume_connection", resume_connection, 1);
    RB_EM_FUNCTION("connection_paused?", is_paused, 1);
    RB_EM_FUNCTION("get_comm_inactivity_timeout", get_comm_inactivity_timeout, 1);
    RB_EM_FUNCTION("set_comm_inactivity_timeout", set_comm_inactivity_timeout, 2);
    RB_EM_FUNCTION("get_pending_connect_timeout", get_pending_connect_timeout, 1);
    RB_EM_FUNCTION("set_pending_connect_timeout", set_pending_connect_timeout, 2);
    RB_EM_FUNCTION("get_drain_timeout", get_drain_timeout, 1);
    RB_EM_FUNCTION("set_drain_timeout", set_drain_timeout, 2);
    RB_EM_FUNCTION("get_idle_time", get_idle_time, 1);
}
