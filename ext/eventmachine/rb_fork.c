/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The reactor in a forked child. A child that runs a block has nothing to do with it. A child that returns from the
 * callback that has forked takes the reactor over if it is a daemon: if the process that owned the reactor is gone, or
 * the child has begun a new session. Any other child would serve the same connections a second time, and gets an
 * exception.
 */
#include "rb_fork.h"

#include <pthread.h>
#include <time.h>

#include "rb_define.h"
#include "rb_module.h"
#include "rb_state.h"
#include "rb_status.h"

static ID id_reactor_pid, id_renew_threadpool, id_in_forked_block;

static void note_child(void)
{
    rb_em_the_reactor.has_child = true;
}

static void note_fork(void)
{
    rb_em_the_reactor.forks++;
    rb_em_the_reactor.has_child = false;
    rb_em_the_reactor.sleeping = false;
}

/* Process.daemon has called setsid(2), but its parent may not have ended yet. */
static bool is_daemon(void)
{
    rb_pid_t maker = rb_em_the_reactor.pid;
    if (getsid(0) != getsid(maker))
        return true;
    return rb_em_the_reactor.forks == 1 && getppid() != maker;
}

/* After `exit! if fork` the parent is about to end, but this child may run first: it waits a second at most. */
static bool becomes_daemon(void)
{
    enum { LONGEST_MILLISECONDS = 1000 };
    const struct timespec millisecond = {.tv_nsec = 1000000};
    for (int waited = 0; waited < LONGEST_MILLISECONDS && !is_daemon(); waited++)
        nanosleep(&millisecond, NULL);
    return is_daemon();
}

static void take_over(void)
{
    em_status status = em_loop_take_over(rb_em_the_reactor.loop);
    if (status < 0)
        rb_em_raise_status(status);
    rb_em_the_reactor.pid = getpid();
    rb_em_the_reactor.forks = 0;
    rb_ivar_set(rb_em_module, id_reactor_pid, PIDT2NUM(getpid()));
}

static void take_over_with_threads(void)
{
    take_over();
    rb_funcallv(rb_em_module, id_renew_threadpool, 0, NULL);
}

static bool take_over_if(bool (*is_due)(void))
{
    const rb_em_reactor *reactor = &rb_em_the_reactor;
    if (reactor->forks == 0 || !reactor->turning || reactor->releasing || !rb_em_is_reactor_thread())
        return false;
    if (RTEST(rb_funcallv(rb_em_module, id_in_forked_block, 0, NULL)) || !is_due())
        return false;
    take_over_with_threads();
    return true;
}

bool rb_em_take_over_within(void)
{
    return take_over_if(is_daemon);
}

bool rb_em_take_over_to_send(void)
{
    return take_over_if(becomes_daemon);
}

/*
 * While the loop is being left no Ruby code may run (rb_protect.c). A child that leaves after it has forked again is
 * the middle one of a double fork: the reactor is its child's.
 */
void rb_em_go_on_in_child(void)
{
    const rb_em_reactor *reactor = &rb_em_the_reactor;
    if (rb_em_is_leaving()) {
        if (!reactor->has_child && is_daemon())
            take_over();
        return;
    }
    if (!becomes_daemon())
        rb_raise(rb_eRuntimeError,
                 "a forked child has returned into the reactor of its parent (pid %ld): pass a block to fork, call "
                 "EventMachine.fork_reactor for a separate reactor, or Process.daemon to continue in the background",
                 (long)reactor->pid);
    take_over_with_threads();
}

void rb_em_note_exit(VALUE error)
{
    if (rb_em_the_reactor.has_child && RTEST(rb_obj_is_kind_of(error, rb_eSystemExit)))
        em_loop_hand_over(rb_em_the_reactor.loop);
}

static VALUE take_over_reactor(VALUE self)
{
    return rb_em_take_over_within() ? Qtrue : Qfalse;
}

void rb_em_define_fork(void)
{
    id_reactor_pid = rb_intern("@reactor_pid");
    id_renew_threadpool = rb_intern("renew_threadpool");
    id_in_forked_block = rb_intern("in_forked_block?");
    RB_EM_PRIVATE("take_over_reactor", take_over_reactor, 0);
    pthread_atfork(NULL, note_child, note_fork);
}
