/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Bulk streams: those on which much arrives. They are not read in batches. Each piece is read by a call of its own,
 * into the same memory, which stays in the processor's cache, or into the owner's memory if the owner offers room.
 */
#ifndef EMI_BULK_H
#define EMI_BULK_H

#include "base/features.h"
#include "io/channel.h"

enum {
    EMI_BULK_BYTES = 8 * 1024, /* a piece of this length makes a stream bulk if its owner offers room … */
    EMI_BULK_WITHOUT_ROOM_BYTES = 32 * 1024, /* … and one of this length if not */
    EMI_BULK_PATIENCE = 16                   /* after so many smaller pieces it is not bulk any more */
};

/** Takes note of the length of a piece that has arrived. */
static inline void emi_bulk_note(emi_channel *channel, size_t length)
{
    if (EMI_LIKELY(length < EMI_BULK_BYTES))
        channel->bulk -= channel->bulk > 0;
    else if (channel->offers_room || length >= EMI_BULK_WITHOUT_ROOM_BYTES)
        channel->bulk = EMI_BULK_PATIENCE;
}

/** The same for an owner that receives by itself: only large pieces are worth it. */
static inline void emi_bulk_note_large(emi_channel *channel, size_t length)
{
    if (length >= EMI_BULK_WITHOUT_ROOM_BYTES)
        channel->bulk = EMI_BULK_PATIENCE;
    else
        channel->bulk -= channel->bulk > 0;
}

/** Returns what to receive the next piece into: the owner's memory, whose size *capacity is set to, or `memory`. NULL:
 * the owner has received by itself. */
static inline unsigned char *emi_bulk_room(emi_channel *channel, unsigned char *memory, size_t *capacity)
{
    if (EMI_LIKELY(channel->bulk == 0) || !channel->offers_room)
        return memory;
    size_t offered_bytes = 0;
    void *offered = channel->events->room(channel, &offered_bytes);
    if (offered_bytes == EMI_ROOM_NOT_NEEDED)
        return NULL;
    if (!offered || offered_bytes == 0)
        return memory;
    *capacity = offered_bytes;
    return offered;
}

#endif
