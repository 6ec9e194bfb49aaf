/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/* The timers of libevent, for timers_measure.c. */
#include "timers_measure.h"

#include <event2/event.h>
#include <stdlib.h>

static struct event_base *base;
static struct event **timers;

static void on_due(evutil_socket_t fd, short events, void *user)
{
    (void)fd;
    (void)events;
    (void)user;
    timers_fired();
}

void timers_open(uint32_t count)
{
    base = event_base_new();
    timers = calloc(count, sizeof *timers);
    if (!base || !timers)
        exit(1);
}

void timers_add(uint32_t i, uint32_t delay_ms)
{
    struct timeval delay = {.tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000};

    if (!timers[i])
        timers[i] = evtimer_new(base, on_due, NULL);
    evtimer_add(timers[i], &delay);
}

void timers_cancel(uint32_t i)
{
    evtimer_del(timers[i]);
}

static void on_start(evutil_socket_t fd, short events, void *user)
{
    void (**measure)(void) = user;

    (void)fd;
    (void)events;
    (*measure)();
}

void timers_run(void (*measure)(void))
{
    struct timeval at_once = {.tv_sec = 0};

    event_base_once(base, -1, EV_TIMEOUT, on_start, &measure, &at_once);
    event_base_dispatch(base);
}

void timers_stop(void)
{
    event_base_loopbreak(base);
}
