/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Receiving. A stream is read by calls of its own, through the backend's one buffer or into its owner's memory; or, where
 * several are ready, a first time by a batch for all of them, which is told from the plain read by nothing but its price:
 * what a batch has read for a stream that was paused meanwhile is kept and comes before what is read next, in one piece with
 * it; a stream that is closed with such bytes undelivered is reset, as the kernel does with unread bytes.
 */
#include <string.h>

#include "io/bulk.h"
#include "io/readiness_private.h"
#include "system/socket.h"

/* So much is still read from a stream that cannot be written to any more: more than a socket's buffer holds. */
enum { LAST_READS = 1024 };

/* One read: `length` bytes, 0 at the end of the stream or with an error. */
typedef struct piece {
    unsigned char *bytes;
    size_t length;
    bool fills; /* all the room that there was, so there may be more */
} piece;

/* Reads on behind `before` bytes that are in the backend's buffer already. */
static em_status read_behind(emi_readiness *readiness, emi_channel *channel, size_t before, piece *got)
{
    size_t capacity = readiness->buffer_bytes - before;
    size_t length = 0;
    *got = (piece){.bytes = readiness->buffer, .length = before, .fills = true};
    if (capacity == 0)
        return EM_OK;
    em_status status = emi_socket_receive(channel->descriptor, readiness->buffer + before, capacity, &length);
    got->length += length;
    if (status == EM_OK && length > 0)
        got->fills = length == capacity;
    else if (status == EM_WOULD_BLOCK)
        channel->readable = false;
    else if (status != EM_OK && status != EM_INTERRUPTED)
        channel->failure = (int16_t)status;
    return EM_OK;
}

static em_status read_kept(emi_readiness *readiness, emi_channel *channel, piece *got)
{
    return read_behind(readiness, channel, emi_readiness_take_kept(readiness, channel), got);
}

static em_status read_early(emi_readiness *readiness, emi_channel *channel, const emi_call *early, piece *got)
{
    channel->early = 0;
    *got = (piece){.bytes = early->bytes, .length = early->done};
    if (early->done < early->length)
        return early->status;
    memcpy(readiness->buffer, early->bytes, early->done);
    return read_behind(readiness, channel, early->done, got);
}

static em_status read_plainly(emi_readiness *readiness, emi_channel *channel, piece *got)
{
    size_t capacity = readiness->buffer_bytes;
    *got = (piece){.bytes = emi_bulk_room(channel, readiness->buffer, &capacity)};
    if (EMI_UNLIKELY(!channel->receiving || emi_readiness_is_over(readiness, channel)))
        return EM_INTERRUPTED; /* by the owner, when asked for room */
    em_status status = emi_socket_receive(channel->descriptor, got->bytes, capacity, &got->length);
    got->fills = got->length == capacity;
    return status;
}

static em_status read_piece(emi_readiness *readiness, emi_channel *channel, const emi_call *early, piece *got)
{
    if (early)
        return read_early(readiness, channel, early, got);
    if (EMI_UNLIKELY(channel->has_kept))
        return read_kept(readiness, channel, got);
    if (EMI_LIKELY(channel->failure == EM_OK))
        return read_plainly(readiness, channel, got);
    *got = (piece){.length = 0};
    if (channel->failure == EM_NO_MEMORY)
        return EM_NO_MEMORY; /* something is missing: what comes behind it must not be delivered */
    em_status status = read_plainly(readiness, channel, got);
    return status == EM_INTERRUPTED || got->length > 0 ? status : (em_status)channel->failure;
}

static void report_end(emi_channel *channel)
{
    channel->receiving = false;
    channel->ended = true;
    channel->events->end(channel);
}

/*
 * One read. false: nothing more for now. A short read usually shows that the socket is empty, which saves the read that would
 * report "would block"; not so when the end or urgent data (which splits reads) was reported.
 */
static bool receive_once(emi_readiness *readiness, emi_channel *channel, const emi_call *early)
{
    piece got;
    em_status status = read_piece(readiness, channel, early, &got);
    if (EMI_LIKELY(status == EM_OK && got.length > 0)) {
        if (!got.fills && !channel->read_to_the_end && channel->failure == EM_OK)
            channel->readable = false;
        emi_bulk_note(channel, got.length);
        channel->events->data(channel, got.bytes, got.length);
        return true;
    }
    if (status == EM_INTERRUPTED)
        return true;
    channel->readable = false;
    if (status == EM_OK) {
        report_end(channel);
    } else if (status != EM_WOULD_BLOCK) {
        emi_readiness_fail(channel, status);
    }
    return false;
}

