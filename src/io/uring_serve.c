/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What follows from completions. A channel stays where it is until reap, so that it can be looked at after every callback; the
 * ring must not be touched any more if a callback has forked.
 */
#include "base/features.h"

#if EMI_HAVE_URING

#include <errno.h>
#include <string.h>

#include "io/accept_errors.h"
#include "io/bulk.h"
#include "io/uring_private.h"
#include "system/socket.h"
#include "system/system_error.h"

/* So much is still read from a stream that cannot be written to any more: more than a socket's buffer holds. */
enum { LAST_READS = 1024 };

static void fail(emi_channel *channel, em_status reason)
{
    channel->receiving = false;
    channel->sending = false;
    channel->connecting = false;
    channel->events->failed(channel, reason);
}

void emi_uring_fail_lost(emi_uring *uring, emi_channel *channel)
{
    bool is_used = channel->receiving || channel->sending || channel->connecting;
    channel->under_way = 0;
    channel->flags = EMI_URING_ENDED;
    emi_uring_drop_zero_copies(uring, channel);
    if (channel->released)
        emi_uring_bury(uring, channel);
    else if (is_used)
        fail(channel, uring->lost);
}

bool emi_uring_ends_channel(emi_uring *uring, emi_channel *channel)
{
    channel->under_way--;
    if (!channel->released)
        return false;
    if (channel->under_way == 0)
        emi_uring_bury(uring, channel);
    else
        emi_uring_attend(uring, channel);
    return true;
}

/* Receiving */

void emi_uring_deliver(emi_uring *uring, emi_channel *channel, const unsigned char *bytes, size_t length)
{
    emi_bulk_note(channel, length);
    channel->events->data(channel, bytes, length);
    if (emi_uring_is_over(uring, channel))
        return;
    if (EMI_UNLIKELY(emi_uring_should_change(channel)))
        emi_uring_attend(uring, channel);
    if (!channel->sending)
        return;
    if (!emi_uring_send(uring, channel))
        emi_uring_attend(uring, channel);
    if (emi_batch_is_over(&uring->batch))
        emi_uring_submit(uring);
}

/* The owner does not want it now. The kernel is asked to stop, so that no more than is under way has to be kept. */
static bool keep(emi_uring *uring, emi_channel *channel, const void *bytes, size_t length)
{
    if ((channel->flags & EMI_URING_ARMED) && !channel->receiving) {
        channel->flags |= EMI_URING_UNWANTED;
        emi_uring_attend(uring, channel);
    }
    return emi_uring_hold(uring, channel, bytes, length);
}

static void deliver_or_keep(emi_uring *uring, emi_channel *channel, const unsigned char *bytes, size_t length)
{
    if (channel->released || (channel->flags & EMI_URING_ENDED))
        return;
    if (EMI_LIKELY(channel->receiving && !emi_uring_has_held(channel))) {
        emi_uring_deliver(uring, channel, bytes, length);
    } else if (!keep(uring, channel, bytes, length)) {
        channel->flags |= EMI_URING_ENDED;
        channel->reason = EM_NO_MEMORY;
    }
}

/*
 * What arrived in one piece is delivered in one piece, even where the kernel came to the end of a buffer: programs rest upon it,
 * although TCP promises nothing. The rest is the next completion, if it has been received by now. Returns the length of what
 * was put together in the scratch memory, 0 if there is nothing to put together; the last completion is left in *completion.
 */
static size_t join(emi_uring *uring, emi_uring_completion *completion)
{
    size_t length = 0;
    emi_uring_completion next;
    while (emi_uring_is_cut(uring, completion) && emi_uring_peek(uring, &next) &&
           next.user_data == completion->user_data && next.result > 0 && (next.flags & IORING_CQE_F_BUFFER)) {
        size_t before = length > 0 ? length : (size_t)completion->result;
        if (before + (size_t)next.result > uring->buffers.bytes)
            break;
        if (length == 0)
            memcpy(uring->scratch, emi_uring_received(uring, completion), before);
        emi_uring_give_back(uring, completion);
        memcpy(uring->scratch + before, emi_uring_received(uring, &next), (size_t)next.result);
        length = before + (size_t)next.result;
        emi_uring_take(uring, completion);
    }
    return length;
}

/* What was received with a completion, and its buffer. */
static void take_bytes(emi_uring *uring, emi_channel *channel, emi_uring_completion *completion)
{
    size_t joined = completion->result > 0 ? join(uring, completion) : 0;
    if (!(completion->flags & IORING_CQE_F_MORE))
        channel->flags &= (uint8_t)~EMI_URING_ARMED;
    if (joined > 0)
        deliver_or_keep(uring, channel, uring->scratch, joined);
    else if (completion->result > 0)
        deliver_or_keep(uring, channel, emi_uring_received(uring, completion), (size_t)completion->result);
    if ((completion->flags & IORING_CQE_F_BUFFER) && !emi_uring_is_forked(uring))
        emi_uring_give_back(uring, completion);
}

