/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the files of the readiness backend share: readiness.c has the operations and phases, readiness_serve.c what
 * happens on a channel that is ready.
 */
#ifndef EMI_READINESS_PRIVATE_H
#define EMI_READINESS_PRIVATE_H

#include "base/features.h"
#include "base/index_table.h"
#include "io/batch.h"
#include "io/readiness.h"
#include "system/thread.h"

enum { EMI_READINESS_EVENTS = 256 }; /* taken from the poller at once */

typedef struct emi_readiness {
    emi_backend base;
    const emi_poller_operations *poller_operations;
    emi_poller *poller;
    const emi_memory *memory;

    emi_index_table channels; /* by slot */
    uint32_t generation;      /* of the channel attached last */

    emi_list work;   /* channels that can go on without an event */
    emi_list flush;  /* channels that asked to send */
    emi_list buried; /* released, waiting for reap */

    unsigned fork_count; /* of the process that made it */
    unsigned event_count;
    unsigned next_event;
    emi_poll_event events[EMI_READINESS_EVENTS];

    emi_batch batch;
    size_t buffer_bytes;
    unsigned char *buffer;   /* lent with data events … */
    void *buffer_allocation; /* … and what to release for it */
} emi_readiness;

static inline emi_readiness *emi_readiness_of(const emi_channel *channel)
{
    return EMI_CONTAINER(channel->backend, emi_readiness, base);
}

/** Has the channel served in the next dispatch without an event. */
static inline void emi_readiness_add_work(emi_readiness *readiness, emi_channel *channel)
{
    if (!emi_list_is_linked(&channel->work))
        emi_list_append(&readiness->work, &channel->work);
}

/** Whether this is a forked child by now: what a callback may have done. Then everything here is the parent's. */
static inline bool emi_readiness_is_forked(const emi_readiness *readiness)
{
    return emi_is_forked_since(readiness->fork_count);
}

/** After a callback: whether the channel is to be left alone. */
static inline bool emi_readiness_is_over(const emi_readiness *readiness, const emi_channel *channel)
{
    return channel->released || emi_readiness_is_forked(readiness);
}

/** Asks the poller for what the channel's state calls for, if that is not what it was asked for already. */
em_status emi_readiness_update_interest(emi_readiness *readiness, emi_channel *channel);

/** Does what the channel is ready for. */
void emi_readiness_serve(emi_readiness *readiness, emi_channel *channel);

/** Sends what the owner has until it has nothing, or the system takes no more, or it is the others' turn. */
void emi_readiness_send(emi_readiness *readiness, emi_channel *channel);

#endif
