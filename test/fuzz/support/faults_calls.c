/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The library's system calls, with faults. Each fails with what its manual page says it may fail with where nothing is
 * wrong with its arguments.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuzz/support/faults.h"
#include "support/bytes.h"

#define ERRORS(...) ((const int[]){__VA_ARGS__, 0})
#define FAIL_WITH(...)                                                                                                 \
    do {                                                                                                               \
        int error_;                                                                                                    \
        if (faults_fail(ERRORS(__VA_ARGS__), &error_)) {                                                               \
            errno = error_;                                                                                            \
            return -1;                                                                                                 \
        }                                                                                                              \
    } while (0)

/* What the linker calls the system's own, and what it calls instead of them. */
#define WRAPPED(type, name, ...)                                                                                       \
    type __real_##name(__VA_ARGS__);                                                                                   \
    type __wrap_##name(__VA_ARGS__);                                                                                   \
    type __wrap_##name(__VA_ARGS__)

WRAPPED(int, socket, int family, int type, int protocol)
{
    FAIL_WITH(EMFILE, ENFILE, ENOBUFS, ENOMEM);
    return __real_socket(family, type, protocol);
}

WRAPPED(int, bind, int fd, const struct sockaddr *address, socklen_t length)
{
    FAIL_WITH(EADDRINUSE, EACCES, ENOMEM);
    return __real_bind(fd, address, length);
}

WRAPPED(int, listen, int fd, int backlog)
{
    FAIL_WITH(EADDRINUSE);
    return __real_listen(fd, backlog);
}

WRAPPED(int, setsockopt, int fd, int level, int option, const void *value, socklen_t length)
{
    FAIL_WITH(ENOBUFS, ENOMEM);
    return __real_setsockopt(fd, level, option, value, length);
}

WRAPPED(int, getsockname, int fd, struct sockaddr *address, socklen_t *length)
{
    FAIL_WITH(ENOBUFS);
    return __real_getsockname(fd, address, length);
}

WRAPPED(int, getpeername, int fd, struct sockaddr *address, socklen_t *length)
{
    FAIL_WITH(ENOBUFS, ENOTCONN);
    return __real_getpeername(fd, address, length);
}

WRAPPED(int, shutdown, int fd, int how)
{
    FAIL_WITH(ENOTCONN, ENOBUFS);
    return __real_shutdown(fd, how);
}

WRAPPED(int, eventfd, unsigned initial, int flags)
{
    FAIL_WITH(EMFILE, ENFILE, ENODEV, ENOMEM);
    return __real_eventfd(initial, flags);
}

WRAPPED(int, epoll_create1, int flags)
{
    FAIL_WITH(EMFILE, ENFILE, ENOMEM);
    return __real_epoll_create1(flags);
}

/* The library opens nothing but its reserve, without a mode. */
WRAPPED(int, open, const char *path, int flags, ...)
{
    FAIL_WITH(EMFILE, ENFILE, ENOMEM);
    return __real_open(path, flags);
}

/* Whatever close(2) says, the descriptor is closed, on Linux. */
WRAPPED(int, close, int fd)
{
    int error;
    bool fails = faults_fail(ERRORS(EINTR, EIO), &error);
    faults_note_watched(fd, 0, NULL);
    int result = __real_close(fd);
    if (!fails)
        return result;
    errno = error;
    return -1;
}

/* An interrupted connect goes on. */
WRAPPED(int, connect, int fd, const struct sockaddr *address, socklen_t length)
{
    int error;
    bool is_local = address->sa_family == AF_UNIX;
    const int *errors = is_local ? ERRORS(ECONNREFUSED, EAGAIN)
                                 : ERRORS(EINTR, EADDRNOTAVAIL, ENETUNREACH, EHOSTUNREACH, ENOBUFS, ETIMEDOUT);
    if (!faults_fail(errors, &error))
        return __real_connect(fd, address, length);
    if (error == EINTR)
        __real_connect(fd, address, length);
    errno = error;
    return -1;
}

WRAPPED(int, accept4, int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    FAIL_WITH(EMFILE, ENFILE, ENOBUFS, ENOMEM, ECONNABORTED, EPERM, EPROTO, EINTR);
    if (faults_refuse()) {
        faults_report_again(fd);
        errno = EAGAIN;
        return -1;
    }
    return __real_accept4(fd, address, length, flags);
}

