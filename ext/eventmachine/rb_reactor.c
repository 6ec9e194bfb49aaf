/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The reactor's life: initialising, turning, stopping. The order of things around it (hooks, release, what run raises)
 * is in Ruby, in lib/em/reactor.rb; the end is in rb_release.c.
 */
#include "rb_eventmachine.h"

#include <stdio.h>
#include <time.h>

/* How long the loop may keep the VM lock from others at least. */
#define SHORTEST_RUN_NS (2 * EM_MILLISECONDS)

rb_em_reactor rb_em_the_reactor;

em_loop *rb_em_loop(const char *name)
{
    if (!rb_em_the_reactor.loop)
        rb_raise(rb_eRuntimeError, "eventmachine not initialized: evma_%s", name);
    if (rb_em_the_reactor.forks > 0)
        rb_em_take_over_within();
    return rb_em_the_reactor.loop;
}

void rb_em_changed(void)
{
    if (rb_em_the_reactor.sleeping)
        em_loop_wake(rb_em_the_reactor.loop);
}

/* Why no loop can be made, as em_loop_create logs it. */
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

/* Whether there is a reactor that the parent process left to this one. */
static VALUE reactor_inherited(VALUE self)
{
    return is_inherited() ? Qtrue : Qfalse;
}

static em_loop *create_loop(void)
{
    em_loop_options options = {
        .size = sizeof options,
        .around_wait = rb_em_around_wait,
        .around_wait_user = &rb_em_the_reactor,
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

uint64_t rb_em_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * EM_SECONDS + (uint64_t)now.tv_nsec;
}

/*
 * A loop that always has something to do would leave the VM lock to others only ten times a second, so it offers it:
 * after 2 ms or, where others have kept it for longer, after as long as they had it.
 */
static void give_others_a_turn(em_loop *loop)
{
    rb_em_reactor *reactor = &rb_em_the_reactor;
    uint64_t now = em_loop_get_time_ns(loop);
    if (reactor->rested) {
        reactor->rested = false;
        reactor->rest_due_ns = now + SHORTEST_RUN_NS;
    }
    if (now < reactor->rest_due_ns || rb_thread_alone())
        return;
    uint64_t offered = rb_em_clock_ns();
    rb_thread_schedule();
    uint64_t back = rb_em_clock_ns();
    uint64_t kept = back - offered;
    reactor->rest_due_ns = back + (kept > SHORTEST_RUN_NS ? kept : SHORTEST_RUN_NS);
}

/* One turn; returns whether there are to be more. Here no frame of the loop is left, so Ruby may raise. */
static bool turn(em_loop *loop, uint64_t longest_wait_ns)
{
    rb_em_the_reactor.turning = true;
    rb_em_the_reactor.has_child = false;
    em_status status = em_loop_run_once(loop, rb_em_the_reactor.stopping ? 0 : longest_wait_ns);
    rb_em_the_reactor.turning = false;
    if (rb_em_the_reactor.forks > 0)
        rb_em_go_on_in_child();
    if (rb_em_the_reactor.state != 0)
        leave_by_state();
    if (status == EM_FORKED) /* taken over just now, or handed over */
        return rb_em_the_reactor.pid == getpid() && !rb_em_the_reactor.has_child;
    if (status < 0)
        rb_em_raise_status(status);
    rb_em_the_reactor.polled = rb_em_last_signature();
    rb_thread_check_ints();
    give_others_a_turn(loop);
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

/* Asked for every item of every queue, so it makes no system call: whether a fork came between is counted. */
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

void rb_em_define_reactor(void)
{
    RB_EM_FUNCTION("initialize_event_machine", initialize_event_machine, 0);
    RB_EM_FUNCTION("run_machine", run_machine, 0);
    RB_EM_FUNCTION("run_machine_without_threads", run_machine, 0);
    RB_EM_FUNCTION("run_machine_once", run_machine_once, 0);
    RB_EM_FUNCTION("stop", stop, 0);
    RB_EM_FUNCTION("stopping?", is_stopping, 0);
    RB_EM_FUNCTION("current_time", current_time, 0);
    rb_define_singleton_method(rb_em_module, "reactor_thread?", on_reactor_thread, 0);
    rb_define_private_method(rb_singleton_class(rb_em_module), "reactor_inherited?", reactor_inherited, 0);
}
