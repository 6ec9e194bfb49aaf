/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/* Our timers, for timers_measure.c. */
#include "timers_measure.h"

#include <eventmachine.h>
#include <stdlib.h>

static em_loop *loop;
static em_timer *timers;

static void on_due(em_loop *due_loop, em_timer timer, void *user)
{
    (void)due_loop;
    (void)timer;
    (void)user;
    timers_fired();
}

void timers_open(uint32_t count)
{
    timers = malloc(count * sizeof *timers);
    if (!timers || em_status_report(em_loop_create(NULL, &loop)) != 0)
        exit(1);
}

void timers_add(uint32_t i, uint32_t delay_ms)
{
    em_loop_add_timer(loop, delay_ms * EM_MILLISECONDS, on_due, NULL, NULL, &timers[i]);
}

void timers_cancel(uint32_t i)
{
    em_loop_cancel_timer(loop, timers[i]);
}

static void on_start(em_loop *due_loop, em_timer timer, void *user)
{
    void (**measure)(void) = user;

    (void)due_loop;
    (void)timer;
    (*measure)();
}

void timers_run(void (*measure)(void))
{
    em_loop_add_timer(loop, 0, on_start, &measure, NULL, NULL);
    em_loop_run(loop);
}

void timers_stop(void)
{
    em_loop_stop(loop);
}
