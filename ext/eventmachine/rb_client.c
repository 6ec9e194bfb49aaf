/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Opening connections. They return a signature, to which the caller assigns an object afterwards (lib/em/clients.rb,
 * rb_complete.c). What can be known without the network raises. Everything else is reported as unbind's reason.
 */
#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "rb_argument.h"
#include "rb_define.h"
#include "rb_handler.h"
#include "rb_loop.h"
#include "rb_module.h"
#include "rb_open.h"
#include "rb_state.h"
#include "rb_status.h"
#include "rb_table.h"

NORETURN(static void refuse(em_status status, bool bound));
static void refuse(em_status status, bool bound)
{
    switch (rb_em_check_memory(status)) {
    case EM_INVALID_PORT:
        rb_em_raise("ConnectionError", "invalid server or port");
    /* The texts of getaddrinfo(3), which programs match on. */
    case EM_INVALID_ADDRESS:
    case EM_NAME_NOT_FOUND:
        rb_em_raise("ConnectionError", "unable to resolve address: %s", gai_strerror(EAI_NONAME));
    case EM_RESOLVER_FAILED:
        rb_em_raise("ConnectionError", "unable to resolve address: %s", gai_strerror(EAI_AGAIN));
    case EM_NO_DESCRIPTORS:
        rb_em_raise("ConnectionError", "unable to create new socket: %s", strerror(EMFILE));
    default:
        rb_em_raise("ConnectionError", bound ? "couldn't bind to address" : "no connection");
    }
}

static void drop_addresses(em_loop *loop, em_lookup lookup, em_status status, const em_address *addresses, size_t count,
                           void *user)
{
}

static bool is_malformed(em_loop *loop, const char *name)
{
    em_lookup lookup;
    em_status status = em_loop_resolve(loop, name, NULL, drop_addresses, NULL, NULL, &lookup);
    if (status == EM_OK)
        em_loop_cancel_lookup(loop, lookup);
    return status == EM_INVALID_ADDRESS;
}

/* Of the failures of a bound connection, those that concern the name of the local end. */
static void refuse_local_name(em_loop *loop, em_status status, const char *local)
{
    em_address address;
    if (status == EM_ADDRESS_NOT_AVAILABLE && em_address_from_text(local, 0, &address) != EM_OK)
        rb_em_raise("ConnectionError", "invalid bind address: %s", em_status_get_text(EM_NAME_NOT_FOUND));
    if (status == EM_INVALID_ADDRESS && is_malformed(loop, local))
        rb_em_raise("ConnectionError", "invalid bind address: %s", em_status_get_text(status));
}

static VALUE connect_to(VALUE host, VALUE port, const char *bind_host, int bind_port)
{
    const char *name = StringValueCStr(host);
    long number = rb_em_port(port);
    em_loop *loop = rb_em_loop_to_open("connect_to_server");
    if (*name == '\0' || number == 0 || number > 65535)
        refuse(EM_INVALID_PORT, false);
    if (number < 0)
        refuse(EM_INVALID_ADDRESS, false);
    rb_em_slot *slot = rb_em_table_add(RB_EM_CONNECTION, Qnil);
    em_connect_options options = {.size = sizeof options, .user = slot, .bind_host = bind_host, .bind_port = bind_port};
    em_status status = EM_OK;
    if (!rb_em_is_too_late(slot))
        status =
            em_loop_connect(loop, name, (int)number, &rb_em_connection_handler, &options, &slot->native.connection);
    if (status < 0) {
        rb_em_table_delete(slot);
        if (bind_host)
            refuse_local_name(loop, status, bind_host);
        refuse(status, bind_host != NULL);
    }
    return rb_em_opened(slot);
}

static VALUE connect_server(VALUE self, VALUE host, VALUE port)
{
    return connect_to(host, port, NULL, 0);
}

static VALUE bind_connect_server(VALUE self, VALUE bind_host, VALUE bind_port, VALUE host, VALUE port)
{
    if (!RTEST(bind_host))
        return connect_to(host, port, NULL, 0);
    long number = NIL_P(bind_port) ? 0 : rb_em_port(bind_port);
    const char *name = StringValueCStr(bind_host);
    if (number < 0 || number > 65535)
        rb_em_raise("ConnectionError", "couldn't bind to address");
    VALUE signature = connect_to(host, port, name, (int)number);
    RB_GC_GUARD(bind_host);
    return signature;
}

static VALUE connect_unix_server(VALUE self, VALUE path)
{
    em_address address;
    em_status status = rb_em_unix_address(path, &address);
    em_loop *loop = rb_em_loop_to_open("connect_to_unix_server");
    rb_em_slot *slot = rb_em_table_add(RB_EM_CONNECTION, Qnil);
    em_connect_options options = {.size = sizeof options, .user = slot};
    if (!rb_em_is_too_late(slot) && status >= 0)
        status = em_loop_connect_to(loop, &address, &rb_em_connection_handler, &options, &slot->native.connection);
    if (status >= 0)
        return rb_em_opened(slot);
    rb_em_table_delete(slot);
    rb_em_check_memory(status);
    rb_raise(rb_eRuntimeError, status == EM_PATH_TOO_LONG ? "unix-domain server name is too long" : "no connection");
}

void rb_em_define_client(void)
{
    RB_EM_FUNCTION("connect_server", connect_server, 2);
    RB_EM_FUNCTION("bind_connect_server", bind_connect_server, 4);
    RB_EM_FUNCTION("connect_unix_server", connect_unix_server, 1);
}
