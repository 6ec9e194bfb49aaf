/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Two calls that nothing else makes mark the beginning and the end of a part.
 */
#include "support/system_calls.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/system_test.h"

enum { BEGIN = SYS_getsid, END = SYS_getppid };

void system_calls_begin_part(void)
{
    syscall(BEGIN, 0);
}

void system_calls_end_part(void)
{
    syscall(END);
}

/* Returns -1 if this is not the entry of a system call. */
static long number_of(pid_t child)
{
    struct __ptrace_syscall_info info;
    long bytes = ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof info, &info);
    return bytes > 0 && info.op == PTRACE_SYSCALL_INFO_ENTRY ? (long)info.entry.nr : -1;
}

static void note(system_calls *calls, bool *is_counting, long number)
{
    if (number == BEGIN) {
        *is_counting = calls->part_count < SYSTEM_CALL_PARTS;
        calls->part_count++;
    } else if (number == END) {
        *is_counting = false;
    } else if (*is_counting && number >= 0 && number < SYSTEM_CALL_NUMBERS) {
        calls->counts[calls->part_count - 1][number]++;
    }
}

/* Follows the child to its end, whose status this returns. */
static int trace(pid_t child, system_calls *calls)
{
    bool is_counting = false;
    int status, signal = 0;
    while (ptrace(PTRACE_SYSCALL, child, NULL, (void *)(intptr_t)signal) == 0 && waitpid(child, &status, 0) == child) {
        if (!WIFSTOPPED(status))
            return status;
        bool is_call = WSTOPSIG(status) == (SIGTRAP | 0x80);
        signal = is_call ? 0 : WSTOPSIG(status);
        if (is_call)
            note(calls, &is_counting, number_of(child));
    }
    return -1;
}

static void run(bool (*work)(void *user), void *user)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(2);
    raise(SIGSTOP);
    _exit(work(user) ? 0 : 1);
}

void system_calls_count(bool (*work)(void *user), void *user, system_calls *calls)
{
    int status;
    memset(calls, 0, sizeof *calls);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        run(work, user);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSTOPPED(status) ||
        ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)) != 0) {
        if (WIFSTOPPED(status)) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
        }
        system_skip("processes cannot be traced here");
    }
    status = trace(child, calls);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

unsigned system_calls_sum(const system_calls *calls, unsigned part)
{
    unsigned sum = 0;
    for (unsigned number = 0; number < SYSTEM_CALL_NUMBERS; number++)
        sum += calls->counts[part][number];
    return sum;
}