static void tell_end(emi_channel *channel)
{
    channel->flags &= (uint8_t)~EMI_URING_ENDED;
    if (channel->reason != EM_OK) {
        fail(channel, channel->reason);
        return;
    }
    channel->receiving = false;
    channel->events->end(channel);
}

void emi_uring_note_end(emi_channel *channel, em_status reason)
{
    if (channel->flags & (EMI_URING_SEND_FAILED | EMI_URING_ENDED))
        return;
    channel->flags |= EMI_URING_ENDED;
    channel->reason = reason;
    if (channel->receiving && !emi_uring_has_held(channel))
        tell_end(channel);
}

/* Sending has failed and nothing is being received: reads the peer's last words and tells. */
static void finish_failure(emi_uring *uring, emi_channel *channel)
{
    size_t length = 1;
    for (unsigned reads = 0; reads < LAST_READS && channel->receiving && length > 0; reads++) {
        em_status status = EM_OK;
        length = emi_uring_take_held(uring, channel, uring->scratch, uring->buffers.bytes);
        if (length == 0)
            status = emi_socket_receive(channel->descriptor, uring->scratch, uring->buffers.bytes, &length);
        if (status == EM_INTERRUPTED)
            length = 1;
        else if (length > 0)
            channel->events->data(channel, uring->scratch, length);
        if (emi_uring_is_over(uring, channel))
            return;
    }
    channel->flags &= (uint8_t)~EMI_URING_SEND_FAILED;
    channel->flags |= EMI_URING_ENDED;
    fail(channel, channel->reason);
}

bool emi_uring_disarmed(emi_uring *uring, emi_channel *channel)
{
    channel->flags &= (uint8_t) ~(EMI_URING_ARMED | EMI_URING_POLLING | EMI_URING_UNWANTED);
    if (emi_uring_ends_channel(uring, channel))
        return true;
    if (!(channel->flags & EMI_URING_SEND_FAILED))
        return false;
    finish_failure(uring, channel);
    return true;
}

static void serve_receive(emi_uring *uring, emi_channel *channel, emi_uring_completion *completion)
{
    if (EMI_UNLIKELY(channel->flags & EMI_URING_POLLING)) {
        emi_uring_serve_poll(uring, channel, completion);
        return;
    }
    take_bytes(uring, channel, completion);
    if (completion->flags & IORING_CQE_F_MORE || emi_uring_is_forked(uring) || emi_uring_disarmed(uring, channel))
        return;
    switch (completion->result) {
    case 0:
        emi_uring_note_end(channel, EM_OK);
        break;
    case -ENOBUFS: /* all buffers were in use; those delivered since are free again */
        emi_uring_lend_more(uring);
        emi_uring_attend(uring, channel);
        break;
    case -ECANCELED:
    case -EINTR:
    case -EAGAIN:
        emi_uring_attend(uring, channel);
        break;
    default:
        if (completion->result < 0)
            emi_uring_note_end(channel, emi_status_from_errno(-completion->result));
        else
            emi_uring_attend(uring, channel);
    }
}

static void deliver_held(emi_uring *uring, emi_channel *channel)
{
    for (unsigned pieces = 0; pieces < channel->burst; pieces++) {
        size_t length = emi_uring_take_held(uring, channel, uring->scratch, uring->buffers.bytes);
        if (length == 0)
            break;
        emi_uring_deliver(uring, channel, uring->scratch, length);
        if (emi_uring_is_over(uring, channel) || !channel->receiving)
            return;
    }
    if (emi_uring_has_held(channel))
        emi_uring_add_work(uring, channel);
}

/* Accepting */

static void hand_over(emi_channel *channel, int socket)
{
    em_address peer;
    /* A peer that has gone already has no address; its connection is told so by the first read. */
    if (emi_socket_peer_address(socket, &peer) != EM_OK)
        peer.length = 0;
    channel->events->accepted(channel, socket, &peer);
}

static void take_socket(emi_uring *uring, emi_channel *channel, int socket)
{
    if (channel->released)
        emi_socket_close(socket);
    else if (channel->receiving && !emi_uring_has_held(channel))
        hand_over(channel, socket);
    else if (!keep(uring, channel, &socket, sizeof socket))
        emi_socket_close(socket);
}

static void hand_over_held(emi_uring *uring, emi_channel *channel)
{
    int socket;
    while (channel->receiving && emi_uring_take_held(uring, channel, &socket, sizeof socket) > 0) {
        hand_over(channel, socket);
        if (emi_uring_is_over(uring, channel))
            return;
    }
}

