/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sleeping without Ruby's VM lock, so that other threads run meanwhile. Interrupts (signals, Thread#raise) end the
 * sleep but are left for rb_reactor.c to act on: an exception must not unwind through the loop.
 */
#include "rb_eventmachine.h"

#include <ruby/thread.h>

typedef struct nap {
    void (*wait)(void *wait_data);
    void *wait_data;
    bool done;
} nap;

static void *sleep_unlocked(void *argument)
{
    nap *nap = argument;
    nap->wait(nap->wait_data);
    nap->done = true;
    return NULL;
}

/* Safe in signal handlers; were Ruby not told so, it would start a thread for each sleep of a lone main thread. */
static void wake_up(void *loop)
{
    em_loop_wake(loop);
}

void rb_em_around_wait(void *user, void (*wait)(void *wait_data), void *wait_data)
{
    rb_em_reactor *reactor = user;
    nap nap = {.wait = wait, .wait_data = wait_data};
    if (reactor->state == 0) {
        reactor->sleeping = true;
        rb_nogvl(sleep_unlocked, &nap, wake_up, reactor->loop, RB_NOGVL_INTR_FAIL | RB_NOGVL_UBF_ASYNC_SAFE);
        reactor->sleeping = false;
        reactor->rested = true;
    }
    /* With an interrupt pending already Ruby has not made the call, and the loop expects exactly one wait. */
    if (!nap.done) {
        em_loop_wake(reactor->loop);
        wait(wait_data);
    }
}
