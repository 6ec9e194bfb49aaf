/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connections that are streams. The loop copies short texts and borrows long ones: a frozen String shares the bytes
 * with the caller's, which Ruby copies when the caller changes it, and a slot keeps it alive until the bytes have been
 * sent.
 */
#include "rb_stream.h"

#include "rb_descriptor.h"
#include "rb_fork.h"
#include "rb_hold.h"
#include "rb_kind.h"
#include "rb_loop.h"
#include "rb_module.h"
#include "rb_page.h"
#include "rb_protect.h"
#include "rb_state.h"
#include "rb_status.h"

/* A stream may be a part of something else. NULL: it has ended before that. */
static em_connection *stream_of(const rb_em_slot *slot)
{
    return RB_LIKELY(slot->kind == RB_EM_CONNECTION) ? slot->native.connection
                                                     : rb_em_operations_of(slot)->get_stream(slot);
}

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

VALUE rb_em_stream_send(rb_em_slot *slot, VALUE text, size_t length)
{
    em_connection *connection = stream_of(slot);
    if (length == 0)
        return INT2FIX(0);
    em_status status = send_native(connection, text, length);
    if (RB_UNLIKELY(status == EM_FORKED) && rb_em_take_over_to_send())
        status = send_native(connection, text, length);
    rb_em_check_memory(status);
    rb_em_changed();
    return status < 0 ? INT2FIX(0) : ULL2NUM(length);
}

size_t rb_em_stream_get_outbound_bytes(const rb_em_slot *slot)
{
    return em_connection_get_outbound_bytes(stream_of(slot));
}

static void close_stream(rb_em_slot *slot, bool after_writing)
{
    if (after_writing)
        em_connection_close_after_writing(stream_of(slot));
    else
        em_connection_close(stream_of(slot));
}

void rb_em_stream_end(rb_em_slot *slot)
{
    em_connection_close(stream_of(slot));
}

static em_status detach_stream(rb_em_slot *slot, int *descriptor)
{
    return em_connection_detach(slot->native.connection, descriptor);
}

/* A connection that is paused only because it is held (rb_hold.c) is not paused for the program. */

bool rb_em_stream_pause(rb_em_slot *slot)
{
    return rb_em_takes_pause(slot) || em_connection_pause(stream_of(slot)) == EM_OK;
}

bool rb_em_stream_resume(rb_em_slot *slot)
{
    return !(slot->flags & RB_EM_HELD_BACK) && em_connection_resume(stream_of(slot)) == EM_OK;
}

bool rb_em_stream_is_paused(const rb_em_slot *slot)
{
    return em_connection_is_paused(stream_of(slot)) && !(slot->flags & RB_EM_HELD_BACK);
}

uint64_t rb_em_stream_get_idle_ns(const rb_em_slot *slot)
{
    return em_connection_get_idle_ns(stream_of(slot));
}

uint64_t rb_em_stream_get_inactivity_timeout_ns(const rb_em_slot *slot)
{
    return em_connection_get_inactivity_timeout_ns(stream_of(slot));
}

em_status rb_em_stream_set_inactivity_timeout_ns(rb_em_slot *slot, uint64_t timeout_ns)
{
    return em_connection_set_inactivity_timeout_ns(stream_of(slot), timeout_ns);
}

em_status rb_em_stream_get_peer_address(rb_em_slot *slot, em_address *address)
{
    return em_connection_get_peer_address(stream_of(slot), address);
}

em_status rb_em_stream_get_local_address(rb_em_slot *slot, em_address *address)
{
    return em_connection_get_local_address(stream_of(slot), address);
}

int rb_em_stream_get_descriptor(const rb_em_slot *slot)
{
    return em_connection_get_descriptor(stream_of(slot));
}

em_status rb_em_stream_set_socket_option(rb_em_slot *slot, int level, int option, const void *value, size_t bytes)
{
    return em_connection_set_socket_option(stream_of(slot), level, option, value, bytes);
}

em_status rb_em_stream_take_error(rb_em_slot *slot)
{
    return em_connection_take_error(stream_of(slot));
}

static em_status get_reason(rb_em_slot *slot, em_reason *reason)
{
    return em_connection_get_reason(stream_of(slot), reason);
}

static em_connection *get_stream(const rb_em_slot *slot)
{
    return slot->native.connection;
}

const rb_em_operations rb_em_stream_operations = {
    RB_EM_STREAM_OPERATIONS,
    .close = close_stream,
    .detach = detach_stream,
    .get_reason = get_reason,
    .after_unbind = rb_em_close_attached,
    .get_stream = get_stream,
};
