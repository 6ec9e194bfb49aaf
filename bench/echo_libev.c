/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The echo server on libev. libev reports only readiness, so this program reads, writes and keeps what could not be
 * written: one buffer for all input, and memory for the rest of a write only while there is one.
 */
#include "echo_support.h"

#include <errno.h>
#include <ev.h>
#include <string.h>
#include <unistd.h>

struct connection {
    ev_io readable;
    ev_io writable; /* active while something is left over; then readable is not */
    char *leftover;
    size_t length;
};

static char buffer[ECHO_BUFFER_BYTES];

static void discard(struct ev_loop *loop, struct connection *connection)
{
    ev_io_stop(loop, &connection->readable);
    ev_io_stop(loop, &connection->writable);
    close(connection->readable.fd);
    free(connection->leftover);
    free(connection);
}

static void keep(struct ev_loop *loop, struct connection *connection, const char *data, size_t length)
{
    connection->leftover = malloc(length);
    if (!connection->leftover)
        echo_fail("malloc");
    memcpy(connection->leftover, data, length);
    connection->length = length;
    ev_io_stop(loop, &connection->readable);
    ev_io_start(loop, &connection->writable);
}

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct connection *connection = watcher->data;
    ssize_t n = read(watcher->fd, buffer, sizeof buffer);
    ssize_t written;

    (void)events;
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        discard(loop, connection);
        return;
    }
    written = write(watcher->fd, buffer, (size_t)n);
    if (written == n)
        return;
    if (written < 0 && errno != EAGAIN)
        discard(loop, connection);
    else
        keep(loop, connection, buffer + (written > 0 ? written : 0), (size_t)(n - (written > 0 ? written : 0)));
}

static void on_writable(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct connection *connection = watcher->data;
    ssize_t written = write(watcher->fd, connection->leftover, connection->length);

    (void)events;
    if (written < 0 && errno != EAGAIN) {
        discard(loop, connection);
        return;
    }
    if (written < 0)
        return;
    connection->length -= (size_t)written;
    memmove(connection->leftover, connection->leftover + written, connection->length);
    if (connection->length == 0) {
        free(connection->leftover);
        connection->leftover = NULL;
        ev_io_stop(loop, &connection->writable);
        ev_io_start(loop, &connection->readable);
    }
}

static void on_acceptable(struct ev_loop *loop, ev_io *watcher, int events)
{
    int fd;

    (void)events;
    while ((fd = echo_accept(watcher->fd)) >= 0) {
        struct connection *connection = calloc(1, sizeof *connection);

        if (!connection)
            echo_fail("calloc");
        ev_io_init(&connection->readable, on_readable, fd, EV_READ);
        ev_io_init(&connection->writable, on_writable, fd, EV_WRITE);
        connection->readable.data = connection;
        connection->writable.data = connection;
        ev_io_start(loop, &connection->readable);
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
