/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sending without a copy: the kernel reads the owner's memory when the network card does. It answers such a send twice, first with
 * how much it took, then, when the peer has it all, that it reads there no more. See io_uring_prep_send_zc(3).
 *
 * The owner is told what was let go in the order of sending, whatever order the kernel has. A released channel waits for that, but
 * not for long: the kernel itself would try for a quarter of an hour to reach a peer that has gone.
 */
#include "base/features.h"

#if EMI_HAVE_URING

#include <errno.h>

#include "io/uring_private.h"
#include "system/clock.h"
#include "system/socket.h"

enum {
    LEAST_BYTES = 16 * 1024, /* less is copied sooner than its pages are looked up and the second answer is served */
    MOST_UNDER_WAY = 100     /* of all channels: each may be counted in emi_channel.under_way */
};

/* Younger than some liburing. Of Linux 6.2: that it was copied all the same is told by the second answer. */
enum { SEND_ZERO_COPY = 47, SEND_MESSAGE_ZERO_COPY = 48, SECOND_ANSWER = 8, REPORT_USAGE = 8 };
#define WAS_COPIED (UINT32_C(1) << 31)

typedef struct zero_copy {
    emi_list link;
    emi_channel *channel;
    size_t length;    /* that is held */
    uint64_t due_ns;  /* after release: when it is enough; 0: not released */
    bool is_answered; /* for the first time */
    bool is_done;     /* for the second time, or without one */
    bool was_copied;
} zero_copy;

static zero_copy *zero_copy_at(emi_list *link)
{
    return EMI_CONTAINER(link, zero_copy, link);
}

static uint64_t user_data_of(const zero_copy *send)
{
    return (uint64_t)(uintptr_t)send | EMI_URING_ZERO_COPY;
}

static void forget(emi_uring *uring, zero_copy *send)
{
    emi_list_remove(&send->link);
    uring->zero_copy_count--;
    uring->zero_copy_waiting -= send->due_ns != 0;
    emi_release(uring->memory, send);
}

void emi_uring_drop_zero_copies(emi_uring *uring, const emi_channel *channel)
{
    for (emi_list *link = uring->zero_copies.next, *next; link != &uring->zero_copies; link = next) {
        next = link->next;
        if (!channel || zero_copy_at(link)->channel == channel)
            forget(uring, zero_copy_at(link));
    }
}

/* Sending */

static bool is_worth_while(const emi_span *spans, unsigned count)
{
    size_t length = 0;
    for (unsigned i = 0; i < count; i++)
        length += spans[i].length;
    return length >= LEAST_BYTES;
}

bool emi_uring_send_held(emi_uring *uring, emi_channel *channel, const emi_span *spans, unsigned count)
{
    if (!channel->events->may_hold || uring->never_hold || uring->zero_copy_count >= MOST_UNDER_WAY ||
        !is_worth_while(spans, count) || !channel->events->may_hold(channel))
        return false;
    zero_copy *send = emi_allocate_zeroed(uring->memory, sizeof *send);
    if (!send)
        return false;
    struct io_uring_sqe *entry = emi_uring_prepare_send(uring, channel, user_data_of(send), spans, count);
    if (!entry) {
        emi_release(uring->memory, send);
        return false;
    }
    entry->opcode = entry->opcode == IORING_OP_SENDMSG ? SEND_MESSAGE_ZERO_COPY : SEND_ZERO_COPY;
    entry->ioprio = REPORT_USAGE;
    send->channel = channel;
    emi_list_append(&uring->zero_copies, &send->link);
    uring->zero_copy_count++;
    return true;
}

uint64_t emi_uring_zero_copy_under_way(const emi_uring *uring, const emi_channel *channel)
{
    for (emi_list *link = uring->zero_copies.next; link != &uring->zero_copies; link = link->next)
        if (zero_copy_at(link)->channel == channel && !zero_copy_at(link)->is_answered)
            return user_data_of(zero_copy_at(link));
    return 0;
}

/* Completions */

/* Whether the kernel has the operation but cannot do it this way, here or now. */
static bool is_refusal(int result)
{
    return result == -EOPNOTSUPP || result == -EINVAL || result == -ENOMEM || result == -ENOBUFS;
}

