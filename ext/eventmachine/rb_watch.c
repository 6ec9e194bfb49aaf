/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connections that only report when a descriptor can be read or written, and the keyboard. What is asked for while a
 * watch is held (rb_hold.c) takes effect when its object is complete.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rb_connection.h"
#include "rb_define.h"
#include "rb_descriptor.h"
#include "rb_handler.h"
#include "rb_hold.h"
#include "rb_kind.h"
#include "rb_loop.h"
#include "rb_module.h"
#include "rb_open.h"
#include "rb_state.h"
#include "rb_status.h"
#include "rb_table.h"
#include "rb_unbind.h"

/* Keys that are read before others have their turn. */
enum { MOST_KEYS = 64 };

static ID id_notify_readable, id_notify_writable;

/* What the library reports */

static VALUE notify_readable(VALUE argument)
{
    const rb_em_message *message = (void *)argument;
    return rb_funcallv(rb_em_object_of(message->slot), id_notify_readable, 0, NULL);
}

static VALUE notify_writable(VALUE argument)
{
    const rb_em_message *message = (void *)argument;
    return rb_funcallv(rb_em_object_of(message->slot), id_notify_writable, 0, NULL);
}

static void on_readable(em_descriptor_watch *watch)
{
    rb_em_message message = {.slot = em_descriptor_watch_get_user(watch)};
    rb_em_deliver(notify_readable, &message);
}

static void on_writable(em_descriptor_watch *watch)
{
    rb_em_message message = {.slot = em_descriptor_watch_get_user(watch)};
    rb_em_deliver(notify_writable, &message);
}

static void on_unbind(em_descriptor_watch *watch, em_status reason)
{
    rb_em_slot *slot = em_descriptor_watch_get_user(watch);
    if (slot)
        rb_em_ended(slot, reason);
}

static const em_descriptor_watch_handler watch_handler = {
    .notify_readable = on_readable,
    .notify_writable = on_writable,
    .unbind = on_unbind,
};

/* The keyboard: descriptor 0 is left in its mode, so it is read only when a read does not wait. */

static VALUE receive_key(VALUE argument)
{
    const rb_em_message *message = (void *)argument;
    VALUE object = rb_em_receiver(message);
    return rb_em_call_receive_data(object, rb_str_new(message->data, (long)message->length));
}

static bool is_readable(int descriptor)
{
    struct pollfd look = {.fd = descriptor, .events = POLLIN};
    return poll(&look, 1, 0) > 0;
}

static bool wants_keys(em_descriptor_watch *watch)
{
    return !rb_em_is_leaving() && em_descriptor_watch_is_notify_readable(watch) &&
           is_readable(em_descriptor_watch_get_descriptor(watch));
}

static void on_keys(em_descriptor_watch *watch)
{
    for (unsigned keys = 0; keys < MOST_KEYS && wants_keys(watch); keys++) {
        char key;
        ssize_t length = read(em_descriptor_watch_get_descriptor(watch), &key, 1);
        if (length < 0 && (errno == EINTR || errno == EAGAIN))
            return;
        if (length <= 0) {
            em_descriptor_watch_detach(watch);
            return;
        }
        rb_em_message message = {em_descriptor_watch_get_user(watch), &key, 1};
        rb_em_deliver(receive_key, &message);
    }
}

static const em_descriptor_watch_handler keyboard_handler = {
    .notify_readable = on_keys,
    .unbind = on_unbind,
};

/* Opening */

static em_status open_watch(em_loop *loop, rb_em_slot *slot, int descriptor)
{
    bool is_keyboard = slot->kind == RB_EM_KEYBOARD;
    em_descriptor_watch_options options = {
        .size = sizeof options, .user = slot, .notify_readable = is_keyboard ? EM_ON : EM_OFF};
    if (rb_em_is_too_late(slot))
        return EM_OK;
    if (rb_em_is_registered(descriptor))
        return EM_FILE_EXISTS;
    return em_loop_watch_descriptor(loop, descriptor, is_keyboard ? &keyboard_handler : &watch_handler, &options,
                                    &slot->native.descriptor_watch);
}

