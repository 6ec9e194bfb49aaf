/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The echo server on a level-triggered epoll that saves system calls with io_uring. epoll reports which connections are
 * ready. Their reads go to the kernel as one batch of non-blocking calls, then their writes as another. No operation is
 * pending between turns, so there is nothing to cancel and no memory that the kernel holds. If only a few connections
 * are ready, they are served by plain calls, because a batch would cost more than it saves. This server shows what a
 * library with this design can reach, as echo_epoll.c does for plain calls and echo_uring.c for completions.
 */
#include "echo_bare.h"

#include <liburing.h>
#include <stdbool.h>

/* One buffer per call of a batch, small enough to stay in the cache. */
enum { EVENTS = 64, LEAST = 4, BUFFER_BYTES = 16384 };

struct stream {
    int fd;
    int length; /* bytes that were read */
    int result; /* of the last call: bytes, or a negative errno */
};

static struct io_uring ring;
static struct stream ready[EVENTS];
static char buffers[EVENTS][BUFFER_BYTES];

static void open_ring(void)
{
    errno = -io_uring_queue_init(EVENTS, &ring, 0);
    if (errno)
        echo_fail("io_uring_queue_init");
    io_uring_register_ring_fd(&ring); /* saves a lookup per batch, if the kernel supports it */
}

/* A batch that is cut short, by lack of memory or by a signal, continues where it ended. */
static void execute(unsigned count)
{
    struct io_uring_cqe *completion;
    unsigned head;

    while (io_uring_cq_ready(&ring) < count) {
        int result = io_uring_submit_and_wait(&ring, count);

        errno = result < 0 ? -result : 0;
        if (errno && errno != EINTR && errno != EAGAIN)
            echo_fail("io_uring_enter");
    }
    io_uring_for_each_cqe(&ring, head, completion) ready[completion->user_data].result = completion->res;
    io_uring_cq_advance(&ring, count);
}

static void read_all(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct io_uring_sqe *entry = io_uring_get_sqe(&ring);

        io_uring_prep_recv(entry, ready[i].fd, buffers[i], BUFFER_BYTES, MSG_DONTWAIT);
        io_uring_sqe_set_data64(entry, i);
    }
    execute(count);
    for (unsigned i = 0; i < count; i++)
        ready[i].length = ready[i].result;
}

static void write_all(unsigned count)
{
    unsigned writes = 0;

    for (unsigned i = 0; i < count; i++) {
        if (ready[i].length > 0) {
            struct io_uring_sqe *entry = io_uring_get_sqe(&ring);

            io_uring_prep_send(entry, ready[i].fd, buffers[i], (size_t)ready[i].length, MSG_DONTWAIT);
            io_uring_sqe_set_data64(entry, i);
            writes++;
        }
    }
    execute(writes);
}

/* After the calls: completes partial writes and closes what has ended. */
static void finish(const struct stream *stream, const char *bytes)
{
    int written = stream->result > 0 ? stream->result : 0;
    bool ended = stream->result <= 0 && stream->result != -EAGAIN;

    if (!ended && stream->length > written)
        ended = bare_write_rest(stream->fd, bytes + written, stream->length - written) != 0;
    if (ended)
        close(stream->fd);
}

static void echo_all(unsigned count)
{
    if (count < LEAST) {
        for (unsigned i = 0; i < count; i++)
            bare_echo(ready[i].fd, buffers[0], BUFFER_BYTES);
        return;
    }
    read_all(count);
    write_all(count);
    for (unsigned i = 0; i < count; i++)
        finish(&ready[i], buffers[i]);
}

int main(int argc, char **argv)
{
    int listener = echo_listen(echo_prepare(argc, argv));
    int epoll = bare_open(listener);
    struct epoll_event events[EVENTS];

    open_ring();
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        unsigned count = 0;

        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                bare_accept_all(epoll, listener);
            else
                ready[count++].fd = events[i].data.fd;
        }
        echo_all(count);
    }
}
