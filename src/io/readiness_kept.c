/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Bytes that a batch has read for a stream whose owner had stopped receiving before they could be delivered, and those
 * that an owner has given back. Both are rare, so they are kept in a table beside the table of channels and not in each
 * channel.
 */
#include <string.h>

#include "io/readiness_private.h"

struct emi_kept {
    size_t begin; /* of those that have not been delivered yet */
    size_t end;
    unsigned char bytes[];
};

static bool reserve(emi_readiness *readiness, uint32_t slot)
{
    if (slot < readiness->kept_capacity)
        return true;
    uint32_t capacity = readiness->channels.capacity;
    struct emi_kept **kept = emi_reallocate(readiness->memory, readiness->kept, capacity * sizeof(struct emi_kept *));
    if (!kept)
        return false;
    readiness->kept = kept;
    readiness->kept_capacity = capacity;
    return true;
}

static bool keep_bytes(emi_readiness *readiness, emi_channel *channel, const void *bytes, size_t length)
{
    struct emi_kept *kept =
        reserve(readiness, channel->slot) ? emi_allocate(readiness->memory, sizeof *kept + length) : NULL;
    if (!kept)
        return false;
    kept->begin = 0;
    kept->end = length;
    memcpy(kept->bytes, bytes, length);
    readiness->kept[channel->slot] = kept;
    channel->has_kept = true;
    return true;
}

void emi_readiness_keep(emi_readiness *readiness, emi_channel *channel, const emi_call *early)
{
    channel->early = 0;
    channel->readable = early->status != EM_WOULD_BLOCK || channel->failure != EM_OK;
    if (early->status == EM_OK && early->done > 0) {
        if (!keep_bytes(readiness, channel, early->bytes, early->done))
            channel->failure = EM_NO_MEMORY;
    } else if (early->status != EM_OK && early->status != EM_WOULD_BLOCK && early->status != EM_INTERRUPTED) {
        channel->failure = (int16_t)early->status;
    }
}

/* If not all of the kept bytes have been taken, what is given back was just taken from them. */
em_status emi_readiness_put_back(emi_channel *channel, const void *bytes, size_t length)
{
    emi_readiness *readiness = emi_readiness_of(channel);
    if (channel->has_kept)
        readiness->kept[channel->slot]->begin -= length;
    else if (!keep_bytes(readiness, channel, bytes, length))
        return EM_NO_MEMORY;
    channel->readable = true;
    return EM_OK;
}

/* An owner may give back more than the buffer holds: what it has received into its own memory. */
size_t emi_readiness_take_kept(emi_readiness *readiness, emi_channel *channel)
{
    struct emi_kept *kept = readiness->kept[channel->slot];
    size_t left = kept->end - kept->begin;
    size_t length = left < readiness->buffer_bytes ? left : readiness->buffer_bytes;
    memcpy(readiness->buffer, kept->bytes + kept->begin, length);
    kept->begin += length;
    if (kept->begin == kept->end)
        emi_readiness_drop_kept(readiness, channel);
    return length;
}

void emi_readiness_drop_kept(emi_readiness *readiness, emi_channel *channel)
{
    if (!channel->has_kept)
        return;
    if (channel->kind == EMI_DATAGRAM) {
        emi_readiness_drop_kept_datagrams(readiness, channel);
        return;
    }
    emi_release(readiness->memory, readiness->kept[channel->slot]);
    channel->has_kept = false;
}

/* Memory of its own, because the backend's buffer may be lent to the very callback that asked for this. */
static void deliver_kept(emi_readiness *readiness, emi_channel *channel)
{
    struct emi_kept *kept = readiness->kept[channel->slot];
    channel->has_kept = false;
    channel->events->data(channel, kept->bytes + kept->begin, kept->end - kept->begin);
    emi_release(readiness->memory, kept);
}

em_status emi_readiness_deliver_held(emi_channel *channel)
{
    emi_readiness *readiness = emi_readiness_of(channel);
    if (channel->kind == EMI_DATAGRAM) {
        emi_readiness_deliver_kept_datagrams(readiness, channel);
        return EM_OK;
    }
    const emi_call **early = channel->early > 0 ? &readiness->row.early[channel->early - 1] : NULL;
    const emi_call *call = early ? *early : NULL;
    if (call && call->done == 0) {
        emi_readiness_keep(readiness, channel, call); /* notes a failure */
        *early = call = NULL;
    }
    if (channel->failure != EM_OK)
        return (em_status)channel->failure;
    if (call) {
        channel->early = 0;
        *early = NULL;
        channel->events->data(channel, call->bytes, call->done);
    } else if (channel->has_kept) {
        deliver_kept(readiness, channel);
    }
    return EM_OK;
}
