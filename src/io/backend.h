/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The seam between connections and the kernel. The owner of a channel states standing wishes (receive, send,
 * stop); the backend lends its own memory for what arrives and gathers the owner's output when the kernel can take it.
 * Kernels that report readiness (epoll, poll, kqueue) fit this interface, and so do kernels that complete operations.
 *
 * Rules:
 * 1. Phases. A turn of the loop calls: flush, wait, dispatch, flush, reap. Events come only from dispatch, flush and
 * reap; operations on channels never call events, so a caller's object never vanishes under it.
 * 2. wait touches no channel and no owner, so that a host may give up a lock around it; wake may be called by any
 * thread and by signal handlers.
 * 3. Arriving bytes are lent until the event returns.
 * 4. Leaving bytes stay as they are from gather until sent, failed or released; one gathering is under way per stream.
 * What was asked for within dispatch is gathered at the latest in the flush phase, before the stream is read again, and
 * soon where callbacks are slow or the stream has much to send.
 * 5. The backend retries what needs no policy: interrupted and partial calls, ECONNABORTED. All else is reported to
 * the owner: when no descriptor is left for accepting, the listener stops receiving and gets `failed`.
 * 6. stop_receiving is exact: nothing more is reported; what has arrived comes first after the next start_receiving.
 * 7. release yields exactly one `released`, from reap. What was not gathered is not sent.
 * 8. attach owns the blocking mode, see emi_ownership.
 * 9. While `stopping` is set nothing is accepted: another process that shares the listening socket may serve the
 * clients in its queue. Once it is cleared, listeners go on where they were.
 * 10. abandon is destroy in a forked child: it closes the child's copies and leaves the kernel's shared objects alone.
 * Until then, or until renew, no operation in a forked child touches a kernel object that the child shares with its
 * parent.
 */
#ifndef EMI_BACKEND_H
#define EMI_BACKEND_H

#include <stdatomic.h>

#include "base/memory.h"
#include "io/channel.h"

typedef struct emi_backend_settings {
    const emi_memory *memory;
    size_t receive_buffer_bytes;
    void (*log)(void *user, em_log_level level, const char *message); /**< or NULL; not within wait */
    void *log_user;
} emi_backend_settings;

typedef struct emi_backend_operations {
    /** All channels must have been released and reaped. */
    void (*destroy)(emi_backend *backend);
    /** See rule 10. Channels need not be released before. */
    void (*abandon)(emi_backend *backend);
    /** In a forked child: makes the backend the child's own, with new kernel objects in place of the shared ones. The
     * channels stay as they are, and what they are ready for is reported again. On failure nothing has changed. Also
     * within an event. */
    em_status (*renew)(emi_backend *backend);

    /** Waits until something happened, somebody wakes it, or the time is over (EM_FOREVER: never). true: there are
     * events to dispatch. A time beyond what the system can wait for is cut. Where waiting has become impossible, it
     * sets the backend's `failure` and returns at once. */
    bool (*wait)(emi_backend *backend, uint64_t timeout_ns);
    /** Delivers what wait found and what was known before, at most about `budget` channels. */
    void (*dispatch)(emi_backend *backend, unsigned budget);
    /** Sends for all channels that asked. */
    void (*flush)(emi_backend *backend);
    /** Ends released channels. */
    void (*reap)(emi_backend *backend);
    /** Ends the present or the next wait. Any thread, signal handlers. */
    void (*wake)(emi_backend *backend);
    /** Whether dispatch, flush or reap has work without waiting. */
    bool (*has_work)(const emi_backend *backend);
    /** A descriptor that polls readable when wait would find something; -1: there is none. */
    int (*get_descriptor)(const emi_backend *backend);

    /** Takes charge of the descriptor; nothing is received yet. On failure the descriptor stays the caller's. */
    em_status (*attach)(emi_backend *backend, emi_channel *channel, emi_channel_kind kind, int descriptor,
                        emi_ownership ownership);
    /** Ends the relation; see rule 7. */
    void (*release)(emi_channel *channel);
    /** Stream and listener. */
    em_status (*start_receiving)(emi_channel *channel);
    void (*stop_receiving)(emi_channel *channel);
    /** Stream, once, before anything else: EM_OK means under way, `connected` or `failed` follow. What has failed at
     * once may be tried again. */
    em_status (*connect)(emi_channel *channel, const em_address *address);
    /** Polled: sets what to wait for (emi_interest); stays in force, level-triggered, until changed. */
    em_status (*poll)(emi_channel *channel, unsigned interests);
    /** Stream: there is something to send; `gather` asks for it. While connecting it is remembered until the connection
     * is established. */
    void (*send)(emi_channel *channel);
    /** Stream: hands bytes that need not be gathered to the system at once; returns how many it took. 0 if it takes
     * none now, if bytes asked for earlier must go first, or if something is wrong, which the next gathering reports.
     * No event follows. NULL: this backend never does. */
    size_t (*send_now)(emi_channel *channel, const void *bytes, size_t length);
} emi_backend_operations;

