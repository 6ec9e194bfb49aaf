/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What all fuzzers share: their options, running seed after seed on each backend under a watchdog, and how they fail:
 * with the command that repeats the seed. The choices of a run depend on its seed alone; the order of the kernel's
 * events does not.
 */
#ifndef TEST_FUZZ_H
#define TEST_FUZZ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <eventmachine.h>

/** One run: a seed on a backend, and which kinds of faults are made. */
typedef struct fuzz_run {
    const char *backend;
    uint64_t seed;
    bool cuts;   /**< reads and writes may be short, or not possible now */
    bool memory; /**< allocations may fail */
    bool calls;  /**< system calls may fail */
} fuzz_run;

/** Counts of all runs on a backend, to be printed. */
typedef struct fuzz_counts {
    atomic_ulong connections; /**< of the library */
    atomic_ulong bytes;       /**< received by either side */
    atomic_ulong complete;    /**< streams that had to arrive completely, and did */
    atomic_ulong cuts;
    atomic_ulong failed_calls;
    atomic_ulong failed_allocations;
} fuzz_counts;

extern fuzz_counts fuzz_count;

typedef struct fuzz_program {
    const char *name;
    uint64_t seeds;           /**< unless the options say otherwise */
    unsigned seconds_per_run; /**< after which the watchdog takes it for hanging, on a loaded machine with sanitizers */
    void (*run)(const fuzz_run *run);
    void (*describe)(void); /**< prints the state of the run to standard error, after a failure; may be NULL */
} fuzz_program;

/** main of a fuzzer; see its usage message for the options. */
int fuzz_main(int argc, char **argv, const fuzz_program *program);

/** A loopback address that other processes do not use: ports on it that were given back are nobody else's. */
const char *fuzz_host(void);

/** The message and how to repeat the run, then the end of the program. Any thread. */
_Noreturn void fuzz_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define FUZZ_CHECK(condition)                                                                                          \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fuzz_fail("%s:%d: not true: %s", __FILE__, __LINE__, #condition);                                          \
    } while (0)

#endif