/* What is to be sent goes before the next read; after the last one, little of it waits for that of others. */
void emi_readiness_receive(emi_readiness *readiness, emi_channel *channel, const emi_call *early)
{
    for (unsigned reads = 0; reads < channel->burst; reads++) {
        if (!receive_once(readiness, channel, early) || emi_readiness_is_over(readiness, channel))
            return;
        early = NULL;
        bool goes_on = channel->readable && channel->receiving;
        if (channel->sending && !channel->blocked && (goes_on || emi_readiness_has_much_to_send(channel)) &&
            !channel->released)
            emi_readiness_send(readiness, channel);
        if (!goes_on || emi_readiness_is_over(readiness, channel) || !channel->receiving)
            return;
        if (emi_slice_is_over(&readiness->slice)) {
            emi_readiness_send_all(readiness);
            break; /* callbacks are slow: others come first */
        }
    }
    if (!emi_readiness_is_over(readiness, channel))
        emi_readiness_add_work(readiness, channel);
}

/* Reads until there is nothing; returns the error that the last read reported, or EM_OK. */
static em_status receive_the_rest(emi_readiness *readiness, emi_channel *channel)
{
    for (unsigned reads = 0; reads < LAST_READS && channel->receiving; reads++) {
        piece got;
        em_status status = read_piece(readiness, channel, NULL, &got);
        if (status == EM_OK && got.length > 0)
            channel->events->data(channel, got.bytes, got.length);
        else if (status == EM_OK)
            report_end(channel);
        else if (status != EM_INTERRUPTED)
            return status == EM_WOULD_BLOCK ? EM_OK : status;
        if (emi_readiness_is_over(readiness, channel))
            return EM_OK;
    }
    return EM_OK;
}

/*
 * Of the errors that a reset yields, a read's is the same in whatever order reading and sending come. Where the send has taken
 * it off the socket, reads find an end in its place, which is none; a broken pipe is no error of the socket.
 */
void emi_readiness_fail_after_receiving(emi_readiness *readiness, emi_channel *channel, em_status reason)
{
    channel->sending = false;
    if (channel->early > 0) { /* its turn in the row has not come yet */
        unsigned place = channel->early - 1U;
        emi_readiness_keep(readiness, channel, readiness->row.early[place]);
        readiness->row.early[place] = NULL;
    }
    if (reason != EM_BROKEN_PIPE && channel->failure == EM_OK)
        channel->failure = (int16_t)reason;
    em_status status = receive_the_rest(readiness, channel);
    if (emi_readiness_is_over(readiness, channel))
        return;
    if (status == EM_OK)
        status = channel->failure != EM_OK ? (em_status)channel->failure : emi_socket_take_error(channel->descriptor);
    emi_readiness_fail(channel, status != EM_OK ? status : reason);
}

/* Not Unix sockets, because the peer of one that is closed with unread bytes is told so, and nothing else does that; and not
 * streams on which much arrives. */
static bool may_read_early(const emi_channel *channel)
{
    return channel->kind == EMI_STREAM && channel->receiving && channel->readable && channel->exact_reads &&
           !channel->connecting && !channel->released && channel->bulk == 0 && !channel->has_kept &&
           channel->failure == EM_OK;
}

void emi_readiness_read_early(emi_readiness *readiness)
{
    emi_row *row = &readiness->row;
    unsigned count = 0;
    for (unsigned i = 0; i < row->count; i++) {
        const emi_channel *channel = row->channels[i];
        row->early[i] = NULL;
        if (!may_read_early(channel))
            continue;
        emi_call *call = &row->calls[count];
        *call =
            (emi_call){.kind = EMI_CALL_RECEIVE, .descriptor = channel->descriptor, .length = readiness->early_bytes};
        call->bytes = readiness->early + count * (readiness->early_bytes + EMI_READINESS_EARLY_GAP);
        row->early[i] = call;
        count++;
    }
    if (count < EMI_BATCH_FEWEST_CALLS) {
        memset(row->early, 0, row->count * sizeof row->early[0]);
        return;
    }
    emi_readiness_run(readiness, row->calls, count);
    for (unsigned i = 0; i < row->count; i++)
        row->channels[i]->early = row->early[i] ? (uint8_t)(i + 1) : 0;
}
