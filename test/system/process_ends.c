/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * How child processes end: by themselves, by signals, in steps, with others that hold their streams, with the loop; and
 * what becomes of their statuses when others wait for them.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_process.h"
#include "support/system_test.h"

static void await_output(em_loop *loop, const system_process *process, const char *text)
{
    while (!strstr(process->output->text, text))
        system_turn(loop);
}

/* Whether nothing is left to wait for. */
static bool has_no_children(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

static void a_signal_ends_a_process_and_is_told(void **state)
{
    system_process *process = system_start_shell(*state, "echo ready; exec sleep 1000");
    await_output(*state, process, "ready");
    assert_int_equal(em_process_kill(process->process, 0), EM_OK);
    assert_int_equal(em_process_kill(process->process, 12345), EM_INVALID_ARGUMENT);
    assert_int_equal(em_process_kill_group(process->process, SIGTERM), EM_INVALID_STATE);
    assert_int_equal(em_process_kill(process->process, SIGINT), EM_OK);
    system_await_process_unbind(*state, process);
    assert_int_equal(process->status.end, EM_PROCESS_SIGNALED);
    assert_int_equal(process->status.signal, SIGINT);
    assert_int_equal(process->status.exit_status, -1);
    assert_true(WIFSIGNALED(process->status.wait_status));
}

static em_status killed_late[2];
static em_process_status read_late;

static void kill_late(em_process *process, const em_process_status *status)
{
    killed_late[0] = em_process_kill(process, SIGKILL);
    read_late = (em_process_status){.size = sizeof read_late};
    em_process_get_status(process, &read_late);
    assert_int_equal(memcmp(&read_late, status, sizeof read_late), 0);
    assert_int_equal(em_process_terminate(process), EM_OK); /* there may be streams to be closed */
    *(unsigned *)em_process_get_user(process) += 1;
}

static void kill_later(em_process *process, const em_process_status *status)
{
    (void)status;
    assert_int_equal(em_process_terminate(process), EM_INVALID_STATE);
    killed_late[1] = em_process_kill(process, SIGKILL);
    *(unsigned *)em_process_get_user(process) += 1;
}

static void a_process_that_was_reaped_is_not_signalled(void **state)
{
    static const em_process_handler handler = {.exited = kill_late, .unbind = kill_later};
    unsigned *calls = system_memory(sizeof *calls);
    em_process_options options = {.size = sizeof options, .command = "exit 9", .user = calls};
    em_process *process;
    assert_int_equal(em_loop_start_process(*state, &options, &handler, &process), EM_OK);
    while (*calls < 2)
        system_turn(*state);
    assert_int_equal(killed_late[0], EM_NO_SUCH_PROCESS);
    assert_int_equal(killed_late[1], EM_NO_SUCH_PROCESS);
    assert_int_equal(read_late.exit_status, 9);
    assert_true(has_no_children());
}

static void a_process_that_ends_when_its_input_ends_is_not_signalled(void **state)
{
    system_process *process = system_start_shell(*state, "cat; exit 6");
    assert_int_equal(em_process_terminate(process->process), EM_OK);
    assert_int_equal(em_process_terminate(process->process), EM_INVALID_STATE);
    system_await_process_unbind(*state, process);
    assert_int_equal(process->status.end, EM_PROCESS_EXITED);
    assert_int_equal(process->status.exit_status, 6);
}

enum { STEP_MS = 100 };

static em_process_options short_steps(void)
{
    return (em_process_options){.terminate_after_ns = STEP_MS * EM_MILLISECONDS,
                                .kill_after_ns = STEP_MS * EM_MILLISECONDS,
                                .give_up_after_ns = 100 * EM_SECONDS};
}

static void a_process_that_stays_is_terminated(void **state)
{
    em_process_options options = short_steps();
    options.kill_after_ns = 100 * EM_SECONDS; /* a busy machine is slow to react to SIGTERM */
    system_process *process = system_start_shell_with(
        *state, "trap 'echo tidy; exit 5' TERM; echo ready; while :; do sleep 0.01; done", options);
    await_output(*state, process, "ready");
    uint64_t begun_ns = em_loop_get_time_ns(*state);
    em_process_terminate(process->process);
    system_await_process_unbind(*state, process);
    assert_int_equal(process->status.exit_status, 5);
    assert_string_equal(process->output->text, "ready\ntidy\n");
    assert_true(process->exited_ns - begun_ns >= STEP_MS * EM_MILLISECONDS);
}

static void count_beat(em_loop *loop, em_timer timer, void *user)
{
    (void)loop;
    (void)timer;
    ++*(unsigned *)user;
}

static void a_process_that_ignores_term_is_killed_while_the_loop_goes_on(void **state)
{
    unsigned *beats = system_memory(sizeof *beats);
    system_process *process =
        system_start_shell_with(*state, "trap '' TERM; echo ready; while :; do sleep 0.01; done", short_steps());
    await_output(*state, process, "ready");
    uint64_t begun_ns = em_loop_get_time_ns(*state);
    em_loop_add_periodic_timer(*state, EM_MILLISECONDS, count_beat, beats, NULL, NULL);
    em_process_terminate(process->process);
    system_await_process_unbind(*state, process);
    assert_int_equal(process->status.end, EM_PROCESS_SIGNALED);
    assert_int_equal(process->status.signal, SIGKILL);
    assert_true(process->exited_ns - begun_ns >= 2 * STEP_MS * EM_MILLISECONDS);
    assert_true(*beats > 2);
}

static void receive_slowly(em_connection *connection, const void *data, size_t length)
{
    system_record *record = em_connection_get_user(connection);
    (void)data;
    record->bytes += length;
    usleep(150000);
}

/* Each callback takes longer than a step. */
static void a_process_whose_output_a_slow_program_has_not_taken_is_not_terminated(void **state)
{
    static const em_handler slow = {.receive_data = receive_slowly};
    static const char block[400 * 1024];
    system_record *output = system_new_record(SYSTEM_NONE);
    const em_process_stream_options pipe = {
        .size = sizeof pipe, .kind = EM_PROCESS_PIPE, .handler = &slow, .user = output};
    em_process_options options = short_steps();
    options.output = &pipe;
    system_process *process = system_start_shell_with(*state, "cat", options);
    em_connection_send_borrowed(process->input->connection, block, sizeof block, NULL, NULL);
    em_process_terminate(process->process);
    system_await_process_unbind(*state, process);
    assert_int_equal(output->bytes, sizeof block);
    assert_int_equal(process->status.end, EM_PROCESS_EXITED);
}

static void a_process_that_goes_on_reading_its_input_is_not_terminated(void **state)
{
    static const char block[400 * 1024];
    system_process *process = system_start_shell_with(
        *state, "for i in 1 2 3 4 5 6 7 8 9; do dd bs=60000 count=1 >/dev/null 2>&1; sleep 0.1; done; exit 4",
        (em_process_options){.terminate_after_ns = 600 * EM_MILLISECONDS});
    uint64_t begun_ns = em_loop_get_time_ns(*state);
    em_connection_send_borrowed(process->input->connection, block, sizeof block, NULL, NULL);
    em_process_terminate(process->process);
    system_await_process_unbind(*state, process);
    assert_int_equal(process->status.exit_status, 4);
    assert_true(process->exited_ns - begun_ns >= 600 * EM_MILLISECONDS);
}

/* All of the group have the pipe, which ends with the last of them. */
static void a_group_is_terminated_with_its_leader(void **state)
{
    int ends[2];
    char nothing;
    assert_int_equal(pipe(ends), 0);
    em_process_descriptor held = {.descriptor = ends[1], .number = 5};
    em_process_options options = short_steps();
    options.new_group = EM_ON;
    options.kill_after_ns = 100 * EM_SECONDS;
    options.descriptors = &held;
    options.descriptor_count = 1;
    system_process *process = system_start_shell_with(*state, "sleep 1000 & echo ready; wait", options);
    close(ends[1]);
    await_output(*state, process, "ready");
    em_process_terminate(process->process);
    system_await_process_unbind(*state, process);
    assert_int_equal(process->status.signal, SIGTERM);
    assert_int_equal(read(ends[0], &nothing, 1), 0);
    close(ends[0]);
}

static void closing_the_output_does_not_end_a_process(void **state)
{
    system_process *process = system_start_shell(*state, "exec >&- 2>&-; read line; exit 8");
    while (!process->output->unbind || !process->error->unbind)
        system_turn(*state);
    assert_int_equal(process->exited + process->unbind, 0);
    em_connection_send_text(process->input->connection, "go on\n");
    system_await_process_unbind(*state, process);
    assert_int_equal(process->status.exit_status, 8);
}

static void a_process_that_ends_with_its_input_open_is_reaped(void **state)
{
    static const char block[1024 * 1024];
    system_process *process = system_start_shell(*state, "exec <&-; echo printed; exit 2");
    em_connection_send_borrowed(process->input->connection, block, sizeof block, NULL, NULL);
    system_await_process_unbind(*state, process);
    assert_string_equal(process->output->text, "printed\n");
    assert_int_equal(process->status.exit_status, 2);
    assert_int_equal(system_run_shell(*state, "exit 3"), 3);
}

static void the_output_of_a_grandchild_belongs_to_the_stream(void **state)
{
    system_process *process = system_start_shell(*state, "(sleep 0.2; echo late) & echo early");
    while (!process->exited)
        system_turn(*state);
    assert_int_equal(process->unbind, 0);
    system_await_process_unbind(*state, process);
    assert_string_equal(process->output->text, "early\nlate\n");
}

/* The shell has printed the number of a process that it has started. */
static void kill_the_one_that_was_printed(const system_process *process)
{
    int pid = atoi(process->output->text);
    assert_true(pid > 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
}

static void waiting_for_a_grandchild_costs_nothing_and_ends_at_will(void **state)
{
    system_process *process = system_start_shell(*state, "sleep 1000 & echo $!");
    await_output(*state, process, "\n");
    while (!process->exited)
        system_turn(*state);
    uint64_t before = system_stats(*state).turns;
    system_run_for(*state, 100 * EM_MILLISECONDS);
    assert_in_range(system_stats(*state).turns - before, 0, 20);
    assert_int_equal(process->unbind, 0);
    assert_in_range(process->open_streams, 2, 3); /* a shell gives background processes no input */
    for (int stream = EM_PROCESS_INPUT; stream <= EM_PROCESS_ERROR; stream++)
        em_connection_close(em_process_get_stream(process->process, (em_process_stream)stream));
    system_await_process_unbind(*state, process);
    assert_int_equal(process->status.exit_status, 0);
    kill_the_one_that_was_printed(process);
}

static void silence_after_the_end_can_have_a_limit(void **state)
{
    system_process *process =
        system_start_shell_with(*state, "(sleep 0.1; echo one; sleep 0.1; echo two; exec sleep 1000) & echo $!",
                                (em_process_options){.silence_timeout_ns = 400 * EM_MILLISECONDS});
    system_await_process_unbind(*state, process);
    assert_non_null(strstr(process->output->text, "\none\ntwo\n"));
    assert_int_equal(process->output->reason, EM_INACTIVITY_TIMEOUT);
    assert_int_equal(process->status.exit_status, 0);
    kill_the_one_that_was_printed(process);
}

static void silence_before_the_end_does_not_count(void **state)
{
    system_process *process = system_start_shell_with(*state, "echo early; (sleep 2.5; echo late) & sleep 1.5",
                                                      (em_process_options){.silence_timeout_ns = 2 * EM_SECONDS});
    system_await_process_unbind(*state, process);
    assert_string_equal(process->output->text, "early\nlate\n");
    assert_int_equal(process->output->reason, EM_OK);
}

static void terminating_after_the_end_limits_the_silence(void **state)
{
    system_process *process = system_start_shell_with(*state, "sleep 1000 & echo $!", short_steps());
    await_output(*state, process, "\n");
    while (!process->exited)
        system_turn(*state);
    em_process_terminate(process->process);
    system_await_process_unbind(*state, process);
    kill_the_one_that_was_printed(process);
}

static void an_output_that_is_never_read_holds_up_nobody(void **state)
{
    system_process *process = system_start_shell(*state, "yes");
    em_connection_pause_receiving(process->output->connection);
    assert_int_equal(system_run_shell(*state, "exit 1"), 1);
    assert_int_equal(process->output->bytes, 0);
    assert_int_equal(process->exited, 0);
    em_connection_close(process->output->connection); /* the next write fails */
    system_await_process_unbind(*state, process);
    assert_int_not_equal(process->status.end, EM_PROCESS_RUNNING);
}

static void children_of_the_programs_own_are_left_to_it(void **state)
{
    pid_t own = fork();
    if (own == 0)
        _exit(77);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(system_run_shell(*state, "exit 1"), 1);
    int status;
    assert_int_equal(waitpid(own, &status, 0), own);
    assert_int_equal(WEXITSTATUS(status), 77);
}

static void await_end(em_loop *loop, const char *command, em_process_end expected)
{
    system_process *process = system_start_shell(loop, command);
    if (expected == EM_PROCESS_RUNNING)
        while (waitpid(em_process_get_pid(process->process), NULL, 0) < 0) /* before the loop can */
            assert_int_equal(errno, EINTR);
    system_await_process_unbind(loop, process);
    /* Linux 6.15 still knows the status of a process that others have waited for. */
    if (process->status.end != EM_PROCESS_LOST) {
        assert_int_equal(process->status.end, EM_PROCESS_EXITED);
        assert_int_equal(process->status.exit_status, 4);
    }
}

static void a_status_that_others_have_taken_is_no_reason_to_wait_for_ever(void **state)
{
    await_end(*state, "exit 4", EM_PROCESS_RUNNING);
    struct sigaction ignored = {.sa_handler = SIG_IGN}, before;
    sigaction(SIGCHLD, &ignored, &before);
    await_end(*state, "exit 4", EM_PROCESS_EXITED);
    sigaction(SIGCHLD, &before, NULL);
    assert_true(has_no_children());
}

static void nothing_is_left_after_many_processes(void **state)
{
    assert_int_equal(system_run_shell(*state, "exit 0"), 0);
    system_turn(*state);
    unsigned descriptors = system_descriptors();
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(system_run_shell(*state, "exit 0"), 0);
    system_turn(*state);
    assert_int_equal(system_descriptors(), descriptors);
    assert_true(has_no_children());
}

static void a_thousand_processes_at_once_all_end(void **state)
{
    enum { MANY = 1000 };
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < 3 * MANY + 200) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur < 3 * MANY + 200)
        system_skip("too few descriptors are allowed");
    em_process_stream_options null = {.size = sizeof null, .kind = EM_PROCESS_NULL};
    system_process **processes = system_memory(MANY * sizeof *processes);
    for (unsigned i = 0; i < MANY; i++)
        processes[i] = system_start_shell_with(*state, "read line; echo $line", (em_process_options){.error = &null});
    for (unsigned i = 0; i < MANY; i++)
        em_connection_send_text(processes[i]->input->connection, "all\n");
    for (unsigned i = 0; i < MANY; i++) {
        system_await_process_unbind(*state, processes[i]);
        assert_string_equal(processes[i]->output->text, "all\n");
        assert_int_equal(processes[i]->status.exit_status, 0);
    }
    assert_true(has_no_children());
}

