/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Timers: one that fires once, one that fires again and again until it is cancelled, and one that is put off.
 * Try it: timers
 */
#include <eventmachine.h>
#include <stdio.h>

typedef struct egg_timer {
    em_timer ticking;
    em_timer boiled;
    int ticks;
} egg_timer;

static void tick(em_loop *loop, em_timer timer, void *user)
{
    egg_timer *mine = user;
    printf("tick %d\n", ++mine->ticks);
    if (mine->ticks == 2) {
        printf("a little longer\n");
        em_loop_rearm_timer(loop, mine->boiled, 250 * EM_MILLISECONDS);
    }
    if (mine->ticks == 4)
        em_loop_cancel_timer(loop, timer);
}

static void boiled(em_loop *loop, em_timer timer, void *user)
{
    (void)timer;
    (void)user;
    printf("boiled\n");
    em_loop_stop(loop);
}

static void say_hello(em_loop *loop, void *user)
{
    (void)loop;
    (void)user;
    printf("the loop runs\n");
}

int main(void)
{
    egg_timer mine = {.ticks = 0};
    em_loop *loop;
    em_status status = em_loop_create(NULL, &loop);
    if (status == EM_OK)
        status = em_loop_next_tick(loop, say_hello, NULL, NULL);
    if (status == EM_OK)
        status = em_loop_add_periodic_timer(loop, 50 * EM_MILLISECONDS, tick, &mine, NULL, &mine.ticking);
    if (status == EM_OK)
        status = em_loop_add_timer(loop, 120 * EM_MILLISECONDS, boiled, &mine, NULL, &mine.boiled);
    if (status == EM_OK)
        status = em_loop_run(loop);
    em_loop_destroy(loop);
    return em_status_report(status);
}
