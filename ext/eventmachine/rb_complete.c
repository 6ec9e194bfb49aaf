/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * From a signature to a complete object, for connections that are opened here: lib/em/clients.rb assigns the object,
 * and completes the connection when its constructors and the block have returned, or discards it if one has raised. If
 * another thread has opened it (rb_hold.c), what was noted meanwhile is now reported on the reactor's thread.
 */
#include "rb_complete.h"

#include "rb_connection.h"
#include "rb_define.h"
#include "rb_handler.h"
#include "rb_hold.h"
#include "rb_kind.h"
#include "rb_module.h"
#include "rb_page.h"
#include "rb_state.h"
#include "rb_status.h"
#include "rb_table.h"
#include "rb_unbind.h"

static void resume(rb_em_slot *slot)
{
    if (rb_em_takes_pause(slot))
        rb_em_operations_of(slot)->resume(slot);
}

static void complete(rb_em_slot *slot)
{
    if (slot->native.object && rb_em_operations_of(slot)->complete)
        rb_em_operations_of(slot)->complete(slot);
}

void rb_em_end_hold(rb_em_slot *slot)
{
    uint64_t signature = slot->signature;
    rb_em_slot_clear_flags(slot, RB_EM_HELD | RB_EM_READY);
    if (slot->flags & RB_EM_COMPLETED)
        rb_em_report_completed(slot);
    if (rb_em_table_find(signature) != slot)
        return; /* stop_watching ends a watch at once */
    if (slot->flags & RB_EM_HANDSHAKEN)
        rb_em_report_handshake(slot);
    complete(slot);
    if (slot->native.object)
        resume(slot);
    else
        rb_em_report_end(slot);
}

/* Posted, so that it runs on the reactor's thread. */
static void report(em_loop *loop, void *user)
{
    rb_em_slot *slot = rb_em_table_find((uint64_t)(uintptr_t)user);
    if (slot && rb_em_is_connection(slot) && slot->flags & RB_EM_HELD)
        rb_em_end_hold(slot);
}

void rb_em_complete_connection(rb_em_slot *slot)
{
    if (!(slot->flags & RB_EM_HELD) || slot->flags & RB_EM_READY)
        return;
    bool happened = slot->flags & (RB_EM_COMPLETED | RB_EM_HELD_BACK) || !slot->native.object;
    if (!happened || rb_em_the_reactor.releasing) {
        rb_em_slot_clear_flags(slot, RB_EM_HELD);
        complete(slot);
        return;
    }
    slot->flags |= RB_EM_READY;
    rb_em_check_memory(em_loop_post(rb_em_the_reactor.loop, report, (void *)(uintptr_t)slot->signature, NULL));
}

static bool has_ended_while_held(const rb_em_slot *slot)
{
    return slot->flags & RB_EM_HELD && !slot->native.object;
}

/* The connection has ended, and there is nobody to report it to. */
static void end_silently(rb_em_slot *slot)
{
    slot->flags |= RB_EM_SILENT;
    rb_em_slot_clear_flags(slot, RB_EM_HELD);
    rb_em_report_end(slot);
}

/* Enters the object without completing the connection, because the block of `connect` is called before all callbacks.
 */
static VALUE assign_connection(VALUE self, VALUE signature, VALUE connection)
{
    rb_em_slot *slot = rb_em_find_entry(signature);
    if (slot)
        rb_em_slot_set(slot, connection);
    return connection;
}

/*
 * If the reactor has ended meanwhile, and the connection with it, this thread is the only one left to call unbind.
 * by_other_thread: whether the connection was opened by a thread other than the reactor's.
 */
static VALUE complete_connection(VALUE self, VALUE signature, VALUE connection, VALUE by_other_thread)
{
    rb_em_slot *slot = rb_em_find_entry(signature);
    bool ends_with_reactor = slot && has_ended_while_held(slot) && rb_em_the_reactor.releasing;
    if (ends_with_reactor)
        end_silently(slot);
    if (slot && !ends_with_reactor)
        rb_em_complete_connection(slot);
    else if (RTEST(by_other_thread))
        rb_em_unbind_object(connection, EM_OK);
    return connection;
}

/* The object could not be made: closes the connection without a callback. */
static VALUE discard_connection(VALUE self, VALUE signature)
{
    rb_em_slot *slot = rb_em_find_entry(signature);
    if (!slot)
        return Qnil;
    if (!(slot->flags & RB_EM_AWAITS_DRAIN)) /* otherwise the object has the callables that wait */
        rb_em_slot_set(slot, Qnil);
    if (has_ended_while_held(slot)) {
        end_silently(slot);
    } else {
        slot->flags |= RB_EM_SILENT;
        rb_em_slot_clear_flags(slot, RB_EM_HELD);
        rb_em_end(slot);
        if (rb_em_operations_of(slot)->discard)
            rb_em_operations_of(slot)->discard(slot);
    }
    return Qnil;
}

void rb_em_define_complete(void)
{
    RB_EM_PRIVATE("assign_connection", assign_connection, 2);
    RB_EM_PRIVATE("complete_connection", complete_connection, 3);
    RB_EM_PRIVATE("discard_connection", discard_connection, 1);
}
