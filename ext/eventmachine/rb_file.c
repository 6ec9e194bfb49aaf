/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sending files by the library itself, so that their bytes never become Strings. EventMachine.send_file in
 * lib/em/files.rb opens them.
 */
#include "rb_connection.h"
#include "rb_define.h"
#include "rb_file_report.h"
#include "rb_fork.h"
#include "rb_loop.h"
#include "rb_module.h"
#include "rb_page.h"
#include "rb_state.h"
#include "rb_status.h"
#include "rb_unbind.h"

/* What is to be reported is in the slot's Array, behind the callable, see rb_file_report.c. */

static VALUE reason_of(em_status status)
{
    if (status == EM_OK)
        return Qnil;
    return rb_utf8_str_new_cstr(status == EM_CLOSED ? "the connection is closed" : em_status_get_text(status));
}

static void done(em_connection *connection, void *user, em_status status, uint64_t sent_bytes)
{
    rb_em_slot *slot = user;
    rb_ary_push(slot->value, reason_of(status));
    rb_ary_push(slot->value, ULL2NUM(sent_bytes));
    if (rb_em_is_leaving())
        rb_em_put_off(slot);
    else
        rb_em_report_file(slot);
}

static VALUE send_open_file(VALUE self, VALUE signature, VALUE file, VALUE begin, VALUE bytes, VALUE callable)
{
    int descriptor = NUM2INT(file);
    uint64_t offset = NUM2ULL(begin);
    uint64_t length = NUM2ULL(bytes);
    em_connection *stream = rb_em_find_stream(signature);
    if (!stream)
        return Qfalse;
    rb_em_slot *holder = rb_em_slot_take(RB_EM_FILE, rb_ary_new_from_args(1, callable));
    em_file_options options = {.size = sizeof options, .done = done, .user = holder};
    em_status status = em_connection_send_file_descriptor(stream, descriptor, offset, length, &options);
    if (status == EM_FORKED && rb_em_take_over_to_send())
        status = em_connection_send_file_descriptor(stream, descriptor, offset, length, &options);
    rb_em_changed();
    if (status == EM_OK)
        return Qtrue;
    rb_em_slot_give_back(holder);
    if (status != EM_CLOSED && status != EM_OUTBOX_LIMIT)
        rb_em_raise_status(status);
    return Qfalse;
}

void rb_em_define_file(void)
{
    RB_EM_PRIVATE("send_open_file", send_open_file, 5);
}
