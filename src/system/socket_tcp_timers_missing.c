/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The timers of a TCP connection where a program cannot set them: asking for it is refused.
 */
#include "base/features.h"

#if !EMI_HAVE_TCP_TIMERS

#include "system/socket.h"

bool emi_has_user_timeout(void)
{
    return false;
}

em_status emi_socket_set_user_timeout(int fd, uint64_t timeout_ns)
{
    (void)fd;
    (void)timeout_ns;
    return EM_UNSUPPORTED;
}

em_status emi_socket_set_keepalive_timers(int fd, int idle_seconds, int interval_seconds, int count)
{
    (void)fd;
    return idle_seconds > 0 || interval_seconds > 0 || count > 0 ? EM_UNSUPPORTED : EM_OK;
}

#endif
