/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The interface between the library and the kernel. The owner of a channel says what it wants (to receive, to send, to
 * stop), and that stays in force. The backend lends its own memory for bytes that arrive, and gathers the owner's bytes
 * when the kernel can take them. Kernels that report readiness (epoll, poll, kqueue) fit this interface, and so do
 * kernels that complete operations. readiness.h is the backend for the first kind; a new kernel of that kind needs a
 * poller only, see poller.h.
 *
 * Rules:
 * 1. Phases. In each turn the loop calls flush, wait, dispatch, flush, reap. Events are called by dispatch, flush and
 * reap only. Operations on channels never call events, so a caller's object stays valid during the call. The one
 * exception says so: deliver_held.
 * 2. wait touches no channel and no owner, so a host may release a lock around it. Any thread and any signal handler
 * may call wake.
 * 3. Bytes that arrive are lent until the event returns.
 * 4. Bytes that leave stay unchanged from gather until sent, failed or released. Each stream has at most one gathering
 * under way. When an owner calls send within dispatch, its bytes are gathered in the flush phase at the latest, and
 * before the stream is read again. They are gathered earlier if callbacks are slow or the stream has much to send.
 * 5. The backend retries what needs no decision: interrupted calls, partial calls, ECONNABORTED. Every other failure is
 * reported to the owner. If accepting fails because no descriptor is left, the listener stops receiving and `failed` is
 * called.
 * 6. stop_receiving is exact: nothing more is reported. What has arrived is reported first after the next
 * start_receiving.
 * 7. After release, `released` is called exactly once, by reap. Bytes that were not gathered are not sent.
 * 8. attach decides about the descriptor's blocking mode, see emi_ownership.
 * 9. While `stopping` is set, nothing is accepted: another process that shares the listening socket may serve the
 * clients in its queue. Once it is cleared, listeners continue where they were.
 * 10. abandon is destroy in a forked child: it closes the child's copies and leaves the kernel objects alone that the
 * child shares with its parent. Until then, or until renew, no operation in a forked child touches such an object.
 */
#ifndef EMI_BACKEND_H
#define EMI_BACKEND_H

#include <stdatomic.h>

#include "base/invariant.h"
#include "base/memory.h"
#include "io/channel.h"
#include "system/pipe.h"

typedef struct emi_backend_settings {
    const emi_memory *memory;
    size_t receive_buffer_bytes;
    void (*log)(void *user, em_log_level level, const char *message); /**< NULL: none. Never called by wait */
    void *log_user;
} emi_backend_settings;

