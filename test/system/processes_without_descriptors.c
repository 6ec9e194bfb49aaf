/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Processes where the system forbids pidfd_open(2), as sandboxes do and older kernels: their ends are noticed by
 * looking at them. A filter of system calls, seccomp(2), forbids it to this program.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_process.h"
#include "support/system_test.h"

enum { PIDFD_OPEN = 434 };

static void forbid_process_descriptors(void)
{
    struct sock_filter instructions[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PIDFD_OPEN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof instructions / sizeof *instructions, .filter = instructions};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        print_message("skipped: no filter of system calls\n");
}

static bool are_forbidden(void)
{
    long descriptor = syscall(PIDFD_OPEN, getpid(), 0);
    if (descriptor >= 0)
        close((int)descriptor);
    return descriptor < 0;
}

static void the_statuses_of_many_processes_are_known(void **state)
{
    enum { MANY = 12 };
    system_process *processes[MANY];
    if (!are_forbidden())
        system_skip("pidfd_open(2) cannot be forbidden");
    for (unsigned i = 0; i < MANY; i++)
        processes[i] = system_start_shell(*state, i % 2 ? "echo text; exit 3" : "kill -9 $$");
    for (unsigned i = 0; i < MANY; i++) {
        system_await_process_unbind(*state, processes[i]);
        assert_int_equal(processes[i]->exited, 1);
        assert_int_equal(i % 2 ? processes[i]->status.exit_status : processes[i]->status.signal, i % 2 ? 3 : 9);
    }
}

static void a_process_can_be_terminated(void **state)
{
    system_process *process = system_start_shell_with(
        *state, "trap '' TERM; echo ready; while :; do sleep 0.01; done",
        (em_process_options){.terminate_after_ns = 10 * EM_MILLISECONDS, .kill_after_ns = 10 * EM_MILLISECONDS});
    while (!process->output->bytes)
        system_turn(*state);
    em_process_terminate(process->process);
    system_await_process_unbind(*state, process);
    assert_int_equal(process->status.signal, SIGKILL);
}

static void a_status_that_others_have_taken_is_lost_but_not_waited_for(void **state)
{
    system_process *process = system_start_shell(*state, "exit 4");
    while (waitpid(em_process_get_pid(process->process), NULL, 0) < 0)
        assert_int_equal(errno, EINTR);
    system_await_process_unbind(*state, process);
    assert_int_equal(process->status.end, EM_PROCESS_LOST);
    assert_int_equal(process->status.exit_status, -1);
}

static void waiting_is_cheap(void **state)
{
    system_process *process = system_start_shell(*state, "exec sleep 1000");
    system_run_for(*state, 300 * EM_MILLISECONDS); /* the intervals have grown */
    uint64_t before = system_stats(*state).turns;
    system_run_for(*state, 500 * EM_MILLISECONDS);
    assert_in_range(system_stats(*state).turns - before, 0, 50);
    em_process_kill(process->process, SIGKILL);
    system_await_process_unbind(*state, process);
}

static void count_exit(em_process_watch *watch)
{
    ++*(unsigned *)em_process_watch_get_user(watch);
}

static void strangers_and_children_can_be_watched(void **state)
{
    static const em_process_watch_handler handler = {.process_exited = count_exit};
    system_process *shell = system_start_shell(*state, "sleep 1000 >/dev/null 2>&1 & echo $!; wait; exit 5");
    while (!strchr(shell->output->text, '\n'))
        system_turn(*state);
    unsigned *exits = system_memory(2 * sizeof *exits);
    int pids[] = {atoi(shell->output->text), em_process_get_pid(shell->process)};
    for (unsigned i = 0; i < 2; i++) {
        em_process_watch_options options = {.size = sizeof options, .user = &exits[i]};
        assert_int_equal(em_loop_watch_process(*state, pids[i], &handler, &options, NULL), EM_OK);
    }
    system_run_for(*state, 20 * EM_MILLISECONDS);
    assert_int_equal(exits[0] + exits[1], 0);
    kill(pids[0], SIGKILL);
    while (exits[0] + exits[1] < 2)
        system_turn(*state);
    system_await_process_unbind(*state, shell);
    assert_int_equal(shell->status.exit_status, 5);
}

static void a_child_of_the_programs_own_is_not_reaped(void **state)
{
    static const em_process_watch_handler handler = {.process_exited = count_exit};
    unsigned *exits = system_memory(sizeof *exits);
    em_process_watch_options options = {.size = sizeof options, .user = exits};
    pid_t pid = fork();
    if (pid == 0)
        _exit(6);
    int status;
    assert_int_equal(em_loop_watch_process(*state, pid, &handler, &options, NULL), EM_OK);
    while (!*exits)
        system_turn(*state);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 6);
}

static void kill_after_take_over(void *argument)
{
    system_process *process = argument;
    em_loop *loop = em_process_get_loop(process->process);
    system_child_check(em_loop_take_over(loop) == EM_OK, "the loop is taken over");
    for (unsigned i = 0; i < 10; i++)
        system_run_for(loop, EM_MILLISECONDS);
    system_child_check(process->exited == 0, "a process that runs is not lost");
    system_child_check(em_process_kill(process->process, SIGKILL) == EM_OK, "it can be killed");
    while (!process->unbind)
        em_loop_run_once(loop, EM_FOREVER);
    system_child_check(process->status.end == EM_PROCESS_LOST, "then its end is noticed");
}

static void a_child_that_takes_over_the_loop_notices_the_end(void **state)
{
    system_process *process = system_start_shell(*state, "exec sleep 1000");
    pid_t pid = em_process_get_pid(process->process);
    assert_int_equal(em_loop_hand_over(*state), EM_OK);
    pid_t child = system_fork(kill_after_take_over, process);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(system_wait(child), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(the_statuses_of_many_processes_are_known),
        SYSTEM_TEST(a_process_can_be_terminated),
        SYSTEM_TEST(a_status_that_others_have_taken_is_lost_but_not_waited_for),
        SYSTEM_TEST(waiting_is_cheap),
        SYSTEM_TEST(strangers_and_children_can_be_watched),
        SYSTEM_TEST(a_child_of_the_programs_own_is_not_reaped),
        SYSTEM_TEST(a_child_that_takes_over_the_loop_notices_the_end),
    };
    forbid_process_descriptors();
    return SYSTEM_RUN(tests);
}
