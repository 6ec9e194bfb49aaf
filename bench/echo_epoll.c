/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The yardstick: an echo server with no library, on a level-triggered epoll. One read and one write for what arrives,
 * no memory for a connection, nothing that a library would add. It shows what the kernel costs; every other program
 * is told as a multiple of it. Where a peer does not take its bytes it blocks until it does, which the load never
 * causes.
 */
#include "echo_support.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS = 256 };

static char buffer[ECHO_BUFFER_BYTES];

static void accept_all(int epoll, int listener)
{
    struct epoll_event event = {.events = EPOLLIN};

    while ((event.data.fd = echo_accept(listener)) >= 0)
        epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
}

/* For what the first write left over. */
static int write_rest(int fd, const char *data, ssize_t length, ssize_t written)
{
    struct pollfd writable = {.fd = fd, .events = POLLOUT};

    while (written >= 0 && written < length) {
        data += written;
        length -= written;
        poll(&writable, 1, -1);
        written = write(fd, data, (size_t)length);
    }
    return written < 0 ? -1 : 0;
}

static void echo(int fd)
{
    ssize_t n = read(fd, buffer, sizeof buffer);

    if (n > 0) {
        ssize_t written = write(fd, buffer, (size_t)n);

        if (written == n)
            return;
        if (written < 0 && errno == EAGAIN)
            written = 0;
        if (write_rest(fd, buffer, n, written) == 0)
            return;
    } else if (n < 0 && errno == EAGAIN) {
        return;
    }
    close(fd);
}

int main(int argc, char **argv)
{
    int listener = echo_listen(echo_prepare(argc, argv));
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    struct epoll_event events[EVENTS];

    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                accept_all(epoll, listener);
            else
                echo(events[i].data.fd);
        }
    }
}
