/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Receiving. A stream is read by plain calls, into the backend's one buffer or into its owner's memory. If several
 * streams are ready, the first read of each is made by one batch, before the first callback. The owners notice no
 * difference but speed. What a batch has read for a stream that was paused before its turn is kept, and delivered in
 * one piece with what is read next. A stream that is closed with such bytes undelivered is reset, as the kernel does
 * when bytes are unread.
 */
#include <string.h>

#include "io/bulk.h"
#include "io/readiness_private.h"

/* Before bytes that were read longer ago are delivered, more is read. */
#define LONGEST_EARLY_NS 1000000

/* One read: `length` bytes, 0 at the end of the stream or with an error. */
typedef struct piece {
    unsigned char *bytes;
    size_t length;
    bool fills; /* it fills the memory, so there may be more to read */
} piece;

/* There is nothing more to read now, unless a failure remains to be reported. */
static void note_empty(emi_channel *channel)
{
    channel->readable = channel->failure != EM_OK;
}

/* Reads more, behind `before` bytes that are in the backend's buffer already. */
static em_status read_behind(emi_readiness *readiness, emi_channel *channel, size_t before, piece *got)
{
    size_t capacity = readiness->buffer_bytes - before;
    size_t length = 0;
    *got = (piece){.bytes = readiness->buffer, .length = before, .fills = true};
    if (capacity == 0)
        return EM_OK;
    em_status status = emi_readiness_read(channel, readiness->buffer + before, capacity, &length);
    got->length += length;
    if (status == EM_OK && length > 0)
        got->fills = length == capacity;
    else if (status == EM_WOULD_BLOCK)
        note_empty(channel);
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
    /* After slow callbacks more may have arrived, which a plain read would have found. */
    bool is_old = emi_clock_now_ns() - readiness->row.read_ns > LONGEST_EARLY_NS;
    if (early->done == 0 || (early->done < early->length && !is_old))
        return early->status;
    memcpy(readiness->buffer, early->bytes, early->done);
    return read_behind(readiness, channel, early->done, got);
}

static em_status read_plainly(emi_readiness *readiness, emi_channel *channel, piece *got)
{
    size_t capacity = readiness->buffer_bytes;
    *got = (piece){.bytes = emi_bulk_room(channel, readiness->buffer, &capacity)};
    if (EMI_UNLIKELY(!got->bytes || !channel->receiving || emi_readiness_is_over(readiness, channel)))
        return EM_INTERRUPTED; /* the owner has received by itself, or did so within `room` */
    em_status status = emi_readiness_read(channel, got->bytes, capacity, &got->length);
    got->fills = got->length == capacity;
    return status;
}

/*
 * Before a failure that another call than a read has found is reported, what is still there is delivered. Instead of
 * EPIPE the result of the last read is reported, so that a reset is reported alike in whatever order reading and
 * sending come. But if a send has taken ECONNRESET off the socket, reads find an end that the peer has not sent.
 */
static em_status read_before_failing(emi_readiness *readiness, emi_channel *channel, piece *got)
{
    em_status failure = (em_status)channel->failure;
    *got = (piece){.length = 0};
    if (failure == EM_NO_MEMORY)
        return failure; /* bytes are missing, so those behind them must not be delivered */
    em_status status = read_plainly(readiness, channel, got);
    bool is_last = status != EM_INTERRUPTED && got->length == 0;
    if (!is_last || (failure == EM_BROKEN_PIPE && status != EM_WOULD_BLOCK))
        return status;
    return failure;
}

static em_status read_piece(emi_readiness *readiness, emi_channel *channel, const emi_call *early, piece *got)
{
    if (early)
        return read_early(readiness, channel, early, got);
    if (EMI_UNLIKELY(channel->has_kept))
        return read_kept(readiness, channel, got);
    if (EMI_UNLIKELY(channel->failure != EM_OK))
        return read_before_failing(readiness, channel, got);
    return read_plainly(readiness, channel, got);
}

static void report_end(emi_channel *channel)
{
    channel->receiving = false;
    channel->ended = true;
    channel->events->end(channel);
}

/*
 * One read. Returns false if there is nothing more now. A short read usually shows that the socket is empty, which
 * saves the read that would return EAGAIN. It shows nothing when the poller has reported the end or urgent data, which
 * splits reads.
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
    note_empty(channel);
    if (status == EM_OK)
        report_end(channel);
    else if (status != EM_WOULD_BLOCK)
        emi_channel_fail(channel, status);
    return false;
}

/* What the owner has to send is sent before the next read. After the last read a small piece waits, to be sent in a row
 * with those of other streams. */
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
            break; /* callbacks are slow: other channels come first */
        }
    }
    if (!emi_readiness_is_over(readiness, channel))
        emi_readiness_add_work(readiness, channel);
}

/* Unix sockets are not read early: closing one with unread bytes resets the peer, and nothing else can do that if a
 * batch has read them. Nor are bulk streams, see bulk.h. */
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
    row->read_ns = emi_clock_now_ns();
    for (unsigned i = 0; i < row->count; i++)
        row->channels[i]->early = row->early[i] ? (uint8_t)(i + 1) : 0;
}
