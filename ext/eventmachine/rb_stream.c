/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connections that are streams. The loop copies short texts and borrows long ones: a frozen String shares the bytes
 * with the caller's, which Ruby copies when the caller changes it, and a slot keeps it alive until the bytes have been
 * sent.
 */
#include "rb_fork.h"
#include "rb_hold.h"
#include "rb_kind.h"
#include "rb_loop.h"
#include "rb_module.h"
#include "rb_page.h"
#include "rb_protect.h"
#include "rb_state.h"
#include "rb_status.h"

/* From this length on sharing a String costs less than copying it. */
enum { BORROW_BYTES = 16 * 1024 };

static void release_text(void *user, const void *data)
{
    rb_em_slot_give_back(user);
}

static em_status send_borrowed(em_connection *connection, VALUE text, size_t length)
{
    VALUE frozen = rb_str_new_frozen(text);
    rb_em_slot *holder = rb_em_slot_take(RB_EM_TEXT, frozen);
    return em_connection_send_borrowed(connection, RSTRING_PTR(frozen), length, release_text, holder);
}

static em_status send_native(em_connection *connection, VALUE text, size_t length)
{
    return length < BORROW_BYTES ? em_connection_send(connection, RSTRING_PTR(text), length)
                                 : send_borrowed(connection, text, length);
}

static VALUE send_text(rb_em_slot *slot, VALUE text, size_t length)
{
    em_connection *connection = slot->native.connection;
    if (length == 0)
        return INT2FIX(0);
    em_status status = send_native(connection, text, length);
    if (RB_UNLIKELY(status == EM_FORKED) && rb_em_take_over_to_send())
        status = send_native(connection, text, length);
    rb_em_check_memory(status);
    rb_em_changed();
    return status < 0 ? INT2FIX(0) : ULL2NUM(length);
}

static size_t get_outbound_bytes(const rb_em_slot *slot)
{
    return em_connection_get_outbound_bytes(slot->native.connection);
}

static void close_stream(rb_em_slot *slot, bool after_writing)
{
    if (after_writing)
        em_connection_close_after_writing(slot->native.connection);
    else
        em_connection_close(slot->native.connection);
}

static void end_stream(rb_em_slot *slot)
{
    em_connection_close(slot->native.connection);
}

static em_status detach_stream(rb_em_slot *slot, int *descriptor)
{
    return em_connection_detach(slot->native.connection, descriptor);
}

/* A connection that is paused only because it is held (rb_hold.c) is not paused for the program. */

static bool pause_stream(rb_em_slot *slot)
{
    return rb_em_takes_pause(slot) || em_connection_pause(slot->native.connection) == EM_OK;
}

static bool resume_stream(rb_em_slot *slot)
{
    return !(slot->flags & RB_EM_HELD_BACK) && em_connection_resume(slot->native.connection) == EM_OK;
}

static bool is_paused(const rb_em_slot *slot)
{
    return em_connection_is_paused(slot->native.connection) && !(slot->flags & RB_EM_HELD_BACK);
}

static uint64_t get_idle_ns(const rb_em_slot *slot)
{
    return em_connection_get_idle_ns(slot->native.connection);
}

static uint64_t get_inactivity_timeout_ns(const rb_em_slot *slot)
{
    return em_connection_get_inactivity_timeout_ns(slot->native.connection);
}

static em_status set_inactivity_timeout_ns(rb_em_slot *slot, uint64_t timeout_ns)
{
    return em_connection_set_inactivity_timeout_ns(slot->native.connection, timeout_ns);
}

static em_status get_peer_address(rb_em_slot *slot, em_address *address)
{
    return em_connection_get_peer_address(slot->native.connection, address);
}

static em_status get_local_address(rb_em_slot *slot, em_address *address)
{
    return em_connection_get_local_address(slot->native.connection, address);
}

static int get_descriptor(const rb_em_slot *slot)
{
    return em_connection_get_descriptor(slot->native.connection);
}

static em_status set_socket_option(rb_em_slot *slot, int level, int option, const void *value, size_t bytes)
{
    return em_connection_set_socket_option(slot->native.connection, level, option, value, bytes);
}

static em_status take_error(rb_em_slot *slot)
{
    return em_connection_take_error(slot->native.connection);
}

static em_status get_reason(rb_em_slot *slot, em_reason *reason)
{
    return em_connection_get_reason(slot->native.connection, reason);
}

static VALUE close_io(VALUE connection)
{
    return rb_funcall(rb_em_module, rb_intern("close_attached_io"), 1, connection);
}

static void after_unbind(rb_em_slot *slot)
{
    if (slot->flags & RB_EM_ATTACHED && !rb_em_is_leaving())
        rb_em_call_unbind(close_io, slot->value);
}

static em_connection *get_stream(const rb_em_slot *slot)
{
    return slot->native.connection;
}

const rb_em_operations rb_em_stream_operations = {
    .send = send_text,
    .get_outbound_bytes = get_outbound_bytes,
    .close = close_stream,
    .end = end_stream,
    .detach = detach_stream,
    .pause = pause_stream,
    .resume = resume_stream,
    .is_paused = is_paused,
    .get_idle_ns = get_idle_ns,
    .get_inactivity_timeout_ns = get_inactivity_timeout_ns,
    .set_inactivity_timeout_ns = set_inactivity_timeout_ns,
    .get_peer_address = get_peer_address,
    .get_local_address = get_local_address,
    .get_descriptor = get_descriptor,
    .set_socket_option = set_socket_option,
    .take_error = take_error,
    .get_reason = get_reason,
    .after_unbind = after_unbind,
    .get_stream = get_stream,
};
