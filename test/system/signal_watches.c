/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Signal watches: which of them report, what happens to the handler of before, bursts of signals, threads and forks.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/failing_allocator.h"
#include "support/system_peer.h"
#include "support/system_test.h"

typedef struct signal_record {
    em_signal_watch *watch;
    unsigned calls;
    uint64_t count;
    unsigned unbind;
    void (*then)(struct signal_record *record);
} signal_record;

static void note_signal(em_signal_watch *watch, uint64_t count)
{
    signal_record *record = em_signal_watch_get_user(watch);
    record->calls++;
    record->count += count;
    em_loop_wake(em_signal_watch_get_loop(watch));
    if (record->then)
        record->then(record);
}

static void note_unbind(em_signal_watch *watch, em_status reason)
{
    signal_record *record = em_signal_watch_get_user(watch);
    assert_int_equal(reason, EM_OK);
    record->unbind++;
}

static const em_signal_watch_handler recording = {.signal_received = note_signal, .unbind = note_unbind};

static signal_record *watch(em_loop *loop, int signal_number)
{
    signal_record *record = system_memory(sizeof *record);
    em_signal_watch_options options = {.size = sizeof options, .user = record};
    assert_int_equal(em_loop_watch_signal(loop, signal_number, &recording, &options, &record->watch), EM_OK);
    return record;
}

static void run_until_count(em_loop *loop, const signal_record *record, uint64_t count)
{
    while (record->count < count)
        assert_int_equal(em_loop_run_once(loop, EM_SECONDS), EM_OK);
}

static void settle(em_loop *loop)
{
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(em_loop_run_once(loop, 0), EM_OK);
}

static void (*handler_of(int signal_number))(int)
{
    struct sigaction action;
    assert_int_equal(sigaction(signal_number, NULL, &action), 0);
    return action.sa_handler;
}

static void a_signal_is_reported_in_the_loop(void **state)
{
    signal_record *record = watch(*state, SIGUSR1);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(record->calls, 0);
    run_until_count(*state, record, 1);
    assert_int_equal(record->calls, 1);
    assert_int_equal(em_signal_watch_get_signal_number(record->watch), SIGUSR1);
    assert_int_equal(system_stats(*state).signal_watches_open, 1);
    settle(*state);
    assert_int_equal(record->calls, 1);
}

static timer_t send_soon(void)
{
    struct timespec soon = {.tv_nsec = 1000000};
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    struct itimerspec once = {.it_value = soon};
    assert_int_equal(timer_settime(timer, 0, &once, NULL), 0);
    return timer;
}

static void a_signal_wakes_a_loop_that_waits(void **state)
{
    signal_record *record = watch(*state, SIGUSR1);
    timer_t timer = send_soon();
    while (record->count == 0)
        assert_int_equal(em_loop_run_once(*state, EM_FOREVER), EM_OK);
    timer_delete(timer);
}

static void every_watch_in_every_loop_reports_the_signal(void **state)
{
    em_loop *other = system_create_loop((em_loop_options){.size = 0});
    signal_record *records[] = {watch(*state, SIGUSR1), watch(*state, SIGUSR1), watch(other, SIGUSR1)};
    signal_record *different = watch(*state, SIGUSR2);
    raise(SIGUSR1);
    settle(*state);
    settle(other);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(records[i]->count, 1);
    assert_int_equal(different->count, 0);
    em_signal_watch_stop(records[0]->watch);
    em_signal_watch_stop(records[0]->watch);
    raise(SIGUSR1);
    settle(*state);
    settle(other);
    assert_int_equal(records[0]->count, 1);
    assert_int_equal(records[0]->unbind, 1);
    assert_int_equal(records[1]->count, 2);
    em_loop_destroy(other);
    assert_int_equal(records[2]->unbind, 1);
}

static void signals_that_arrive_together_are_reported_once_with_their_count(void **state)
{
    signal_record *record = watch(*state, SIGUSR1);
    for (unsigned i = 0; i < 1000; i++)
        raise(SIGUSR1);
    settle(*state);
    assert_int_equal(record->count, 1000);
    assert_int_equal(record->calls, 1);
}

static atomic_uint handled_before;

static void count_handled(int signal_number)
{
    (void)signal_number;
    atomic_fetch_add(&handled_before, 1);
}

