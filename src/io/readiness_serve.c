/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the readiness backend does on channels that are ready. Readable and writable are remembered, so that an
 * edge-triggered poller need not be asked again.
 */
#include "io/accept_errors.h"
#include "io/bulk.h"
#include "io/readiness_private.h"
#include "system/socket.h"

/* So much is still read from a stream that cannot be written to any more: more than a socket's buffer holds. */
enum { LAST_READS = 1024 };

static void fail(emi_channel *channel, em_status reason)
{
    channel->receiving = false;
    channel->sending = false;
    channel->connecting = false;
    channel->events->failed(channel, reason);
}

static void finish_connect(emi_channel *channel)
{
    em_status status = emi_socket_take_error(channel->descriptor);
    channel->connecting = false;
    if (status != EM_OK)
        fail(channel, status);
    else
        channel->events->connected(channel);
}

/*
 * One read. false: nothing more for now. A short read usually shows that the socket is empty, which saves the read that would
 * answer "would block"; not so when the end or urgent data (which splits reads) was reported.
 */
static bool receive_once(emi_readiness *readiness, emi_channel *channel)
{
    size_t length;
    size_t capacity = readiness->buffer_bytes;
    unsigned char *memory = emi_bulk_room(channel, readiness->buffer, &capacity);
    em_status status = emi_socket_receive(channel->descriptor, memory, capacity, &length);
    if (EMI_LIKELY(status == EM_OK && length > 0)) {
        if (length < capacity && !channel->read_to_the_end)
            channel->readable = false;
        emi_bulk_note(channel, length);
        channel->events->data(channel, memory, length);
        return true;
    }
    if (status == EM_INTERRUPTED)
        return true;
    channel->readable = false;
    if (status == EM_OK) {
        channel->receiving = false;
        channel->events->end(channel);
    } else if (status != EM_WOULD_BLOCK) {
        fail(channel, status);
    }
    return false;
}

static bool has_much_to_send(emi_channel *channel)
{
    emi_span spans[EMI_MAX_SPANS];
    unsigned count = channel->events->gather(channel, spans);
    return count > 0 && emi_batch_is_large(spans, count);
}

/* What is to be sent goes before the next read; after the last one, little of it waits for that of others. */
static void receive(emi_readiness *readiness, emi_channel *channel)
{
    for (unsigned reads = 0; reads < channel->burst; reads++) {
        if (!receive_once(readiness, channel) || emi_readiness_is_over(readiness, channel))
            return;
        bool goes_on = channel->readable && channel->receiving;
        if (channel->sending && !channel->blocked && (goes_on || has_much_to_send(channel)) && !channel->released)
            emi_readiness_send(readiness, channel);
        if (!goes_on || emi_readiness_is_over(readiness, channel) || !channel->receiving)
            return;
    }
    emi_readiness_add_work(readiness, channel);
}

static void serve_stream(emi_readiness *readiness, emi_channel *channel)
{
    if (EMI_UNLIKELY(channel->connecting)) {
        if (channel->blocked)
            return;
        finish_connect(channel);
        if (emi_readiness_is_over(readiness, channel))
            return;
    }
    if (channel->receiving && channel->readable)
        receive(readiness, channel);
    /* What was asked for just now is in the list, and sent with the others'; see dispatch in readiness.c. */
    if (channel->sending && !channel->blocked && !emi_list_is_linked(&channel->flush) &&
        !emi_readiness_is_over(readiness, channel))
        emi_readiness_send(readiness, channel);
}

/* The peer may have sent something before it stopped taking: that is delivered first. */
static void fail_after_receiving(emi_readiness *readiness, emi_channel *channel, em_status reason)
{
    channel->sending = false;
    channel->readable = true;
    channel->read_to_the_end = true;
    size_t length = 1;
    for (unsigned reads = 0; reads < LAST_READS && channel->receiving && length > 0; reads++) {
        em_status status = emi_socket_receive(channel->descriptor, readiness->buffer, readiness->buffer_bytes, &length);
        if (status == EM_INTERRUPTED)
            length = 1;
        else if (length > 0)
            channel->events->data(channel, readiness->buffer, length);
        if (emi_readiness_is_over(readiness, channel))
            return;
    }
    if (!channel->released)
        fail(channel, reason);
}

/* One write of what the owner gathers; false when there is no more to do for now. */
static bool send_once(emi_readiness *readiness, emi_channel *channel)
{
    emi_span spans[EMI_MAX_SPANS];
    unsigned count = channel->events->gather(channel, spans);
    if (count == 0) {
        channel->sending = false;
        return false;
    }
    size_t length = 0;
    em_status status = emi_socket_send(channel->descriptor, spans, count, &length);
    if (EMI_LIKELY(status == EM_OK)) {
        if (length > 0)
            channel->events->sent(channel, length);
        return true;
    }
    if (status == EM_INTERRUPTED)
        return true;
    if (status == EM_WOULD_BLOCK) {
        channel->blocked = true;
        status = emi_readiness_update_interest(readiness, channel);
    }
    if (status != EM_OK)
        fail_after_receiving(readiness, channel, status);
    return false;
}

void emi_readiness_send(emi_readiness *readiness, emi_channel *channel)
{
    emi_list_remove(&channel->flush);
    if (emi_readiness_is_forked(readiness))
        return;
    for (unsigned writes = 0; writes < channel->burst; writes++)
        if (!send_once(readiness, channel) || emi_readiness_is_over(readiness, channel) || !channel->sending)
            return;
    emi_readiness_add_work(readiness, channel);
}

static void serve_listener(emi_readiness *readiness, emi_channel *channel)
{
    for (unsigned accepts = 0; accepts < channel->burst; accepts++) {
        if (emi_readiness_is_over(readiness, channel) || !channel->receiving || !channel->readable)
            return;
        em_address peer;
        int socket;
        em_status status = emi_socket_accept(channel->descriptor, &socket, &peer);
        if (status == EM_OK) {
            channel->events->accepted(channel, socket, &peer);
        } else if (status == EM_WOULD_BLOCK) {
            channel->readable = false;
        } else if (!emi_accept_may_go_on(status)) {
            channel->receiving = false;
            channel->events->failed(channel, status);
        }
    }
    if (!channel->released)
        emi_readiness_add_work(readiness, channel);
}

/* Level-triggered: what was reported is forgotten once it is told. */
static void serve_polled(emi_channel *channel)
{
    unsigned ready = (channel->readable ? EMI_READABLE : 0U) | (channel->blocked ? 0U : EMI_WRITABLE);
    channel->readable = false;
    channel->blocked = true;
    ready &= channel->interest;
    if (ready)
        channel->events->ready(channel, ready);
}

void emi_readiness_serve(emi_readiness *readiness, emi_channel *channel)
{
    if (emi_readiness_is_forked(readiness))
        return;
    switch ((emi_channel_kind)channel->kind) {
    case EMI_STREAM:
        serve_stream(readiness, channel);
        break;
    case EMI_LISTENER:
        serve_listener(readiness, channel);
        break;
    case EMI_POLLED:
        serve_polled(channel);
        break;
    }
}
