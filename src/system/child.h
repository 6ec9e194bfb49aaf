/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Processes that exist: whether they have ended, and signals to them. A process is named by its number and, where the
 * system has it, by a descriptor (pidfd.h); -1: none. Nothing here waits, and only the process that is named is waited
 * for: others of this program's children are for those who started them.
 */
#ifndef EMI_CHILD_H
#define EMI_CHILD_H

#include <eventmachine/status.h>

/**
 * Reaps a child of this process if it has ended; *wait_status as of wait(2). EM_WOULD_BLOCK while it runs.
 * EM_NO_SUCH_PROCESS if it has ended and its status is lost: others have waited for it, or the system does not keep the
 * statuses of children (SIGCHLD is ignored).
 */
em_status emi_child_reap(int pid, int descriptor, int *wait_status);

/** The signal that has ended the process, or 0. has_dumped: set to 1 if there is a core dump, otherwise 0. */
int emi_wait_status_get_signal(int wait_status, int *has_dumped);
int emi_wait_status_get_exit_status(int wait_status);

/** Whether a process has ended, a child or not: EM_OK, or EM_WOULD_BLOCK while it runs. Reaps nothing. */
em_status emi_process_look(int pid);

/** kill(2). EM_NO_SUCH_PROCESS, EM_PERMISSION_DENIED, EM_INVALID_ARGUMENT. */
em_status emi_process_signal(int pid, int descriptor, int signal);

/** To all processes of the group. */
em_status emi_process_signal_group(int group, int signal);

#endif