static void a_handler_of_before_is_called_and_put_back(void **state)
{
    struct sigaction action = {.sa_handler = count_handled};
    struct sigaction original;
    atomic_store(&handled_before, 0);
    sigaction(SIGUSR1, &action, &original);
    signal_record *first = watch(*state, SIGUSR1);
    signal_record *second = watch(*state, SIGUSR1);
    raise(SIGUSR1);
    settle(*state);
    assert_int_equal(first->count, 1);
    assert_int_equal(atomic_load(&handled_before), 1);
    em_signal_watch_stop(first->watch);
    assert_true(handler_of(SIGUSR1) != count_handled);
    em_signal_watch_stop(second->watch);
    assert_true(handler_of(SIGUSR1) == count_handled);
    raise(SIGUSR1);
    settle(*state);
    assert_int_equal(second->count, 0 + 1);
    assert_int_equal(atomic_load(&handled_before), 2);
    sigaction(SIGUSR1, &original, NULL);
}

static void a_handler_installed_meanwhile_stays(void **state)
{
    struct sigaction action = {.sa_handler = count_handled};
    struct sigaction original;
    sigaction(SIGUSR1, NULL, &original);
    signal_record *record = watch(*state, SIGUSR1);
    sigaction(SIGUSR1, &action, NULL);
    em_signal_watch_stop(record->watch);
    assert_true(handler_of(SIGUSR1) == count_handled);
    sigaction(SIGUSR1, &original, NULL);
}

static struct sigaction action_below;
static atomic_uint called_above;

/* As a program's own handler that goes on with the one it has replaced. */
static void call_below(int signal_number, siginfo_t *info, void *context)
{
    atomic_fetch_add(&called_above, 1);
    if (action_below.sa_flags & SA_SIGINFO)
        action_below.sa_sigaction(signal_number, info, context);
}

static void install_above(int signal_number)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    action.sa_sigaction = call_below;
    atomic_store(&called_above, 0);
    sigaction(signal_number, &action, &action_below);
}

static void a_handler_that_calls_ours_is_called_once_for_each_signal(void **state)
{
    struct sigaction action = {.sa_handler = count_handled};
    struct sigaction original;
    sigaction(SIGUSR2, &action, &original);
    atomic_store(&handled_before, 0);
    signal_record *first = watch(*state, SIGUSR2);
    install_above(SIGUSR2);
    raise(SIGUSR2);
    em_signal_watch_stop(first->watch);
    raise(SIGUSR2);
    assert_int_equal(atomic_load(&called_above), 2);
    signal_record *second = watch(*state, SIGUSR2);
    raise(SIGUSR2);
    raise(SIGUSR2);
    settle(*state);
    assert_int_equal(second->count, 2);
    assert_int_equal(atomic_load(&called_above), 4);
    assert_int_equal(atomic_load(&handled_before), 4);
    em_signal_watch_stop(second->watch);
    sigaction(SIGUSR2, &original, NULL);
}

static void a_handler_that_calls_ours_after_the_last_watch_keeps_the_process_alive(void **state)
{
    struct sigaction original;
    sigaction(SIGTERM, NULL, &original);
    signal_record *record = watch(*state, SIGTERM);
    install_above(SIGTERM);
    em_signal_watch_stop(record->watch);
    raise(SIGTERM);
    raise(SIGTERM);
    assert_int_equal(atomic_load(&called_above), 2);
    sigaction(SIGTERM, &original, NULL);
}

static void a_deadly_signal_ends_the_process_again_after_the_last_watch(void **state)
{
    signal_record *record = watch(*state, SIGTERM);
    raise(SIGTERM);
    run_until_count(*state, record, 1);
    em_signal_watch_stop(record->watch);
    assert_true(handler_of(SIGTERM) == SIG_DFL);
}

static void stop_both(signal_record *record)
{
    signal_record *const *pair = em_loop_get_user(em_signal_watch_get_loop(record->watch));
    em_signal_watch_stop(pair[0]->watch);
    em_signal_watch_stop(pair[1]->watch);
}

static void a_callback_may_stop_its_watch_and_others(void **state)
{
    signal_record *pair[] = {watch(*state, SIGUSR1), watch(*state, SIGUSR1)};
    em_loop_set_user(*state, pair);
    pair[0]->then = stop_both;
    pair[1]->then = stop_both;
    raise(SIGUSR1);
    settle(*state);
    assert_int_equal(pair[0]->calls + pair[1]->calls, 1);
    assert_int_equal(pair[0]->unbind, 1);
    assert_int_equal(pair[1]->unbind, 1);
}

