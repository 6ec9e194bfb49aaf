/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Starting and stopping servers. They return a signature, for which the caller enters into @acceptors what an accepted
 * connection becomes (lib/em/servers.rb, rb_accept.c).
 */
#include "rb_server.h"

#include <fcntl.h>
#include <unistd.h>

#include "rb_accept.h"
#include "rb_argument.h"
#include "rb_define.h"
#include "rb_hold.h"
#include "rb_kind.h"
#include "rb_loop.h"
#include "rb_module.h"
#include "rb_page.h"
#include "rb_state.h"
#include "rb_table.h"

enum { DEFAULT_ACCEPT_BATCH = 10 };

static unsigned accept_batch = DEFAULT_ACCEPT_BATCH;

static em_server_options options_for(rb_em_slot *slot)
{
    return (em_server_options){.size = sizeof(em_server_options), .user = slot, .accept_batch = accept_batch};
}

static VALUE started(rb_em_slot *slot, em_status status, const char *complaint)
{
    if (status < 0) {
        rb_em_table_delete(slot);
        rb_raise(rb_eRuntimeError, "%s", complaint);
    }
    rb_em_the_reactor.servers++;
    rb_em_hold(slot);
    rb_em_changed();
    return ULL2NUM(slot->signature);
}

static VALUE start_tcp_server(VALUE self, VALUE host, VALUE port)
{
    const char *name = StringValueCStr(host);
    long number = rb_em_port(port);
    em_loop *loop = rb_em_loop("create_tcp_server");
    rb_em_slot *slot = rb_em_table_add(RB_EM_SERVER, Qnil);
    em_server_options options = options_for(slot);
    em_status status = EM_INVALID_PORT;
    if (number >= 0 && number <= 65535)
        status = em_loop_start_server(loop, name, (int)number, &rb_em_accepted_handler, &options, &slot->native.server);
    return started(slot, status, "no acceptor (port is in use or requires root privileges)");
}

static VALUE start_unix_server(VALUE self, VALUE path)
{
    em_address address;
    em_status status = rb_em_unix_address(path, &address);
    em_loop *loop = rb_em_loop("create_unix_domain_server");
    rb_em_slot *slot = rb_em_table_add(RB_EM_SERVER, Qnil);
    em_server_options options = options_for(slot);
    if (status >= 0)
        status = em_loop_start_server_at(loop, &address, &rb_em_accepted_handler, &options, &slot->native.server);
    return started(slot, status, "no unix-domain acceptor");
}

/* Serves a copy of the descriptor, because the loop closes what it serves and the caller's IO object would not know. */
static VALUE attach_sd(VALUE self, VALUE descriptor)
{
    int original = NUM2INT(descriptor);
    em_loop *loop = rb_em_loop("attach_sd");
    rb_em_slot *slot = rb_em_table_add(RB_EM_SERVER, Qnil);
    em_server_options options = options_for(slot);
    /* Other processes may share the socket. Then the library's default is better, unless the user has chosen. */
    if (accept_batch == DEFAULT_ACCEPT_BATCH)
        options.accept_batch = 0;
    int copy = fcntl(original, F_DUPFD_CLOEXEC, 3);
    em_status status = EM_BAD_DESCRIPTOR;
    if (copy >= 0)
        status = em_loop_attach_server(loop, copy, &rb_em_accepted_handler, &options, &slot->native.server);
    if (status < 0 && copy >= 0)
        close(copy);
    return started(slot, status, "no socket descriptor acceptor");
}

void rb_em_stop_server(rb_em_slot *slot)
{
    em_server_stop(slot->native.server);
    rb_em_table_delete(slot);
    rb_em_the_reactor.servers--;
    rb_em_changed();
}

static VALUE stop_tcp_server(VALUE self, VALUE signature)
{
    rb_em_loop("stop_tcp_server");
    rb_em_slot *slot = rb_em_find(signature, RB_EM_SERVER);
    if (!slot)
        rb_raise(rb_eRuntimeError, "failed to close nonexistent acceptor");
    rb_em_stop_server(slot);
    return Qnil;
}

static VALUE get_simultaneous_accept_count(VALUE self)
{
    return UINT2NUM(accept_batch);
}

static bool apply_accept_batch(rb_em_slot *slot, void *data)
{
    if (slot->kind == RB_EM_SERVER)
        em_server_set_accept_batch(slot->native.server, accept_batch);
    return true;
}

static VALUE set_simultaneous_accept_count(VALUE self, VALUE count)
{
    int number = NUM2INT(count);
    accept_batch = number < 1 ? 1 : (unsigned)number;
    rb_em_slot_each(apply_accept_batch, NULL);
    return Qnil;
}

static em_status get_local_address(rb_em_slot *slot, em_address *address)
{
    return em_server_get_local_address(slot->native.server, address);
}

static int get_descriptor(const rb_em_slot *slot)
{
    return em_server_get_descriptor(slot->native.server);
}

static em_status set_socket_option(rb_em_slot *slot, int level, int option, const void *value, size_t bytes)
{
    return em_server_set_socket_option(slot->native.server, level, option, value, bytes);
}

const rb_em_operations rb_em_server_operations = {
    .get_local_address = get_local_address,
    .get_descriptor = get_descriptor,
    .set_socket_option = set_socket_option,
};

void rb_em_define_server(void)
{
    RB_EM_FUNCTION("start_tcp_server", start_tcp_server, 2);
    RB_EM_FUNCTION("start_unix_server", start_unix_server, 1);
    RB_EM_FUNCTION("attach_sd", attach_sd, 1);
    RB_EM_FUNCTION("stop_tcp_server", stop_tcp_server, 1);
    RB_EM_FUNCTION("get_simultaneous_accept_count", get_simultaneous_accept_count, 0);
    RB_EM_FUNCTION("set_simultaneous_accept_count", set_simultaneous_accept_count, 1);
}
