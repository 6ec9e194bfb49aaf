/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Calling unbind. Most connections are unbound when the loop reports their end. If the loop is being left just then, or
 * if a connection was opened while the reactor is released, its unbind is put off until rb_release.c runs those. So are
 * the reports of files that were being sent (rb_file_report.c).
 */
#include "rb_unbind.h"

#include "rb_connection.h"
#include "rb_define.h"
#include "rb_drained.h"
#include "rb_file_report.h"
#include "rb_hold.h"
#include "rb_kind.h"
#include "rb_loop.h"
#include "rb_module.h"
#include "rb_page.h"
#include "rb_protect.h"
#include "rb_state.h"
#include "rb_status.h"
#include "rb_table.h"

static ID id_unbind;

/* A method without parameters gets none. What counts is the object's own method, singleton methods included. */
void rb_em_unbind_object(VALUE object, em_status reason)
{
    VALUE argument = rb_em_reason(reason);
    rb_funcallv(object, id_unbind, rb_obj_method_arity(object, id_unbind) == 0 ? 0 : 1, &argument);
}

static VALUE unbind(VALUE argument)
{
    const rb_em_slot *slot = (void *)argument;
    rb_em_unbind_object(slot->value, (em_status)slot->reason);
    return Qnil;
}

void rb_em_put_off(rb_em_slot *slot)
{
    rb_em_reactor *reactor = &rb_em_the_reactor;
    slot->native.next = NULL;
    if (reactor->late_first)
        reactor->late_last->native.next = slot;
    else
        reactor->late_first = slot;
    reactor->late_last = slot;
}

static void call_unbind(rb_em_slot *slot)
{
    rb_em_slot *outer = rb_em_the_reactor.unbinding;
    rb_em_the_reactor.unbinding = slot;
    rb_em_call_unbind(unbind, (VALUE)slot);
    rb_em_the_reactor.unbinding = outer;
    slot->flags |= RB_EM_UNBOUND;
}

/* What follows unbind. It may be done again after a jump out of it. */
static void follow_unbind(rb_em_slot *slot)
{
    if (slot->flags & RB_EM_UNBOUND && rb_em_operations_of(slot)->after_unbind)
        rb_em_operations_of(slot)->after_unbind(slot);
    rb_em_ended_undrained(slot);
}

static bool is_silent(const rb_em_slot *slot)
{
    return slot->flags & RB_EM_SILENT || NIL_P(slot->value);
}

static bool has_anything_to_call(const rb_em_slot *slot)
{
    return !is_silent(slot) || slot->flags & RB_EM_AWAITS_DRAIN;
}

/* Unless a jump leaves the loop: then the rest is put off. */
static void end(rb_em_slot *slot)
{
    rb_em_schedule_close(slot);
    if (!is_silent(slot) && !(slot->flags & RB_EM_UNBOUND))
        call_unbind(slot);
    if (!rb_em_is_leaving())
        follow_unbind(slot);
    if (rb_em_is_leaving() && has_anything_to_call(slot)) {
        rb_em_put_off(slot);
        return;
    }
    rb_em_the_reactor.close_scheduled--;
    rb_em_the_reactor.connections--;
    rb_em_slot_give_back(slot);
}

void rb_em_report_end(rb_em_slot *slot)
{
    rb_em_table_remove(slot);
    if (rb_em_is_leaving() && has_anything_to_call(slot))
        rb_em_put_off(slot);
    else
        end(slot);
}

void rb_em_ended(rb_em_slot *slot, em_status reason)
{
    if (rb_em_note_end(slot, reason))
        return;
    slot->reason = reason;
    rb_em_report_end(slot);
    if (rb_em_the_reactor.releasing)
        rb_em_run_late_unbinds();
}

void rb_em_watch_stopped(rb_em_slot *slot)
{
    rb_em_schedule_close(slot);
    rb_em_changed();
    if (!rb_em_is_reactor_thread())
        return;
    slot->native.object = NULL;
    rb_em_ended(slot, EM_OK);
}

/* The report that was posted will not run any more. */
static bool put_off_held(rb_em_slot *slot, void *data)
{
    unsigned ready = RB_EM_HELD | RB_EM_READY;
    if (!rb_em_is_connection(slot) || (slot->flags & ready) != ready || slot->native.object)
        return true;
    rb_em_slot_clear_flags(slot, RB_EM_HELD);
    rb_em_table_remove(slot);
    rb_em_put_off(slot);
    return true;
}

void rb_em_put_off_held(void)
{
    rb_em_slot_each(put_off_held, NULL);
}

static bool put_off_never_opened(rb_em_slot *slot, void *data)
{
    if (!rb_em_is_connection(slot) || !(slot->flags & RB_EM_NEVER_OPENED) || slot->signature == 0)
        return true;
    rb_em_table_remove(slot);
    slot->signature = 0;
    slot->reason = EM_OK;
    rb_em_put_off(slot);
    return --rb_em_the_reactor.never_opened > 0;
}

static void run_those_put_off(void)
{
    rb_em_reactor *reactor = &rb_em_the_reactor;
    while (reactor->late_first && !rb_em_is_leaving()) {
        rb_em_slot *slot = reactor->late_first;
        reactor->late_first = slot->native.next;
        slot->native.object = NULL;
        if (slot->kind == RB_EM_FILE)
            rb_em_report_file(slot);
        else
            end(slot);
    }
}

void rb_em_run_late_unbinds(void)
{
    run_those_put_off();
    while (rb_em_the_reactor.never_opened > 0 && !rb_em_is_leaving()) {
        rb_em_slot_each(put_off_never_opened, NULL);
        run_those_put_off();
    }
}

/* nil for a connection that has not ended, or is gone. */
static VALUE get_reason_text(VALUE self, VALUE signature)
{
    rb_em_loop("get_reason_text");
    rb_em_slot *slot = rb_em_find_connection(signature);
    em_reason reason = {.size = sizeof reason};
    if (!slot || !rb_em_operations_of(slot)->get_reason || rb_em_operations_of(slot)->get_reason(slot, &reason) < 0)
        return Qnil;
    return rb_utf8_str_new_cstr(reason.text);
}

void rb_em_define_unbind(void)
{
    id_unbind = rb_intern("unbind");
    RB_EM_FUNCTION("get_reason_text", get_reason_text, 1);
}
