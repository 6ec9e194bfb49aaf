/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * waitid(2) and kill(2) for single processes.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>

#include "system/child.h"
#include "system/pidfd.h"
#include "system/system_error.h"

/* The form that wait(2) has: the exit status in the second byte, or the signal in the first, with a flag. */
static int wait_status_of(const siginfo_t *info)
{
    int code = info->si_status;
    if (info->si_code == CLD_EXITED)
        return (code & 0xFF) << 8;
    return (code & 0x7F) | (info->si_code == CLD_DUMPED ? 0x80 : 0);
}

static em_status look(idtype_t type, int id, int options, siginfo_t *info)
{
    memset(info, 0, sizeof *info);
    if (waitid(type, (id_t)id, info, WEXITED | WNOHANG | options) < 0)
        return emi_last_status();
    return info->si_pid == 0 ? EM_WOULD_BLOCK : EM_OK;
}

em_status emi_child_reap(int pid, int descriptor, int *wait_status)
{
    siginfo_t info;
    em_status status = EM_INVALID_ARGUMENT;
    if (descriptor >= 0)
        status = look((idtype_t)EMI_WAIT_PIDFD, descriptor, 0, &info);
    if (status == EM_INVALID_ARGUMENT) /* no descriptor, or Linux 5.3, which cannot wait for one */
        status = look(P_PID, pid, 0, &info);
    if (status == EM_OK)
        *wait_status = wait_status_of(&info);
    else if (status != EM_WOULD_BLOCK && descriptor >= 0 && emi_pidfd_get_wait_status(descriptor, wait_status) == EM_OK)
        return EM_OK;
    return status == EM_OK || status == EM_WOULD_BLOCK ? status : EM_NO_SUCH_PROCESS;
}

int emi_wait_status_get_signal(int wait_status, int *has_dumped)
{
    bool was_signaled = WIFSIGNALED(wait_status);
    *has_dumped = was_signaled && WCOREDUMP(wait_status) ? 1 : 0;
    return was_signaled ? WTERMSIG(wait_status) : 0;
}

int emi_wait_status_get_exit_status(int wait_status)
{
    return WEXITSTATUS(wait_status);
}

em_status emi_process_look(int pid)
{
    siginfo_t info;
    em_status status = look(P_PID, pid, WNOWAIT, &info);
    if (status == EM_OK || status == EM_WOULD_BLOCK)
        return status;
    /* Not a child of ours. EPERM says that it is there. */
    return kill(pid, 0) < 0 && errno == ESRCH ? EM_OK : EM_WOULD_BLOCK;
}

em_status emi_process_signal(int pid, int descriptor, int signal)
{
    if (descriptor >= 0) {
        em_status status = emi_pidfd_send_signal(descriptor, signal);
        if (status != EM_UNSUPPORTED)
            return status;
    }
    return kill(pid, signal) < 0 ? emi_last_status() : EM_OK;
}

em_status emi_process_signal_group(int group, int signal)
{
    return kill(-group, signal) < 0 ? emi_last_status() : EM_OK;
}

#endif
