/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Reading descriptors that are not sockets: pipes, terminals, files, devices; and those whose blocking mode belongs to
 * others. They are read one by one, never in a batch, because recv(2) is for sockets only.
 */
#include "io/readiness_private.h"
#include "system/descriptor.h"

em_status emi_readiness_read_other(emi_channel *channel, void *buffer, size_t capacity, size_t *length)
{
    *length = 0;
    /* The poller reports an error on a pipe's writing end when the last reader has closed the other. */
    if (channel->cannot_receive)
        return channel->hung_up ? EM_BROKEN_PIPE : EM_WOULD_BLOCK;
    if (channel->polls_first && !emi_descriptor_is_readable(channel->descriptor))
        return EM_WOULD_BLOCK;
    return emi_descriptor_read(channel->descriptor, (emi_descriptor_kind)channel->descriptor_kind, buffer, capacity,
                               length);
}
