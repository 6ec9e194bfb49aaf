/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/* The bare io_uring loop as a sink: a buffer returns to the kernel as soon as it is full. */
#include "uring_support.h"

static struct uring uring;
static int listener;

/* The user data of a receive is the descriptor alone, shifted past the bits of the operation. */
static void *subject(int fd)
{
    return (void *)((uintptr_t)fd << 2);
}

static int descriptor(const struct io_uring_cqe *completion)
{
    return (int)((uintptr_t)uring_subject_of(completion) >> 2);
}

static void on_accepted(const struct io_uring_cqe *completion)
{
    if (!(completion->flags & IORING_CQE_F_MORE))
        uring_accept(&uring, listener);
    if (completion->res >= 0)
        uring_receive(&uring, completion->res, subject(completion->res));
}

/* Buffers run out only in the turn that has yet to return them. */
static void on_received(const struct io_uring_cqe *completion)
{
    if (completion->res > 0) {
        uring_take(&uring, completion);
        uring_release(&uring, uring_buffer_of(completion));
    }
    if (completion->flags & IORING_CQE_F_MORE)
        return;
    if (completion->res > 0 || completion->res == -ENOBUFS)
        uring_receive(&uring, descriptor(completion), subject(descriptor(completion)));
    else
        uring_close(&uring, descriptor(completion));
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
            if (uring_operation_of(completion) == URING_ACCEPT)
                on_accepted(completion);
            else if (uring_operation_of(completion) == URING_RECEIVE)
                on_received(completion);
            count++;
        }
        io_uring_cq_advance(&uring.ring, count);
    }
}
