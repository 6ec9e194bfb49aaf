/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * One-shot timers. A timer is a slot that holds the callable; it is removed from the table just before the call.
 * EventMachine::Timer and PeriodicTimer are built on these in Ruby.
 */
#include "rb_timer.h"

#include <math.h>

#include "rb_argument.h"
#include "rb_clock.h"
#include "rb_define.h"
#include "rb_loop.h"
#include "rb_module.h"
#include "rb_protect.h"
#include "rb_state.h"
#include "rb_status.h"
#include "rb_table.h"

enum { LEAST_LIMIT = 100, FIRST_LIMIT = 100000 };

/* Due times are rounded up to multiples of this, so that many timers wake the loop together. */
#define GRANULARITY_NS (EM_MILLISECONDS / 4)

static ID id_cancel;
static size_t limit = FIRST_LIMIT;

static VALUE call_timer(VALUE callable)
{
    return rb_funcallv_public(callable, rb_em_id_call, 0, NULL);
}

static void on_timer(em_loop *loop, em_timer timer, void *user)
{
    rb_em_slot *slot = user;
    if (rb_em_is_leaving())
        return;
    VALUE callable = slot->value;
    rb_em_table_delete(slot);
    rb_em_call(call_timer, callable);
    rb_em_the_reactor.timers--;
    RB_GC_GUARD(callable);
}

/*
 * Counts from the clock and not from the loop's time, which stands still during a turn: a timer must not be early after
 * a long callback. Timers with a negative delay fall between the two, and so fire before those with a delay of 0.
 */
static uint64_t delay_ns(em_loop *loop, double milliseconds)
{
    uint64_t now = rb_em_clock_ns();
    uint64_t loop_now = rb_em_the_reactor.turning ? em_loop_get_time_ns(loop) : now;
    uint64_t lag = now > loop_now ? now - loop_now : 0;
    uint64_t distance = rb_em_seconds_to_ns(fabs(trunc(milliseconds)) / 1000);
    if (milliseconds < 0)
        return lag > distance ? lag - distance : 0;
    if (distance == 0)
        return lag;
    if (distance > EM_FOREVER - 1 - now - GRANULARITY_NS)
        return EM_FOREVER - 1;
    uint64_t due = (now + distance + GRANULARITY_NS - 1) / GRANULARITY_NS * GRANULARITY_NS;
    return due - loop_now;
}

static VALUE add(double milliseconds, VALUE callable)
{
    rb_em_reactor *reactor = &rb_em_the_reactor;
    em_loop *loop = rb_em_loop("install_oneshot_timer");
    if (reactor->timers > limit)
        rb_raise(rb_eRuntimeError, "ran out of timers; use #set_max_timers to increase limit");
    rb_em_slot *slot = rb_em_table_add(RB_EM_TIMER, callable);
    em_status status = em_loop_add_timer(loop, delay_ns(loop, milliseconds), on_timer, slot, NULL, &slot->native.timer);
    if (status < 0) {
        rb_em_table_delete(slot);
        rb_em_raise_status(status);
    }
    reactor->timers++;
    rb_em_changed();
    return ULL2NUM(slot->signature);
}

static VALUE add_timer(int argc, VALUE *argv, VALUE self)
{
    VALUE interval = argc > 0 ? argv[0] : Qnil;
    VALUE callable = argc > 1 ? argv[1] : Qnil;
    if (!RTEST(callable) && rb_block_given_p())
        callable = rb_block_proc();
    if (!RTEST(callable))
        return Qnil;
    double seconds = rb_em_seconds(interval);
    if (isnan(seconds) || isinf(seconds))
        rb_raise(rb_eFloatDomainError, isnan(seconds) ? "NaN" : seconds < 0 ? "-Infinity" : "Infinity");
    return add(seconds * 1000, callable);
}

/* The caller enters the callable into @timers afterwards. */
static VALUE add_oneshot_timer(VALUE self, VALUE milliseconds)
{
    return add(NUM2DBL(milliseconds), Qnil);
}

void rb_em_cancel_timer(rb_em_slot *slot)
{
    em_loop_cancel_timer(rb_em_the_reactor.loop, slot->native.timer);
    rb_em_table_delete(slot);
    rb_em_the_reactor.timers--;
}

static VALUE cancel_timer(VALUE self, VALUE timer)
{
    if (!FIXNUM_P(timer) && rb_respond_to(timer, id_cancel))
        return rb_funcallv(timer, id_cancel, 0, NULL);
    if (!FIXNUM_P(timer))
        return Qnil;
    rb_em_slot *slot = rb_em_find(timer, RB_EM_TIMER);
    if (!slot)
        return Qnil;
    rb_em_cancel_timer(slot);
    return Qfalse;
}

static VALUE get_timer_count(VALUE self)
{
    rb_em_loop("get_timer_count");
    return SIZET2NUM(rb_em_the_reactor.timers);
}

static VALUE get_max_timer_count(VALUE self)
{
    return SIZET2NUM(limit);
}

static VALUE set_max_timer_count(VALUE self, VALUE number)
{
    if (rb_em_the_reactor.loop)
        rb_raise(rb_eRuntimeError, "eventmachine already initialized: evma_set_max_timer_count");
    long count = NUM2LONG(number);
    limit = count < LEAST_LIMIT ? LEAST_LIMIT : (size_t)count;
    return Qnil;
}

void rb_em_define_timer(void)
{
    id_cancel = rb_intern("cancel");
    RB_EM_SINGLETON("add_timer", add_timer, -1);
    RB_EM_SINGLETON("cancel_timer", cancel_timer, 1);
    RB_EM_FUNCTION("add_oneshot_timer", add_oneshot_timer, 1);
    RB_EM_FUNCTION("get_timer_count", get_timer_count, 0);
    RB_EM_FUNCTION("get_max_timer_count", get_max_timer_count, 0);
    RB_EM_FUNCTION("set_max_timer_count", set_max_timer_count, 1);
}
