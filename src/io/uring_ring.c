/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The ring: submission, waiting, completions. io_uring_setup(2), io_uring_enter(2).
 */
#include "base/features.h"

#if EMI_HAVE_URING

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/uring_private.h"
#include "system/clock.h"
#include "system/system_error.h"

/* Completions for which there is room, for each submission. */
enum { COMPLETIONS_PER_ENTRY = 16 };

/* Without memory in the kernel, or from the wrong thread: how long to sleep before the next try. */
enum { RETRY_MS = 10 };

/*
 * How many rings were closed. One thread's ring may get the memory of one that another thread closed; that the kernel orders the
 * two is said by this counter once more, for the thread sanitizer, which does not see liburing's system calls.
 */
static atomic_uint rings_closed;

em_status emi_uring_open_ring(emi_uring *uring, unsigned entries)
{
    /* Disabled at first: the ring belongs to the thread that enables it, and the maker need not be the one that runs it. */
    struct io_uring_params parameters = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
                 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED,
        .cq_entries = entries * COMPLETIONS_PER_ENTRY,
    };
    int result = io_uring_queue_init_params(entries, &uring->ring, &parameters);
    if (result < 0)
        return emi_status_from_errno(-result);
    atomic_load_explicit(&rings_closed, memory_order_acquire);
    unsigned needed = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG;
    if ((parameters.features & needed) == needed)
        return EM_OK;
    io_uring_queue_exit(&uring->ring);
    return EM_UNSUPPORTED;
}

void emi_uring_close_ring(emi_uring *uring)
{
    atomic_fetch_add_explicit(&rings_closed, 1, memory_order_acq_rel);
    io_uring_queue_exit(&uring->ring);
}

bool emi_uring_is_at_home(const emi_uring *uring)
{
    return uring->thread == 0 || uring->thread == emi_thread_number();
}

/*
 * The calling thread becomes the one that submits. The ring is not registered with it (io_uring_register_ring_fd(3)): that would
 * save some 40 ns a turn, but keep the ring, and with it every socket, open until the thread ends.
 */
static void enable(emi_uring *uring)
{
    uring->thread = emi_thread_number();
    if (syscall(__NR_io_uring_register, uring->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0)
        uring->lost = emi_last_status();
}

/* What entering the kernel answered. What does not pass is the ring's end: else the loop would spin. */
static void note_result(emi_uring *uring, int result)
{
    switch (result) {
    case -EINTR:
    case -ETIME:
    case -EAGAIN:
    case -EBUSY:
    case -ENOMEM:
        break;
    case -EEXIST: /* another thread */
        uring->lost = EM_INVALID_STATE;
        break;
    case -EBADR: /* completions were dropped */
        uring->lost = EM_NO_MEMORY;
        break;
    default: /* somebody closed it, or forbade it */
        if (result < 0)
            uring->lost = emi_status_from_errno(-result);
    }
}

void emi_uring_submit(emi_uring *uring)
{
    if (uring->thread == 0)
        enable(uring);
    if (io_uring_sq_ready(&uring->ring) > 0 && uring->lost == EM_OK)
        note_result(uring, io_uring_submit(&uring->ring));
}

struct io_uring_sqe *emi_uring_get_entry(emi_uring *uring, uint64_t user_data)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&uring->ring);
    if (EMI_UNLIKELY(!entry)) {
        emi_uring_submit(uring);
        entry = uring->lost == EM_OK ? io_uring_get_sqe(&uring->ring) : NULL;
        if (!entry)
            return NULL;
    }
    *entry = (struct io_uring_sqe){.user_data = user_data};
    return entry;
}

/* A multishot poll on the eventfd, which is never read: every write reports. */
static void arm_waker(emi_uring *uring)
{
    struct io_uring_sqe *entry = emi_uring_get_entry(uring, EMI_URING_WAKE);
    if (!entry)
        return;
    entry->opcode = IORING_OP_POLL_ADD;
    entry->fd = uring->waker.poll_descriptor;
    entry->poll32_events = POLLIN;
    entry->len = IORING_POLL_ADD_MULTI;
    uring->waker_armed = true;
}

