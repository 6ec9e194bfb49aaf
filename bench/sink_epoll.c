/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/* The bare epoll loop as a sink: it reads what arrives, discards it, and closes at the end of input. */
#include "echo_support.h"

#include <errno.h>
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

static void discard(int fd)
{
    ssize_t n = read(fd, buffer, sizeof buffer);

    if (n == 0 || (n < 0 && errno != EAGAIN))
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
                discard(events[i].data.fd);
        }
    }
}
