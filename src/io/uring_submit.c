/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What is asked of the kernel: receiving and accepting until further notice, sending, waiting for a connect, giving up. Only
 * flush and dispatch come here, in the thread to which the ring belongs.
 */
#include "base/features.h"

#if EMI_HAVE_URING

#include <poll.h>
#include <sys/socket.h>

#include "io/uring_private.h"
#include "system/socket.h"

/* The kernel counts what it sent in 31 bits. */
#define LONGEST_SEND ((size_t)1 << 30)

static bool has_room(emi_uring *uring)
{
    if (EMI_LIKELY(io_uring_sq_space_left(&uring->ring) > 0))
        return true;
    emi_uring_submit(uring);
    return io_uring_sq_space_left(&uring->ring) > 0;
}

static struct io_uring_sqe *begin_as(emi_uring *uring, emi_channel *channel, uint64_t user_data)
{
    struct io_uring_sqe *entry = emi_uring_get_entry(uring, user_data);
    if (!entry)
        return NULL;
    entry->fd = channel->descriptor;
    channel->under_way++;
    return entry;
}

static struct io_uring_sqe *begin(emi_uring *uring, emi_channel *channel, emi_uring_operation operation)
{
    return begin_as(uring, channel, emi_uring_user_data(channel, operation));
}

/* Receives or accepts from now on. */
static bool arm(emi_uring *uring, emi_channel *channel)
{
    bool is_listener = channel->kind == EMI_LISTENER;
    struct io_uring_sqe *entry = begin(uring, channel, is_listener ? EMI_URING_ACCEPT : EMI_URING_RECEIVE);
    if (!entry)
        return false;
    if (is_listener) {
        entry->opcode = IORING_OP_ACCEPT;
        entry->ioprio = IORING_ACCEPT_MULTISHOT;
        entry->accept_flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
    } else if (channel->bulk > 0) {
        entry->opcode = IORING_OP_POLL_ADD;
        entry->poll32_events = POLLIN | POLLRDHUP | POLLPRI;
        entry->len = IORING_POLL_ADD_MULTI;
        channel->flags |= EMI_URING_POLLING;
    } else {
        entry->opcode = IORING_OP_RECV;
        entry->ioprio = IORING_RECV_MULTISHOT | IORING_RECVSEND_POLL_FIRST;
        entry->flags = IOSQE_BUFFER_SELECT;
    }
    channel->flags |= EMI_URING_ARMED;
    return true;
}

static bool await_connect(emi_uring *uring, emi_channel *channel)
{
    struct io_uring_sqe *entry = begin(uring, channel, EMI_URING_CONNECT);
    if (!entry)
        return false;
    entry->opcode = IORING_OP_POLL_ADD;
    entry->poll32_events = POLLOUT;
    return true;
}

/* One that the kernel has; by number, because to search by descriptor it would look at all that it has of all channels. */
static uint64_t operation_under_way(const emi_uring *uring, const emi_channel *channel)
{
    if (channel->flags & EMI_URING_ARMED)
        return emi_uring_user_data(channel, channel->kind == EMI_LISTENER ? EMI_URING_ACCEPT : EMI_URING_RECEIVE);
    if (!(channel->flags & EMI_URING_SENDING))
        return emi_uring_user_data(channel, EMI_URING_CONNECT);
    uint64_t zero_copy = emi_uring_zero_copy_under_way(uring, channel);
    return zero_copy ? zero_copy : emi_uring_user_data(channel, EMI_URING_SEND);
}

static bool cancel(emi_uring *uring, emi_channel *channel)
{
    struct io_uring_sqe *entry = begin(uring, channel, EMI_URING_CANCEL);
    if (!entry)
        return false;
    entry->opcode = IORING_OP_ASYNC_CANCEL;
    entry->fd = -1;
    entry->addr = operation_under_way(uring, channel);
    channel->flags |= EMI_URING_CANCELLING;
    return true;
}