static bool next_completion(const emi_uring *uring, emi_uring_completion *completion)
{
    const struct io_uring_cq *queue = &uring->ring.cq;
    unsigned head = *queue->khead;
    if (head == io_uring_smp_load_acquire(queue->ktail))
        return false;
    const struct io_uring_cqe *entry = &queue->cqes[head & *queue->kring_mask];
    *completion = (emi_uring_completion){entry->user_data, entry->res, entry->flags};
    return true;
}

static void advance(emi_uring *uring)
{
    io_uring_cq_advance(&uring->ring, 1);
}

/* Takes the completions of wakes off the front: they have done what they are for. */
static void drop_wakes(emi_uring *uring)
{
    emi_uring_completion completion;
    while (next_completion(uring, &completion) && completion.user_data == EMI_URING_WAKE) {
        if (!(completion.flags & IORING_CQE_F_MORE))
            uring->waker_armed = false;
        advance(uring);
    }
}

bool emi_uring_peek(const emi_uring *uring, emi_uring_completion *completion)
{
    return next_completion(uring, completion);
}

bool emi_uring_take(emi_uring *uring, emi_uring_completion *completion)
{
    if (!next_completion(uring, completion))
        return false;
    advance(uring);
    return true;
}

bool emi_uring_has_completions(const emi_uring *uring)
{
    return io_uring_cq_ready(&uring->ring) > 0 || io_uring_cq_has_overflow(&uring->ring);
}

/* The kernel can do nothing now. Waits without it, so as not to spin. */
static void sleep_without_ring(const emi_uring *uring, uint64_t timeout_ns)
{
    int milliseconds = emi_clock_to_milliseconds(timeout_ns);
    if (milliseconds < 0 || milliseconds > RETRY_MS)
        milliseconds = RETRY_MS;
    struct pollfd waker = {.fd = uring->waker.poll_descriptor, .events = POLLIN};
    poll(&waker, 1, milliseconds);
    emi_waker_drain(&uring->waker);
}

static int enter(emi_uring *uring, uint64_t timeout_ns)
{
    struct io_uring *ring = &uring->ring;
    if (timeout_ns == EM_FOREVER)
        return io_uring_submit_and_wait(ring, 1);
    if (timeout_ns > 0) {
        uint64_t seconds = timeout_ns / 1000000000;
        struct __kernel_timespec timeout = {
            .tv_sec = seconds > INT_MAX ? INT_MAX : (long long)seconds,
            .tv_nsec = (long long)(timeout_ns % 1000000000),
        };
        struct io_uring_cqe *ignored;
        return io_uring_submit_and_wait_timeout(ring, &ignored, 1, &timeout, NULL);
    }
    bool idle = io_uring_sq_ready(ring) == 0 &&
                !(IO_URING_READ_ONCE(*ring->sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW));
    return idle ? 0 : io_uring_submit_and_get_events(ring);
}

bool emi_uring_enter(emi_uring *uring, uint64_t timeout_ns)
{
    if (uring->thread == 0)
        enable(uring);
    if (!uring->waker_armed && uring->lost == EM_OK)
        arm_waker(uring);
    drop_wakes(uring);
    if (uring->lost != EM_OK) {
        sleep_without_ring(uring, timeout_ns);
        return true;
    }
    int result = enter(uring, emi_uring_has_completions(uring) ? 0 : timeout_ns);
    note_result(uring, result);
    drop_wakes(uring);
    bool found = emi_uring_has_completions(uring);
    if (!found && timeout_ns > 0 && (result == -EAGAIN || result == -EBUSY || result == -ENOMEM))
        sleep_without_ring(uring, timeout_ns);
    return found;
}

#endif
