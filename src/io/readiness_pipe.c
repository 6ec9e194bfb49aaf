/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Receiving into a pipe and sending from one, at the request of a channel's owner. The results have the same meaning as
 * those of reads and sends: a failure is reported by a later event, in the same order as after a read or a send.
 */
#include "io/bulk.h"
#include "io/readiness_private.h"

size_t emi_readiness_receive_into_pipe(emi_channel *channel, emi_pipe *pipe, size_t most)
{
    emi_readiness *readiness = emi_readiness_of(channel);
    size_t length;
    em_status status = emi_pipe_fill(pipe, channel->descriptor, most, &length);
    emi_bulk_note_large(channel, length);
    if (status == EM_WOULD_BLOCK)
        channel->readable = channel->failure != EM_OK;
    else if (status != EM_OK && status != EM_INTERRUPTED)
        emi_readiness_fail_later(readiness, channel, status);
    return length;
}

static bool may_send(const emi_channel *channel)
{
    return !channel->blocked && !channel->connecting && !channel->released && channel->failure == EM_OK &&
           !emi_readiness_is_forked(emi_readiness_of(channel));
}

size_t emi_readiness_send_from_pipe(emi_channel *channel, emi_pipe *pipe)
{
    emi_readiness *readiness = emi_readiness_of(channel);
    size_t before = pipe->bytes;
    while (pipe->bytes > 0 && may_send(channel)) {
        size_t length;
        em_status status = emi_pipe_drain(pipe, channel->descriptor, &length);
        if (status == EM_WOULD_BLOCK) {
            channel->blocked = true;
            channel->sending = true;
            status = emi_readiness_update_interest(readiness, channel);
        }
        if (status != EM_OK && status != EM_INTERRUPTED)
            emi_readiness_fail_sending(readiness, channel, status);
    }
    return before - pipe->bytes;
}