static void let_go(emi_uring *uring, emi_channel *channel)
{
    for (emi_list *link = uring->zero_copies.next, *next; link != &uring->zero_copies; link = next) {
        next = link->next;
        zero_copy *send = zero_copy_at(link);
        if (send->channel != channel)
            continue;
        if (!send->is_done)
            return;
        size_t length = send->length;
        bool was_copied = send->was_copied;
        forget(uring, send);
        if (channel->events->let_go)
            channel->events->let_go(channel, length, was_copied);
    }
}

static void answer(emi_uring *uring, zero_copy *send, const emi_uring_completion *completion)
{
    emi_channel *channel = send->channel;
    bool goes_on = completion->flags & IORING_CQE_F_MORE;
    send->is_answered = true;
    send->is_done = !goes_on;
    send->was_copied = is_refusal(completion->result);
    send->length = goes_on && completion->result > 0 ? (size_t)completion->result : 0;
    if (completion->result == -EOPNOTSUPP || completion->result == -EINVAL)
        uring->never_hold = true;
    channel->flags &= (uint8_t)~EMI_URING_SENDING;
    if (!goes_on) {
        if (!channel->released)
            let_go(uring, channel);
        if (emi_uring_ends_channel(uring, channel))
            return;
    } else if (channel->released) {
        emi_uring_attend(uring, channel);
        return;
    }
    emi_uring_finish_send(uring, channel, is_refusal(completion->result) ? -EAGAIN : completion->result, goes_on);
}

void emi_uring_serve_zero_copy(emi_uring *uring, const emi_uring_completion *completion)
{
    zero_copy *send = (zero_copy *)(uintptr_t)(completion->user_data & ~(uint64_t)EMI_URING_TAG_MASK);
    if (!(completion->flags & SECOND_ANSWER)) {
        answer(uring, send, completion);
        return;
    }
    emi_channel *channel = send->channel;
    send->is_done = true;
    send->was_copied |= ((uint32_t)completion->result & WAS_COPIED) != 0;
    if (!channel->released)
        let_go(uring, channel);
    emi_uring_ends_channel(uring, channel);
}

/* After release */

void emi_uring_await_let_go(emi_uring *uring, emi_channel *channel)
{
    emi_socket_shutdown_write(channel->descriptor);
    for (emi_list *link = uring->zero_copies.next; link != &uring->zero_copies; link = link->next) {
        zero_copy *send = zero_copy_at(link);
        if (send->channel != channel || send->due_ns != 0)
            continue;
        send->due_ns = emi_clock_now_ns() + uring->hold_timeout_ns;
        uring->zero_copy_waiting++;
    }
}

uint64_t emi_uring_zero_copy_due_ns(const emi_uring *uring)
{
    uint64_t due_ns = EM_FOREVER;
    if (EMI_LIKELY(uring->zero_copy_waiting == 0))
        return due_ns;
    for (emi_list *link = uring->zero_copies.next; link != &uring->zero_copies; link = link->next)
        if (zero_copy_at(link)->due_ns != 0 && zero_copy_at(link)->due_ns < due_ns)
            due_ns = zero_copy_at(link)->due_ns;
    uint64_t now_ns = emi_clock_now_ns();
    return due_ns > now_ns ? due_ns - now_ns : 0;
}

/* A reset makes the kernel drop what the peer has not acknowledged, and then it lets go of it. */
void emi_uring_expire_zero_copies(emi_uring *uring)
{
    if (EMI_LIKELY(uring->zero_copy_waiting == 0) || emi_uring_zero_copy_due_ns(uring) > 0)
        return;
    uint64_t now_ns = emi_clock_now_ns();
    for (emi_list *link = uring->zero_copies.next; link != &uring->zero_copies; link = link->next) {
        zero_copy *send = zero_copy_at(link);
        if (send->due_ns == 0 || send->due_ns > now_ns)
            continue;
        send->due_ns = now_ns + uring->hold_timeout_ns;
        if (send->channel->descriptor == EMI_NO_SOCKET)
            continue;
        emi_socket_set_linger(send->channel->descriptor, 0);
        emi_socket_close(send->channel->descriptor);
        send->channel->descriptor = EMI_NO_SOCKET;
    }
}

#endif
