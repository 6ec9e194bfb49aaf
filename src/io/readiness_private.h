/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the files of the readiness backend share:
 *
 *   readiness.c           making and ending it; the operations on channels
 *   readiness_turn.c      the phases of a turn: wait, dispatch, flush, reap
 *   readiness_serve.c     what is done for a channel that is ready: connecting, accepting, polling
 *   readiness_receive.c   reading, one by one or for a row of streams at once
 *   readiness_kept.c      what was read for a stream before it was paused
 *   readiness_send.c      sending, one by one or for a row of streams at once
 */
#ifndef EMI_READINESS_PRIVATE_H
#define EMI_READINESS_PRIVATE_H

#include "base/features.h"
#include "base/index_table.h"
#include "io/readiness.h"
#include "io/slice.h"
#include "system/thread.h"

enum {
    EMI_READINESS_EVENTS = 256,               /* taken from the poller at once */
    EMI_READINESS_ROW = EMI_BATCH_MOST_CALLS, /* channels served in a row */
    EMI_READINESS_EARLY_BYTES =
        20 * 1024,               /* what a batch reads of one stream at most: a piece of 16 KiB and its frame */
    EMI_READINESS_EARLY_GAP = 64 /* behind each, or all would fall into the same sets of the cache */
};

/* Channels with work known, taken off the list of work together, and the reads made for them at once. */
typedef struct emi_row {
    uint64_t read_ns; /* when they were made */
    unsigned count;
    emi_channel *channels[EMI_READINESS_ROW];
    const emi_call *early[EMI_READINESS_ROW]; /* the read made for each, or NULL */
    emi_call calls[EMI_BATCH_MOST_CALLS];
} emi_row;

typedef struct emi_readiness {
    emi_backend base;
    const emi_poller_operations *poller_operations;
    emi_poller *poller;
    emi_batcher *batcher; /* NULL: plain calls */
    const emi_memory *memory;
    void (*log)(void *user, em_log_level level, const char *message);
    void *log_user;

    emi_index_table channels; /* by slot */
    uint32_t generation;      /* of the channel attached last */

    emi_list work;   /* channels that can go on without an event, in the order in which they are served */
    emi_list flush;  /* channels that asked to send */
    emi_list ending; /* released, waiting for reap */

    unsigned fork_count; /* of the process that made it */
    unsigned event_count;
    emi_poll_event events[EMI_READINESS_EVENTS];

    emi_slice slice;
    emi_row row;
    size_t buffer_bytes;
    unsigned char *buffer;   /* lent with data events … */
    void *buffer_allocation; /* … and what to release for it */
    struct emi_kept **kept;  /* by slot, made when first needed; see readiness_kept.c */
    uint32_t kept_capacity;
    size_t early_bytes;   /* the room that a batch has for each stream … */
    unsigned char *early; /* … and for all; used with a batcher only */
} emi_readiness;

static inline emi_readiness *emi_readiness_at(emi_backend *backend)
{
    return EMI_CONTAINER(backend, emi_readiness, base);
}

static inline emi_readiness *emi_readiness_of(const emi_channel *channel)
{
    return emi_readiness_at(channel->backend);
}

/** Puts the channel on the list of work: the next dispatch serves it without an event. */
static inline void emi_readiness_add_work(emi_readiness *readiness, emi_channel *channel)
{
    if (!emi_list_is_linked(&channel->work))
        emi_list_append(&readiness->work, &channel->work);
}

/** Whether everything here belongs to another process by now: a callback has forked, and this is the child, or its
 * parent has handed the loop over. */
static inline bool emi_readiness_is_forked(const emi_readiness *readiness)
{
    return readiness->base.handed_over || emi_is_forked_since(readiness->fork_count);
}

/** After a callback: whether the channel is to be left alone. */
static inline bool emi_readiness_is_over(const emi_readiness *readiness, const emi_channel *channel)
{
    return channel->released || emi_readiness_is_forked(readiness);
}

/* readiness.c */

/** Asks the poller for what the channel's state calls for, if that is not what it was asked for already. */
em_status emi_readiness_update_interest(emi_readiness *readiness, emi_channel *channel);

/** Makes a batch of calls; plainly if they are few, or if there is no ring or it breaks. */
void emi_readiness_run(emi_readiness *readiness, emi_call *calls, unsigned count);

/* readiness_turn.c */

bool emi_readiness_wait(emi_backend *backend, uint64_t timeout_ns);
void emi_readiness_dispatch(emi_backend *backend, unsigned budget);
void emi_readiness_flush(emi_backend *backend);
void emi_readiness_reap(emi_backend *backend);

/* readiness_serve.c */

/** It can send no more: fails, a channel that receives only when what is still there is delivered. */
void emi_readiness_fail_sending(emi_readiness *readiness, emi_channel *channel, em_status reason);

/** Has the next reads deliver what is still there, the end included, and then fail. Calls no event. */
void emi_readiness_fail_later(emi_readiness *readiness, emi_channel *channel, em_status reason);

/** Does what the channel is ready for. early: the read made for it in a batch, or NULL. */
void emi_readiness_serve(emi_readiness *readiness, emi_channel *channel, const emi_call *early);

/* readiness_receive.c */

/** Reads for all streams of the row that have something, if they are enough for a batch. */
void emi_readiness_read_early(emi_readiness *readiness);

/** Reads and delivers until there is nothing, or it is the others' turn. early: as above. */
void emi_readiness_receive(emi_readiness *readiness, emi_channel *channel, const emi_call *early);

/* readiness_kept.c */

/** Keeps what a batch has read for a channel that does not receive now. */
void emi_readiness_keep(emi_readiness *readiness, emi_channel *channel, const emi_call *early);

/** Whether a batch has read bytes for the channel that it has not got yet. */
static inline bool emi_readiness_has_early_bytes(const emi_readiness *readiness, const emi_channel *channel)
{
    return channel->early > 0 && readiness->row.early[channel->early - 1]->done > 0;
}

/** Moves what was kept to the backend's buffer, and returns how much it is. */
size_t emi_readiness_take_kept(emi_readiness *readiness, emi_channel *channel);

/** Drops what was kept, if anything. */
void emi_readiness_drop_kept(emi_readiness *readiness, emi_channel *channel);

/* readiness_send.c */

/** Sends what the owner has until it has nothing, or the system takes no more, or it is the others' turn. */
void emi_readiness_send(emi_readiness *readiness, emi_channel *channel);

/** Whether what the owner has is too much to wait for others. */
bool emi_readiness_has_much_to_send(emi_channel *channel);

/** Sends for all channels that asked. */
void emi_readiness_send_all(emi_readiness *readiness);

#endif
