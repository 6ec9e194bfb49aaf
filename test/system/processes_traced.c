/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Child processes that another process traces, ptrace(2), as debuggers do. The end of such a child is told to the
 * tracer first. Until the tracer takes note of it, the child has ended but cannot be reaped.
 */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_process.h"
#include "support/system_test.h"

typedef struct tracing {
    pid_t traced;
    int report;
} tracing;

static void trace(void *argument)
{
    const tracing *self = argument;
    char result = ptrace(PTRACE_SEIZE, self->traced, NULL, NULL) < 0 ? 'n' : 'y';
    if (write(self->report, &result, 1) == 1)
        for (;;)
            pause();
}

/* Returns the tracer's number. */
static pid_t start_tracer(const system_process *process)
{
    int ends[2];
    char result;
    assert_int_equal(pipe(ends), 0);
    tracing self = {.traced = em_process_get_pid(process->process), .report = ends[1]};
    pid_t tracer = system_fork(trace, &self);
    assert_int_equal(read(ends[0], &result, 1), 1);
    close(ends[0]);
    close(ends[1]);
    if (result == 'y')
        return tracer;
    kill(tracer, SIGKILL);
    waitpid(tracer, NULL, 0);
    system_skip("this process may trace no other");
    return 0;
}

static void end_tracer(pid_t tracer)
{
    assert_int_equal(kill(tracer, SIGKILL), 0);
    assert_int_equal(waitpid(tracer, NULL, 0), tracer);
}

/* The loop looks at it at growing intervals, the first of which is a millisecond. */
static void waiting_for_the_tracer_is_cheap(void **state)
{
    system_process *process = system_start_shell(*state, "exec sleep 1000");
    pid_t tracer = start_tracer(process);
    assert_int_equal(em_process_kill(process->process, SIGKILL), EM_OK);
    while (process->output->unbind + process->error->unbind < 2)
        system_turn(*state);
    uint64_t turns = system_stats(*state).turns;
    uint64_t begun_ns = system_now_ns();
    system_run_for(*state, 100 * EM_MILLISECONDS);
    uint64_t elapsed_ms = (system_now_ns() - begun_ns) / EM_MILLISECONDS;
    assert_in_range(system_stats(*state).turns - turns, 0, 20 + elapsed_ms);
    assert_int_equal(process->exited, 0);
    end_tracer(tracer);
    system_await_process_unbind(*state, process);
    assert_int_equal(process->status.signal, SIGKILL);
}

static bool is_left(int pid)
{
    siginfo_t info;
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

typedef struct given_up {
    system_process *process;
    pid_t pid;
    pid_t tracer;
} given_up;

static given_up give_up(em_loop *loop)
{
    em_process_options options = {
        .terminate_after_ns = EM_MILLISECONDS, .kill_after_ns = EM_MILLISECONDS, .give_up_after_ns = EM_MILLISECONDS};
    given_up made = {.process = system_start_shell_with(loop, "exec sleep 1000", options)};
    made.pid = em_process_get_pid(made.process->process);
    made.tracer = start_tracer(made.process);
    em_process_terminate(made.process->process);
    system_await_process_unbind(loop, made.process);
    assert_int_equal(made.process->status.end, EM_PROCESS_RUNNING);
    return made;
}

static void a_process_that_was_given_up_is_reaped_when_it_ends_after_all(void **state)
{
    given_up given = give_up(*state);
    system_turn(*state);
    assert_true(is_left(given.pid));
    end_tracer(given.tracer);
    while (is_left(given.pid))
        system_turn(*state);
    assert_int_equal(given.process->exited, 0);
    assert_int_equal(given.process->unbind, 1);
}

static void a_process_that_was_given_up_and_has_ended_is_reaped_with_the_loop(void **state)
{
    given_up given = give_up(*state);
    siginfo_t info;
    end_tracer(given.tracer);
    assert_int_equal(waitid(P_PID, (id_t)given.pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    assert_false(is_left(given.pid));
    assert_int_equal(given.process->unbind, 1);
}

static void a_loop_does_not_wait_for_a_process_that_was_given_up(void **state)
{
    given_up given = give_up(*state);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    end_tracer(given.tracer);
    assert_int_equal(waitpid(given.pid, NULL, 0), given.pid);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(waiting_for_the_tracer_is_cheap),
        SYSTEM_TEST(a_process_that_was_given_up_is_reaped_when_it_ends_after_all),
        SYSTEM_TEST(a_process_that_was_given_up_and_has_ended_is_reaped_with_the_loop),
        SYSTEM_TEST(a_loop_does_not_wait_for_a_process_that_was_given_up),
    };
    return SYSTEM_RUN(tests);
}
