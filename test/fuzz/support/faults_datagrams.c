/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The library's system calls on datagram sockets, with faults: each may fail for its first message with what its manual
 * page says, be refused for now, or transfer fewer messages than it was asked for.
 */
#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

#include "fuzz/support/faults.h"
#include "support/bytes.h"

static bool fails_to_receive(int fd)
{
    static const int errors[] = {EINTR, ECONNREFUSED, EHOSTUNREACH, ENOMEM, 0};
    if (faults_fail(errors, &errno)) {
        faults_report_again(fd);
        return true;
    }
    if (!faults_refuse())
        return false;
    errno = EAGAIN;
    faults_report_again(fd);
    return true;
}

static bool fails_to_send(int fd)
{
    static const int errors[] = {EINTR, ECONNREFUSED, ENETUNREACH, EPERM, ENOBUFS, ENOMEM, 0};
    if (faults_fail(errors, &errno))
        return true;
    if (!faults_refuse())
        return false;
    errno = EAGAIN;
    faults_report_again(fd);
    return true;
}

static unsigned fewer(unsigned count)
{
    size_t length = count;
    return faults_cut(&length) ? (unsigned)length : count;
}

int __real_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout);
int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout);
int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
    if (fails_to_receive(fd))
        return -1;
    unsigned asked = fewer(count);
    if (asked < count)
        faults_report_again(fd);
    return __real_recvmmsg(fd, messages, asked, flags, timeout);
}

int __real_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    return fails_to_send(fd) ? -1 : __real_sendmmsg(fd, messages, fewer(count), flags);
}

ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
    return fails_to_receive(fd) ? -1 : __real_recvmsg(fd, message, flags);
}
