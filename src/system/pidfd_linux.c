/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Processes as descriptors on Linux. The headers of older C libraries lack all of it, so system calls are made by
 * number, and what the kernel defines is defined again.
 */
#include "base/features.h"

#if EMI_HAVE_PIDFD

#include <errno.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "system/pidfd.h"
#include "system/system_error.h"

/* Calls since Linux 5.0 have one number on all architectures (but Alpha, where the kernel refuses these). */
enum { PIDFD_SEND_SIGNAL_CALL = 424, PIDFD_OPEN_CALL = 434 };

/* struct pidfd_info in its first version, and PIDFD_GET_INFO. */
typedef struct exit_info {
    uint64_t mask; /* what is asked for, and then what is known */
    uint64_t control_group;
    uint32_t ids[11];
    int32_t exit_code;
} exit_info;

_Static_assert(sizeof(exit_info) == 64, "the kernel's struct");

#define GET_INFO _IOWR(0xFF, 11, exit_info)
#define INFO_EXIT (UINT64_C(1) << 3)

em_status emi_pidfd_open(int pid, int *descriptor)
{
    *descriptor = (int)syscall(PIDFD_OPEN_CALL, pid, 0);
    return *descriptor < 0 ? emi_last_status() : EM_OK;
}

em_status emi_pidfd_send_signal(int descriptor, int signal)
{
    return syscall(PIDFD_SEND_SIGNAL_CALL, descriptor, signal, NULL, 0) < 0 ? emi_last_status() : EM_OK;
}

em_status emi_pidfd_get_wait_status(int descriptor, int *wait_status)
{
    exit_info info = {.mask = INFO_EXIT};
    if (ioctl(descriptor, GET_INFO, &info) < 0)
        return emi_last_status();
    if (!(info.mask & INFO_EXIT))
        return EM_UNSUPPORTED;
    *wait_status = info.exit_code;
    return EM_OK;
}

#endif
