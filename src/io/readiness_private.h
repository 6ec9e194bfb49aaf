/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the files of the readiness backend share:
 *
 *   readiness.c           creating and destroying it; the operations on channels
 *   readiness_turn.c      the phases of a turn: wait, dispatch, flush, reap
 *   readiness_serve.c     serving a channel that is ready: connecting, accepting, polling
 *   readiness_receive.c   reading, for one stream or for a row of streams at once
 *   readiness_kept.c      bytes that a batch has read for a stream that was paused before it got them, and those
 *                         that an owner has given back
 *   readiness_pipe.c      receiving into pipes and sending from them
 *   readiness_send.c      sending, for one stream or for a row of streams at once
 *   readiness_other.c     reading and writing descriptors that are no sockets
 *   readiness_datagrams.c receiving and sending datagrams
 *   kept_datagrams.c      datagrams that were received for a channel that was paused before it got them
 */
#ifndef EMI_READINESS_PRIVATE_H
#define EMI_READINESS_PRIVATE_H

#include "base/bit_set.h"
#include "base/features.h"
#include "base/index_table.h"
#include "io/backend.h"
#include "io/batcher.h"
#include "io/poller.h"
#include "io/slice.h"
#include "system/datagrams.h"
#include "system/socket.h"
#include "system/thread.h"

enum {
    EMI_READINESS_EVENTS = 256,               /* the most that one wait takes from the poller */
    EMI_READINESS_ROW = EMI_BATCH_MOST_CALLS, /* the most channels in a row */
    EMI_READINESS_EARLY_BYTES =
        20 * 1024,               /* the most that a batch reads from one stream: a piece of 16 KiB and its frame */
    EMI_READINESS_EARLY_GAP = 64 /* between the streams' memory; without it all would use the same cache sets */
};

/* Channels that were taken off the list of work together, and the reads made for them by one batch. */
typedef struct emi_row {
    uint64_t read_ns; /* when the reads were made */
    unsigned count;
    emi_channel *channels[EMI_READINESS_ROW];
    const emi_call *early[EMI_READINESS_ROW]; /* the read made for each channel, or NULL */
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
    emi_bit_set attached;     /* their descriptors */
    uint32_t generation;      /* of the channel attached last */

    emi_list work;   /* channels that can be served without an event, in that order */
    emi_list flush;  /* channels whose owners called send */
    emi_list ending; /* released channels that wait for reap */

    unsigned fork_count; /* of the process that created it */
    unsigned event_count;
    emi_poll_event events[EMI_READINESS_EVENTS];

    emi_slice slice;
    emi_row row;
    size_t buffer_bytes;
    unsigned char *buffer;   /* lent by data events … */
    void *buffer_allocation; /* … and the allocation that holds it */
    struct emi_kept **kept;  /* by slot, allocated when first needed; see readiness_kept.c */
    uint32_t kept_capacity;
    emi_datagram_reader *reader;               /* of datagrams; NULL: no channel has needed it */
    unsigned datagram_messages;                /* how many messages to receive at once: fewer if callbacks are slow */
    struct emi_kept_datagrams *kept_datagrams; /* of all channels, see kept_datagrams.c */
    size_t early_bytes;                        /* the size of a batch's memory for each stream … */
    unsigned char *early;                      /* … and the memory for all of them; with a batcher only */
} emi_readiness;

static inline emi_readiness *emi_readiness_at(emi_backend *backend)
{
    return EMI_CONTAINER(backend, emi_readiness, base);
}

static inline emi_readiness *emi_readiness_of(const emi_channel *channel)
{
    return emi_readiness_at(channel->backend);
}

/** Appends the channel to the list of work: the next dispatch serves it without an event. */
static inline void emi_readiness_add_work(emi_readiness *readiness, emi_channel *channel)
{
    if (!emi_list_is_linked(&channel->work))
        emi_list_append(&readiness->work, &channel->work);
}

/** Whether the backend belongs to another process: this is a forked child, or a child has taken the loop over. */
static inline bool emi_readiness_is_forked(const emi_readiness *readiness)
{
    return readiness->base.handed_over || emi_is_forked_since(readiness->fork_count);
}

/** To be asked after each callback: whether the channel must not be served any more. */
static inline bool emi_readiness_is_over(const emi_readiness *readiness, const emi_channel *channel)
{
    return channel->released || emi_readiness_is_forked(readiness);
}

/* readiness.c */

/** Has the poller watch what the channel's state calls for, if it does not already. */
em_status emi_readiness_update_interest(emi_readiness *readiness, emi_channel *channel);

/* readiness_turn.c */

bool emi_readiness_wait(emi_backend *backend, uint64_t timeout_ns);
void emi_readiness_dispatch(emi_backend *backend, unsigned budget);
void emi_readiness_flush(emi_backend *backend);
void emi_readiness_reap(emi_backend *backend);

/** Makes calls by the batcher, or by plain calls if they are few, or if there is no ring or it breaks. */
void emi_readiness_run(emi_readiness *readiness, emi_call *calls, unsigned count);

