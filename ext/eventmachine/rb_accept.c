/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * From an accepted connection to its Ruby object: the class that start_server was given is instantiated, then the
 * server's block is called. If the constructor or post_init raises, the connection is closed at once and unbind is
 * never called. A server that another thread has started is held (rb_hold.c): clients that are accepted before it has
 * its class are early. They are paused until then.
 */
#include "rb_accept.h"

#include <stdlib.h>

#include "rb_define.h"
#include "rb_drained.h"
#include "rb_handler.h"
#include "rb_module.h"
#include "rb_page.h"
#include "rb_protect.h"
#include "rb_state.h"
#include "rb_status.h"
#include "rb_table.h"

static ID id_new, id_start;

typedef struct acceptance {
    rb_em_slot *server;
    rb_em_slot *slot;
    em_connection *connection;
} acceptance;

static VALUE instantiate(const rb_em_slot *server, VALUE description, uint64_t signature)
{
    VALUE class = rb_ary_entry(description, 0);
    VALUE arguments = rb_ary_entry(description, 1);
    long count = RARRAY_LEN(arguments);
    VALUE *values = ALLOCA_N(VALUE, count + 1);
    values[0] = ULL2NUM(signature);
    for (long i = 0; i < count; i++)
        values[i + 1] = rb_ary_entry(arguments, i);
    int keywords = server->flags & RB_EM_KEYWORDS ? RB_PASS_KEYWORDS : RB_NO_KEYWORDS;
    return rb_funcallv_kw(class, id_new, (int)count + 1, values, keywords);
}

/* Starts TLS if the server was started with an EventMachine::TLS. */
static void start_tls(VALUE description, uint64_t signature)
{
    VALUE tls = rb_ary_entry(description, 4);
    VALUE number = ULL2NUM(signature);
    if (!NIL_P(tls))
        rb_funcallv(tls, id_start, 1, &number);
}

static VALUE construct(VALUE argument)
{
    acceptance *acceptance = (void *)argument;
    VALUE description = acceptance->server->value;
    if (NIL_P(description))
        rb_em_raise("NoHandlerForAcceptedConnection", "no handler for the server with signature %lu",
                    (unsigned long)acceptance->server->signature);
    rb_em_slot *slot = rb_em_table_add(RB_EM_CONNECTION, Qnil);
    slot->flags = RB_EM_SILENT | RB_EM_ACCEPTED;
    slot->native.connection = acceptance->connection;
    rb_em_the_reactor.connections++;
    em_connection_set_user(acceptance->connection, slot);
    start_tls(description, slot->signature);
    VALUE object = instantiate(acceptance->server, description, slot->signature);
    rb_em_slot_set(slot, object);
    rb_em_slot_clear_flags(slot, RB_EM_SILENT);
    acceptance->slot = slot;
    VALUE block = rb_ary_entry(description, 2);
    if (!NIL_P(block))
        rb_funcallv(block, rb_em_id_call, 1, &object);
    return Qnil;
}

/* Early clients */

typedef struct early_client {
    uint64_t server;
    em_signature connection;
} early_client;

static struct {
    early_client *list;
    size_t count;
    size_t capacity;
} early;

/* Not by Ruby's allocator, whose exception must not unwind through the loop. */
static bool make_room(void)
{
    size_t capacity = early.capacity * 2 + 8;
    early_client *list = realloc(early.list, capacity * sizeof *list);
    if (!list)
        return false;
    early.list = list;
    early.capacity = capacity;
    return true;
}

static bool note_early_client(const rb_em_slot *server, em_connection *connection)
{
    if (!NIL_P(server->value) || !(server->flags & RB_EM_HELD))
        return false;
    if (early.count == early.capacity && !make_room())
        return false;
    early.list[early.count++] = (early_client){server->signature, em_connection_get_signature(connection)};
    em_connection_pause(connection);
    return true;
}

/* The loop's post_init: its user pointer is still the server's. */
static void on_accepted(em_connection *connection)
{
    acceptance acceptance = {.server = em_connection_get_user(connection), .connection = connection};
    em_connection_set_user(connection, NULL);
    if (note_early_client(acceptance.server, connection))
        return;
    rb_em_call(construct, (VALUE)&acceptance);
    if (!acceptance.slot)
        em_connection_close(connection);
}

static void accept_early_client(em_loop *loop, rb_em_slot *server, em_signature signature)
{
    em_connection *connection = em_loop_find_connection(loop, signature);
    if (!connection)
        return; /* it has ended already, and there was no object to report it to */
    em_connection_set_user(connection, server);
    on_accepted(connection);
    if (em_loop_find_connection(loop, signature) == connection)
        em_connection_resume(connection);
}

/* Posted, so that it runs on the reactor's thread. */
static void accept_early_clients(em_loop *loop, void *user)
{
    uint64_t signature = (uint64_t)(uintptr_t)user;
    size_t left = 0;
    size_t count = early.count;
    for (size_t i = 0; i < count; i++) {
        rb_em_slot *server = rb_em_table_find(signature);
        if (early.list[i].server != signature)
            early.list[left++] = early.list[i];
        else if (server)
            accept_early_client(loop, server, early.list[i].connection);
        else if (em_loop_find_connection(loop, early.list[i].connection))
            em_connection_close(em_loop_find_connection(loop, early.list[i].connection));
    }
    early.count = left;
}

void rb_em_accept_early_clients(rb_em_slot *server)
{
    if (!(server->flags & RB_EM_HELD))
        return;
    rb_em_slot_clear_flags(server, RB_EM_HELD);
    void *signature = (void *)(uintptr_t)server->signature;
    rb_em_check_memory(em_loop_post(rb_em_the_reactor.loop, accept_early_clients, signature, NULL));
}

void rb_em_forget_early_clients(void)
{
    early.count = 0;
}

const em_handler rb_em_accepted_handler = {
    .post_init = on_accepted,
    .receive_data = rb_em_on_data,
    .receive_end = rb_em_on_end,
    .drained = rb_em_on_drained,
    .ssl_handshake_completed = rb_em_on_handshake_completed,
    .proxy_completed = rb_em_on_proxy_completed,
    .proxy_target_unbound = rb_em_on_proxy_target_unbound,
    .unbind = rb_em_on_unbind,
};

void rb_em_define_accept(void)
{
    id_new = rb_intern("new");
    id_start = rb_intern("start");
}