VALUE rb_em_watch_descriptor(int descriptor)
{
    em_loop *loop = rb_em_loop_to_open("attach_fd");
    rb_em_slot *slot = rb_em_table_add(RB_EM_DESCRIPTOR_WATCH, Qnil);
    em_status status = open_watch(loop, slot, descriptor);
    if (status < 0) {
        rb_em_table_delete(slot);
        rb_em_refuse_descriptor(status);
    }
    rb_em_register(descriptor, slot);
    return rb_em_opened(slot);
}

static VALUE read_keyboard(VALUE self)
{
    em_loop *loop = rb_em_loop_to_open("open_keyboard");
    rb_em_slot *slot = rb_em_table_add(RB_EM_KEYBOARD, Qnil);
    em_status status = open_watch(loop, slot, STDIN_FILENO);
    if (status < 0) {
        rb_em_table_delete(slot);
        rb_em_check_memory(status);
        rb_raise(rb_eRuntimeError, "no keyboard reader");
    }
    rb_em_register(STDIN_FILENO, slot);
    return rb_em_opened_ready(slot);
}

/* Notification */

static em_switch switch_for(const rb_em_slot *slot, unsigned flag)
{
    return slot->flags & flag ? EM_ON : EM_OFF;
}

static void apply(rb_em_slot *slot)
{
    em_descriptor_watch *watch = slot->native.descriptor_watch;
    em_status readable = em_descriptor_watch_set_notify_readable(watch, switch_for(slot, RB_EM_NOTIFIES_READABLE));
    em_status writable = em_descriptor_watch_set_notify_writable(watch, switch_for(slot, RB_EM_NOTIFIES_WRITABLE));
    em_status failure = readable < 0 ? readable : writable;
    if (failure < 0 && failure != EM_CLOSED)
        rb_em_refuse_descriptor(failure);
    rb_em_changed();
}

static VALUE set_notify(VALUE signature, VALUE mode, unsigned flag, const char *name)
{
    rb_em_loop(name);
    rb_em_slot *slot = rb_em_find_connection(signature);
    if (!slot)
        return Qnil;
    if (slot->kind != RB_EM_DESCRIPTOR_WATCH)
        rb_raise(rb_eRuntimeError, "%s must be on 'watch only' connections", name);
    rb_em_slot_clear_flags(slot, flag);
    if (mode == Qtrue)
        slot->flags |= (uint16_t)flag;
    if (!(slot->flags & RB_EM_HELD))
        apply(slot);
    return Qnil;
}

static VALUE set_notify_readable(VALUE self, VALUE signature, VALUE mode)
{
    return set_notify(signature, mode, RB_EM_NOTIFIES_READABLE, "notify_readable");
}

static VALUE set_notify_writable(VALUE self, VALUE signature, VALUE mode)
{
    return set_notify(signature, mode, RB_EM_NOTIFIES_WRITABLE, "notify_writable");
}

static const rb_em_slot *find_watch(VALUE signature)
{
    const rb_em_slot *slot = rb_em_find_connection(signature);
    return slot && slot->kind == RB_EM_DESCRIPTOR_WATCH ? slot : NULL;
}

static VALUE is_notify_readable(VALUE self, VALUE signature)
{
    const rb_em_slot *slot = find_watch(signature);
    return slot && slot->flags & RB_EM_NOTIFIES_READABLE ? Qtrue : Qfalse;
}

static VALUE is_notify_writable(VALUE self, VALUE signature)
{
    const rb_em_slot *slot = find_watch(signature);
    return slot && slot->flags & RB_EM_NOTIFIES_WRITABLE ? Qtrue : Qfalse;
}

static VALUE is_watch_only(VALUE self, VALUE signature)
{
    return find_watch(signature) ? Qtrue : Qfalse;
}

/* What both kinds can do */

static void end_watch(rb_em_slot *slot)
{
    em_descriptor_watch_detach(slot->native.descriptor_watch);
}

static em_status detach(rb_em_slot *slot, int *descriptor)
{
    *descriptor = em_descriptor_watch_get_descriptor(slot->native.descriptor_watch);
    rb_em_slot_clear_flags(slot, RB_EM_NOTIFIES_READABLE | RB_EM_NOTIFIES_WRITABLE);
    return em_descriptor_watch_detach(slot->native.descriptor_watch);
}

static uint64_t get_idle_ns(const rb_em_slot *slot)
{
    return em_descriptor_watch_get_idle_ns(slot->native.descriptor_watch);
}

