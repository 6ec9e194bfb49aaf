/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Threads, the waker, the detection of forks, the clock.
 */
#include "system/thread.h"

#include "support/test_clock.h"
#include "support/unit.h"
#include "system/clock.h"
#include "system/waker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

static void a_waker_is_readable_from_wake_to_drain(void **state)
{
    (void)state;
    emi_waker waker;
    assert_int_equal(emi_waker_open(&waker), EM_OK);
    assert_true(fcntl(waker.poll_descriptor, F_GETFD) & FD_CLOEXEC);
    assert_false(wait_until_readable(waker.poll_descriptor, 0));
    emi_waker_drain(&waker);
    for (unsigned wakes = 1; wakes <= 3; wakes++) {
        for (unsigned i = 0; i < wakes; i++)
            emi_waker_wake(&waker);
        assert_true(wait_until_readable(waker.poll_descriptor, 0));
        assert_true(wait_until_readable(waker.poll_descriptor, 0));
        emi_waker_drain(&waker);
        assert_false(wait_until_readable(waker.poll_descriptor, 0));
    }
    emi_waker_close(&waker);
}

static void a_waker_that_is_never_drained_never_blocks(void **state)
{
    (void)state;
    emi_waker waker;
    assert_int_equal(emi_waker_open(&waker), EM_OK);
    for (unsigned i = 0; i < 200000; i++)
        emi_waker_wake(&waker);
    emi_waker_drain(&waker);
    assert_false(wait_until_readable(waker.poll_descriptor, 0));
    emi_waker_close(&waker);
}

static void waking_leaves_errno_alone(void **state)
{
    (void)state;
    emi_waker waker;
    assert_int_equal(emi_waker_open(&waker), EM_OK);
    errno = ENOTTY;
    emi_waker_wake(&waker);
    assert_int_equal(errno, ENOTTY);
    emi_waker_close(&waker);
    emi_waker closed = {.poll_descriptor = -1, .write_descriptor = -1};
    emi_waker_wake(&closed);
    assert_int_equal(errno, ENOTTY);
}

typedef struct meeting {
    emi_mutex mutex;
    emi_condition condition;
    unsigned arrived;
    unsigned blocked_signals;
} meeting;

static void arrive(void *argument)
{
    meeting *place = argument;
    sigset_t blocked;
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    emi_mutex_lock(&place->mutex);
    place->arrived++;
    place->blocked_signals += sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGUSR1) == 1;
    emi_condition_broadcast(&place->condition);
    emi_mutex_unlock(&place->mutex);
}

static void threads_start_with_all_signals_blocked(void **state)
{
    (void)state;
    static meeting place;
    sigset_t before;
    sigset_t after;
    place = (meeting){.arrived = 0};
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    assert_int_equal(emi_mutex_open(&place.mutex), EM_OK);
    assert_int_equal(emi_condition_open(&place.condition), EM_OK);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(emi_thread_start(arrive, &place), EM_OK);
    emi_mutex_lock(&place.mutex);
    while (place.arrived < 8)
        emi_condition_wait(&place.condition, &place.mutex);
    assert_int_equal(place.blocked_signals, 8);
    emi_mutex_unlock(&place.mutex);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    assert_int_equal(sigismember(&after, SIGUSR1), sigismember(&before, SIGUSR1));
    emi_condition_close(&place.condition);
    emi_mutex_close(&place.mutex);
}

static void note_number(void *argument)
{
    atomic_ullong *number = argument;
    atomic_store(number, emi_thread_number());
}

static void no_thread_has_the_number_of_another_also_when_that_has_ended(void **state)
{
    (void)state;
    uint64_t last = emi_thread_number();
    assert_true(last > 0);
    assert_int_equal(emi_thread_number(), last);
    for (unsigned i = 0; i < 10; i++) {
        static atomic_ullong number;
        atomic_store(&number, 0);
        assert_int_equal(emi_thread_start(note_number, &number), EM_OK);
        while (atomic_load(&number) == 0)
            poll(NULL, 0, 1);
        assert_true(atomic_load(&number) > last);
        last = atomic_load(&number);
    }
}

static void forks_are_counted_in_the_child_only(void **state)
{
    (void)state;
    unsigned count = emi_fork_count();
    pid_t child = fork();
    if (child == 0) {
        bool differs = emi_fork_count() != count;
        bool stays = emi_fork_count() == emi_fork_count();
        _exit(differs && stays ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(emi_fork_count(), count);
}

static void the_clock_never_goes_back(void **state)
{
    (void)state;
    uint64_t last_ns = system_clock_now_ns();
    assert_true(last_ns > 0);
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t now_ns = system_clock_now_ns();
        assert_true(now_ns >= last_ns);
        last_ns = now_ns;
    }
    uint64_t begin_ns = system_clock_now_ns();
    struct timespec pause = {.tv_nsec = 2000000};
    nanosleep(&pause, NULL);
    assert_true(system_clock_now_ns() - begin_ns >= 2000000);
}

static void waits_in_milliseconds_are_rounded_up_and_cut(void **state)
{
    (void)state;
    assert_int_equal(emi_clock_to_milliseconds(0), 0);
    assert_int_equal(emi_clock_to_milliseconds(1), 1);
    assert_int_equal(emi_clock_to_milliseconds(1000000), 1);
    assert_int_equal(emi_clock_to_milliseconds(1000001), 2);
    assert_int_equal(emi_clock_to_milliseconds(UINT64_C(1000000) * INT_MAX), INT_MAX);
    assert_int_equal(emi_clock_to_milliseconds(UINT64_C(1000000) * INT_MAX + 1), INT_MAX);
    assert_int_equal(emi_clock_to_milliseconds(UINT64_MAX - 1), INT_MAX);
    assert_int_equal(emi_clock_to_milliseconds(UINT64_MAX), -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_waker_is_readable_from_wake_to_drain),
        cmocka_unit_test(a_waker_that_is_never_drained_never_blocks),
        cmocka_unit_test(waking_leaves_errno_alone),
        cmocka_unit_test(threads_start_with_all_signals_blocked),
        cmocka_unit_test(no_thread_has_the_number_of_another_also_when_that_has_ended),
        cmocka_unit_test(forks_are_counted_in_the_child_only),
        cmocka_unit_test(the_clock_never_goes_back),
        cmocka_unit_test(waits_in_milliseconds_are_rounded_up_and_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
