/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/* The timers of libev, for timers_measure.c. */
#include "timers_measure.h"

#include <ev.h>
#include <stdlib.h>

static struct ev_loop *loop;
static ev_timer *timers;

static void on_due(struct ev_loop *due_loop, ev_timer *timer, int events)
{
    (void)due_loop;
    (void)timer;
    (void)events;
    timers_fired();
}

void timers_open(uint32_t count)
{
    loop = ev_default_loop(0);
    timers = malloc(count * sizeof *timers);
    if (!timers)
        exit(1);
}

void timers_add(uint32_t i, uint32_t delay_ms)
{
    ev_timer_init(&timers[i], on_due, delay_ms / 1e3, 0);
    ev_timer_start(loop, &timers[i]);
}

void timers_cancel(uint32_t i)
{
    ev_timer_stop(loop, &timers[i]);
}

static void on_start(struct ev_loop *due_loop, ev_timer *timer, int events)
{
    void (**measure)(void) = timer->data;

    (void)due_loop;
    (void)events;
    (*measure)();
}

void timers_run(void (*measure)(void))
{
    ev_timer start = {.data = &measure};

    ev_timer_init(&start, on_start, 0, 0);
    ev_timer_start(loop, &start);
    ev_run(loop, 0);
}

void timers_stop(void)
{
    ev_break(loop, EVBREAK_ALL);
}
