/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the kernel had received already when its owner stopped receiving. It is copied, so that the buffers go back at once, and
 * delivered when the owner goes on. Of a listener, the descriptors accepted.
 */
#include "base/features.h"

#if EMI_HAVE_URING

#include <string.h>

#include "io/uring_private.h"

typedef struct held {
    size_t begin;
    size_t end;
    size_t capacity;
    unsigned char bytes[];
} held;

static held *held_of(const emi_uring *uring, const emi_channel *channel)
{
    return channel->generation == 0 ? NULL : emi_index_table_at(&uring->held, channel->generation - 1);
}

/* With room for so many more bytes behind its end; NULL without memory, and then the old one stays. */
static held *make_room(emi_uring *uring, emi_channel *channel, size_t length)
{
    held *old = held_of(uring, channel);
    if (old && old->capacity - old->end >= length)
        return old;
    size_t kept = old ? old->end : 0;
    size_t capacity = kept * 2 > kept + length ? kept * 2 : kept + length;
    held *made = emi_reallocate(uring->memory, old, sizeof *made + capacity);
    if (!made)
        return NULL;
    made->capacity = capacity;
    if (old) {
        uring->held.entries[channel->generation - 1] = made;
        return made;
    }
    made->begin = 0;
    made->end = 0;
    uint32_t index;
    if (emi_index_table_add(&uring->held, made, &index) != EM_OK) {
        emi_release(uring->memory, made);
        return NULL;
    }
    channel->generation = index + 1;
    return made;
}

bool emi_uring_hold(emi_uring *uring, emi_channel *channel, const void *bytes, size_t length)
{
    held *kept = make_room(uring, channel, length);
    if (!kept)
        return false;
    memcpy(kept->bytes + kept->end, bytes, length);
    kept->end += length;
    return true;
}

size_t emi_uring_take_held(emi_uring *uring, emi_channel *channel, void *bytes, size_t capacity)
{
    held *kept = held_of(uring, channel);
    if (!kept)
        return 0;
    size_t length = kept->end - kept->begin < capacity ? kept->end - kept->begin : capacity;
    memcpy(bytes, kept->bytes + kept->begin, length);
    kept->begin += length;
    if (kept->begin == kept->end)
        emi_uring_drop_held(uring, channel);
    return length;
}

void emi_uring_drop_held(emi_uring *uring, emi_channel *channel)
{
    held *kept = held_of(uring, channel);
    if (!kept)
        return;
    emi_index_table_remove(&uring->held, channel->generation - 1);
    channel->generation = 0;
    emi_release(uring->memory, kept);
}

#endif