typedef struct emi_backend_operations {
    /** All channels must have been released and reaped. */
    void (*destroy)(emi_backend *backend);
    /** See rule 10. Channels need not be released before. */
    void (*abandon)(emi_backend *backend);
    /** In a forked child: replaces the kernel objects that the child shares with its parent by new ones. The channels
     * stay as they are, and what they are ready for is reported again. On failure nothing has changed. May be called
     * within an event. */
    em_status (*renew)(emi_backend *backend);

    /** Waits until something happens, until wake is called, or for `timeout_ns` (EM_FOREVER: without a limit). Returns
     * true if there are events to dispatch. May return earlier if the system cannot wait that long. If waiting has
     * become impossible, it sets the backend's `failure` and returns at once. */
    bool (*wait)(emi_backend *backend, uint64_t timeout_ns);
    /** Calls the events of channels that wait found ready, or that had more to do than the last dispatch allowed.
     * Serves at most about `budget` channels. */
    void (*dispatch)(emi_backend *backend, unsigned budget);
    /** Sends for all channels for which send was called. */
    void (*flush)(emi_backend *backend);
    /** Calls `released` for channels that were released. */
    void (*reap)(emi_backend *backend);
    /** Ends the present wait, or the next one if there is none. Any thread and any signal handler may call it. */
    void (*wake)(emi_backend *backend);
    /** Whether dispatch, flush or reap has something to do, so that the loop should not wait. */
    bool (*has_work)(const emi_backend *backend);
    /** A descriptor that polls readable when wait would find something; -1: this backend has none. */
    int (*get_descriptor)(const emi_backend *backend);

    /** Attaches the channel to the backend, with its descriptor; nothing is received yet. On failure the descriptor
     * stays the caller's. */
    em_status (*attach)(emi_backend *backend, emi_channel *channel, emi_channel_kind kind, int descriptor,
                        emi_ownership ownership);
    /** Detaches the channel and closes the descriptor unless it is EMI_SHARED; see rule 7. */
    void (*release)(emi_channel *channel);
    /** Stream, listener, datagram: bytes, connections or datagrams are reported from now on. */
    em_status (*start_receiving)(emi_channel *channel);
    void (*stop_receiving)(emi_channel *channel);
    /** Stream, datagram, before a release that leaves the socket to others (EMI_SHARED): delivers bytes that were read
     * and not yet delivered, whether the channel receives or not, so that they are not lost. The only operation that
     * calls an event: `data`, at most once. Any status but EM_OK is a failure that was taken off the socket and would
     * be lost; then nothing has happened. */
    em_status (*deliver_held)(emi_channel *channel);
    /** Stream, within its own `data` event: the last `length` bytes that were lent are given back. They are held, and
     * are reported first when the channel receives again, which may be at once. EM_NO_MEMORY: they are lost. */
    em_status (*put_back)(emi_channel *channel, const void *bytes, size_t length);
    /** Stream, before any other operation: connects. After EM_OK, `connected` or `failed` follows. After any other
     * status no event follows, and connect may be called again. */
    em_status (*connect)(emi_channel *channel, const em_address *address);
    /** Stream that does not receive: hands its descriptor over to another channel, which is not attached. What was
     * reported or remembered for the descriptor stays valid, so nothing is lost. Afterwards `from` has no descriptor,
     * as after a release, and `released` is called for it. Cannot fail. May be called within an event of `from`. The
     * owner has initialised `to` with the same `exact_reads`. */
    void (*move)(emi_channel *to, emi_channel *from);
    /** Polled: sets what `ready` is called for (emi_interest), level-triggered, until it is changed. */
    em_status (*poll)(emi_channel *channel, unsigned interests);
    /** Stream, datagram: there are bytes or datagrams to send, which `gather` or `gather_datagrams` will return. While
     * the stream is connecting, this is remembered until the connection is established. */
    void (*send)(emi_channel *channel);
    /** Stream: gives up to EMI_MAX_SPANS spans to the system at once, without gathering them, and returns how many
     * bytes it took. Returns 0 if the system takes none now, if bytes that were asked for earlier must be sent first,
     * or on an error, which is reported later. Calls no event. NULL: this backend cannot do it. */
    size_t (*send_now)(emi_channel *channel, const emi_span *spans, unsigned count);
    /** Whether the backend sends files, see gather_file. If not, the owner of a stream reads them. */
    bool sends_files;
    /** Stream, within `room`: moves up to `most` bytes that have arrived into an empty pipe, and returns how many. 0:
     * nothing has arrived if the channel is no longer readable; otherwise the next read finds out why. Calls no event.
     * NULL: this backend cannot do it. */
    size_t (*receive_into_pipe)(emi_channel *channel, emi_pipe *pipe, size_t most);
    /** Stream, within `gather`, or where send_now would be allowed: moves bytes from the pipe to the system and returns
     * how many. What is left is to be moved by a later `gather`, which follows; errors are reported later. Calls no
     * event. NULL as above. */
    size_t (*send_from_pipe)(emi_channel *channel, emi_pipe *pipe);
} emi_backend_operations;

