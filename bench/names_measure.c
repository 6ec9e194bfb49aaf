/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Measures the resolver that it is linked with: the processor time of a lookup, and of the longest turn of the loop.
 * Each name is another one. Then looks up one of them again and again, which a cache may answer. Prints one line of
 * JSON.
 */
#include "names_measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static unsigned begun, ended, failed;

static unsigned again; /* how often the same name is still to be looked up */

void names_found(int found)
{
    ended++;
    failed += !found;
    if (again > 0) {
        again--;
        begun++;
        names_look_up("name-0.bench.test");
    } else if (ended == begun) {
        names_wake();
    }
}

static double cpu_us(void)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec * 1e6 + (double)used.tv_nsec / 1e3;
}

static void begin(unsigned count)
{
    char name[64];

    while (begun < count && (names_are_queued || begun - ended < NAMES_AT_ONCE)) {
        snprintf(name, sizeof name, "name-%u.bench.test", begun++);
        names_look_up(name);
    }
}

/* Returns the processor time of the longest turn. */
static double look_up_all(unsigned count)
{
    double longest_us = 0;

    begin(count);
    while (ended < count) {
        double start = cpu_us();

        names_turn();
        if (cpu_us() - start > longest_us)
            longest_us = cpu_us() - start;
        begin(count);
    }
    return longest_us;
}

static void look_up_again(unsigned count)
{
    again = count - 1;
    begun++;
    names_look_up("name-0.bench.test");
    while (ended < begun)
        names_turn();
}

int main(int argc, char **argv)
{
    if (argc != 4 && argc != 5) {
        fprintf(stderr, "usage: %s SERVER PORT COUNT [AGAIN]\n", argv[0]);
        return 2;
    }
    unsigned count = (unsigned)strtoul(argv[3], NULL, 10);
    unsigned count_again = argc == 5 ? (unsigned)strtoul(argv[4], NULL, 10) : count;

    names_open(argv[1], atoi(argv[2]));
    double start = cpu_us();
    double longest_us = look_up_all(count);
    double each_us = (cpu_us() - start) / count;
    start = cpu_us();
    if (count_again > 0)
        look_up_again(count_again);
    printf("{\"count\": %u, \"failed\": %u, \"each_us\": %.2f, \"longest_turn_us\": %.0f, \"again_us\": %.2f}\n", count,
           failed, each_us, longest_us, count_again > 0 ? (cpu_us() - start) / count_again : 0);
    return 0;
}
