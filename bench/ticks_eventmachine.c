/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Measures em_loop_next_tick in processor time, in both ways of use: many calls queued at once and then run, and each
 * queued by the one before, which takes one turn of the loop each. Prints one line of JSON.
 */
#include <eventmachine.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { QUEUED = 1000000, CHAINED = 1000000 };

static uint32_t pending;

static double cpu_us(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec * 1e6 + (double)used.tv_nsec / 1e3;
}

static void queued(em_loop *loop, void *user)
{
    (void)user;
    if (--pending == 0)
        em_loop_stop(loop);
}

static void chained(em_loop *loop, void *user)
{
    if (--pending == 0)
        em_loop_stop(loop);
    else
        em_loop_next_tick(loop, chained, user, NULL);
}

static double measure_queued(em_loop *loop)
{
    double start = cpu_us();

    pending = QUEUED;
    for (uint32_t i = 0; i < QUEUED; i++)
        em_loop_next_tick(loop, queued, NULL, NULL);
    em_loop_run(loop);
    return (cpu_us() - start) / QUEUED;
}

static double measure_chained(em_loop *loop)
{
    double start = cpu_us();

    pending = CHAINED;
    em_loop_next_tick(loop, chained, NULL, NULL);
    em_loop_run(loop);
    return (cpu_us() - start) / CHAINED;
}

int main(void)
{
    em_loop *loop;

    if (em_status_report(em_loop_create(NULL, &loop)) != 0)
        return 1;
    printf("{\"queued_us\": %.4f, ", measure_queued(loop));
    printf("\"chained_us\": %.4f}\n", measure_chained(loop));
    em_loop_destroy(loop);
    return 0;
}
