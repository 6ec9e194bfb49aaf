/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the files of the io_uring backend share: backend_uring.c has the operations and phases, uring_serve.c what follows from
 * completions, uring_submit.c what is asked of the kernel, uring_bulk.c receiving where much arrives, uring_ring.c the ring
 * itself, uring_buffers.c the memory into which the kernel receives, uring_held.c what arrives for a stream that is stopped, uring_zero_copy.c sending without a copy, poller_uring.c the channels whose
 * readiness only is asked, uring_trial.c whether it all works here.
 *
 * One thread submits (IORING_SETUP_SINGLE_ISSUER). Operations on channels may come from others while it waits, ordered by the
 * host's lock; so they only put channels into lists, and flush speaks to the kernel.
 */
#ifndef EMI_URING_PRIVATE_H
#define EMI_URING_PRIVATE_H

#include <liburing.h>

#include "base/index_table.h"
#include "io/backend.h"
#include "io/batch.h"
#include "io/poller.h"
#include "io/uring.h"
#include "system/thread.h"
#include "system/waker.h"

/** What an operation was, in the low bits of its user data; the rest is the channel's address, the poller's number, or the address of
 * what is known of a send without copy. */
typedef enum emi_uring_operation {
    EMI_URING_RECEIVE,
    EMI_URING_SEND,
    EMI_URING_ACCEPT,
    EMI_URING_CONNECT,
    EMI_URING_CANCEL,
    EMI_URING_POLL,
    EMI_URING_WAKE,
    EMI_URING_ZERO_COPY
} emi_uring_operation;

enum {
    EMI_URING_TAG_BITS = 3,
    EMI_URING_TAG_MASK = (1 << EMI_URING_TAG_BITS) - 1,
    EMI_URING_IGNORED =
        EMI_URING_WAKE | 1 << EMI_URING_TAG_BITS /**< whole user data: of what nobody wants to know the result */
};

/** What is known of a channel, in emi_channel.flags. */
enum {
    EMI_URING_ARMED = 1,        /**< the kernel has a receive or accept that goes on and on */
    EMI_URING_SENDING = 2,      /**< the kernel has a send */
    EMI_URING_CANCELLING = 4,   /**< the kernel has a request to give up the first, or, after release, all */
    EMI_URING_UNWANTED = 8,     /**< the receive is to be given up */
    EMI_URING_ENDED = 16,       /**< nothing more will arrive, for emi_channel.reason; to be told when all else is */
    EMI_URING_SEND_FAILED = 32, /**< sending failed for emi_channel.reason; to be told when all that arrived is */
    EMI_URING_POLLING = 64      /**< what is armed is a poll: much arrives, and is read by calls of its own */
};

/** Memory into which the kernel receives: a ring of equal buffers, lent to it in order. */
typedef struct emi_uring_buffers {
    struct io_uring_buf_ring *ring;
    size_t ring_bytes;
    unsigned char *memory;
    size_t memory_bytes;
    uint32_t *used;   /**< of each buffer, how much the kernel has filled already */
    unsigned count;   /**< a power of two */
    unsigned lent;    /**< so many of them the kernel knows of */
    uint32_t bytes;   /**< of each */
    bool incremental; /**< the kernel fills a buffer piece by piece before it takes the next: Linux 6.12 */
} emi_uring_buffers;

/** A message of several spans until it is submitted. */
typedef struct emi_uring_message {
    struct msghdr header;
    emi_span spans[EMI_MAX_SPANS];
} emi_uring_message;

typedef struct emi_uring {
    emi_backend base;
    const emi_memory *memory;
    struct io_uring ring;
    emi_uring_buffers buffers;
    unsigned char *scratch;      /**< of buffers.bytes: pieces put together; what is received without the ring … */
    void *scratch_allocation;    /**< … and what to release for it */
    emi_uring_message *messages; /**< one for each entry of the submission queue; NULL until needed */
    emi_waker waker;
    emi_poller *poller;     /**< on the ring, below … */
    emi_backend *readiness; /**< … a backend for polled channels and for what is no socket */

    emi_index_table channels; /**< by slot */
    emi_index_table held;     /**< see uring_held.c */
    emi_list work;            /**< channels that have something to deliver without a completion */
    emi_list flush;           /**< channels that want something of the kernel */
    emi_list buried;          /**< released, waiting for reap */

    emi_batch batch;
    uint64_t thread;     /**< the number of the one that it belongs to; 0: of none yet */
    unsigned fork_count; /**< of the process that made it */
    bool waker_armed;
    bool never_hold;            /**< the kernel does not send without copying */
    emi_list zero_copies;       /**< what it may still read of what was sent, see uring_zero_copy.c … */
    unsigned zero_copy_count;   /**< … and how many of them there are, … */
    unsigned zero_copy_waiting; /**< … and how many of those are of released channels, … */
    uint64_t hold_timeout_ns;   /**< … which wait so long for them */
    em_status lost;             /**< why the ring is of no use any more; EM_OK: it is */
} emi_uring;

