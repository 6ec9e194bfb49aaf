/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Streams on which much arrives. They are worth another way of receiving: by a call of their own, one piece after the
 * other through the same memory, which stays in the processor's cache, and straight into the owner's memory if it
 * offers some.
 */
#ifndef EMI_BULK_H
#define EMI_BULK_H

#include "base/features.h"
#include "io/channel.h"

enum {
    EMI_BULK_BYTES = 8 * 1024,               /* a piece of this length is much for an owner that offers memory … */
    EMI_BULK_WITHOUT_ROOM_BYTES = 32 * 1024, /* … and of this length for others */
    EMI_BULK_PATIENCE = 16                   /* so many pieces in a row that are not: it is over */
};

/** A piece has arrived. */
static inline void emi_bulk_note(emi_channel *channel, size_t length)
{
    if (EMI_LIKELY(length < EMI_BULK_BYTES))
        channel->bulk -= channel->bulk > 0;
    else if (channel->offers_room || length >= EMI_BULK_WITHOUT_ROOM_BYTES)
        channel->bulk = EMI_BULK_PATIENCE;
}

/** What to receive the next piece into: the owner's memory if there is any, else this, of *capacity bytes. */
static inline unsigned char *emi_bulk_room(emi_channel *channel, unsigned char *memory, size_t *capacity)
{
    if (EMI_LIKELY(channel->bulk == 0) || !channel->offers_room)
        return memory;
    size_t offered_bytes = 0;
    void *offered = channel->events->room(channel, &offered_bytes);
    if (!offered || offered_bytes == 0)
        return memory;
    *capacity = offered_bytes;
    return offered;
}

#endif
