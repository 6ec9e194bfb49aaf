/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Options, the watchdog, and seed after seed.
 */
#include "fuzz/support/fuzz.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "support/bytes.h"
#include "support/ring.h"
#include "support/sockets.h"

typedef struct options {
    const char *backend; /* NULL: each that this machine has */
    uint64_t first_seed;
    uint64_t seeds;
    unsigned seconds; /* 0: as many seeds as said; else until then */
    uint64_t times;   /* each seed is run */
    bool without_cuts, without_memory, without_calls;
} options;

static const char *const backends[] = {"epoll", "poll", "uring"};

fuzz_counts fuzz_count;

static const char *command = "fuzz";
static void (*describe)(void);
static char repeat[300]; /* how to repeat the present run */

static void print_repeat(void)
{
    ssize_t ignored = write(STDERR_FILENO, repeat, strlen(repeat));
    (void)ignored;
}

static void end_the_test(int signal_number)
{
    static const char message[] = "\nthe watchdog ended a run that took too long\n";
    (void)signal_number;
    ssize_t ignored = write(STDERR_FILENO, message, sizeof message - 1);
    (void)ignored;
    /* Not what a signal handler may do, but nothing else goes on, and mostly it works. */
    if (describe)
        describe();
    print_repeat();
    _exit(124);
}

void fuzz_fail(const char *format, ...)
{
    static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER; /* never unlocked: the first failure is the one to see */
    pthread_mutex_lock(&once);
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fputc('\n', stderr);
    vfprintf(stderr, format, arguments); /* NOLINT(clang-analyzer-valist.Uninitialized): a false alarm */
    fputc('\n', stderr);
    va_end(arguments);
    if (describe)
        describe();
    print_repeat();
    abort();
}

/* A sanitizer that finds something ends the program by itself; so it prints the command, too. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

const char *fuzz_host(void)
{
    static char host[32];
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    unsigned number = (unsigned)getpid();
    pthread_mutex_lock(&mutex);
    if (host[0] == '\0')
        snprintf(host, sizeof host, "127.%u.%u.%u", 1 + (number >> 16) % 254, (number >> 8) % 256, 1 + number % 254);
    pthread_mutex_unlock(&mutex);
    return host;
}

static void prepare_failing(void)
{
    signal(SIGALRM, end_the_test);
    signal(SIGPIPE, SIG_IGN);
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(print_repeat);
}

static bool is_available(const char *backend)
{
    em_loop_options loop_options = {.size = sizeof loop_options, .backend = backend};
    em_loop *loop;
    em_status status = em_loop_create(&loop_options, &loop);
    em_loop_destroy(loop);
    return status == EM_OK;
}

static uint64_t seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

/* One seed in four has no faults at all, so that complete delivery is tested, too. What is left out does not change the
 * rest. */
static fuzz_run plan(const options *given, const char *backend, uint64_t seed)
{
    uint64_t random = seed;
    next_random(&random);
    bool trouble = random_below(&random, 4) > 0;
    fuzz_run planned = {.backend = backend, .seed = seed};
    planned.cuts = random_below(&random, 3) > 0 && trouble && !given->without_cuts;
    planned.memory = random_below(&random, 3) == 0 && trouble && !given->without_memory;
    planned.calls = random_below(&random, 3) == 0 && trouble && !given->without_calls;
    return planned;
}

static void run_seed(const fuzz_program *program, const options *given, const char *backend, uint64_t seed)
{
    snprintf(repeat, sizeof repeat, "repeat: %s --backend %s --seed %llu --seeds 1%s%s%s\n", command, backend,
             (unsigned long long)seed, given->without_cuts ? " --without cuts" : "",
             given->without_memory ? " --without memory" : "", given->without_calls ? " --without calls" : "");
    fuzz_run run = plan(given, backend, seed);
    alarm(program->seconds_per_run);
    unsigned descriptors = count_descriptors() - count_rings();
    program->run(&run);
    unsigned left = count_descriptors() - count_rings();
    if (left != descriptors)
        fuzz_fail("%u descriptors were open before, %u are now", descriptors, left);
    alarm(0);
}

