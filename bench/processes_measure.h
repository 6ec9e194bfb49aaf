/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The processor time that a program itself uses for each child process that it starts and reaps, printed as one line of
 * JSON.
 */
#ifndef PROCESSES_MEASURE_H
#define PROCESSES_MEASURE_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { PROCESSES_DEFAULT = 1000 };

static double processes_begun_us;

/* usage: program [children] */
static unsigned processes_count(int count, char **arguments)
{
    return count > 1 ? (unsigned)strtoul(arguments[1], NULL, 10) : PROCESSES_DEFAULT;
}

static double processes_cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void processes_begin(void)
{
    processes_begun_us = processes_cpu_us();
}

static void processes_end(unsigned children)
{
    printf("{\"count\":%u,\"child_us\":%.2f}\n", children, (processes_cpu_us() - processes_begun_us) / children);
}

#endif