static void signals_that_cannot_be_watched_are_refused(void **state)
{
    static const int refused[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS,
                                  SIGABRT, 0,       -1,      32,     65,     129,    1000,    INT32_MAX};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        em_signal_watch *made = (em_signal_watch *)*state;
        assert_int_equal(em_loop_watch_signal(*state, refused[i], &recording, NULL, &made), EM_INVALID_ARGUMENT);
        assert_null(made);
        assert_string_not_equal(em_status_get_detail(EM_INVALID_ARGUMENT), em_status_get_text(EM_INVALID_ARGUMENT));
    }
    em_signal_watch_options unset = {.size = 0};
    em_signal_watch_handler unknown = {.reserved = {(void (*)(void))settle}};
    assert_int_equal(em_loop_watch_signal(*state, SIGUSR1, &recording, &unset, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_watch_signal(*state, SIGUSR1, &unknown, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_watch_signal(*state, SIGUSR1, NULL, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_watch_signal(NULL, SIGUSR1, &recording, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(system_stats(*state).signal_watches_open, 0);
    em_signal_watch_stop(NULL);
    assert_int_equal(em_signal_watch_get_signal_number(NULL), 0);
    assert_null(em_signal_watch_get_loop(NULL));
    assert_null(em_signal_watch_get_user(NULL));
    assert_int_equal(em_signal_watch_get_signature(NULL), 0);
}

static void a_watch_is_found_by_its_number_until_it_has_ended(void **state)
{
    signal_record *record = watch(*state, SIGUSR1);
    em_signature signature = em_signal_watch_get_signature(record->watch);
    assert_ptr_equal(em_loop_find_signal_watch(*state, signature), record->watch);
    em_signal_watch_stop(record->watch);
    settle(*state);
    assert_null(em_loop_find_signal_watch(*state, signature));
}

enum { BURST = 20000 };
static atomic_bool stop_sending;

static void *send_many(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < BURST; i++)
        kill(getpid(), SIGUSR1);
    return NULL;
}

/* Receives signals while the loop's thread opens and closes watches. */
static void *receive_only(void *argument)
{
    (void)argument;
    while (!atomic_load(&stop_sending))
        sched_yield();
    return NULL;
}

static void bursts_from_a_thread_lose_no_watch_and_no_turn(void **state)
{
    pthread_t sender;
    pthread_t receiver;
    signal_record *record = watch(*state, SIGUSR1);
    atomic_store(&stop_sending, false);
    assert_int_equal(pthread_create(&receiver, NULL, receive_only, NULL), 0);
    assert_int_equal(pthread_create(&sender, NULL, send_many, NULL), 0);
    for (unsigned i = 0; i < 500; i++) {
        signal_record *brief = watch(*state, SIGUSR1);
        assert_int_equal(em_loop_run_once(*state, 0), EM_OK);
        em_signal_watch_stop(brief->watch);
    }
    pthread_join(sender, NULL);
    run_until_count(*state, record, 1);
    raise(SIGUSR1);
    uint64_t before = record->count;
    run_until_count(*state, record, before + 1);
    assert_true(record->count <= BURST + 1);
    atomic_store(&stop_sending, true);
    pthread_join(receiver, NULL);
}

static void signal_in_child(void *loop)
{
    (void)loop;
    raise(SIGTERM);
    _exit(0);
}

static void a_child_that_does_not_take_over_gets_the_signal_as_before(void **state)
{
    signal_record *record = watch(*state, SIGTERM);
    int status;
    pid_t child = system_fork(signal_in_child, *state);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    settle(*state);
    assert_int_equal(record->count, 0);
}

static void watch_late_in_child(void *user)
{
    signal_record *record = user;
    em_loop *loop = em_signal_watch_get_loop(record->watch);
    raise(SIGWINCH); /* does nothing by default */
    system_child_check(em_loop_take_over(loop) == EM_OK, "taken over");
    raise(SIGWINCH);
    run_until_count(loop, record, 1);
    system_child_check(em_loop_destroy(loop) == EM_OK, "destroyed");
    system_child_check(record->count == 1, "only what came after that is reported");
}

static void a_signal_before_a_child_takes_over_does_not_end_its_watches(void **state)
{
    signal_record *record = watch(*state, SIGWINCH);
    pid_t child = system_fork(watch_late_in_child, record);
    em_loop_hand_over(*state);
    assert_int_equal(system_wait(child), 0);
}

static void children_leave_no_zombies_if_their_signal_was_ignored_before(void **state)
{
    struct sigaction ignored = {.sa_handler = SIG_IGN};
    struct sigaction original;
    sigaction(SIGCHLD, &ignored, &original);
    signal_record *record = watch(*state, SIGCHLD);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    assert_int_equal(waitpid(child, NULL, 0), -1); /* ECHILD, once it has ended */
    em_signal_watch_stop(record->watch);
    assert_true(handler_of(SIGCHLD) == SIG_IGN);
    sigaction(SIGCHLD, &original, NULL);
}

static void watching_blocks_no_signal(void **state)
{
    sigset_t before;
    sigset_t after;
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    watch(*state, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    for (int signal_number = 1; signal_number < 65; signal_number++)
        assert_int_equal(sigismember(&before, signal_number), sigismember(&after, signal_number));
}

static void watch_in_child(void *user)
{
    signal_record *record = user;
    em_loop *loop = em_signal_watch_get_loop(record->watch);
    system_child_check(em_loop_take_over(loop) == EM_OK, "taken over");
    raise(SIGUSR1);
    run_until_count(loop, record, 1);
    system_child_check(em_loop_destroy(loop) == EM_OK, "destroyed");
    system_child_check(record->unbind == 1, "and ended");
}

static void watches_go_on_in_a_child_that_takes_over_the_loop(void **state)
{
    signal_record *record = watch(*state, SIGUSR1);
    pid_t child = system_fork(watch_in_child, record);
    em_loop_hand_over(*state);
    assert_int_equal(system_wait(child), 0);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    assert_int_equal(record->count, 0);
}

static void without_memory_a_watch_is_refused_and_the_signal_left_alone(void **state)
{
    failing_allocator memory;
    failing_allocator_init(&memory);
    em_loop_destroy(*state);
    em_loop *loop = *state = system_create_loop((em_loop_options){.allocator = &memory.allocator});
    signal_record *record = system_memory(sizeof *record);
    em_signal_watch_options options = {.size = sizeof options, .user = record};
    em_status status = EM_NO_MEMORY;
    for (unsigned long n = 1; status != EM_OK; n++) {
        assert_true(handler_of(SIGUSR1) == SIG_DFL);
        failing_allocator_fail(&memory, n, EM_OFF);
        status = em_loop_watch_signal(loop, SIGUSR1, &recording, &options, NULL);
        assert_true(status == EM_OK || status == EM_NO_MEMORY);
    }
    failing_allocator_fail(&memory, 0, EM_OFF);
    assert_true(atomic_load(&memory.failures) >= 2);
    em_loop_destroy(loop);
    *state = NULL;
    assert_int_equal(record->unbind, 1);
    assert_true(handler_of(SIGUSR1) == SIG_DFL);
    assert_int_equal(atomic_load(&memory.live), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_signal_is_reported_in_the_loop),
        SYSTEM_TEST(a_signal_wakes_a_loop_that_waits),
        SYSTEM_TEST(every_watch_in_every_loop_reports_the_signal),
        SYSTEM_TEST(signals_that_arrive_together_are_reported_once_with_their_count),
        SYSTEM_TEST(a_handler_of_before_is_called_and_put_back),
        SYSTEM_TEST(a_handler_installed_meanwhile_stays),
        SYSTEM_TEST(a_handler_that_calls_ours_is_called_once_for_each_signal),
        SYSTEM_TEST(a_handler_that_calls_ours_after_the_last_watch_keeps_the_process_alive),
        SYSTEM_TEST(a_deadly_signal_ends_the_process_again_after_the_last_watch),
        SYSTEM_TEST(a_callback_may_stop_its_watch_and_others),
        SYSTEM_TEST(signals_that_cannot_be_watched_are_refused),
        SYSTEM_TEST(a_watch_is_found_by_its_number_until_it_has_ended),
        SYSTEM_TEST(bursts_from_a_thread_lose_no_watch_and_no_turn),
        SYSTEM_TEST(a_child_that_does_not_take_over_gets_the_signal_as_before),
        SYSTEM_TEST(a_signal_before_a_child_takes_over_does_not_end_its_watches),
        SYSTEM_TEST(children_leave_no_zombies_if_their_signal_was_ignored_before),
        SYSTEM_TEST(watching_blocks_no_signal),
        SYSTEM_TEST(watches_go_on_in_a_child_that_takes_over_the_loop),
        SYSTEM_TEST(without_memory_a_watch_is_refused_and_the_signal_left_alone),
    };
    return SYSTEM_RUN(tests);
}