static void run_seed_often(const fuzz_program *program, const options *given, const char *backend, uint64_t seed)
{
    for (uint64_t time = 0; time < given->times; time++)
        run_seed(program, given, backend, seed);
}

static void print_counts(const fuzz_program *program, const char *backend, uint64_t seeds, uint64_t first_seed)
{
    printf("%s, %s: %llu seeds from %llu on: %lu connections, %lu bytes, %lu streams complete; %lu cuts, %lu failed "
           "calls, %lu failed allocations\n",
           program->name, backend, (unsigned long long)seeds, (unsigned long long)first_seed, fuzz_count.connections,
           fuzz_count.bytes, fuzz_count.complete, fuzz_count.cuts, fuzz_count.failed_calls,
           fuzz_count.failed_allocations);
    fflush(stdout);
}

static void run_backend(const fuzz_program *program, const options *given, const char *backend)
{
    memset(&fuzz_count, 0, sizeof fuzz_count);
    uint64_t end = seconds_now() + given->seconds;
    uint64_t seed = given->first_seed;
    while (given->seconds ? seconds_now() < end : seed - given->first_seed < given->seeds)
        run_seed_often(program, given, backend, seed++);
    print_counts(program, backend, seed - given->first_seed, given->first_seed);
}

_Noreturn static void explain(const fuzz_program *program)
{
    fprintf(stderr,
            "usage: %s [options]\n"
            "  --backend NAME   this one only; otherwise each that the machine has\n"
            "  --seed NUMBER    the first seed; 1\n"
            "  --seeds NUMBER   so many from there on; %llu\n"
            "  --seconds NUMBER for so long on each backend, instead of a number of seeds\n"
            "  --times NUMBER   how often each is run, since the kernel's events come in another order each time; 1\n"
            "  --without cuts | memory | calls   leaves this kind of trouble out\n",
            program->name, (unsigned long long)program->seeds);
    exit(2);
}

static uint64_t number_of(const fuzz_program *program, const char *text)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);
    if (*text == '\0' || *end != '\0')
        explain(program);
    return number;
}

static bool leave_out(options *read, const char *kind)
{
    bool *without = strcmp(kind, "cuts") == 0     ? &read->without_cuts
                    : strcmp(kind, "memory") == 0 ? &read->without_memory
                    : strcmp(kind, "calls") == 0  ? &read->without_calls
                                                  : NULL;
    if (without)
        *without = true;
    return without;
}

static options read_options(int argc, char **argv, const fuzz_program *program)
{
    options read = {.first_seed = 1, .seeds = program->seeds, .times = 1};
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--backend") == 0)
            read.backend = value;
        else if (strcmp(argv[i], "--seed") == 0)
            read.first_seed = number_of(program, value);
        else if (strcmp(argv[i], "--seeds") == 0)
            read.seeds = number_of(program, value);
        else if (strcmp(argv[i], "--seconds") == 0)
            read.seconds = (unsigned)number_of(program, value);
        else if (strcmp(argv[i], "--times") == 0)
            read.times = number_of(program, value);
        else if (strcmp(argv[i], "--without") != 0 || !leave_out(&read, value))
            explain(program);
    }
    return read;
}

int fuzz_main(int argc, char **argv, const fuzz_program *program)
{
    options given = read_options(argc, argv, program);
    command = argv[0];
    describe = program->describe;
    prepare_failing();
    unsigned tested = 0;
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
        if (given.backend && strcmp(given.backend, backends[i]) != 0)
            continue;
        if (!is_available(backends[i])) {
            printf("not on this machine: %s\n", backends[i]);
            continue;
        }
        run_backend(program, &given, backends[i]);
        tested++;
    }
    return tested > 0 ? 0 : 1;
}