/* The spans as a message that stays until it is submitted; NULL without memory. */
static struct msghdr *make_message(emi_uring *uring, const struct io_uring_sqe *entry, const emi_span *spans,
                                   unsigned count)
{
    if (!uring->messages)
        uring->messages = emi_allocate(uring->memory, uring->ring.sq.ring_entries * sizeof *uring->messages);
    if (!uring->messages)
        return NULL;
    emi_uring_message *message = &uring->messages[entry - uring->ring.sq.sqes];
    for (unsigned i = 0; i < count; i++)
        message->spans[i] = spans[i];
    message->header = (struct msghdr){.msg_iov = (struct iovec *)(void *)message->spans, .msg_iovlen = count};
    return &message->header;
}

struct io_uring_sqe *emi_uring_prepare_send(emi_uring *uring, emi_channel *channel, uint64_t user_data,
                                            const emi_span *spans, unsigned count)
{
    struct io_uring_sqe *entry = begin_as(uring, channel, user_data);
    if (!entry)
        return NULL;
    struct msghdr *message = count > 1 ? make_message(uring, entry, spans, count) : NULL;
    if (message) {
        entry->opcode = IORING_OP_SENDMSG;
        entry->addr = (uint64_t)(uintptr_t)message;
        entry->len = 1;
    } else {
        entry->opcode = IORING_OP_SEND;
        entry->addr = (uint64_t)(uintptr_t)spans[0].data;
        entry->len = (uint32_t)(spans[0].length < LONGEST_SEND ? spans[0].length : LONGEST_SEND);
    }
    entry->msg_flags = MSG_NOSIGNAL;
    channel->flags |= EMI_URING_SENDING;
    return entry;
}

/* true: the system took something, and there may be more to send. */
static bool send_now(emi_channel *channel, const emi_span *spans, unsigned count)
{
    size_t length;
    if (emi_socket_send(channel->descriptor, spans, count, &length) != EM_OK || length == 0)
        return false; /* the ring waits for room, or hears what is wrong */
    channel->events->sent(channel, length);
    return true;
}

bool emi_uring_send(emi_uring *uring, emi_channel *channel)
{
    emi_span spans[EMI_MAX_SPANS];
    if (channel->flags & (EMI_URING_SENDING | EMI_URING_SEND_FAILED))
        return true;
    for (unsigned sends = 0; sends < channel->burst && channel->sending; sends++) {
        if (!has_room(uring))
            return false;
        unsigned count = channel->events->gather(channel, spans);
        if (emi_uring_is_over(uring, channel))
            return true;
        if (count == 0) {
            channel->sending = false;
        } else if (EMI_UNLIKELY(emi_batch_is_large(spans, count)) &&
                   emi_uring_send_held(uring, channel, spans, count)) {
            return true;
        } else if (!emi_batch_is_large(spans, count) || !send_now(channel, spans, count)) {
            return emi_uring_prepare_send(uring, channel, emi_uring_user_data(channel, EMI_URING_SEND), spans, count);
        } else if (emi_uring_is_over(uring, channel)) {
            return true;
        }
    }
    if (channel->sending)
        emi_uring_attend(uring, channel);
    return true;
}

static bool should_cancel(const emi_channel *channel)
{
    if (channel->flags & EMI_URING_CANCELLING)
        return false;
    if (channel->released)
        return channel->flags & (EMI_URING_ARMED | EMI_URING_SENDING) ||
               (channel->connecting && channel->under_way > 0);
    return (channel->flags & EMI_URING_ARMED) &&
           ((channel->flags & EMI_URING_UNWANTED) || emi_uring_should_change(channel));
}

static bool should_arm(const emi_channel *channel)
{
    return channel->receiving && !channel->connecting && !emi_uring_has_held(channel) &&
           !(channel->flags & (EMI_URING_ARMED | EMI_URING_CANCELLING | EMI_URING_ENDED | EMI_URING_SEND_FAILED));
}

bool emi_uring_attend_now(emi_uring *uring, emi_channel *channel)
{
    if (should_cancel(channel))
        return cancel(uring, channel);
    if (channel->released) {
        if (uring->zero_copy_count > 0 && channel->under_way > 0 && !(channel->flags & EMI_URING_CANCELLING))
            emi_uring_await_let_go(uring, channel);
        return true;
    }
    if (channel->connecting)
        return channel->under_way > 0 || await_connect(uring, channel);
    if (should_arm(channel) && !arm(uring, channel))
        return false;
    return !channel->sending || emi_uring_send(uring, channel);
}

#endif
