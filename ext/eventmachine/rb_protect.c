/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Calling Ruby from within the loop. Nothing that Ruby code does unwinds through the loop's own frames. An error goes
 * to the error handler. Everything else (an error without handler, exit, throw, Thread#kill) is kept as rb_protect's
 * state and suppresses all further callbacks of the present turn; rb_reactor.c continues the jump once the turn has
 * returned. Until then no Ruby code may run, because it would overwrite what Ruby keeps for the jump.
 */
#include "rb_protect.h"

#include "rb_define.h"
#include "rb_fork.h"
#include "rb_module.h"
#include "rb_state.h"

static ID id_error_handler, id_wrapped_exception;
static VALUE escape_tag;

/*
 * A callback may return in a forked child that has released the loop and run another one meanwhile. Then its callers in
 * the loop are gone, and only EventMachine.run is left to return to.
 */
NORETURN(static void abandon_frames(int state));
static void abandon_frames(int state)
{
    if (state != 0)
        rb_jump_tag(state);
    rb_throw_obj(escape_tag, Qnil);
}

static int protect(VALUE (*function)(VALUE), VALUE argument)
{
    unsigned generation = rb_em_the_reactor.generation;
    int state = 0;
    rb_protect(function, argument, &state);
    if (rb_em_the_reactor.generation != generation)
        abandon_frames(state);
    return state;
}

/* The exception that is being raised. nil for jumps of other kinds, whose object must not be touched. */
static VALUE raised_exception(void)
{
    VALUE error = rb_errinfo();
    bool plain = !RB_SPECIAL_CONST_P(error) && RB_BUILTIN_TYPE(error) != RUBY_T_IMEMO;
    return plain && RTEST(rb_obj_is_kind_of(error, rb_eException)) ? error : Qnil;
}

static VALUE call_error_handler(VALUE error)
{
    return rb_funcallv(rb_attr_get(rb_em_module, id_error_handler), rb_em_id_call, 1, &error);
}

/* Calls the error handler, if there is one, and returns the state after that: 0 if the error is handled. */
static int handle_error(VALUE error, int state)
{
    if (NIL_P(rb_attr_get(rb_em_module, id_error_handler)))
        return state;
    state = protect(call_error_handler, error);
    if (state == 0)
        rb_set_errinfo(Qnil);
    return state;
}

static void leave_loop(int state)
{
    rb_em_note_exit(raised_exception());
    rb_em_the_reactor.state = state;
    em_loop_stop(rb_em_the_reactor.loop);
}

bool rb_em_call(VALUE (*function)(VALUE), VALUE argument)
{
    if (rb_em_is_leaving())
        return false;
    int state = protect(function, argument);
    if (state == 0)
        return true;
    VALUE error = raised_exception();
    if (!NIL_P(error) && RTEST(rb_obj_is_kind_of(error, rb_eStandardError)))
        state = handle_error(error, state);
    if (state != 0)
        leave_loop(state);
    return false;
}

/* An exception in unbind must not suppress the unbind of other connections: run raises the last one in the end. */
bool rb_em_call_unbind(VALUE (*function)(VALUE), VALUE argument)
{
    int state = protect(function, argument);
    if (state == 0)
        return true;
    if (!NIL_P(raised_exception()))
        state = handle_error(raised_exception(), state);
    if (state == 0)
        return false;
    VALUE error = raised_exception();
    if (NIL_P(error) || rb_em_the_reactor.forks > 0) {
        leave_loop(state);
        return false;
    }
    rb_em_note_exit(error);
    rb_ivar_set(rb_em_module, id_wrapped_exception, error);
    rb_set_errinfo(Qnil);
    rb_em_the_reactor.stopping = true;
    em_loop_stop(rb_em_the_reactor.loop);
    return false;
}

static VALUE run_body(RB_BLOCK_CALL_FUNC_ARGLIST(tag, body))
{
    VALUE (*function)(void) = (VALUE(*)(void))body;
    return function();
}

VALUE rb_em_with_escape(VALUE (*function)(void))
{
    return rb_catch_obj(escape_tag, run_body, (VALUE)function);
}

void rb_em_define_protect(void)
{
    id_error_handler = rb_intern("@error_handler");
    id_wrapped_exception = rb_intern("@wrapped_exception");
    escape_tag = rb_obj_alloc(rb_cObject);
    rb_gc_register_mark_object(escape_tag);
}
