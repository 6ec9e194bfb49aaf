/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connections that other threads open. Ruby may switch to the reactor's thread at any point between the opening and the
 * end of `initialize` and `post_init`, so what happens to the native connection meanwhile is noted in the slot and
 * reported on the reactor's thread once the object is complete: the connection is paused when it is established, and
 * its end waits. The same goes for servers that other threads start: a client that connects before the server has its
 * class is paused until then.
 */
#include "rb_eventmachine.h"

#include <stdlib.h>

static ID id_unbind, id_reactor_thread;

bool rb_em_is_reactor_thread(void)
{
    return rb_attr_get(rb_em_module, id_reactor_thread) == rb_thread_current();
}

void rb_em_hold(rb_em_slot *slot)
{
    if (!rb_em_is_reactor_thread())
        slot->flags |= RB_EM_HELD;
}

bool rb_em_note_completed(rb_em_slot *slot)
{
    if (!(slot->flags & RB_EM_HELD))
        return false;
    slot->flags |= RB_EM_COMPLETED;
    if (em_connection_pause(slot->native.connection) == EM_OK)
        slot->flags |= RB_EM_HELD_BACK;
    return true;
}

bool rb_em_note_end(rb_em_slot *slot, em_status reason)
{
    rb_em_reactor *reactor = &rb_em_the_reactor;
    if (!(slot->flags & RB_EM_HELD))
        return false;
    rb_em_schedule_close(slot);
    slot->reason = reason;
    slot->native.connection = NULL;
    /* At the reactor's end nothing can be reported later; an object that is not complete yet is unbound by the thread
     * that makes it. */
    if (reactor->releasing && slot->flags & RB_EM_READY)
        slot->flags &= (uint16_t)~RB_EM_HELD;
    return slot->flags & RB_EM_HELD;
}

bool rb_em_takes_pause(rb_em_slot *slot)
{
    bool was_held_back = slot->flags & RB_EM_HELD_BACK;
    slot->flags &= (uint16_t)~RB_EM_HELD_BACK;
    return was_held_back;
}

static void go_on_receiving(rb_em_slot *slot)
{
    if (rb_em_takes_pause(slot) && slot->native.connection)
        em_connection_resume(slot->native.connection);
}

/* Posted, so that it runs on the reactor's thread. */
static void report(em_loop *loop, void *user)
{
    rb_em_slot *slot = rb_em_table_find((uint64_t)(uintptr_t)user);
    if (!slot || slot->kind != RB_EM_CONNECTION || !(slot->flags & RB_EM_HELD))
        return;
    slot->flags &= (uint16_t) ~(RB_EM_HELD | RB_EM_READY);
    if (slot->flags & RB_EM_COMPLETED)
        rb_em_report_completed(slot);
    if (slot->native.connection)
        go_on_receiving(slot);
    else
        rb_em_report_end(slot);
}

static void end_hold(rb_em_slot *slot)
{
    if (!(slot->flags & RB_EM_HELD) || slot->flags & RB_EM_READY)
        return;
    bool happened = slot->flags & RB_EM_COMPLETED || !slot->native.connection;
    if (!happened || rb_em_the_reactor.releasing) {
        slot->flags &= (uint16_t)~RB_EM_HELD;
        return;
    }
    slot->flags |= RB_EM_READY;
    if (em_loop_post(rb_em_the_reactor.loop, report, (void *)(uintptr_t)slot->signature, NULL) == EM_NO_MEMORY)
        rb_memerror();
}

/* Without a report. */
static void drop(rb_em_slot *slot)
{
    slot->flags |= RB_EM_SILENT;
    slot->flags &= (uint16_t)~RB_EM_HELD;
    rb_em_report_end(slot);
}

bool rb_em_discard_held(rb_em_slot *slot)
{
    bool has_ended = slot->flags & RB_EM_HELD && !slot->native.connection;
    slot->flags &= (uint16_t)~RB_EM_HELD;
    if (has_ended)
        drop(slot);
    return has_ended;
}

/* Servers */

/* A client that was accepted by a server which has no class yet. */
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

bool rb_em_note_early_client(const rb_em_slot *server, em_connection *connection)
{
    if (!(server->flags & RB_EM_HELD))
        return false;
    if (early.count == early.capacity && !make_room())
        return false;
    early.list[early.count++] = (early_client){server->signature, em_connection_get_signature(connection)};
    em_connection_pause(connection);
    return true;
}

static void accept_early_client(em_loop *loop, rb_em_slot *server, em_signature signature)
{
    em_connection *connection = em_loop_find_connection(loop, signature);
    if (!connection)
        return; /* it has ended already, and there was no object to report it to */
    em_connection_set_user(connection, server);
    rb_em_accepted(connection);
    if (em_loop_find_connection(loop, signature) == connection)
        em_connection_resume(connection);
}

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

void rb_em_forget_early_clients(void)
{
    early.count = 0;
}

void rb_em_end_hold(rb_em_slot *slot)
{
    if (slot->kind == RB_EM_CONNECTION) {
        end_hold(slot);
    } else if (slot->flags & RB_EM_HELD) {
        slot->flags &= (uint16_t)~RB_EM_HELD;
        if (em_loop_post(rb_em_the_reactor.loop, accept_early_clients, (void *)(uintptr_t)slot->signature, NULL) ==
            EM_NO_MEMORY)
            rb_memerror();
    }
}

/* Enters the object without ending the hold, because the block of `connect` is called before all callbacks. */
static VALUE assign_connection(VALUE self, VALUE signature, VALUE connection)
{
    rb_em_slot *slot = rb_em_find(signature, RB_EM_CONNECTION);
    if (slot)
        rb_em_slot_set(slot, connection);
    return connection;
}

/*
 * The object is complete. Where the reactor has ended meanwhile, and the connection with it, this thread is the only
 * one left to call unbind. by_other_thread: whether the connection was opened by a thread other than the reactor's.
 */
static VALUE complete_connection(VALUE self, VALUE signature, VALUE connection, VALUE by_other_thread)
{
    rb_em_slot *slot = rb_em_find(signature, RB_EM_CONNECTION);
    VALUE reason = Qnil;
    bool ends_with_reactor =
        slot && slot->flags & RB_EM_HELD && !slot->native.connection && rb_em_the_reactor.releasing;
    if (ends_with_reactor)
        drop(slot);
    if (slot && !ends_with_reactor)
        end_hold(slot);
    else if (RTEST(by_other_thread))
        rb_funcallv(connection, id_unbind, rb_obj_method_arity(connection, id_unbind) == 0 ? 0 : 1, &reason);
    return connection;
}

void rb_em_define_hold(void)
{
    VALUE singleton = rb_singleton_class(rb_em_module);
    id_unbind = rb_intern("unbind");
    id_reactor_thread = rb_intern("@reactor_thread");
    rb_define_private_method(singleton, "assign_connection", assign_connection, 2);
    rb_define_private_method(singleton, "complete_connection", complete_connection, 3);
}