/* readiness_serve.c */

/** Sending has failed. A channel that receives fails once it has delivered what is still there, any other when it is
 * served next. Calls no event. */
void emi_readiness_fail_sending(emi_readiness *readiness, emi_channel *channel, em_status reason);

/** Makes the next reads deliver what is still there, including the end, and then fail. Calls no event. */
void emi_readiness_fail_later(emi_readiness *readiness, emi_channel *channel, em_status reason);

/** Does what the channel is ready for. early: the read that a batch has made for it, or NULL. */
void emi_readiness_serve(emi_readiness *readiness, emi_channel *channel, const emi_call *early);

/* readiness_receive.c */

/** Reads by one batch for all streams of the row that may have bytes, if they are enough for a batch. */
void emi_readiness_read_early(emi_readiness *readiness);

/** Reads and delivers until nothing is left or the burst ends. early: as above. */
void emi_readiness_receive(emi_readiness *readiness, emi_channel *channel, const emi_call *early);

/* readiness_kept.c */

/** Keeps what a batch has read for a channel that does not receive now. */
void emi_readiness_keep(emi_readiness *readiness, emi_channel *channel, const emi_call *early);

/** Whether a batch has read bytes for the channel that were not delivered yet. */
static inline bool emi_readiness_has_early_bytes(const emi_readiness *readiness, const emi_channel *channel)
{
    return channel->early > 0 && readiness->row.early[channel->early - 1]->done > 0;
}

/** Moves the kept bytes to the backend's buffer, as many as fit, and returns how many they are. */
size_t emi_readiness_take_kept(emi_readiness *readiness, emi_channel *channel);

/** Drops the kept bytes or datagrams, if there are any. */
void emi_readiness_drop_kept(emi_readiness *readiness, emi_channel *channel);

/** Delivers what a batch has read, kept or not yet; see backend.h. */
em_status emi_readiness_deliver_held(emi_channel *channel);

/** Keeps what the owner gives back; see backend.h. */
em_status emi_readiness_put_back(emi_channel *channel, const void *bytes, size_t length);

/* readiness_pipe.c */

/** See backend.h. */
size_t emi_readiness_receive_into_pipe(emi_channel *channel, emi_pipe *pipe, size_t most);
size_t emi_readiness_send_from_pipe(emi_channel *channel, emi_pipe *pipe);

/* readiness_send.c */

/** Sends until the owner has nothing left, the system takes no more, or the burst ends. */
void emi_readiness_send(emi_readiness *readiness, emi_channel *channel);

/** Whether the owner has too many bytes to send to wait for the end of the slice. */
bool emi_readiness_has_much_to_send(emi_channel *channel);

/** Sends for all channels whose owners called send. */
void emi_readiness_send_all(emi_readiness *readiness);

/* readiness_other.c */

/** Reads once from a stream that is not a socket, or whose mode is not ours. */
em_status emi_readiness_read_other(emi_channel *channel, void *buffer, size_t capacity, size_t *length);

/** Reads once; *length 0: the end, unless another status than EM_OK is returned. */
static inline em_status emi_readiness_read(emi_channel *channel, void *buffer, size_t capacity, size_t *length)
{
    if (EMI_LIKELY(channel->descriptor_kind == EMI_SOCKET && !channel->polls_first))
        return emi_socket_receive(channel->descriptor, buffer, capacity, length);
    return emi_readiness_read_other(channel, buffer, capacity, length);
}

/** Sends once; *length: how many bytes the system took. */
static inline em_status emi_readiness_write(const emi_channel *channel, const emi_span *spans, unsigned count,
                                            size_t *length)
{
    if (EMI_LIKELY(channel->descriptor_kind == EMI_SOCKET))
        return emi_socket_send(channel->descriptor, spans, count, length);
    return emi_descriptor_write(channel->descriptor, (emi_descriptor_kind)channel->descriptor_kind, spans, count,
                                length);
}
/* readiness_datagrams.c */

/** Allocates what all datagram channels share, unless that is done. EM_NO_MEMORY. */
em_status emi_readiness_prepare_datagrams(emi_readiness *readiness);

/** Does what a datagram channel is ready for. */
void emi_readiness_serve_datagrams(emi_readiness *readiness, emi_channel *channel);

/** Sends datagrams until the owner has none left, the system takes no more, or the burst ends. */
void emi_readiness_send_datagrams(emi_readiness *readiness, emi_channel *channel);

/* kept_datagrams.c */

/** Keeps datagrams that the owner has not taken. Those for which there is no memory are lost. */
void emi_readiness_keep_datagrams(emi_readiness *readiness, emi_channel *channel, const em_datagram *list,
                                  unsigned count);

/** Delivers kept datagrams, as far as the owner takes them. */
void emi_readiness_deliver_kept_datagrams(emi_readiness *readiness, emi_channel *channel);

/** Drops all datagrams that are kept for the channel. */
void emi_readiness_drop_kept_datagrams(emi_readiness *readiness, emi_channel *channel);

#endif
