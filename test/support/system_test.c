/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Backends, the watchdog, and measuring. See system_test.h.
 */
#include "support/system_test.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* A test that takes longer hangs, also with sanitizers on a loaded machine. */
enum { WATCHDOG_SECONDS = 240, SETTLING_MILLISECONDS = 5000 };

static const char *const backends[] = {"epoll", "poll", "uring"};

/* Of system_memory, in front of what the test gets. */
typedef union block {
    union block *next;
    max_align_t alignment;
} block;

static const char *backend_under_test;
static unsigned descriptors_before;
static bool descriptors_are_shared;
static block *blocks;

static void end_the_test(int signal_number)
{
    static const char message[] = "the watchdog ended a test that took too long\n";
    (void)signal_number;
    ssize_t written = write(STDERR_FILENO, message, sizeof message - 1);
    _exit(written > 0 ? 124 : 125);
}

static bool is_available(const char *backend)
{
    em_loop_options options = {.size = sizeof options, .backend = backend};
    em_loop *loop;
    em_status status = em_loop_create(&options, &loop);
    em_loop_destroy(loop);
    return status == EM_OK;
}

int system_run(const struct CMUnitTest *tests, size_t count)
{
    int failed = 0;
    unsigned tested = 0;
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
        if (!is_available(backends[i])) {
            print_message("not on this machine: %s\n", backends[i]);
            continue;
        }
        backend_under_test = backends[i];
        print_message("backend: %s\n", backends[i]);
        failed += _cmocka_run_group_tests(backends[i], tests, count, NULL, NULL);
        tested++;
    }
    return tested > 0 ? failed : 1;
}

int system_set_up(void **state)
{
    signal(SIGALRM, end_the_test);
    alarm(WATCHDOG_SECONDS);
    descriptors_before = system_descriptors();
    *state = system_create_loop((em_loop_options){.size = 0});
    return 0;
}

void *system_memory(size_t bytes)
{
    block *made = calloc(1, sizeof *made + bytes);
    assert_non_null(made);
    made->next = blocks;
    blocks = made;
    return made + 1;
}

static void free_memory(void)
{
    while (blocks) {
        block *next = blocks->next;
        free(blocks);
        blocks = next;
    }
}

static bool are_closed(void)
{
    return descriptors_are_shared || system_descriptors() == descriptors_before;
}

int system_tear_down(void **state)
{
    em_status status = em_loop_destroy(*state);
    free_memory();
    assert_int_equal(status, EM_OK);
    /* A thread of the library that has looked up a name may still close something, and nothing reports that. */
    for (int i = 0; !are_closed() && i < SETTLING_MILLISECONDS; i++)
        poll(NULL, 0, 1);
    assert_true(are_closed());
    alarm(0);
    return 0;
}

const char *system_backend(void)
{
    return backend_under_test;
}

em_loop *system_create_loop(em_loop_options options)
{
    em_loop *loop;
    options.size = sizeof options;
    options.backend = backend_under_test;
    assert_int_equal(em_loop_create(&options, &loop), EM_OK);
    assert_string_equal(em_loop_get_backend(loop), backend_under_test);
    return loop;
}

void system_turn(em_loop *loop)
{
    assert_int_equal(em_loop_run_once(loop, 2 * EM_MILLISECONDS), EM_OK);
}

static void stop(em_loop *loop, em_timer timer, void *user)
{
    (void)timer;
    (void)user;
    em_loop_stop(loop);
}

void system_run_for(em_loop *loop, uint64_t duration_ns)
{
    assert_int_equal(em_loop_add_timer(loop, duration_ns, stop, NULL, NULL, NULL), EM_OK);
    assert_int_equal(em_loop_run(loop), EM_OK);
}

em_loop_stats system_stats(const em_loop *loop)
{
    em_loop_stats stats;
    assert_int_equal(em_loop_get_stats(loop, &stats, sizeof stats), EM_OK);
    return stats;
}

uint64_t system_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * EM_SECONDS + (uint64_t)now.tv_nsec;
}

static uint64_t nanoseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * EM_SECONDS + (uint64_t)time.tv_usec * EM_MICROSECONDS;
}

uint64_t system_cpu_ns(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime);
}

void system_expect_at_best(uint64_t bound_ns, uint64_t (*measure)(em_loop *loop), em_loop *loop)
{
    uint64_t best_ns = UINT64_MAX;
    for (unsigned attempts = 0; attempts < 25 && best_ns >= bound_ns; attempts++) {
        uint64_t took_ns = measure(loop);
        best_ns = took_ns < best_ns ? took_ns : best_ns;
    }
    assert_in_range(best_ns, 0, bound_ns - 1);
}

unsigned system_descriptors(void)
{
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/fd");
    assert_non_null(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

void system_share_descriptors(void)
{
    descriptors_are_shared = true;
}

void system_skip(const char *reason)
{
    print_message("skipped: %s\n", reason);
    skip();
}
