/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Descriptors of the program's: attaching them as streams or datagram sockets, and detaching the descriptor of any
 * Connection. The library never closes what was attached. If it was attached as an IO, lib/em/descriptors.rb closes
 * that after unbind.
 */
#include "rb_descriptor.h"

#include <errno.h>
#include <ruby/st.h>
#include <string.h>

#include "rb_connection.h"
#include "rb_define.h"
#include "rb_handler.h"
#include "rb_kind.h"
#include "rb_loop.h"
#include "rb_module.h"
#include "rb_open.h"
#include "rb_protect.h"
#include "rb_state.h"
#include "rb_status.h"
#include "rb_table.h"

/* The signatures of the latest Connection made of each descriptor, which need not exist any more. */
static st_table *signatures;

bool rb_em_is_registered(int descriptor)
{
    st_data_t signature;
    if (!st_lookup(signatures, (st_data_t)descriptor, &signature))
        return false;
    const rb_em_slot *slot = rb_em_table_find((uint64_t)signature);
    return slot && rb_em_is_connection(slot) && slot->native.object &&
           rb_em_operations_of(slot)->get_descriptor(slot) == descriptor;
}

void rb_em_register(int descriptor, const rb_em_slot *slot)
{
    st_insert(signatures, (st_data_t)descriptor, (st_data_t)slot->signature);
}

void rb_em_refuse_descriptor(em_status status)
{
    if (rb_em_check_memory(status) == EM_FILE_EXISTS)
        rb_raise(rb_eRuntimeError, "adding existing descriptor");
    rb_raise(rb_eRuntimeError, "%s", strerror(rb_em_status_errno(status)));
}

static VALUE attach_stream(int descriptor)
{
    em_loop *loop = rb_em_loop_to_open("attach_fd");
    rb_em_slot *slot = rb_em_table_add(RB_EM_CONNECTION, Qnil);
    em_attach_options options = {.size = sizeof options, .user = slot, .close_descriptor = EM_OFF};
    em_status status = EM_OK;
    if (!rb_em_is_too_late(slot))
        status = rb_em_is_registered(descriptor)
                     ? EM_FILE_EXISTS
                     : em_loop_attach(loop, descriptor, &rb_em_connection_handler, &options, &slot->native.connection);
    if (status < 0) {
        rb_em_table_delete(slot);
        rb_em_refuse_descriptor(status);
    }
    rb_em_register(descriptor, slot);
    slot->flags |= RB_EM_ATTACHED;
    return rb_em_opened_ready(slot);
}

static VALUE attach_fd(VALUE self, VALUE descriptor, VALUE watch_mode)
{
    int number = NUM2INT(descriptor);
    if (RTEST(watch_mode))
        return rb_em_watch_descriptor(number);
    return rb_em_is_datagram_socket(number) ? rb_em_attach_datagram_socket(number) : attach_stream(number);
}

static VALUE close_io(VALUE connection)
{
    return rb_funcall(rb_em_module, rb_intern("close_attached_io"), 1, connection);
}

void rb_em_close_attached(rb_em_slot *slot)
{
    if (slot->flags & RB_EM_ATTACHED)
        rb_em_call_unbind(close_io, slot->value);
}

/* What was made in the same turn, before it waited for events, vanishes without a call to unbind, as in 1.x. */
static bool is_new(const rb_em_slot *slot)
{
    return slot->signature > rb_em_the_reactor.polled && !rb_em_the_reactor.current;
}

static VALUE detach_fd(VALUE self, VALUE signature)
{
    rb_em_loop("detach_fd");
    rb_em_slot *slot = rb_em_find_connection(signature);
    int descriptor;
    em_status status = EM_CLOSED;
    if (slot && rb_em_operations_of(slot)->detach)
        status = rb_em_operations_of(slot)->detach(slot, &descriptor);
    if (status == EM_CLOSED)
        rb_raise(rb_eRuntimeError, "invalid binding to detach");
    if (status < 0)
        rb_raise(rb_eRuntimeError, "unable to detach: %s", em_status_get_detail(rb_em_check_memory(status)));
    rb_em_slot_clear_flags(slot, RB_EM_ATTACHED);
    if (is_new(slot))
        slot->flags |= RB_EM_SILENT;
    rb_em_schedule_close(slot);
    rb_em_changed();
    return INT2NUM(descriptor);
}

void rb_em_define_attach(void)
{
    signatures = st_init_numtable();
    RB_EM_FUNCTION("attach_fd", attach_fd, 2);
    RB_EM_FUNCTION("detach_fd", detach_fd, 1);
}
