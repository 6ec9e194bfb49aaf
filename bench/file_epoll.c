/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The bare epoll loop as a file server: for each byte that arrives it sends the file named by BENCH_FILE, by
 * sendfile(2), as much at a time as the socket takes.
 */
#include "echo_support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EVENTS = 256, MOST_SOCKETS = 1024, MOST_AT_ONCE = 1 << 20 };

static off_t offsets[MOST_SOCKETS]; /* by descriptor; -1: not asked for */
static off_t size;
static int file;

static void accept_all(int epoll, int listener)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET};

    while ((event.data.fd = echo_accept(listener)) >= 0 && event.data.fd < MOST_SOCKETS) {
        offsets[event.data.fd] = -1;
        epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event);
    }
}

static void serve(int fd)
{
    char byte;
    ssize_t n = read(fd, &byte, 1);

    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        close(fd);
        return;
    }
    if (n > 0)
        offsets[fd] = 0;
    while (offsets[fd] >= 0 && offsets[fd] < size)
        if (sendfile(fd, file, &offsets[fd], MOST_AT_ONCE) < 0)
            return;
}

int main(int argc, char **argv)
{
    int listener = echo_listen(echo_prepare(argc, argv));
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    struct epoll_event events[EVENTS];
    const char *path = getenv("BENCH_FILE");
    struct stat found;

    file = open(path ? path : "/dev/null", O_RDONLY);
    if (file < 0 || fstat(file, &found) != 0)
        echo_fail("BENCH_FILE");
    size = found.st_size;
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                accept_all(epoll, listener);
            else
                serve(events[i].data.fd);
        }
    }
}
