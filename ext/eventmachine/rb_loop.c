/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The loop, for functions that Ruby programs call: they may call without a reactor, from other threads, and in forked
 * children.
 */
#include "rb_loop.h"

#include "rb_define.h"
#include "rb_fork.h"
#include "rb_module.h"
#include "rb_state.h"

em_loop *rb_em_loop(const char *name)
{
    if (!rb_em_the_reactor.loop)
        rb_raise(rb_eRuntimeError, "eventmachine not initialized: evma_%s", name);
    if (rb_em_the_reactor.forks > 0)
        rb_em_take_over_within();
    return rb_em_the_reactor.loop;
}

/* Called for every item of every queue, so it makes no system call: forks are counted. */
bool rb_em_on_reactor_thread(void)
{
    return rb_em_is_reactor_thread() && (rb_em_the_reactor.forks == 0 || rb_em_take_over_within());
}

static VALUE on_reactor_thread(VALUE self)
{
    return rb_em_on_reactor_thread() ? Qtrue : Qfalse;
}

static VALUE current_time(VALUE self)
{
    uint64_t now = em_loop_get_time_ns(rb_em_loop("get_current_loop_time"));
    return rb_time_nano_new((time_t)(now / EM_SECONDS), (long)(now % EM_SECONDS));
}

void rb_em_define_loop(void)
{
    RB_EM_FUNCTION("current_time", current_time, 0);
    RB_EM_SINGLETON("reactor_thread?", on_reactor_thread, 0);
}
