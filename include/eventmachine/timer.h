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
 * Has `callback` called once, delay_ns from the loop's time on. 0: in the next turn.
 * timer: receives the handle; may be NULL. A delay beyond the clock's range means "never" and is still a timer.
 * EM_NO_MEMORY, EM_INVALID_ARGUMENT, EM_LIMIT (more than 2^28 pending).
 */
EM_API em_status em_loop_add_timer(em_loop *loop, uint64_t delay_ns, em_timer_callback callback, void *user,
                                   em_timer *timer);

/**
 * Has `callback` called every period_ns until cancelled, first after one period. The due times do not drift; those that
 * were missed while the loop was busy or the process stopped are made up for by one call, not by many.
 * period_ns: at least 1. Errors as em_loop_add_timer.
 */
EM_API em_status em_loop_add_periodic_timer(em_loop *loop, uint64_t period_ns, em_timer_callback callback, void *user,
                                            em_timer *timer);

/**
 * Cancels a timer; it will not be called any more. EM_NOT_FOUND if it has fired or was cancelled: harmless.
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
