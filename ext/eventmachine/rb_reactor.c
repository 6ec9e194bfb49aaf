/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Initialising the reactor, turning its loop, stopping it. What happens around that (hooks, release, what run raises)
 * is in lib/em/reactor.rb, the end in rb_release.c.
 */
#include <stdio.h>
#include <unistd.h>

#include "rb_clock.h"
#include "rb_define.h"
#include "rb_fork.h"
#include "rb_loop.h"
#include "rb_module.h"
#include "rb_protect.h"
#include "rb_release.h"
#include "rb_state.h"
#include "rb_status.h"
#include "rb_table.h"
#include "rb_tick.h"
#include "rb_wait.h"

/* The shortest time for which the loop keeps the VM lock from other threads. */
#define SHORTEST_RUN_NS (2 * EM_MILLISECONDS)

/* Why no loop can be created, as em_loop_create logs it. */
static struct {
    bool creating;
    char text[400];
} refusal;

static VALUE print_warning(VALUE message)
{
    rb_warn("eventmachine: %s", (const char *)message);
    return Qnil;
}

static void log_message(void *user, em_log_level level, const char *message)
{
    if (refusal.creating && level == EM_LOG_ERROR)
        snprintf(refusal.text, sizeof refusal.text, "%s", message);
    else if (level >= EM_LOG_WARNING)
        rb_em_call(print_warning, (VALUE)message);
}

static bool is_inherited(void)
{
    return rb_em_the_reactor.loop && rb_em_the_reactor.pid != getpid();
}

static VALUE reactor_inherited(VALUE self)
{
    return is_inherited() ? Qtrue : Qfalse;
}

static em_loop *create_loop(void)
{
    em_loop_options options = {
        .size = sizeof options,
        .around_wait = rb_em_around_wait,
        .log = log_message,
    };
    em_loop *loop;
    refusal.creating = true;
    refusal.text[0] = '\0';
    em_status status = em_loop_create(&options, &loop);
    refusal.creating = false;
    if (status == EM_UNKNOWN_BACKEND && refusal.text[0])
        rb_raise(rb_eRuntimeError, "%s", refusal.text);
    if (status < 0)
        rb_em_raise_status(status);
    return loop;
}

static VALUE initialize_event_machine(VALUE self)
{
    rb_em_reactor *reactor = &rb_em_the_reactor;
    if (is_inherited())
        rb_em_release();
    if (reactor->loop)
        rb_raise(rb_eRuntimeError, "eventmachine already initialized: evma_initialize_library");
    em_loop *loop = create_loop();
    *reactor = (rb_em_reactor){
        .loop = loop,
        .pid = getpid(),
        .generation = reactor->generation,
        .heartbeat = 2.0,
        .quantum_ms = 90,
    };
    rb_em_schedule_tick();
    return Qnil;
}

NORETURN(static void leave_by_state(void));
static void leave_by_state(void)
{
    int state = rb_em_the_reactor.state;
    rb_em_the_reactor.state = 0;
    rb_jump_tag(state);
}

/*
 * A loop that always has something to do would release the VM lock to other threads only ten times a second. So it
 * offers the lock: after 2 ms or, if the others have kept it for longer, after that time.
 */
static void offer_vm_lock(em_loop *loop)
{
    rb_em_reactor *reactor = &rb_em_the_reactor;
    uint64_t now = em_loop_get_time_ns(loop);
    if (reactor->lock_released) {
        reactor->lock_released = false;
        reactor->yield_due_ns = now + SHORTEST_RUN_NS;
    }
    if (now < reactor->yield_due_ns || rb_thread_alone())
        return;
    uint64_t offered = rb_em_clock_ns();
    rb_thread_schedule();
    uint64_t returned = rb_em_clock_ns();
    uint64_t taken = returned - offered;
    reactor->yield_due_ns = returned + (taken > SHORTEST_RUN_NS ? taken : SHORTEST_RUN_NS);
}

/* One turn. Returns whether to go on. After the turn no frame of the loop is on the stack, so Ruby may raise. */
static bool turn(em_loop *loop, uint64_t longest_wait_ns)
{
    rb_em_the_reactor.turning = true;
    rb_em_the_reactor.has_child = false;
    em_status status = em_loop_run_once(loop, rb_em_the_reactor.stopping ? 0 : longest_wait_ns);
    rb_em_the_reactor.turning = false;
    if (rb_em_the_reactor.forks > 0)
        rb_em_go_on_in_child();
    if (rb_em_is_leaving())
        leave_by_state();
    if (status == EM_FORKED) /* taken over or handed over in this turn */
        return rb_em_the_reactor.pid == getpid() && !rb_em_the_reactor.has_child;
    if (status < 0)
        rb_em_raise_status(status);
    rb_em_the_reactor.polled = rb_em_last_signature();
    rb_thread_check_ints();
    offer_vm_lock(loop);
    return !rb_em_the_reactor.stopping;
}

static VALUE turn_until_stopped(void)
{
    em_loop *loop = rb_em_loop("run_machine");
    while (turn(loop, EM_FOREVER))
        continue;
    return Qnil;
}

static VALUE turn_once(void)
{
    em_loop *loop = rb_em_loop("run_machine_once");
    return turn(loop, (uint64_t)rb_em_the_reactor.quantum_ms * EM_MILLISECONDS) ? Qtrue : Qfalse;
}

static VALUE run_machine(VALUE self)
{
    return rb_em_with_escape(turn_until_stopped);
}

static VALUE run_machine_once(VALUE self)
{
    return rb_em_with_escape(turn_once);
}

static VALUE stop(VALUE self)
{
    em_loop *loop = rb_em_loop("stop_machine");
    rb_em_the_reactor.stopping = true;
    em_loop_stop(loop);
    return Qnil;
}

static VALUE is_stopping(VALUE self)
{
    rb_em_loop("stopping");
    return rb_em_the_reactor.stopping ? Qtrue : Qfalse;
}

void rb_em_define_reactor(void)
{
    RB_EM_FUNCTION("initialize_event_machine", initialize_event_machine, 0);
    RB_EM_FUNCTION("run_machine", run_machine, 0);
    RB_EM_FUNCTION("run_machine_without_threads", run_machine, 0);
    RB_EM_FUNCTION("run_machine_once", run_machine_once, 0);
    RB_EM_FUNCTION("stop", stop, 0);
    RB_EM_FUNCTION("stopping?", is_stopping, 0);
    RB_EM_PRIVATE("reactor_inherited?", reactor_inherited, 0);
}
