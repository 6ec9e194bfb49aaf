/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Reporting to the program how sending a file has ended. The value of a slot for a file is an Array: the callable,
 * then its arguments.
 */
#include "rb_file_report.h"

#include "rb_module.h"
#include "rb_page.h"
#include "rb_protect.h"

static VALUE call(VALUE report)
{
    VALUE callable = rb_ary_shift(report);
    return rb_funcallv(callable, rb_em_id_call, (int)RARRAY_LEN(report), RARRAY_CONST_PTR(report));
}

void rb_em_report_file(rb_em_slot *slot)
{
    VALUE report = slot->value;
    bool has_failed = !NIL_P(rb_ary_entry(report, 1));
    rb_em_slot_give_back(slot);
    if (has_failed)
        rb_em_call_unbind(call, report);
    else
        rb_em_call(call, report);
    RB_GC_GUARD(report);
}