static void destroying_the_loop_unbinds_all_and_waits_for_none(void **state)
{
    system_process *ended = system_start_shell(*state, "exit 3");
    system_process *running = system_start_shell(*state, "exec sleep 1000");
    system_process *signalled =
        system_start_shell_with(*state, "exec sleep 1000", (em_process_options){.destroy_signal = SIGKILL});
    siginfo_t info;
    assert_return_code(waitid(P_PID, (id_t)em_process_get_pid(ended->process), &info, WEXITED | WNOWAIT), errno);
    pid_t left = em_process_get_pid(running->process);
    pid_t killed = em_process_get_pid(signalled->process);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    assert_int_equal(ended->unbind + running->unbind + signalled->unbind, 3);
    assert_int_equal(ended->exited, 1);
    assert_int_equal(ended->status.exit_status, 3);
    assert_int_equal(running->exited, 0);
    assert_int_equal(running->status.end, EM_PROCESS_RUNNING);
    assert_int_equal(running->output->unbind, 1);
    int status;
    assert_int_equal(waitpid(killed, &status, 0), killed);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_int_equal(waitpid(left, &status, WNOHANG), 0);
    kill(left, SIGKILL);
    assert_int_equal(waitpid(left, &status, 0), left);
    assert_true(has_no_children());
}

