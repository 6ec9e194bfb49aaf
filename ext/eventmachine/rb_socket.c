/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The socket of a connection or a server: addresses, descriptor, options, pending error.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "rb_connection.h"
#include "rb_define.h"
#include "rb_kind.h"
#include "rb_loop.h"
#include "rb_module.h"
#include "rb_state.h"
#include "rb_status.h"
#include "rb_table.h"

static VALUE address_text(rb_em_slot *slot, em_status status, const em_address *address, const char *complaint)
{
    if (status >= 0)
        return rb_str_new((const char *)address->storage.bytes, address->length);
    if (slot == rb_em_the_reactor.unbinding)
        return Qnil;
    rb_raise(rb_eRuntimeError, "%s: %s", complaint, strerror(ENOTCONN));
}

static VALUE get_peername(VALUE self, VALUE signature)
{
    rb_em_loop("get_peername");
    rb_em_slot *slot = rb_em_find_connection(signature);
    em_address address;
    if (!slot || !rb_em_operations_of(slot)->get_peer_address)
        return Qnil;
    em_status status = rb_em_operations_of(slot)->get_peer_address(slot, &address);
    return address_text(slot, status, &address, "unable to get peer name");
}

static VALUE get_sockname(VALUE self, VALUE signature)
{
    rb_em_loop("get_sockname");
    rb_em_slot *slot = rb_em_find_socket(signature);
    em_address address;
    if (!slot || !rb_em_operations_of(slot)->get_local_address)
        return Qnil;
    em_status status = rb_em_operations_of(slot)->get_local_address(slot, &address);
    return address_text(slot, status, &address, "unable to get sock name");
}

static rb_em_slot *slot_of(VALUE signature)
{
    rb_em_slot *slot = rb_em_find_socket(signature);
    if (!slot)
        rb_raise(rb_eRuntimeError, "invalid binding to get_fd");
    return slot;
}

static int descriptor_of(VALUE signature)
{
    const rb_em_slot *slot = slot_of(signature);
    return rb_em_operations_of(slot)->get_descriptor(slot);
}

/* The library has to know what is set: SO_LINGER, for example, would make close(2) wait. */
static em_status set_option(rb_em_slot *slot, int level, int option, const void *value, size_t bytes)
{
    const rb_em_operations *operations = rb_em_operations_of(slot);
    return operations->set_socket_option ? operations->set_socket_option(slot, level, option, value, bytes)
                                         : EM_NOT_A_SOCKET;
}

/* Of a stream, the library knows more than its descriptor does: it may have none yet. */
static em_status get_option(rb_em_slot *slot, int level, int option, void *value, size_t *bytes)
{
    const rb_em_operations *operations = rb_em_operations_of(slot);
    em_connection *stream = operations->get_stream ? operations->get_stream(slot) : NULL;
    if (stream)
        return em_connection_get_socket_option(stream, level, option, value, bytes);
    socklen_t length = (socklen_t)*bytes;
    if (getsockopt(operations->get_descriptor(slot), level, option, value, &length) < 0)
        rb_sys_fail("getsockopt");
    *bytes = length;
    return EM_OK;
}

static void check_option(em_status status, const char *call)
{
    if (status < 0)
        rb_syserr_fail(status == EM_CLOSED ? EBADF : rb_em_status_errno(status), call);
}

static VALUE get_file_descriptor(VALUE self, VALUE signature)
{
    rb_em_loop("get_file_descriptor");
    return INT2NUM(descriptor_of(signature));
}

static VALUE get_sock_opt(VALUE self, VALUE signature, VALUE level, VALUE option)
{
    rb_em_loop("get_file_descriptor");
    char value[128];
    size_t length = sizeof value;
    check_option(get_option(slot_of(signature), NUM2INT(level), NUM2INT(option), value, &length), "getsockopt");
    return rb_str_new(value, (long)length);
}

static VALUE set_sock_opt(VALUE self, VALUE signature, VALUE level, VALUE option, VALUE value)
{
    rb_em_loop("get_file_descriptor");
    rb_em_slot *slot = slot_of(signature);
    int number;
    const void *bytes = &number;
    size_t length = sizeof number;
    if (value == Qtrue || value == Qfalse) {
        number = value == Qtrue;
    } else if (FIXNUM_P(value)) {
        number = NUM2INT(value);
    } else {
        bytes = StringValuePtr(value);
        length = (size_t)RSTRING_LEN(value);
    }
    check_option(set_option(slot, NUM2INT(level), NUM2INT(option), bytes, length), "setsockopt");
    RB_GC_GUARD(value);
    return INT2FIX(0);
}

/* 0, the errno of the pending error, or -1 for a connection that is gone. */
static VALUE report_connection_error_status(VALUE self, VALUE signature)
{
    rb_em_loop("report_connection_error_status");
    rb_em_slot *slot = rb_em_find_entry(signature);
    if (!slot)
        return INT2FIX(rb_em_find(signature, RB_EM_SERVER) ? 0 : -1);
    if (!slot->native.object || !rb_em_operations_of(slot)->take_error)
        return INT2FIX(0);
    return INT2NUM(rb_em_status_errno(rb_em_operations_of(slot)->take_error(slot)));
}

static em_connection *connection_for_keepalive(VALUE self)
{
    em_connection *connection = rb_em_stream_of(self);
    if (!connection)
        rb_raise(rb_eRuntimeError, "invalid binding to enable keepalive");
    return connection;
}

static void check_keepalive(em_status status, const char *complaint)
{
    if (status < 0)
        rb_raise(rb_eRuntimeError, "%s: %s", complaint, em_status_get_text(status));
}

static int optional_count(int argc, const VALUE *argv, int i)
{
    int number = i < argc && RTEST(argv[i]) ? NUM2INT(argv[i]) : 0;
    return number > 0 ? number : 0;
}

static VALUE enable_keepalive(int argc, VALUE *argv, VALUE self)
{
    rb_check_arity(argc, 0, 3);
    int idle = optional_count(argc, argv, 0);
    int interval = optional_count(argc, argv, 1);
    int count = optional_count(argc, argv, 2);
    em_connection *connection = connection_for_keepalive(self);
    check_keepalive(em_connection_set_keepalive(connection, EM_ON, 0, 0, 0), "unable to enable keepalive");
    check_keepalive(em_connection_set_keepalive(connection, EM_ON, idle, 0, 0), "unable set keepalive idle");
    check_keepalive(em_connection_set_keepalive(connection, EM_ON, 0, interval, 0), "unable set keepalive interval");
    check_keepalive(em_connection_set_keepalive(connection, EM_ON, 0, 0, count), "unable set keepalive count");
    return INT2FIX(0);
}

static VALUE disable_keepalive(VALUE self)
{
    em_connection *connection = connection_for_keepalive(self);
    check_keepalive(em_connection_set_keepalive(connection, EM_OFF, 0, 0, 0), "unable to disable keepalive");
    return INT2FIX(0);
}

void rb_em_define_socket(void)
{
    RB_EM_FUNCTION("get_peername", get_peername, 1);
    RB_EM_FUNCTION("get_sockname", get_sockname, 1);
    RB_EM_FUNCTION("get_file_descriptor", get_file_descriptor, 1);
    RB_EM_FUNCTION("get_sock_opt", get_sock_opt, 3);
    RB_EM_FUNCTION("set_sock_opt", set_sock_opt, 4);
    RB_EM_FUNCTION("report_connection_error_status", report_connection_error_status, 1);
    RB_EM_METHOD("enable_keepalive", enable_keepalive, -1);
    RB_EM_METHOD("disable_keepalive", disable_keepalive, 0);
}