static void serve_accept(emi_uring *uring, emi_channel *channel, const emi_uring_completion *completion)
{
    if (!(completion->flags & IORING_CQE_F_MORE))
        channel->flags &= (uint8_t) ~(EMI_URING_ARMED | EMI_URING_UNWANTED);
    if (completion->result >= 0)
        take_socket(uring, channel, completion->result);
    if (completion->flags & IORING_CQE_F_MORE || emi_uring_is_forked(uring) || emi_uring_ends_channel(uring, channel))
        return;
    em_status status = completion->result < 0 ? emi_status_from_errno(-completion->result) : EM_OK;
    if (status == EM_OK || completion->result == -ECANCELED || emi_accept_may_go_on(status))
        emi_uring_attend(uring, channel);
    else if (channel->receiving)
        fail(channel, status);
}

/* Sending and connecting */

static void serve_send(emi_uring *uring, emi_channel *channel, const emi_uring_completion *completion)
{
    channel->flags &= (uint8_t)~EMI_URING_SENDING;
    if (!emi_uring_ends_channel(uring, channel))
        emi_uring_finish_send(uring, channel, completion->result, false);
}

void emi_uring_finish_send(emi_uring *uring, emi_channel *channel, int result, bool is_held)
{
    if (EMI_LIKELY(result > 0)) {
        if (EMI_UNLIKELY(is_held))
            channel->events->held(channel, (size_t)result);
        else
            channel->events->sent(channel, (size_t)result);
        if (channel->sending && !emi_uring_is_over(uring, channel) && !emi_uring_send(uring, channel))
            emi_uring_attend(uring, channel);
        return;
    }
    int error = -result;
    if (error == 0 || error == EINTR || error == EAGAIN || error == ECANCELED) {
        emi_uring_attend(uring, channel);
        return;
    }
    channel->sending = false;
    channel->reason = emi_status_from_errno(error);
    channel->flags |= EMI_URING_SEND_FAILED;
    if (!(channel->flags & EMI_URING_ARMED)) {
        finish_failure(uring, channel);
        return;
    }
    channel->flags |= EMI_URING_UNWANTED;
    emi_uring_attend(uring, channel);
}

static void finish_connect(emi_uring *uring, emi_channel *channel)
{
    em_status status = emi_socket_take_error(channel->descriptor);
    channel->connecting = false;
    if (status != EM_OK) {
        fail(channel, status);
        return;
    }
    channel->events->connected(channel);
    if (!emi_uring_is_over(uring, channel))
        emi_uring_attend(uring, channel);
}

static void serve_cancel(emi_uring *uring, emi_channel *channel)
{
    channel->flags &= (uint8_t)~EMI_URING_CANCELLING;
    if (!emi_uring_ends_channel(uring, channel))
        emi_uring_attend(uring, channel);
}

void emi_uring_serve(emi_uring *uring, emi_uring_completion *completion)
{
    emi_channel *channel = (emi_channel *)(uintptr_t)(completion->user_data & ~(uint64_t)EMI_URING_TAG_MASK);
    switch ((emi_uring_operation)(completion->user_data & EMI_URING_TAG_MASK)) {
    case EMI_URING_RECEIVE:
        serve_receive(uring, channel, completion);
        break;
    case EMI_URING_SEND:
        serve_send(uring, channel, completion);
        break;
    case EMI_URING_ACCEPT:
        serve_accept(uring, channel, completion);
        break;
    case EMI_URING_CONNECT:
        if (!emi_uring_ends_channel(uring, channel))
            finish_connect(uring, channel);
        break;
    case EMI_URING_CANCEL:
        serve_cancel(uring, channel);
        break;
    case EMI_URING_POLL:
        emi_poller_uring_note(uring->poller, completion);
        break;
    case EMI_URING_WAKE:
        if (completion->user_data == EMI_URING_WAKE && !(completion->flags & IORING_CQE_F_MORE))
            uring->waker_armed = false;
        break;
    case EMI_URING_ZERO_COPY:
        emi_uring_serve_zero_copy(uring, completion);
        break;
    }
}

void emi_uring_serve_work(emi_uring *uring, emi_channel *channel)
{
    if (channel->connecting) {
        finish_connect(uring, channel);
        return;
    }
    if (!channel->receiving)
        return;
    if (channel->kind == EMI_LISTENER)
        hand_over_held(uring, channel);
    else
        deliver_held(uring, channel);
    if (emi_uring_is_over(uring, channel) || !channel->receiving || emi_uring_has_held(channel))
        return;
    if (channel->flags & EMI_URING_ENDED)
        tell_end(channel);
    else if (emi_uring_can_read(channel))
        emi_uring_read(uring, channel);
    else
        emi_uring_attend(uring, channel);
}

#endif
