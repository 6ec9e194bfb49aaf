/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Measures the timers of the library that it is linked with, in processor time: adding a million of them, cancelling
 * and adding again in random order while a million are pending, and firing a million. Memory that a library allocates
 * for a timer is part of the cost. Prints one line of JSON.
 */
#include "timers_measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SHORTEST_MS = 1000, LONGEST_MS = 1000000, FIRE_SPREAD_MS = 1000 };

static uint32_t pending;

void timers_fired(void)
{
    if (--pending == 0)
        timers_stop();
}

static double cpu_us(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec * 1e6 + (double)used.tv_nsec / 1e3;
}

static uint32_t random_below(uint32_t limit)
{
    static uint64_t state = 0x9e3779b97f4a7c15;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 32) * limit >> 32);
}

static uint32_t *random_numbers(uint32_t how_many, uint32_t least, uint32_t below)
{
    uint32_t *numbers = malloc(how_many * sizeof *numbers);

    if (!numbers)
        exit(1);
    for (uint32_t i = 0; i < how_many; i++)
        numbers[i] = least + random_below(below - least);
    return numbers;
}

static double add_all(const uint32_t *delays, uint32_t timers)
{
    double start = cpu_us();

    for (uint32_t i = 0; i < timers; i++)
        timers_add(i, delays[i]);
    return (cpu_us() - start) / timers;
}

static double readd(const uint32_t *which, const uint32_t *delays, uint32_t timers)
{
    double start = cpu_us();

    for (uint32_t i = 0; i < timers; i++) {
        timers_cancel(which[i]);
        timers_add(which[i], delays[i]);
    }
    return (cpu_us() - start) / timers;
}

static double cancel_all(const uint32_t *which, uint32_t timers)
{
    double start = cpu_us();

    for (uint32_t i = 0; i < timers; i++)
        timers_cancel(which[i]);
    return (cpu_us() - start) / timers;
}

/* Each number once, in random order. */
static uint32_t *permutation(uint32_t how_many)
{
    uint32_t *shuffled = random_numbers(how_many, 0, 1 << 30);

    for (uint32_t i = 0; i < how_many; i++) {
        uint32_t other = random_below(i + 1);

        shuffled[i] = shuffled[other];
        shuffled[other] = i;
    }
    return shuffled;
}

static uint32_t count = 1000000;
static uint32_t *far, *again, *soon, *order, *each;
static double add_us, readd_us, cancel_us, fire_began_us;

/* Called within the loop. Timers that are still pending at the end fire afterwards. */
static void measure(void)
{
    add_us = add_all(far, count);
    readd_us = readd(order, again, count);
    cancel_us = cancel_all(each, count);
    add_all(soon, count);
    pending = count;
    fire_began_us = cpu_us();
}

int main(int argc, char **argv)
{
    if (argc == 2)
        count = (uint32_t)strtoul(argv[1], NULL, 10);
    if (argc > 2 || count == 0) {
        fprintf(stderr, "usage: %s [COUNT]\n", argv[0]);
        return 2;
    }
    far = random_numbers(count, SHORTEST_MS, LONGEST_MS);
    again = random_numbers(count, SHORTEST_MS, LONGEST_MS);
    soon = random_numbers(count, 1, FIRE_SPREAD_MS);
    order = random_numbers(count, 0, count);
    each = permutation(count);
    timers_open(count);
    timers_run(measure);
    printf("{\"count\": %u, \"add_us\": %.4f, \"readd_us\": %.4f, \"cancel_us\": %.4f, \"fire_us\": %.4f}\n", count,
           add_us, readd_us, cancel_us, (cpu_us() - fire_began_us) / count);
    return 0;
}