/** The common head of every backend. */
struct emi_backend {
    const emi_backend_operations *operations;
    const char *name;
    const char *reason;   /**< why it is this one and not a better one; NULL if there is nothing to say. Static text */
    em_status failure;    /**< set by wait: it will never find anything again; EM_OK as long as all is well */
    bool handed_over;     /**< set by the loop: a forked child has taken over, so rule 10 holds in this process, too */
    atomic_bool stopping; /**< set by any thread and by signal handlers, see rule 9 */
};

/** Reads or writes in a row on one channel, by default. */
#define EMI_CHANNEL_BURST 8

/** Prepares a channel that is embedded in zeroed memory. */
static inline void emi_channel_init(emi_channel *channel, const emi_channel_events *events)
{
    channel->events = events;
    channel->descriptor = -1;
    channel->burst = EMI_CHANNEL_BURST;
    emi_list_init(&channel->work);
    emi_list_init(&channel->flush);
}

/* The operations on attached channels. */

static inline void emi_channel_release(emi_channel *channel)
{
    channel->backend->operations->release(channel);
}

static inline em_status emi_channel_start_receiving(emi_channel *channel)
{
    return channel->backend->operations->start_receiving(channel);
}

static inline void emi_channel_stop_receiving(emi_channel *channel)
{
    channel->backend->operations->stop_receiving(channel);
}

static inline em_status emi_channel_connect(emi_channel *channel, const em_address *address)
{
    return channel->backend->operations->connect(channel, address);
}

static inline em_status emi_channel_poll(emi_channel *channel, unsigned interests)
{
    return channel->backend->operations->poll(channel, interests);
}

static inline void emi_channel_send(emi_channel *channel)
{
    channel->backend->operations->send(channel);
}

/** Whether the backend has read something that the owner has not got yet, because it does not receive now. */
static inline bool emi_channel_holds_input(const emi_channel *channel)
{
    return channel->has_kept || channel->early > 0;
}

/** For backends: ends connecting, receiving, sending and accepting, and reports why. */
static inline void emi_channel_fail(emi_channel *channel, em_status reason)
{
    channel->receiving = false;
    channel->sending = false;
    channel->connecting = false;
    channel->events->failed(channel, reason);
}

/**
 * Makes the backend of this name, or the best that works if it is NULL. EM_UNKNOWN_BACKEND if this system has none
 * of this name, or refuses it; else the status of its creation. *reason: why the best one, or the one named, is
 * unavailable; untouched if it is available.
 */
em_status emi_backend_create(const char *name, const emi_backend_settings *settings, emi_backend **backend,
                             const char **reason);

/** The names that this system's backends have, best first, with commas between them. */
void emi_backend_list_names(char *text, size_t capacity);

#endif
