/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * For systems that have no descriptors of processes.
 */
#include "base/features.h"

#if !EMI_HAVE_PIDFD

#include "system/pidfd.h"

em_status emi_pidfd_open(int pid, int *descriptor)
{
    (void)pid;
    *descriptor = -1;
    return EM_UNSUPPORTED;
}

em_status emi_pidfd_send_signal(int descriptor, int signal)
{
    (void)descriptor;
    (void)signal;
    return EM_UNSUPPORTED;
}

em_status emi_pidfd_get_wait_status(int descriptor, int *wait_status)
{
    (void)descriptor;
    *wait_status = 0;
    return EM_UNSUPPORTED;
}

#endif