static void destroy_in_child(void *argument)
{
    em_loop *loop = argument;
    system_child_check(em_loop_destroy(loop) == EM_OK, "the loop is destroyed");
}

static void a_forked_child_that_destroys_the_loop_leaves_the_process_alone(void **state)
{
    system_process *process =
        system_start_shell_with(*state, "cat; exit 3", (em_process_options){.destroy_signal = SIGKILL});
    assert_int_equal(system_wait(system_fork(destroy_in_child, *state)), 0);
    system_run_for(*state, 20 * EM_MILLISECONDS);
    assert_int_equal(process->exited, 0);
    em_connection_close_write(process->input->connection);
    system_await_process_unbind(*state, process);
    assert_int_equal(process->status.exit_status, 3);
}

static void run_in_child(void *argument)
{
    system_process *process = argument;
    em_loop *loop = em_process_get_loop(process->process);
    system_child_check(em_process_kill(process->process, 0) == EM_FORKED, "the process is the parent's");
    system_child_check(em_loop_take_over(loop) == EM_OK, "the loop is taken over");
    em_connection_close_write(process->input->connection);
    while (!process->unbind)
        em_loop_run_once(loop, EM_FOREVER);
    system_child_check(process->exited == 1, "the end is noticed");
    system_child_check(process->output->bytes == 5, "the output is received");
    system_child_check(em_loop_destroy(loop) == EM_OK, "the loop is destroyed");
}

