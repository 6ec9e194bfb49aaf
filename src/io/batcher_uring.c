/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The batcher by io_uring(7). The ring has no setup flags, so it belongs to no thread. The kernel makes the calls
 * within io_uring_enter(2), because none of them may block. IORING_SETUP_SINGLE_ISSUER, IORING_SETUP_DEFER_TASKRUN and
 * registered files made it no faster. batcher_trial.c finds out whether the kernel can do it.
 */
#include "base/features.h"

#if EMI_HAVE_URING

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/batcher_private.h"
#include "system/system_error.h"
#include "system/thread.h"

/* A call without a result after this time will never have one. */
#define LONGEST_WAIT_SECONDS 1

struct emi_batcher {
    struct io_uring ring;
    struct stat identity;
    unsigned fork_count; /* of the process that made it */
    bool is_broken;      /* the ring may hold calls that the kernel has not taken, on memory that was freed */
};

/*
 * A ring that no loop uses is kept here for the next loop. When a ring is closed, the kernel interrupts each thread
 * that used it, some milliseconds later: poll(2) or nanosleep(2) in the program then fails with EINTR without a signal.
 */
static _Atomic(emi_batcher *) spare;

/* Returns false if the program has closed the ring's descriptor, whose number may be in use for something else now. */
static bool is_whole(emi_batcher *batcher)
{
    struct stat found;
    if (fstat(batcher->ring.ring_fd, &found) < 0 || found.st_ino != batcher->identity.st_ino ||
        found.st_dev != batcher->identity.st_dev)
        return false;
    int result = io_uring_enter((unsigned)batcher->ring.ring_fd, 0, 0, 0, NULL);
    return result != -EBADF && result != -EOPNOTSUPP;
}

static void close_batcher(emi_batcher *batcher)
{
    if (!batcher)
        return;
    if (!is_whole(batcher))
        batcher->ring.ring_fd = batcher->ring.enter_ring_fd = -1;
    io_uring_queue_exit(&batcher->ring);
    free(batcher);
}

static bool is_inherited(const emi_batcher *batcher)
{
    return emi_is_forked_since(batcher->fork_count);
}

/* A ring may be kept for long. In a process that has closed its standard streams it must not have their numbers. */
static void move_up(struct io_uring *ring)
{
    if (ring->ring_fd > STDERR_FILENO)
        return;
    int higher = fcntl(ring->ring_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (higher < 0)
        return;
    close(ring->ring_fd);
    ring->ring_fd = ring->enter_ring_fd = higher;
}

static em_status open_batcher(emi_batcher **opened)
{
    emi_batcher *batcher = calloc(1, sizeof *batcher);
    if (!batcher)
        return EM_NO_MEMORY;
    batcher->fork_count = emi_fork_count();
    struct io_uring_params no_flags = {.flags = 0};
    int result = io_uring_queue_init_params(EMI_BATCH_MOST_CALLS, &batcher->ring, &no_flags);
    if (result < 0) {
        free(batcher);
        return emi_status_from_errno(-result);
    }
    move_up(&batcher->ring);
    fstat(batcher->ring.ring_fd, &batcher->identity); /* the inode is unique to the ring */
    *opened = batcher;
    return EM_OK;
}

em_status emi_batcher_try(emi_batcher **created)
{
    emi_batcher *batcher = atomic_exchange(&spare, NULL);
    if (batcher && !is_inherited(batcher) && is_whole(batcher)) {
        *created = batcher;
        return EM_OK;
    }
    close_batcher(batcher);
    return open_batcher(created);
}

em_status emi_batcher_create(emi_batcher **created)
{
    return emi_batcher_refusal() ? EM_UNKNOWN_BACKEND : emi_batcher_try(created);
}

void emi_batcher_destroy(emi_batcher *batcher)
{
    if (batcher && !batcher->is_broken && !is_inherited(batcher) && is_whole(batcher))
        batcher = atomic_exchange(&spare, batcher);
    close_batcher(batcher);
}

static void prepare(struct io_uring *ring, emi_call *call, unsigned number)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(ring); /* never NULL: the queue is empty before a batch */
    if (call->kind == EMI_CALL_RECEIVE)
        io_uring_prep_recv(entry, call->descriptor, call->bytes, call->length, MSG_DONTWAIT);
    else
        io_uring_prep_send(entry, call->descriptor, call->bytes, call->length, MSG_DONTWAIT | MSG_NOSIGNAL);
    entry->user_data = number;
    call->status = EM_IN_PROGRESS;
    call->done = 0;
}

static void note_result(emi_call *call, int result)
{
    call->status = result < 0 ? emi_status_from_errno(-result) : EM_OK;
    call->done = result < 0 ? 0 : (size_t)result;
}

static unsigned collect(struct io_uring *ring, emi_call *calls)
{
    unsigned head, found = 0;
    struct io_uring_cqe *entry;
    io_uring_for_each_cqe(ring, head, entry)
    {
        note_result(&calls[entry->user_data], entry->res);
        found++;
    }
    io_uring_cq_advance(ring, found);
    return found;
}

/* The kernel has taken all calls, but results are missing. No kernel that passed the trial has shown this yet. */
static bool wait_for_result(struct io_uring *ring)
{
    struct __kernel_timespec limit = {.tv_sec = LONGEST_WAIT_SECONDS};
    struct io_uring_cqe *entry;
    return io_uring_wait_cqe_timeout(ring, &entry, &limit) == 0;
}

static void give_up(emi_call *calls, unsigned taken, unsigned count)
{
    for (unsigned i = 0; i < taken; i++)
        if (calls[i].status == EM_IN_PROGRESS)
            calls[i].status = EM_SYSTEM_ERROR;
    emi_calls_run(calls + taken, count - taken);
}

bool emi_batcher_run(emi_batcher *batcher, emi_call *calls, unsigned count)
{
    struct io_uring *ring = &batcher->ring;
    for (unsigned i = 0; i < count; i++)
        prepare(ring, &calls[i], i);
    unsigned taken = 0;
    for (unsigned left = count; left > 0;) {
        int submitted = taken < count ? io_uring_submit(ring) : 0;
        if (submitted > 0)
            taken += (unsigned)submitted;
        unsigned found = collect(ring, calls);
        left -= found;
        bool goes_on = found > 0 || submitted > 0;
        if (!goes_on && (taken < count || !wait_for_result(ring))) {
            batcher->is_broken = true;
            give_up(calls, taken, count);
            return false;
        }
    }
    return true;
}

#endif
