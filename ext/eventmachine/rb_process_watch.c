/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Process watches: watch_pid and unwatch_pid. The end of the process arrives as a word in receive_data;
 * lib/em/process_watch.rb calls the callback.
 */
#include "rb_connection.h"
#include "rb_define.h"
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

static void report_exit(rb_em_slot *slot)
{
    rb_em_deliver_text(slot, "exit");
}

/* The native watch may outlive the slot until its own unbind, see unwatch_pid. */
static void on_exited(em_process_watch *watch)
{
    rb_em_slot *slot = em_process_watch_get_user(watch);
    if (slot && !rb_em_note_completed(slot))
        report_exit(slot);
}

static void on_unbind(em_process_watch *watch, em_status reason)
{
    rb_em_slot *slot = em_process_watch_get_user(watch);
    if (slot)
        rb_em_ended(slot, reason);
}

static const em_process_watch_handler handler = {.process_exited = on_exited, .unbind = on_unbind};

/* What the methods of Connection do */

static void end_watch(rb_em_slot *slot)
{
    em_process_watch_stop(slot->native.object);
}

static int get_descriptor(const rb_em_slot *slot)
{
    return -1;
}

const rb_em_operations rb_em_process_watch_operations = {
    .end = end_watch,
    .get_descriptor = get_descriptor,
    .report_completed = report_exit,
};

/* Beginning and ending */

static VALUE watch_pid(VALUE self, VALUE number)
{
    int pid = NUM2INT(number);
    em_loop *loop = rb_em_loop_to_open("watch_pid");
    rb_em_slot *slot = rb_em_table_add(RB_EM_PROCESS_WATCH, Qnil);
    em_process_watch_options options = {.size = sizeof options, .user = slot};
    if (rb_em_is_too_late(slot))
        return rb_em_opened(slot);
    em_process_watch *watch;
    em_status status = em_loop_watch_process(loop, pid, &handler, &options, &watch);
    if (status < 0) {
        rb_em_table_delete(slot);
        rb_em_check_memory(status);
        rb_em_raise("Unsupported", "error registering process %d for watching: %s", pid, em_status_get_text(status));
    }
    slot->native.object = watch;
    return rb_em_opened(slot);
}

/* As unwatch_filename. */
static VALUE unwatch_pid(VALUE self, VALUE signature)
{
    rb_em_loop("unwatch_pid");
    rb_em_slot *slot = rb_em_find(signature, RB_EM_PROCESS_WATCH);
    em_process_watch *watch = slot && !(slot->flags & RB_EM_CLOSING) ? slot->native.object : NULL;
    if (!watch)
        rb_em_raise("InvalidSignature", "attempted to remove invalid pid signature");
    if (rb_em_is_reactor_thread())
        em_process_watch_set_user(watch, NULL);
    em_process_watch_stop(watch);
    rb_em_watch_stopped(slot);
    return Qnil;
}

void rb_em_define_process_watch(void)
{
    RB_EM_FUNCTION("watch_pid", watch_pid, 1);
    RB_EM_FUNCTION("unwatch_pid", unwatch_pid, 1);
}
