/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A process as a descriptor, pidfd_open(2). It names this one process for ever, whereas the number of a process that
 * was waited for may be given to another one. It polls readable when the process has ended. All functions return
 * EM_UNSUPPORTED where the system has no such descriptors.
 */
#ifndef EMI_PIDFD_H
#define EMI_PIDFD_H

#include <eventmachine/status.h>

/** The idtype_t of such a descriptor in waitid(2), where the headers do not have it. */
#define EMI_WAIT_PIDFD 3

/** Opens the descriptor, close-on-exec. EM_NO_SUCH_PROCESS; a sandbox may forbid it: EM_PERMISSION_DENIED. */
em_status emi_pidfd_open(int pid, int *descriptor);

em_status emi_pidfd_send_signal(int descriptor, int signal);

/** How a process has ended that was waited for already, by whomever: *wait_status as of wait(2). Linux 6.15. */
em_status emi_pidfd_get_wait_status(int descriptor, int *wait_status);

#endif