static void a_forked_child_that_takes_over_the_loop_notices_the_end(void **state)
{
    system_process *process = system_start_shell(*state, "cat; echo text");
    assert_int_equal(em_loop_hand_over(*state), EM_OK);
    pid_t child = system_fork(run_in_child, process);
    pid_t pid = em_process_get_pid(process->process);
    assert_int_equal(em_loop_destroy(*state), EM_OK); /* closes only copies */
    *state = NULL;
    assert_int_equal(process->status.end, EM_PROCESS_RUNNING);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(system_wait(child), 0);
}

static void destroy_after_take_over(void *argument)
{
    system_process *process = argument;
    em_loop *loop = em_process_get_loop(process->process);
    system_child_check(em_loop_take_over(loop) == EM_OK, "the loop is taken over");
    em_loop_run_once(loop, 0);
    system_child_check(em_loop_destroy(loop) == EM_OK, "the loop is destroyed");
    system_child_check(process->exited == 0, "a process that runs has not ended");
    system_child_check(process->status.end == EM_PROCESS_RUNNING, "it runs");
}

static void a_process_that_runs_is_not_lost_in_a_child_that_takes_over_the_loop(void **state)
{
    int status;
    system_process *process =
        system_start_shell_with(*state, "exec sleep 1000", (em_process_options){.destroy_signal = SIGUSR1});
    pid_t pid = em_process_get_pid(process->process);
    assert_int_equal(em_loop_hand_over(*state), EM_OK);
    assert_int_equal(system_wait(system_fork(destroy_after_take_over, process)), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WTERMSIG(status), SIGUSR1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_signal_ends_a_process_and_is_told),
        SYSTEM_TEST(a_process_that_was_reaped_is_not_signalled),
        SYSTEM_TEST(a_process_that_ends_when_its_input_ends_is_not_signalled),
        SYSTEM_TEST(a_process_that_stays_is_terminated),
        SYSTEM_TEST(a_process_that_ignores_term_is_killed_while_the_loop_goes_on),
        SYSTEM_TEST(a_process_that_goes_on_reading_its_input_is_not_terminated),
        SYSTEM_TEST(a_process_whose_output_a_slow_program_has_not_taken_is_not_terminated),
        SYSTEM_TEST(a_group_is_terminated_with_its_leader),
        SYSTEM_TEST(closing_the_output_does_not_end_a_process),
        SYSTEM_TEST(a_process_that_ends_with_its_input_open_is_reaped),
        SYSTEM_TEST(the_output_of_a_grandchild_belongs_to_the_stream),
        SYSTEM_TEST(waiting_for_a_grandchild_costs_nothing_and_ends_at_will),
        SYSTEM_TEST(silence_after_the_end_can_have_a_limit),
        SYSTEM_TEST(silence_before_the_end_does_not_count),
        SYSTEM_TEST(terminating_after_the_end_limits_the_silence),
        SYSTEM_TEST(an_output_that_is_never_read_holds_up_nobody),
        SYSTEM_TEST(children_of_the_programs_own_are_left_to_it),
        SYSTEM_TEST(a_status_that_others_have_taken_is_no_reason_to_wait_for_ever),
        SYSTEM_TEST(nothing_is_left_after_many_processes),
        SYSTEM_TEST(a_thousand_processes_at_once_all_end),
        SYSTEM_TEST(destroying_the_loop_unbinds_all_and_waits_for_none),
        SYSTEM_TEST(a_forked_child_that_destroys_the_loop_leaves_the_process_alone),
        SYSTEM_TEST(a_forked_child_that_takes_over_the_loop_notices_the_end),
        SYSTEM_TEST(a_process_that_runs_is_not_lost_in_a_child_that_takes_over_the_loop),
    };
    return SYSTEM_RUN(tests);
}
