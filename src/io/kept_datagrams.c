/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Datagrams that were received in a batch for a channel whose owner had stopped receiving before it got them. This is
 * rare, so those of all channels are in one list.
 */
#include <string.h>

#include "io/readiness_private.h"

typedef struct emi_kept_datagrams emi_kept_datagrams;
struct emi_kept_datagrams {
    emi_kept_datagrams *next; /* in the order in which they have arrived */
    const emi_channel *channel;
    unsigned first; /* that was not taken yet */
    unsigned count;
    em_datagram *list;
    em_address *addresses; /* they refer to; behind them, the bytes */
};

static size_t bytes_of(const em_datagram *list, unsigned count)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < count; i++)
        bytes += list[i].length;
    return bytes;
}

static const em_address *copy_address(const em_address *address, em_address **place)
{
    if (!address)
        return NULL;
    **place = *address;
    return (*place)++;
}

static void copy(emi_kept_datagrams *kept, const em_datagram *list)
{
    em_address *address = kept->addresses;
    unsigned char *bytes = (unsigned char *)(kept->addresses + (size_t)kept->count * 3);
    for (unsigned i = 0; i < kept->count; i++) {
        kept->list[i] = list[i];
        kept->list[i].peer = copy_address(list[i].peer, &address);
        kept->list[i].local = copy_address(list[i].local, &address);
        kept->list[i].destination = copy_address(list[i].destination, &address);
        kept->list[i].data = bytes;
        memcpy(bytes, list[i].data, list[i].length);
        bytes += list[i].length;
    }
}

static emi_kept_datagrams **end_of(emi_readiness *readiness)
{
    emi_kept_datagrams **link = &readiness->kept_datagrams;
    while (*link)
        link = &(*link)->next;
    return link;
}

void emi_readiness_keep_datagrams(emi_readiness *readiness, emi_channel *channel, const em_datagram *list,
                                  unsigned count)
{
    size_t list_bytes = count * sizeof(em_datagram);
    emi_kept_datagrams *kept = emi_allocate(
        readiness->memory, sizeof *kept + list_bytes + (size_t)count * 3 * sizeof(em_address) + bytes_of(list, count));
    if (!kept)
        return;
    *kept = (emi_kept_datagrams){.channel = channel, .count = count};
    kept->list = (em_datagram *)(void *)(kept + 1);
    kept->addresses = (em_address *)(void *)(kept->list + count);
    copy(kept, list);
    *end_of(readiness) = kept;
    channel->has_kept = true;
}

/* Takes the first of the channel off the list; NULL if there is none. */
static emi_kept_datagrams *take_first(emi_readiness *readiness, const emi_channel *channel)
{
    for (emi_kept_datagrams **link = &readiness->kept_datagrams; *link; link = &(*link)->next) {
        emi_kept_datagrams *kept = *link;
        if (kept->channel != channel)
            continue;
        *link = kept->next;
        return kept;
    }
    return NULL;
}

/* What the owner does not take comes first the next time. */
static bool deliver(emi_readiness *readiness, emi_channel *channel, emi_kept_datagrams *kept)
{
    kept->first += channel->events->datagrams(channel, kept->list + kept->first, kept->count - kept->first);
    if (kept->first == kept->count || channel->released) {
        emi_release(readiness->memory, kept);
        return !channel->released;
    }
    kept->next = readiness->kept_datagrams;
    readiness->kept_datagrams = kept;
    channel->has_kept = true;
    return false;
}

void emi_readiness_deliver_kept_datagrams(emi_readiness *readiness, emi_channel *channel)
{
    bool was_receiving = channel->receiving; /* else this is deliver_held */
    for (emi_kept_datagrams *kept; (kept = take_first(readiness, channel));) {
        if (!deliver(readiness, channel, kept))
            return;
        if (emi_readiness_is_forked(readiness) || channel->receiving != was_receiving)
            return; /* has_kept is still set */
    }
    channel->has_kept = false;
}

void emi_readiness_drop_kept_datagrams(emi_readiness *readiness, emi_channel *channel)
{
    for (emi_kept_datagrams *kept; (kept = take_first(readiness, channel));)
        emi_release(readiness->memory, kept);
    channel->has_kept = false;
}
