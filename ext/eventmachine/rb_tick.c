/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The tick phase: delivers results of EventMachine.defer, then calls what next_tick has queued. The queue is the
 * module's Array @next_tick_queue, which Ruby code reads. There is no Mutex, so that next_tick works in trap handlers,
 * too.
 */
#include "rb_tick.h"

#include "rb_define.h"
#include "rb_loop.h"
#include "rb_module.h"
#include "rb_protect.h"
#include "rb_state.h"

static ID id_queue, id_run_deferred_callbacks, id_deliver_results;
static bool results_ready;

static VALUE queue(void)
{
    VALUE queue = rb_attr_get(rb_em_module, id_queue);
    if (RB_TYPE_P(queue, T_ARRAY))
        return queue;
    queue = rb_ary_new();
    rb_ivar_set(rb_em_module, id_queue, queue);
    return queue;
}

static VALUE call_run_deferred_callbacks(VALUE unused)
{
    return rb_funcallv(rb_em_module, id_run_deferred_callbacks, 0, NULL);
}

/* Calls the method, because tools wrap it. What an exception keeps from running runs in the next turn. */
static void on_tick(em_loop *loop, void *user)
{
    rb_em_the_reactor.tick_scheduled = false;
    rb_em_call(call_run_deferred_callbacks, Qnil);
    if (results_ready || RARRAY_LEN(queue()) > 0)
        rb_em_schedule_tick();
}

void rb_em_schedule_tick(void)
{
    rb_em_reactor *reactor = &rb_em_the_reactor;
    if (reactor->tick_scheduled || !reactor->loop)
        return;
    reactor->tick_scheduled = em_loop_next_tick(reactor->loop, on_tick, NULL, NULL) == EM_OK;
    rb_em_changed();
}

static VALUE run_deferred_callbacks(VALUE self)
{
    if (results_ready) {
        results_ready = false;
        rb_funcallv(self, id_deliver_results, 0, NULL);
    }
    VALUE ticks = queue();
    for (long count = RARRAY_LEN(ticks); count > 0 && RARRAY_LEN(ticks) > 0; count--)
        rb_funcallv(rb_ary_shift(ticks), rb_em_id_call, 0, NULL);
    return Qnil;
}

static bool is_callable(VALUE object)
{
    return rb_obj_is_proc(object) == Qtrue || rb_respond_to(object, rb_em_id_call);
}

static VALUE next_tick(int argc, VALUE *argv, VALUE self)
{
    rb_check_arity(argc, 0, 1);
    VALUE callable = argc > 0 && argv[0] != Qfalse ? argv[0] : Qnil;
    if (rb_block_given_p())
        callable = NIL_P(callable) ? rb_block_proc() : callable;
    else if (!is_callable(callable))
        rb_raise(rb_eArgError, "no proc or block given");
    rb_ary_push(queue(), callable);
    rb_em_schedule_tick();
    return Qnil;
}

static VALUE signal_loopbreak(VALUE self)
{
    rb_em_loop("signal_loopbreak");
    rb_em_schedule_tick();
    return Qnil;
}

/* For the threads of the pool: a result is in @resultqueue, for this reactor or the next one. */
static VALUE announce_results(VALUE self)
{
    results_ready = true;
    rb_em_schedule_tick();
    return Qnil;
}

void rb_em_define_tick(void)
{
    id_queue = rb_intern("@next_tick_queue");
    id_run_deferred_callbacks = rb_intern("run_deferred_callbacks");
    id_deliver_results = rb_intern("deliver_results");
    RB_EM_SINGLETON("next_tick", next_tick, -1);
    RB_EM_SINGLETON("run_deferred_callbacks", run_deferred_callbacks, 0);
    RB_EM_PRIVATE("announce_results", announce_results, 0);
    RB_EM_FUNCTION("signal_loopbreak", signal_loopbreak, 0);
}
