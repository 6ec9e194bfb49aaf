/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/* The timers of libuv, for timers_measure.c. */
#include "timers_measure.h"

#include <stdlib.h>
#include <uv.h>

static uv_loop_t *loop;
static uv_timer_t *timers;
static uint32_t initialised;

static void on_due(uv_timer_t *timer)
{
    (void)timer;
    timers_fired();
}

void timers_open(uint32_t count)
{
    loop = uv_default_loop();
    timers = malloc(count * sizeof *timers);
    if (!timers)
        exit(1);
}

/* A handle must be initialized before its first use, and not again while it is open. */
void timers_add(uint32_t i, uint32_t delay_ms)
{
    if (i == initialised) {
        uv_timer_init(loop, &timers[i]);
        initialised++;
    }
    uv_timer_start(&timers[i], on_due, delay_ms, 0);
}

void timers_cancel(uint32_t i)
{
    uv_timer_stop(&timers[i]);
}

static void on_start(uv_timer_t *timer)
{
    void (**measure)(void) = timer->data;

    (*measure)();
}

void timers_run(void (*measure)(void))
{
    uv_timer_t start;

    uv_timer_init(loop, &start);
    start.data = &measure;
    uv_timer_start(&start, on_start, 0, 0);
    uv_run(loop, UV_RUN_DEFAULT);
}

void timers_stop(void)
{
    uv_stop(loop);
}
