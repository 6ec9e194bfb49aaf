/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Socket options on POSIX systems, socket(7), tcp(7), ipv6(7). Those of one system only are in files of their own,
 * socket_*.c.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "system/socket.h"
#include "system/system_error.h"
#include "system/thread.h"

em_status emi_socket_set_option(int fd, int level, int option, const void *value, size_t bytes)
{
    if (bytes > INT_MAX)
        return EM_INVALID_ARGUMENT;
    return setsockopt(fd, level, option, value, (socklen_t)bytes) < 0 ? emi_last_status() : EM_OK;
}

em_status emi_socket_get_option(int fd, int level, int option, void *value, size_t *bytes)
{
    socklen_t length = *bytes > INT_MAX ? INT_MAX : (socklen_t)*bytes;
    if (getsockopt(fd, level, option, value, &length) < 0)
        return emi_last_status();
    *bytes = length;
    return EM_OK;
}

static em_status set_integer(int fd, int level, int option, int value)
{
    return emi_socket_set_option(fd, level, option, &value, sizeof value);
}

/* Of streams only: reads of SOCK_SEQPACKET, which can listen as well, would cut messages short. */
static em_status check_stream(int fd, bool must_listen)
{
    int type = 0;
    int listens = 0;
    size_t bytes = sizeof type;
    em_status status = emi_socket_get_option(fd, SOL_SOCKET, SO_TYPE, &type, &bytes);
    if (status == EM_OK)
        status = emi_socket_get_option(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &bytes);
    if (status != EM_OK)
        return status;
    return type == SOCK_STREAM && (listens != 0) == must_listen ? EM_OK : EM_INVALID_ARGUMENT;
}

em_status emi_socket_check_listening(int fd)
{
    return check_stream(fd, true);
}

em_status emi_socket_check_connected(int fd, em_address *peer)
{
    em_status status = check_stream(fd, false);
    return status == EM_OK ? emi_socket_peer_address(fd, peer) : status;
}

em_status emi_socket_set_reuse_address(int fd, bool on)
{
    return set_integer(fd, SOL_SOCKET, SO_REUSEADDR, on);
}

em_status emi_socket_set_reuse_port(int fd, bool on)
{
    return set_integer(fd, SOL_SOCKET, SO_REUSEPORT, on);
}

em_status emi_socket_set_v6_only(int fd, bool on)
{
    return set_integer(fd, IPPROTO_IPV6, IPV6_V6ONLY, on);
}

em_status emi_socket_set_no_delay(int fd, bool on)
{
    return set_integer(fd, IPPROTO_TCP, TCP_NODELAY, on);
}

em_status emi_socket_set_buffer_sizes(int fd, int send_bytes, int receive_bytes)
{
    em_status status = EM_OK;
    if (send_bytes > 0)
        status = set_integer(fd, SOL_SOCKET, SO_SNDBUF, send_bytes);
    if (status == EM_OK && receive_bytes > 0)
        status = set_integer(fd, SOL_SOCKET, SO_RCVBUF, receive_bytes);
    return status;
}

em_status emi_socket_set_linger(int fd, int seconds)
{
    struct linger linger = {.l_onoff = 1, .l_linger = seconds};
    return emi_socket_set_option(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

bool emi_socket_waits_at_close(int fd)
{
    struct linger linger = {.l_onoff = 0};
    size_t bytes = sizeof linger;
    em_status status = emi_socket_get_option(fd, SOL_SOCKET, SO_LINGER, &linger, &bytes);
    return status == EM_OK && linger.l_onoff && linger.l_linger > 0;
}

em_status emi_socket_clear_linger(int fd)
{
    struct linger none = {.l_onoff = 0};
    return emi_socket_set_option(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

void emi_socket_forget_linger(int fd)
{
    if (emi_socket_waits_at_close(fd))
        emi_socket_clear_linger(fd);
}

bool emi_is_linger_option(int level, int option)
{
    return level == SOL_SOCKET && option == SO_LINGER;
}

void emi_socket_reset(int fd)
{
    const struct sockaddr unspecified = {.sa_family = AF_UNSPEC}; /* connect(2): ends the connection */
    emi_socket_set_linger(fd, 0);
    if (!emi_has_forked())
        return;
    int ignored = connect(fd, &unspecified, sizeof unspecified); /* Unix sockets refuse it */
    (void)ignored;
}

em_status emi_socket_set_keepalive(int fd, bool on, int idle_seconds, int interval_seconds, int count)
{
    em_status status = set_integer(fd, SOL_SOCKET, SO_KEEPALIVE, on);
    return status == EM_OK && on ? emi_socket_set_keepalive_timers(fd, idle_seconds, interval_seconds, count) : status;
}

#endif
