/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Waiting without Ruby's VM lock, so that other threads run meanwhile. Interrupts (signals, Thread#raise) end the wait
 * but are left for rb_reactor.c to act on: an exception must not unwind through the loop.
 */
#include "rb_wait.h"

#include <ruby/thread.h>

#include "rb_state.h"

typedef struct wait_call {
    void (*wait)(void *wait_data);
    void *wait_data;
    bool done;
} wait_call;

static void *wait_unlocked(void *argument)
{
    wait_call *call = argument;
    call->wait(call->wait_data);
    call->done = true;
    return NULL;
}

static void wake_up(void *loop)
{
    em_loop_wake(loop);
}

void rb_em_around_wait(void *user, void (*wait)(void *wait_data), void *wait_data)
{
    rb_em_reactor *reactor = &rb_em_the_reactor;
    wait_call call = {.wait = wait, .wait_data = wait_data};
    if (!rb_em_is_leaving()) {
        reactor->sleeping = true;
        /* em_loop_wake is safe in signal handlers. If Ruby is not told, it starts a thread for each wait of a main
         * thread that is alone. */
        rb_nogvl(wait_unlocked, &call, wake_up, reactor->loop, RB_NOGVL_INTR_FAIL | RB_NOGVL_UBF_ASYNC_SAFE);
        reactor->sleeping = false;
        reactor->lock_released = true;
    }
    /* If an interrupt was pending, Ruby has not made the call, but the loop expects exactly one wait. */
    if (!call.done) {
        em_loop_wake(reactor->loop);
        wait(wait_data);
    }
}