static int get_descriptor(const rb_em_slot *slot)
{
    return em_descriptor_watch_get_descriptor(slot->native.descriptor_watch);
}

/* A watch of a socket has its addresses and options. */

typedef int address_getter(int descriptor, struct sockaddr *address, socklen_t *length);

static em_status get_address(const rb_em_slot *slot, em_address *address, address_getter *get)
{
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    if (get(get_descriptor(slot), (struct sockaddr *)&storage, &length) < 0)
        return EM_NOT_CONNECTED;
    return em_address_from_sockaddr(&storage, length, address);
}

static em_status get_peer_address(rb_em_slot *slot, em_address *address)
{
    return get_address(slot, address, getpeername);
}

static em_status get_local_address(rb_em_slot *slot, em_address *address)
{
    return get_address(slot, address, getsockname);
}

static em_status set_socket_option(rb_em_slot *slot, int level, int option, const void *value, size_t bytes)
{
    if (setsockopt(get_descriptor(slot), level, option, value, (socklen_t)bytes) == 0)
        return EM_OK;
    rb_sys_fail("setsockopt");
}

/* What a watch refuses */

static VALUE refuse_to_send(rb_em_slot *slot, VALUE text, size_t length)
{
    rb_raise(rb_eRuntimeError, "cannot send data on a 'watch only' connection");
}

static void refuse_to_close(rb_em_slot *slot, bool after_writing)
{
    rb_raise(rb_eRuntimeError, "cannot close 'watch only' connections");
}

static bool refuse_to_pause(rb_em_slot *slot)
{
    rb_raise(rb_eRuntimeError, "cannot pause/resume 'watch only' connections, set notify readable/writable instead");
}

const rb_em_operations rb_em_descriptor_watch_operations = {
    .send = refuse_to_send,
    .close = refuse_to_close,
    .end = end_watch,
    .detach = detach,
    .pause = refuse_to_pause,
    .resume = refuse_to_pause,
    .get_idle_ns = get_idle_ns,
    .get_peer_address = get_peer_address,
    .get_local_address = get_local_address,
    .get_descriptor = get_descriptor,
    .set_socket_option = set_socket_option,
    .complete = apply,
};

static void close_keyboard(rb_em_slot *slot, bool after_writing)
{
    end_watch(slot);
}

static bool is_keyboard_paused(const rb_em_slot *slot)
{
    return !em_descriptor_watch_is_notify_readable(slot->native.descriptor_watch) && !(slot->flags & RB_EM_HELD_BACK);
}

static bool set_keyboard_reads(rb_em_slot *slot, em_switch reads)
{
    em_descriptor_watch *watch = slot->native.descriptor_watch;
    bool changes = em_descriptor_watch_is_notify_readable(watch) != (reads == EM_ON);
    return changes && em_descriptor_watch_set_notify_readable(watch, reads) == EM_OK;
}

static bool pause_keyboard(rb_em_slot *slot)
{
    return rb_em_takes_pause(slot) || set_keyboard_reads(slot, EM_OFF);
}

static bool resume_keyboard(rb_em_slot *slot)
{
    return !(slot->flags & RB_EM_HELD_BACK) && set_keyboard_reads(slot, EM_ON);
}

const rb_em_operations rb_em_keyboard_operations = {
    .close = close_keyboard,
    .end = end_watch,
    .detach = detach,
    .pause = pause_keyboard,
    .resume = resume_keyboard,
    .is_paused = is_keyboard_paused,
    .get_idle_ns = get_idle_ns,
    .get_descriptor = get_descriptor,
};

void rb_em_define_watch(void)
{
    id_notify_readable = rb_intern("notify_readable");
    id_notify_writable = rb_intern("notify_writable");
    RB_EM_FUNCTION("read_keyboard", read_keyboard, 0);
    RB_EM_FUNCTION("set_notify_readable", set_notify_readable, 2);
    RB_EM_FUNCTION("set_notify_writable", set_notify_writable, 2);
    RB_EM_FUNCTION("is_notify_readable", is_notify_readable, 1);
    RB_EM_FUNCTION("is_notify_writable", is_notify_writable, 1);
    RB_EM_FUNCTION("watch_only?", is_watch_only, 1);
}
