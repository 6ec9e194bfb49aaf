/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/* The sink on libev, which reports only readiness. */
#include "echo_support.h"

#include <errno.h>
#include <ev.h>
#include <unistd.h>

static char buffer[ECHO_BUFFER_BYTES];

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
    ssize_t n = read(watcher->fd, buffer, sizeof buffer);

    (void)events;
    if (n > 0 || (n < 0 && errno == EAGAIN))
        return;
    ev_io_stop(loop, watcher);
    close(watcher->fd);
    free(watcher);
}

static void on_acceptable(struct ev_loop *loop, ev_io *watcher, int events)
{
    int fd;

    (void)events;
    while ((fd = echo_accept(watcher->fd)) >= 0) {
        ev_io *readable = malloc(sizeof *readable);

        if (!readable)
            echo_fail("malloc");
        ev_io_init(readable, on_readable, fd, EV_READ);
        ev_io_start(loop, readable);
    }
}

int main(int argc, char **argv)
{
    int listener = echo_listen(echo_prepare(argc, argv));
    struct ev_loop *loop = ev_default_loop(EVBACKEND_EPOLL);
    ev_io acceptable;

    ev_io_init(&acceptable, on_acceptable, listener, EV_READ);
    ev_io_start(loop, &acceptable);
    return ev_run(loop, 0);
}
