/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Faults of calls that go to the kernel as a batch, through io_uring: entries are cut before they are submitted, and submitting
 * them fails as a whole.
 */
#include "base/features.h"

#if EMI_HAVE_URING

#include <errno.h>
#include <liburing.h>
#include <pthread.h>
#include <stdbool.h>

#include "fuzz/support/faults.h"

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __real_io_uring_submit_and_wait(struct io_uring *ring, unsigned count);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned count);
int __real_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *params);

static void cut_entry(struct io_uring_sqe *entry)
{
    if (entry->opcode != IORING_OP_RECV && entry->opcode != IORING_OP_SEND)
        return;
    size_t length = entry->len;
    if (!faults_cut(&length))
        return;
    entry->len = (unsigned)length;
    if (!(entry->flags & IOSQE_FIXED_FILE))
        faults_report_again(entry->fd);
}

static void cut_batch(const struct io_uring *ring)
{
    if (!faults_current())
        return;
    const struct io_uring_sq *queue = &ring->sq;
    for (unsigned i = queue->sqe_head; i != queue->sqe_tail; i++)
        cut_entry(&queue->sqes[i & *queue->kring_mask]);
}

/* io_uring_enter(2) as a whole. Nothing was submitted then. */
static bool is_refused(int *error)
{
    static const int errors[] = {EAGAIN, EBUSY, EINTR, ENOMEM, 0};
    return faults_fail(errors, error);
}

int __wrap_io_uring_submit(struct io_uring *ring)
{
    int error;
    if (is_refused(&error))
        return -error;
    cut_batch(ring);
    return __real_io_uring_submit(ring);
}

int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned count)
{
    int error;
    if (is_refused(&error))
        return -error;
    cut_batch(ring);
    return __real_io_uring_submit_and_wait(ring, count);
}

int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *params)
{
    static const int errors[] = {EMFILE, ENFILE, ENOMEM, EPERM, 0};
    int error;
    if (faults_fail(errors, &error))
        return -error;
    return __real_io_uring_queue_init_params(entries, ring, params);
}

#endif
