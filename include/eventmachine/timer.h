/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Timers, one-shot and periodic. A timer never fires early. Timers fire in the order of their due times, and those due
 * at the same time in the order in which they were added. A loop can have up to 2^28 of them; adding, cancelling and
 * re-arming take the same time however many are pending.
 */
#ifndef EVENTMACHINE_TIMER_H
#define EVENTMACHINE_TIMER_H

#include <eventmachine/loop.h>

EM_BEGIN_DECLARATIONS

/** The signature of a timer; 0 for none. A stale signature (the timer has fired or was cancelled) is recognised and
 * harmless. */
typedef em_signature em_timer;

/** Called when a timer fires. user: the pointer passed when it was added. It may cancel or re-arm any timer, including
 * this one. */
typedef void (*em_timer_callback)(em_loop *loop, em_timer timer, void *user);

/** Time units in nanoseconds, for readable delays: 5 * EM_SECONDS. They are written so that every foreign function
 * interface can read them. */
#define EM_SECONDS 1000000000ULL
#define EM_MILLISECONDS 1000000ULL
#define EM_MICROSECONDS 1000ULL

/**
 * Schedules a one-shot timer, which fires delay_ns after the loop's time. 0: in the next turn. A timer whose delay
 * exceeds the clock's range stays pending and never fires.
 *
 * dispose: called with `user` when the pending timer is cancelled or the loop is destroyed; NULL for none. It is not
 * called for a timer that has fired, unless the timer was re-armed in its callback and so is pending again. If
 * em_loop_add_timer itself fails, it is not called, and the caller keeps `user`.
 *
 * timer: set to the signature of the timer, 0 on failure; may be NULL.
 * EM_NO_MEMORY, EM_INVALID_ARGUMENT, EM_LIMIT (more than 2^28 timers); EM_INVALID_STATE within a `dispose` that
 * em_loop_destroy calls.
 */
EM_API em_status em_loop_add_timer(em_loop *loop, uint64_t delay_ns, em_timer_callback callback, void *user,
                                   em_dispose dispose, em_timer *timer);

/**
 * Schedules a periodic timer, which fires every period_ns until it is cancelled, first after one period. Its due times
 * do not drift. If periods were missed because the loop was busy or the process was stopped, the timer fires once for
 * all of them. period_ns: at least 1. The other arguments and the errors are as for em_loop_add_timer. However often
 * the timer has fired, `dispose` is called when it is cancelled or the loop is destroyed.
 */
EM_API em_status em_loop_add_periodic_timer(em_loop *loop, uint64_t period_ns, em_timer_callback callback, void *user,
                                            em_dispose dispose, em_timer *timer);

/**
 * Cancels a timer, so that it does not fire again, and calls its `dispose`. Within the timer's own callback, `dispose`
 * is called after the callback has returned. A one-shot timer whose callback is being called has fired already:
 * cancelling it there does not call `dispose`, unless it was re-armed before. EM_NOT_FOUND if the timer has fired or
 * was cancelled, which is harmless. EM_INVALID_ARGUMENT for a loop of NULL.
 */
EM_API em_status em_loop_cancel_timer(em_loop *loop, em_timer timer);

/**
 * Reschedules a pending timer, which keeps its signature and fires delay_ns after the loop's time. A periodic timer
 * continues with its period from there. A one-shot timer can also be re-armed within its own callback; once that has
 * returned, it is gone. Errors as for em_loop_cancel_timer.
 */
EM_API em_status em_loop_rearm_timer(em_loop *loop, em_timer timer, uint64_t delay_ns);

EM_END_DECLARATIONS

#endif
