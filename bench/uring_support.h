/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Shared by the servers on a bare io_uring: the ring, and the ring of buffers into which the kernel receives. If the
 * kernel supports it, many messages share a buffer (since Linux 6.12 each continues where the last one ended).
 * Otherwise each takes its own buffer. A buffer returns to the kernel when nothing more is received into it and nobody
 * needs its contents. The servers decide what to do with the bytes.
 */
#ifndef BENCH_URING_SUPPORT_H
#define BENCH_URING_SUPPORT_H

#include "echo_support.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

/* Missing from the headers of liburing 2.3. The flags of a registration are in its padding there. */
enum { URING_INCREMENTAL = 2, URING_MORE_IN_BUFFER = 1 << 4 };

enum {
    URING_SUBMISSIONS = 4096,
    URING_COMPLETIONS = 16384,
    URING_SHARED_BUFFERS = 32,
    URING_PLAIN_BUFFERS = 1024,
    URING_PLAIN_BYTES = 16384
};

/* The operation of a completion: the two lowest bits of its user data. The other bits are those of a pointer from
 * malloc. */
enum uring_operation { URING_ACCEPT, URING_RECEIVE, URING_SEND, URING_CLOSE };

static const uint64_t uring_operations = 3;

struct uring_buffer {
    unsigned filled; /* bytes */
    unsigned users;  /* pieces of it that are still needed */
    bool full;       /* the kernel puts nothing more into it */
};

struct uring {
    struct io_uring ring;
    struct io_uring_buf_ring *buffer_ring;
    struct uring_buffer *buffers;
    char *memory;
    unsigned count, bytes_each;
    unsigned available; /* buffers that the kernel has */
};

static inline void uring_give(struct uring *uring, unsigned id)
{
    uring->buffers[id] = (struct uring_buffer){0};
    io_uring_buf_ring_add(uring->buffer_ring, uring->memory + (size_t)id * uring->bytes_each, uring->bytes_each,
                          (unsigned short)id, io_uring_buf_ring_mask(uring->count), 0);
    io_uring_buf_ring_advance(uring->buffer_ring, 1);
    uring->available++;
}

static inline void *uring_map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        echo_fail("mmap");
    return memory;
}

static inline int uring_register(struct uring *uring, unsigned count, unsigned bytes_each, unsigned short flags)
{
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)uring->buffer_ring, .ring_entries = count, .pad = flags};

    uring->count = count;
    uring->bytes_each = bytes_each;
    return io_uring_register_buf_ring(&uring->ring, &registration, 0);
}

static inline void uring_open_buffers(struct uring *uring)
{
    uring->buffer_ring = uring_map(URING_PLAIN_BUFFERS * sizeof(struct io_uring_buf));
    io_uring_buf_ring_init(uring->buffer_ring);
    if (uring_register(uring, URING_SHARED_BUFFERS, ECHO_BUFFER_BYTES, URING_INCREMENTAL) < 0) {
        errno = -uring_register(uring, URING_PLAIN_BUFFERS, URING_PLAIN_BYTES, 0);
        if (errno)
            echo_fail("io_uring_register_buf_ring");
    }
    uring->buffers = calloc(uring->count, sizeof *uring->buffers);
    if (!uring->buffers)
        echo_fail("calloc");
    uring->memory = uring_map((size_t)uring->count * uring->bytes_each);
    for (unsigned id = 0; id < uring->count; id++)
        uring_give(uring, id);
}

static inline void uring_open(struct uring *uring)
{
    struct io_uring_params parameters = {.cq_entries = URING_COMPLETIONS};

    parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                       IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
    errno = -io_uring_queue_init_params(URING_SUBMISSIONS, &uring->ring, &parameters);
    if (errno)
        echo_fail("io_uring_queue_init_params");
    io_uring_register_ring_fd(&uring->ring);
    uring_open_buffers(uring);
}

static inline struct io_uring_sqe *uring_submission(struct uring *uring)
{
    struct io_uring_sqe *submission;

    while (!(submission = io_uring_get_sqe(&uring->ring)))
        io_uring_submit(&uring->ring);
    return submission;
}

static inline void uring_mark(struct io_uring_sqe *submission, void *subject, enum uring_operation operation)
{
    io_uring_sqe_set_data64(submission, (uintptr_t)subject | operation);
}

static inline enum uring_operation uring_operation_of(const struct io_uring_cqe *completion)
{
    return (enum uring_operation)(completion->user_data & uring_operations);
}

static inline void *uring_subject_of(const struct io_uring_cqe *completion)
{
    return (void *)(uintptr_t)(completion->user_data & ~uring_operations);
}

static inline void uring_accept(struct uring *uring, int listener)
{
    struct io_uring_sqe *submission = uring_submission(uring);

    io_uring_prep_multishot_accept(submission, listener, NULL, NULL, SOCK_CLOEXEC);
    uring_mark(submission, NULL, URING_ACCEPT);
}

/* Sockets stay blocking: the ring waits for blocking ones, and returns EAGAIN for others. */
static inline int uring_listen(struct uring *uring, uint16_t port)
{
    int listener = echo_listen(port);

    if (fcntl(listener, F_SETFL, 0) != 0)
        echo_fail("fcntl");
    uring_accept(uring, listener);
    return listener;
}

static inline void uring_receive(struct uring *uring, int fd, void *subject)
{
    struct io_uring_sqe *submission = uring_submission(uring);

    io_uring_prep_recv_multishot(submission, fd, NULL, 0, 0);
    submission->flags |= IOSQE_BUFFER_SELECT;
    uring_mark(submission, subject, URING_RECEIVE);
}

static inline void uring_close(struct uring *uring, int fd)
{
    struct io_uring_sqe *submission = uring_submission(uring);

    io_uring_prep_close(submission, fd);
    submission->flags |= IOSQE_CQE_SKIP_SUCCESS;
    uring_mark(submission, NULL, URING_CLOSE);
}

static inline unsigned uring_buffer_of(const struct io_uring_cqe *completion)
{
    return completion->flags >> IORING_CQE_BUFFER_SHIFT;
}

static inline void uring_release(struct uring *uring, unsigned id)
{
    struct uring_buffer *buffer = &uring->buffers[id];

    if (--buffer->users == 0 && buffer->full)
        uring_give(uring, id);
}

/* The bytes of a completion, valid until uring_release. */
static inline char *uring_take(struct uring *uring, const struct io_uring_cqe *completion)
{
    unsigned id = uring_buffer_of(completion);
    struct uring_buffer *buffer = &uring->buffers[id];
    char *bytes = uring->memory + (size_t)id * uring->bytes_each + buffer->filled;

    buffer->filled += completion->res > 0 ? (unsigned)completion->res : 0;
    buffer->users++;
    if (!(completion->flags & URING_MORE_IN_BUFFER)) {
        buffer->full = true;
        uring->available--;
    }
    return bytes;
}

#endif
