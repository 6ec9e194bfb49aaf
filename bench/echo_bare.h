/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Shared by the echo servers on a bare epoll: every connection is accepted, and each gets one read and one write for
 * what arrives. If a peer does not read, the server blocks until it does, which the load generator never causes.
 */
#ifndef BENCH_ECHO_BARE_H
#define BENCH_ECHO_BARE_H

#include "echo_support.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

static inline int bare_open(int listener)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0)
        echo_fail("epoll");
    return epoll;
}

static inline void bare_accept_all(int epoll, int listener)
{
    struct epoll_event event = {.events = EPOLLIN};

    while ((event.data.fd = echo_accept(listener)) >= 0)
        epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
}

/* Writes the rest after a partial write. Returns -1 if the peer accepts no more. */
static inline int bare_write_rest(int fd, const char *data, ssize_t length)
{
    struct pollfd writable = {.fd = fd, .events = POLLOUT};

    while (length > 0) {
        ssize_t written = write(fd, data, (size_t)length);

        if (written < 0 && errno != EAGAIN)
            return -1;
        if (written < 0)
            poll(&writable, 1, -1);
        else
            data += written, length -= written;
    }
    return 0;
}

static inline void bare_echo(int fd, char *buffer, size_t size)
{
    ssize_t n = read(fd, buffer, size);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || bare_write_rest(fd, buffer, n) != 0)
        close(fd);
}

#endif
