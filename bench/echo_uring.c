/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The echo server on io_uring with no library except liburing: one submission accepts all connections, another receives
 * all input of a connection, and each turn makes one system call. A connection has one pending send at a time, because
 * two could overtake each other. What arrives meanwhile waits in its buffer. It shows what a completion loop costs, as
 * echo_epoll.c does for readiness.
 */
#include "uring_support.h"

struct piece {
    struct piece *next;
    const char *bytes;
    unsigned length;
    unsigned buffer;
};

struct connection {
    int fd;
    bool receiving;
    struct piece *first, *last;      /* not sent yet; the first is under way */
    struct connection *next_starved; /* waiting for buffers */
};

static struct uring uring;
static struct piece *unused;
static struct connection *starved;
static int listener;

static void *allocate(size_t size)
{
    void *memory = malloc(size);

    if (!memory)
        echo_fail("malloc");
    return memory;
}

static void send_first(struct connection *connection)
{
    struct io_uring_sqe *submission = uring_submission(&uring);

    /* After a partial send the kernel continues by itself, so a completion is the whole piece or a failure. */
    io_uring_prep_send(submission, connection->fd, connection->first->bytes, connection->first->length,
                       MSG_WAITALL | MSG_NOSIGNAL);
    uring_mark(submission, connection, URING_SEND);
}

static void append(struct connection *connection, const struct io_uring_cqe *completion)
{
    struct piece *piece = unused ? unused : allocate(sizeof *piece);

    unused = unused ? unused->next : NULL;
    *piece = (struct piece){.bytes = uring_take(&uring, completion),
                            .length = (unsigned)completion->res,
                            .buffer = uring_buffer_of(completion)};
    if (connection->first) {
        connection->last->next = piece;
    } else {
        connection->first = piece;
        send_first(connection);
    }
    connection->last = piece;
}

static void drop_first(struct connection *connection)
{
    struct piece *piece = connection->first;

    connection->first = piece->next;
    uring_release(&uring, piece->buffer);
    piece->next = unused;
    unused = piece;
}

static void close_if_done(struct connection *connection)
{
    if (connection->receiving || connection->first)
        return;
    uring_close(&uring, connection->fd);
    free(connection);
}

static void on_accepted(const struct io_uring_cqe *completion)
{
    struct connection *connection;
    int on = 1;

    if (!(completion->flags & IORING_CQE_F_MORE))
        uring_accept(&uring, listener);
    if (completion->res < 0)
        return;
    setsockopt(completion->res, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connection = allocate(sizeof *connection);
    *connection = (struct connection){.fd = completion->res, .receiving = true};
    uring_receive(&uring, connection->fd, connection);
}

static void on_received(struct connection *connection, const struct io_uring_cqe *completion)
{
    if (completion->res > 0)
        append(connection, completion);
    if (completion->flags & IORING_CQE_F_MORE)
        return;
    if (completion->res == -ENOBUFS) {
        connection->next_starved = starved;
        starved = connection;
    } else if (completion->res > 0) {
        uring_receive(&uring, connection->fd, connection);
    } else {
        connection->receiving = false;
        close_if_done(connection);
    }
}

/* If the peer accepts no more, the receiving side is notified of its end as well. */
static void on_sent(struct connection *connection, const struct io_uring_cqe *completion)
{
    bool whole = completion->res == (int)connection->first->length;

    do
        drop_first(connection);
    while (!whole && connection->first);
    if (connection->first)
        send_first(connection);
    else
        close_if_done(connection);
}

static void feed_starved(void)
{
    while (starved && uring.available > 0) {
        struct connection *connection = starved;

        starved = connection->next_starved;
        uring_receive(&uring, connection->fd, connection);
    }
}

static void on_completion(const struct io_uring_cqe *completion)
{
    switch (uring_operation_of(completion)) {
    case URING_ACCEPT:
        on_accepted(completion);
        break;
    case URING_RECEIVE:
        on_received(uring_subject_of(completion), completion);
        break;
    case URING_SEND:
        on_sent(uring_subject_of(completion), completion);
        break;
    default:
        break;
    }
}

int main(int argc, char **argv)
{
    uint16_t port = echo_prepare(argc, argv);

    uring_open(&uring);
    listener = uring_listen(&uring, port);
    for (;;) {
        struct io_uring_cqe *completion;
        unsigned head, count = 0;

        io_uring_submit_and_wait(&uring.ring, 1);
        io_uring_for_each_cqe(&uring.ring, head, completion)
        {
            on_completion(completion);
            count++;
        }
        io_uring_cq_advance(&uring.ring, count);
        feed_starved();
    }
}
