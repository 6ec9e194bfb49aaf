/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Timers, one-shot and periodic. Never early; run in the order of their due times, equal ones in the order added. There
 * is no limit on their number below 2^28, and the cost of adding, cancelling and re-arming does not grow with it.
 */
#ifndef EVENTMACHINE_TIMER_H
#define EVENTMACHINE_TIMER_H

#include <eventmachine/loop.h>

EM_BEGIN_DECLARATIONS

/** A timer's handle: a number, 0 for none. A stale one (fired, cancelled) is recognised and harmless. */
typedef em_signature em_timer;

/** Called when a timer is due. user: what was given when it was added. It may cancel or re-arm any timer, itself too.
 */
typedef void (*em_timer_callback)(em_loop *loop, em_timer timer, void *user);

/** Time units in nanoseconds, for readable delays: 5 * EM_SECONDS. Of type uint64_t or wider, written so that every
 * foreign function interface can read them. */
#define EM_SECONDS 1000000000ULL
#define EM_MILLISECONDS 1000000ULL
#define EM_MICROSECONDS 1000ULL

/**
 * Schedules a one-shot timer, due delay_ns from the loop's time on; 0: in the next turn. A delay beyond the clock's
 * range means "never" and is still a timer.
 *
 * dispose: called with `user` once the timer can no longer fire, that is when it is cancelled or the loop is destroyed;
 * NULL for none. It is not called for a timer that has fired. A timer re-armed within its callback goes on. On failure
 * it is not called and the caller keeps `user`.
 *
 * timer: receives the handle; may be NULL.
 * EM_NO_MEMORY, EM_INVALID_ARGUMENT, EM_LIMIT (more than 2^28 pending); EM_INVALID_STATE from a `dispose` that
 * em_loop_destroy calls.
 */
EM_API em_status em_loop_add_timer(em_loop *loop, uint64_t delay_ns, em_timer_callback callback, void *user,
                                   em_dispose dispose, em_timer *timer);

/**
 * Schedules a periodic timer. It fires every period_ns until it is cancelled, first after one period. The due times do
 * not drift. Periods that were missed while the loop was busy or the process stopped are made up for by one call, not
 * by many. period_ns: at least 1. dispose and errors as for em_loop_add_timer: a periodic timer is always disposed of,
 * however often it has fired.
 */
EM_API em_status em_loop_add_periodic_timer(em_loop *loop, uint64_t period_ns, em_timer_callback callback, void *user,
                                            em_dispose dispose, em_timer *timer);

/**
 * Cancels a timer, which then never fires again. Its `dispose` is called before this returns; within the timer's own
 * callback, after that callback has returned. A one-shot timer has fired by then: to cancel it within its own callback
 * changes nothing, unless it was re-armed there. EM_NOT_FOUND if it has fired or was cancelled: harmless.
 * EM_INVALID_ARGUMENT for a loop of NULL.
 */
EM_API em_status em_loop_cancel_timer(em_loop *loop, em_timer timer);

/**
 * Sets a pending timer anew: it is due delay_ns from the loop's time on, under the same handle. A periodic timer goes
 * on with its period from there. Within its own callback a one-shot timer can be re-armed, too. Errors as
 * em_loop_cancel_timer.
 */
EM_API em_status em_loop_rearm_timer(em_loop *loop, em_timer timer, uint64_t delay_ns);

EM_END_DECLARATIONS

#endif