typedef struct emi_uring_completion {
    uint64_t user_data;
    int32_t result;
    uint32_t flags;
} emi_uring_completion;

static inline emi_uring *emi_uring_of(const emi_channel *channel)
{
    return EMI_CONTAINER(channel->backend, emi_uring, base);
}

static inline uint64_t emi_uring_user_data(const emi_channel *channel, emi_uring_operation operation)
{
    return (uint64_t)(uintptr_t)channel | operation;
}

/** Has flush look after the channel. */
static inline void emi_uring_attend(emi_uring *uring, emi_channel *channel)
{
    if (!emi_list_is_linked(&channel->flush))
        emi_list_append(&uring->flush, &channel->flush);
}

/** Has the next dispatch serve the channel. */
static inline void emi_uring_add_work(emi_uring *uring, emi_channel *channel)
{
    if (!emi_list_is_linked(&channel->work))
        emi_list_append(&uring->work, &channel->work);
}

/** Whether this is a forked child by now: what a callback may have done. Then everything here is the parent's. */
static inline bool emi_uring_is_forked(const emi_uring *uring)
{
    return emi_is_forked_since(uring->fork_count);
}

/** After a callback: whether the channel is to be left alone. */
static inline bool emi_uring_is_over(const emi_uring *uring, const emi_channel *channel)
{
    return channel->released || emi_uring_is_forked(uring);
}

/* backend_uring.c */

/** Makes it, with or without incremental buffers. Answers what the kernel says, EM_UNSUPPORTED where something is missing. */
em_status emi_uring_open(const emi_backend_settings *settings, bool incremental, emi_backend **backend);

/** A released channel of which the kernel has nothing any more: closes the socket; reap does the rest. */
void emi_uring_bury(emi_uring *uring, emi_channel *channel);

/* uring_ring.c */

/** Whether the calling thread may submit and wait. */
bool emi_uring_is_at_home(const emi_uring *uring);

em_status emi_uring_open_ring(emi_uring *uring, unsigned entries);
void emi_uring_close_ring(emi_uring *uring);

/** An empty submission entry, zeroed but for its user data; NULL if the kernel takes nothing just now. */
struct io_uring_sqe *emi_uring_get_entry(emi_uring *uring, uint64_t user_data);

/** Hands what is prepared to the kernel. */
void emi_uring_submit(emi_uring *uring);

/** Hands over what is prepared and waits; true: there are completions, beside those of wakes. */
bool emi_uring_enter(emi_uring *uring, uint64_t timeout_ns);

/** Takes the next completion that is there. */
bool emi_uring_take(emi_uring *uring, emi_uring_completion *completion);

/** The next completion, which stays. */
bool emi_uring_peek(const emi_uring *uring, emi_uring_completion *completion);

/** Whether completions are there. */
bool emi_uring_has_completions(const emi_uring *uring);

/* uring_buffers.c */

em_status emi_uring_open_buffers(emi_uring *uring, unsigned count, uint32_t bytes, bool incremental);
void emi_uring_close_buffers(emi_uring *uring);

/** The kernel ran out of buffers: doubles those that it knows of, as far as there are more. */
void emi_uring_lend_more(emi_uring *uring);

/** Where the bytes of a completion stand that has IORING_CQE_F_BUFFER. */
unsigned char *emi_uring_received(const emi_uring *uring, const emi_uring_completion *completion);

/** Gives the memory of a completion back to the kernel. What stood there is lost. */
void emi_uring_give_back(emi_uring *uring, const emi_uring_completion *completion);

/** Whether more of the same arrival stands in another buffer, because this one was full. */
bool emi_uring_is_cut(const emi_uring *uring, const emi_uring_completion *completion);

/* uring_held.c */

/** Keeps bytes for later. false: there is no memory. */
bool emi_uring_hold(emi_uring *uring, emi_channel *channel, const void *bytes, size_t length);

