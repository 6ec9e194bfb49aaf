/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Receiving where much arrives. Buffers that the kernel fills for a whole batch of completions no longer fit the processor's
 * cache when they are large; so of such streams only readiness is asked, and each piece is read, delivered and answered before the
 * next, all through the same memory.
 */
#include "base/features.h"

#if EMI_HAVE_URING

#include <errno.h>
#include <poll.h>

#include "io/bulk.h"
#include "io/uring_private.h"
#include "system/socket.h"
#include "system/system_error.h"

/* One read; false: nothing more for now. A short read shows that the socket is empty, unless the end or urgent data is near. */
static bool read_once(emi_uring *uring, emi_channel *channel)
{
    size_t length;
    size_t capacity = uring->buffers.bytes;
    unsigned char *memory = emi_bulk_room(channel, uring->scratch, &capacity);
    em_status status = emi_socket_receive(channel->descriptor, memory, capacity, &length);
    if (EMI_LIKELY(status == EM_OK && length > 0)) {
        if (length < capacity && !channel->read_to_the_end)
            channel->readable = false;
        emi_uring_deliver(uring, channel, memory, length);
        return true;
    }
    if (status == EM_INTERRUPTED)
        return true;
    channel->readable = false;
    if (status != EM_WOULD_BLOCK)
        emi_uring_note_end(channel, status);
    return false;
}

void emi_uring_read(emi_uring *uring, emi_channel *channel)
{
    for (unsigned reads = 0; reads < channel->burst; reads++)
        if (!channel->receiving || !channel->readable || !read_once(uring, channel) ||
            emi_uring_is_over(uring, channel))
            return;
    if (channel->receiving && channel->readable)
        emi_uring_add_work(uring, channel);
}

void emi_uring_serve_poll(emi_uring *uring, emi_channel *channel, const emi_uring_completion *completion)
{
    if (completion->result > 0) {
        channel->readable = true;
        if (completion->result & (POLLRDHUP | POLLHUP | POLLERR | POLLPRI))
            channel->read_to_the_end = true;
    }
    if (!(completion->flags & IORING_CQE_F_MORE)) {
        if (emi_uring_disarmed(uring, channel))
            return;
        emi_uring_attend(uring, channel);
    }
    if (completion->result > 0 && channel->receiving && !emi_uring_has_held(channel))
        emi_uring_read(uring, channel);
    else if (completion->result < 0 && completion->result != -ECANCELED)
        emi_uring_note_end(channel, emi_status_from_errno(-completion->result));
}

#endif