/* Reading */

static bool is_refused(int fd)
{
    if (!faults_refuse())
        return false;
    errno = random_below(&faults_current()->random, 3) == 0 ? EINTR : EAGAIN;
    faults_report_again(fd);
    return true;
}

/* Eight bytes are a waker's, which is an eventfd(2) and always has them. */
WRAPPED(ssize_t, read, int fd, void *buffer, size_t capacity)
{
    if (capacity == sizeof(uint64_t))
        return __real_read(fd, buffer, capacity);
    FAIL_WITH(ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENOMEM, EINTR);
    if (is_refused(fd))
        return -1;
    bool cut = faults_cut(&capacity);
    ssize_t result = __real_read(fd, buffer, capacity);
    if (cut)
        faults_report_again(fd);
    return result;
}

WRAPPED(ssize_t, recv, int fd, void *buffer, size_t capacity, int flags)
{
    FAIL_WITH(ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENOMEM, EINTR);
    if (is_refused(fd))
        return -1;
    bool cut = faults_cut(&capacity);
    ssize_t result = __real_recv(fd, buffer, capacity, flags);
    if (cut)
        faults_report_again(fd);
    return result;
}

/* Writing */

WRAPPED(ssize_t, send, int fd, const void *data, size_t length, int flags)
{
    FAIL_WITH(EPIPE, ECONNRESET, ETIMEDOUT, ENOBUFS, ENOMEM, EINTR);
    if (is_refused(fd))
        return -1;
    faults_cut(&length);
    return __real_send(fd, data, length, flags);
}

/* The first of the pieces only, or a part of it. */
static ssize_t send_first(int fd, const struct msghdr *message, int flags, size_t length)
{
    size_t first = message->msg_iov[0].iov_len;
    return __real_send(fd, message->msg_iov[0].iov_base, length < first ? length : first, flags);
}

static bool is_datagram_socket(int fd)
{
    int type = 0;
    socklen_t length = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_DGRAM;
}

WRAPPED(ssize_t, sendmsg, int fd, const struct msghdr *message, int flags)
{
    if (is_datagram_socket(fd)) { /* a datagram is sent whole, or not at all */
        FAIL_WITH(ECONNREFUSED, ENETUNREACH, EPERM, ENOBUFS, ENOMEM, EINTR);
        return is_refused(fd) ? -1 : __real_sendmsg(fd, message, flags);
    }
    FAIL_WITH(EPIPE, ECONNRESET, ETIMEDOUT, ENOBUFS, ENOMEM, EINTR);
    if (is_refused(fd))
        return -1;
    size_t length = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++)
        length += message->msg_iov[i].iov_len;
    return faults_cut(&length) ? send_first(fd, message, flags, length) : __real_sendmsg(fd, message, flags);
}

/* Waiting */

WRAPPED(int, epoll_ctl, int epoll, int operation, int fd, struct epoll_event *event)
{
    if (operation == EPOLL_CTL_ADD)
        FAIL_WITH(ENOMEM, ENOSPC);
    int result = __real_epoll_ctl(epoll, operation, fd, event);
    if (result == 0)
        faults_note_watched(fd, epoll, operation == EPOLL_CTL_DEL ? NULL : event);
    return result;
}

/* Fewer at once, what is left comes next. */
static int fewer(int capacity)
{
    size_t length = (size_t)capacity;
    return faults_cut(&length) ? (int)length : capacity;
}

WRAPPED(int, epoll_wait, int epoll, struct epoll_event *events, int capacity, int timeout_ms)
{
    FAIL_WITH(EINTR);
    return __real_epoll_wait(epoll, events, fewer(capacity), timeout_ms);
}

WRAPPED(int, epoll_pwait2, int epoll, struct epoll_event *events, int capacity, const struct timespec *timeout,
        const sigset_t *mask)
{
    if (faults_current() && faults_current()->without_pwait2) {
        errno = ENOSYS;
        return -1;
    }
    FAIL_WITH(EINTR);
    return __real_epoll_pwait2(epoll, events, fewer(capacity), timeout, mask);
}

WRAPPED(int, poll, struct pollfd *polled, nfds_t count, int timeout_ms)
{
    FAIL_WITH(EINTR, ENOMEM);
    return __real_poll(polled, count, timeout_ms);
}