/** Whether something is kept. */
static inline bool emi_uring_has_held(const emi_channel *channel)
{
    return channel->generation != 0;
}

/** Moves up to `capacity` of the bytes kept, in order; returns how many. */
size_t emi_uring_take_held(emi_uring *uring, emi_channel *channel, void *bytes, size_t capacity);

/** Forgets all. */
void emi_uring_drop_held(emi_uring *uring, emi_channel *channel);

/* uring_submit.c */

/** Asks the kernel for what the channel's state calls for; false if it takes nothing just now. */
bool emi_uring_attend_now(emi_uring *uring, emi_channel *channel);

/** Gathers and sends, if nothing is being sent; false if the kernel takes nothing just now. */
bool emi_uring_send(emi_uring *uring, emi_channel *channel);

/* uring_serve.c */

/** Acts on a completion, and on those after it that belong to it. */
void emi_uring_serve(emi_uring *uring, emi_uring_completion *completion);

/** Delivers what is known without a completion. */
void emi_uring_serve_work(emi_uring *uring, emi_channel *channel);

/** Takes the channel for failed if the ring is lost. */
void emi_uring_fail_lost(emi_uring *uring, emi_channel *channel);

/** Gives the owner what arrived, and sends what it answers. */
void emi_uring_deliver(emi_uring *uring, emi_channel *channel, const unsigned char *bytes, size_t length);

/** Nothing more will arrive. */
void emi_uring_note_end(emi_channel *channel, em_status reason);

/** What was armed has ended: true, and the channel with it, or receiving, as it was to. */
bool emi_uring_disarmed(emi_uring *uring, emi_channel *channel);

/** A send has ended, its operation is off the channel's count already. is_held: the kernel still reads what it took. */
void emi_uring_finish_send(emi_uring *uring, emi_channel *channel, int result, bool is_held);

/** An operation has ended; true: and the channel with it. */
bool emi_uring_ends_channel(emi_uring *uring, emi_channel *channel);

/* uring_zero_copy.c */

/** Sends without a copy if that is allowed and worth while; false: it is not, send otherwise. */
bool emi_uring_send_held(emi_uring *uring, emi_channel *channel, const emi_span *spans, unsigned count);

/** Acts on a completion of such a send. */
void emi_uring_serve_zero_copy(emi_uring *uring, const emi_uring_completion *completion);

/** The user data of such a send that the kernel has not answered; 0: there is none. */
uint64_t emi_uring_zero_copy_under_way(const emi_uring *uring, const emi_channel *channel);

/** Of a released channel the kernel has nothing but what it still reads: tells the peer the end and sets a limit to it. */
void emi_uring_await_let_go(emi_uring *uring, emi_channel *channel);

/** When that limit is reached first, from now; EM_FOREVER: there is none. */
uint64_t emi_uring_zero_copy_due_ns(const emi_uring *uring);

/** Resets the connections for which it is reached. */
void emi_uring_expire_zero_copies(emi_uring *uring);

/** Forgets those of a channel, or of all where it is NULL. */
void emi_uring_drop_zero_copies(emi_uring *uring, const emi_channel *channel);

/* uring_submit.c */

/** An entry for sending the spans; NULL if the kernel takes nothing just now. */
struct io_uring_sqe *emi_uring_prepare_send(emi_uring *uring, emi_channel *channel, uint64_t user_data,
                                            const emi_span *spans, unsigned count);

/* uring_bulk.c */

/** Whether what is armed is the wrong way of receiving for what arrives. */
static inline bool emi_uring_should_change(const emi_channel *channel)
{
    return (channel->bulk > 0) != ((channel->flags & EMI_URING_POLLING) != 0);
}

/** Whether there may be something to read by a call. */
static inline bool emi_uring_can_read(const emi_channel *channel)
{
    return (channel->flags & EMI_URING_POLLING) && channel->readable;
}

/** Reads what there is, as long as it is this channel's turn. */
void emi_uring_read(emi_uring *uring, emi_channel *channel);

/** Acts on what the poll reports. */
void emi_uring_serve_poll(emi_uring *uring, emi_channel *channel, const emi_uring_completion *completion);

/* poller_uring.c */

extern const emi_poller_operations emi_poller_uring;

em_status emi_poller_uring_open(emi_uring *uring, emi_poller **poller);
void emi_poller_uring_flush(emi_poller *poller);
void emi_poller_uring_note(emi_poller *poller, const emi_uring_completion *completion);
bool emi_poller_uring_has_events(const emi_poller *poller);

#endif
