/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The timers of a TCP connection that Linux lets a program set, tcp(7).
 */
#include "base/features.h"

#if EMI_HAVE_TCP_TIMERS

#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "system/socket.h"

static em_status set_timer(int fd, int option, int value)
{
    return emi_socket_set_option(fd, IPPROTO_TCP, option, &value, sizeof value);
}

bool emi_has_user_timeout(void)
{
    return true;
}

em_status emi_socket_set_user_timeout(int fd, uint64_t timeout_ns)
{
    uint64_t timeout_ms = timeout_ns / 1000000 + (timeout_ns % 1000000 > 0); /* 0 would mean none */
    return set_timer(fd, TCP_USER_TIMEOUT, timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms);
}

em_status emi_socket_set_keepalive_timers(int fd, int idle_seconds, int interval_seconds, int count)
{
    em_status status = EM_OK;
    if (idle_seconds > 0)
        status = set_timer(fd, TCP_KEEPIDLE, idle_seconds);
    if (status == EM_OK && interval_seconds > 0)
        status = set_timer(fd, TCP_KEEPINTVL, interval_seconds);
    if (status == EM_OK && count > 0)
        status = set_timer(fd, TCP_KEEPCNT, count);
    return status;
}

#endif