/** What every backend begins with. */
struct emi_backend {
    const emi_backend_operations *operations;
    const char *name;
    const char *reason;   /**< why it is not a better one, as static text; NULL: there is none */
    em_status failure;    /**< set by wait when waiting has become impossible; else EM_OK */
    bool handed_over;     /**< set by the loop when a forked child has taken it over: rule 10 holds here, too */
    atomic_bool stopping; /**< set by any thread and by signal handlers, see rule 9 */
};

/** Reads or writes in a row on one channel, by default. */
#define EMI_CHANNEL_BURST 8

/** Initializes a channel in zeroed memory. */
static inline void emi_channel_init(emi_channel *channel, const emi_channel_events *events)
{
    channel->events = events;
    channel->descriptor = -1;
    channel->burst = EMI_CHANNEL_BURST;
    emi_list_init(&channel->work);
    emi_list_init(&channel->flush);
}

/** For the owner of a stream that may be anything but a socket: tells the channel, before attach, what the descriptor
 * can do. A stream that cannot send must not be asked to. An EMI_SHARED stream may wait in write(2), so it cannot send.
 */
static inline void emi_channel_set_descriptor(emi_channel *channel, const emi_descriptor *found)
{
    channel->descriptor_kind = (uint8_t)found->kind;
    channel->cannot_receive = !found->can_receive;
    channel->cannot_send = !found->can_send;
    channel->exact_reads = channel->exact_reads && found->kind == EMI_SOCKET;
}

/* The operations on attached channels. */

static inline void emi_channel_release(emi_channel *channel)
{
    channel->backend->operations->release(channel);
}

static inline em_status emi_channel_start_receiving(emi_channel *channel)
{
    EMI_INVARIANT(channel->backend && !channel->released);
    return channel->backend->operations->start_receiving(channel);
}

static inline void emi_channel_stop_receiving(emi_channel *channel)
{
    EMI_INVARIANT(channel->backend && !channel->released);
    channel->backend->operations->stop_receiving(channel);
}

static inline em_status emi_channel_deliver_held(emi_channel *channel)
{
    return channel->backend->operations->deliver_held(channel);
}

static inline em_status emi_channel_connect(emi_channel *channel, const em_address *address)
{
    EMI_INVARIANT(channel->backend && !channel->released);
    return channel->backend->operations->connect(channel, address);
}

static inline void emi_channel_move(emi_channel *to, emi_channel *from)
{
    EMI_INVARIANT(from->backend && !from->released && !from->receiving && from->early == 0 && !to->backend);
    from->backend->operations->move(to, from);
}

static inline em_status emi_channel_poll(emi_channel *channel, unsigned interests)
{
    EMI_INVARIANT(channel->backend && !channel->released);
    return channel->backend->operations->poll(channel, interests);
}

static inline void emi_channel_send(emi_channel *channel)
{
    EMI_INVARIANT(channel->backend && !channel->released);
    channel->backend->operations->send(channel);
}

/** Whether the backend has read bytes that it has not delivered, because the owner does not receive now. */
static inline bool emi_channel_holds_input(const emi_channel *channel)
{
    return channel->has_kept || channel->early > 0;
}

/** For backends: the part of `move` that changes the two channels. `to` keeps the fields that its owner sets. */
static inline void emi_channel_take_place(emi_channel *to, emi_channel *from)
{
    emi_channel owned = *to;
    *to = *from;
    to->events = owned.events;
    to->burst = owned.burst;
    to->exact_reads = owned.exact_reads;
    to->offers_room = owned.offers_room;
    emi_list_init(&to->work);
    emi_list_init(&to->flush);
    from->descriptor = -1;
    from->ownership = EMI_SHARED;
    from->slot = EMI_NO_SLOT;
    from->connecting = false;
    from->sending = false;
    from->released = true;
}

/** For backends: ends connecting, receiving, sending and accepting, and reports why. */
static inline void emi_channel_fail(emi_channel *channel, em_status reason)
{
    channel->receiving = false;
    channel->sending = false;
    channel->connecting = false;
    channel->events->failed(channel, reason);
}

#endif
