/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Signals that interrupt everything all the time: nothing is lost, nothing ends, and a handler may stop the loop.
 */
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { TRANSFER_BYTES = 20 * 1024 * 1024, CHILDREN = 50 };

static volatile sig_atomic_t signals;
static em_loop *loop_of_handler;

static void count_signal(int signal_number)
{
    (void)signal_number;
    signals = signals + 1;
}

/* Without SA_RESTART, so that every call that can be interrupted is. */
static void handle(int signal_number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    assert_int_equal(sigaction(signal_number, &action, NULL), 0);
}

/* A client sends much, a server echoes it; both in this loop. */
static void transfer_both_ways(em_loop *loop)
{
    static const char block[TRANSFER_BYTES];
    system_record *served = system_new_record(SYSTEM_NONE);
    system_record *record = system_new_record(SYSTEM_UNBIND);
    em_connection *client = system_dial(loop, system_serve(loop, &system_echo, served), &system_recorder, record);
    em_connection_send_borrowed(client, block, sizeof block, NULL, NULL);
    em_connection_close_write(client);
    assert_int_equal(em_loop_run(loop), EM_OK);
    assert_int_equal(record->bytes, TRANSFER_BYTES);
    assert_int_equal(served->bytes, TRANSFER_BYTES);
    assert_int_equal(record->reason, EM_OK);
}

static void data_flows_while_a_timer_sends_many_signals(void **state)
{
    const struct itimerval often = {.it_interval.tv_usec = 200, .it_value.tv_usec = 200};
    const struct itimerval never = {.it_interval.tv_usec = 0};
    signals = 0;
    handle(SIGVTALRM, count_signal);
    handle(SIGPROF, count_signal);
    setitimer(ITIMER_VIRTUAL, &often, NULL);
    setitimer(ITIMER_PROF, &often, NULL);
    while (signals < 2)
        transfer_both_ways(*state);
    setitimer(ITIMER_VIRTUAL, &never, NULL);
    setitimer(ITIMER_PROF, &never, NULL);
    handle(SIGVTALRM, SIG_DFL);
    handle(SIGPROF, SIG_DFL);
}

/* In a child: signals to the parent until it, or somebody, kills the child. */
static void keep_interrupting(void *parent)
{
    const struct timespec pause = {.tv_nsec = 50000};
    for (;;) {
        kill(*(pid_t *)parent, SIGINT);
        kill(*(pid_t *)parent, SIGCHLD);
        nanosleep(&pause, NULL);
    }
}

static void end_child(pid_t child)
{
    int status;
    kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0)
        ;
}

static void data_and_timers_go_on_while_another_process_sends_signals(void **state)
{
    pid_t parent = getpid();
    signals = 0;
    handle(SIGINT, count_signal);
    handle(SIGCHLD, count_signal);
    pid_t child = system_fork(keep_interrupting, &parent);
    while (signals < 1000)
        transfer_both_ways(*state);
    /* A wait that is interrupted does not end early for the user: timers are never early. */
    uint64_t started_ns = system_now_ns();
    system_run_for(*state, 100 * EM_MILLISECONDS);
    assert_in_range(system_now_ns() - started_ns, 100 * EM_MILLISECONDS, EM_FOREVER);
    end_child(child);
    handle(SIGINT, SIG_DFL);
    handle(SIGCHLD, SIG_DFL);
}

static void exit_at_once(void *unused)
{
    (void)unused;
}

static void children_that_die_do_not_disturb(void **state)
{
    signals = 0;
    handle(SIGCHLD, count_signal);
    pid_t children[CHILDREN];
    for (unsigned i = 0; i < CHILDREN; i++)
        children[i] = system_fork(exit_at_once, NULL);
    transfer_both_ways(*state);
    for (unsigned i = 0; i < CHILDREN; i++)
        assert_int_equal(system_wait(children[i]), 0); /* the library has not taken them away */
    assert_true(signals > 0);
    handle(SIGCHLD, SIG_DFL);
}

static void stop_loop(int signal_number)
{
    (void)signal_number;
    em_loop_stop(loop_of_handler);
}

static void interrupt(void *parent)
{
    kill(*(pid_t *)parent, SIGINT);
}

static void a_signal_handler_may_stop_a_loop_that_sleeps(void **state)
{
    pid_t parent = getpid();
    loop_of_handler = *state;
    handle(SIGINT, stop_loop);
    for (unsigned i = 0; i < 20; i++) {
        pid_t child = system_fork(interrupt, &parent);
        assert_int_equal(em_loop_run(*state), EM_OK); /* else the deadline ends the test */
        assert_int_equal(system_wait(child), 0);
    }
    handle(SIGINT, SIG_DFL);
}

static void interrupted_connects_succeed(void **state)
{
    pid_t parent = getpid();
    signals = 0;
    handle(SIGINT, count_signal);
    handle(SIGCHLD, count_signal);
    pid_t child = system_fork(keep_interrupting, &parent);
    system_record *served = system_new_record(SYSTEM_NONE);
    system_record *record = system_new_record(SYSTEM_UNBIND);
    int port = system_serve(*state, &system_recorder, served);
    unsigned connects = 0;
    for (; signals < 1000 || connects < 100; connects++) {
        em_connection *client = system_dial(*state, port, &system_recorder, record);
        em_connection_send_text(client, "x");
        em_connection_close_after_writing(client);
        assert_int_equal(em_loop_run(*state), EM_OK);
        assert_int_equal(record->reason, EM_OK);
    }
    assert_int_equal(record->completed, connects);
    while (served->bytes < connects)
        system_turn(*state);
    end_child(child);
    handle(SIGINT, SIG_DFL);
    handle(SIGCHLD, SIG_DFL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(data_flows_while_a_timer_sends_many_signals),
        SYSTEM_TEST(data_and_timers_go_on_while_another_process_sends_signals),
        SYSTEM_TEST(children_that_die_do_not_disturb),
        SYSTEM_TEST(a_signal_handler_may_stop_a_loop_that_sleeps),
        SYSTEM_TEST(interrupted_connects_succeed),
    };
    return SYSTEM_RUN(tests);
}
