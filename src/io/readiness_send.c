/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sending: for one stream, or for all streams whose owners called send. Small pieces of several streams go to the
 * kernel as a batch.
 */
#include "io/readiness_private.h"
#include "system/file.h"
#include "system/socket.h"

/* Of a file, by one call. Larger pieces take no less time per byte; with as many calls as a burst allows, a channel
 * with a fast peer takes less than a millisecond. */
enum { MOST_FILE_BYTES = 256 * 1024 };

static bool may_send(const emi_channel *channel)
{
    return channel->sending && !channel->blocked && !channel->connecting && channel->failure == EM_OK;
}

bool emi_readiness_has_much_to_send(emi_channel *channel)
{
    emi_span spans[EMI_MAX_SPANS];
    unsigned count = channel->events->gather(channel, spans);
    return count > 0 && emi_slice_is_large(spans, count);
}

/* What has come of a send. */
typedef struct send_result {
    bool goes_on; /* the next send may follow */
    bool acts;    /* after_sent is to be called */
} send_result;

/* Notes the result of a send. Calls nothing of the owner's but `sent`. */
static send_result note_send(emi_readiness *readiness, emi_channel *channel, em_status status, size_t length)
{
    if (EMI_LIKELY(status == EM_OK))
        return (send_result){.goes_on = true, .acts = length > 0 && channel->events->sent(channel, length)};
    if (status == EM_INTERRUPTED)
        return (send_result){.goes_on = true};
    if (status == EM_WOULD_BLOCK) {
        channel->blocked = true;
        status = emi_readiness_update_interest(readiness, channel);
    }
    if (status != EM_OK)
        emi_readiness_fail_sending(readiness, channel, status);
    return (send_result){.goes_on = false};
}

/* Returns whether the next send may follow. */
static bool finish_send(emi_readiness *readiness, emi_channel *channel, em_status status, size_t length)
{
    send_result result = note_send(readiness, channel, status, length);
    if (EMI_UNLIKELY(result.acts))
        channel->events->after_sent(channel);
    return result.goes_on;
}

/* Nothing was gathered. Within that, the owner may have asked to send again, or the system may have taken no more from
 * a pipe. Returns false: nothing more can be sent now. */
static bool note_idle(emi_channel *channel)
{
    channel->sending = channel->blocked || emi_list_is_linked(&channel->flush);
    return false;
}

/* Sends a piece of a file, if the owner, which can have files, has one. Nothing in memory is to be sent before it. */
EMI_NEVER_INLINE static bool send_file(emi_readiness *readiness, emi_channel *channel)
{
    emi_file_span piece;
    if (!channel->events->gather_file(channel, &piece))
        return note_idle(channel);
    size_t length = piece.length < MOST_FILE_BYTES ? piece.length : MOST_FILE_BYTES;
    size_t sent = 0;
    em_status status = emi_file_send(channel->descriptor, piece.descriptor, piece.offset, length, &sent);
    if (status == EM_OK && sent == 0)
        status = EM_FILE_TRUNCATED;
    if (status != EM_FILE_TRUNCATED && status != EM_UNSUPPORTED && status != EM_IO_ERROR)
        return finish_send(readiness, channel, status, sent);
    channel->events->file_failed(channel, status);
    return true;
}

/* One send of what the owner gathers. Returns false if there is nothing more to do now. */
static bool send_once(emi_readiness *readiness, emi_channel *channel)
{
    emi_span spans[EMI_MAX_SPANS];
    unsigned count = channel->events->gather(channel, spans);
    if (count == 0)
        return channel->events->gather_file ? send_file(readiness, channel) : note_idle(channel);
    size_t length = 0;
    em_status status = emi_readiness_write(channel, spans, count, &length);
    return finish_send(readiness, channel, status, length);
}

void emi_readiness_send(emi_readiness *readiness, emi_channel *channel)
{
    emi_list_remove(&channel->flush);
    if (emi_readiness_is_forked(readiness))
        return;
    if (channel->kind == EMI_DATAGRAM) {
        emi_readiness_send_datagrams(readiness, channel);
        return;
    }
    for (unsigned writes = 0; writes < channel->burst; writes++)
        if (!send_once(readiness, channel) || emi_readiness_is_over(readiness, channel) || !channel->sending)
            return;
    emi_readiness_add_work(readiness, channel);
}

/* A row of sends, and the channels that they are for. */
typedef struct send_row {
    unsigned count;
    emi_channel *channels[EMI_BATCH_MOST_CALLS];
    emi_call calls[EMI_BATCH_MOST_CALLS];
    send_result results[EMI_BATCH_MOST_CALLS];
} send_row;

/* Returns false if the channel has too many bytes for a row, or no socket, datagrams or a file, so that they are sent
 * by a call of their own. */
static bool gather_into(emi_channel *channel, send_row *row)
{
    if (channel->kind == EMI_DATAGRAM)
        return false;
    emi_span spans[EMI_MAX_SPANS];
    unsigned count = channel->events->gather(channel, spans);
    if (count == 0 && channel->events->gather_file)
        return false;
    if (count == 0) {
        note_idle(channel);
        return true;
    }
    if (emi_slice_is_large(spans, count) || channel->descriptor_kind != EMI_SOCKET)
        return false;
    row->channels[row->count] = channel;
    row->calls[row->count++] = (emi_call){
        .kind = EMI_CALL_SEND, .descriptor = channel->descriptor, .bytes = spans[0].data, .length = spans[0].length};
    return true;
}

/* Fills a row. Ends at a channel that cannot be in it, and returns that channel; NULL: there is none. */
static emi_channel *fill_row(emi_list *asked, send_row *row)
{
    row->count = 0;
    for (emi_list *link; row->count < EMI_BATCH_MOST_CALLS && (link = emi_list_take_first(asked));) {
        emi_channel *channel = EMI_CONTAINER(link, emi_channel, flush);
        if (may_send(channel) && !gather_into(channel, row))
            return channel;
    }
    return NULL;
}

/* Within gather, an owner may have released channels that are in the row already. */
static void drop_released(send_row *row)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < row->count; i++) {
        if (row->channels[i]->released)
            continue;
        row->channels[kept] = row->channels[i];
        row->calls[kept++] = row->calls[i];
    }
    row->count = kept;
}

/* All results are noted before an owner acts, who may ask for any other's or release it. */
static void note_row(emi_readiness *readiness, send_row *row)
{
    for (unsigned i = 0; i < row->count; i++)
        row->results[i] = note_send(readiness, row->channels[i], row->calls[i].status, row->calls[i].done);
}

static void finish_row(emi_readiness *readiness, const send_row *row)
{
    for (unsigned i = 0; i < row->count; i++) {
        emi_channel *channel = row->channels[i];
        if (row->results[i].acts && !channel->released)
            channel->events->after_sent(channel);
        if (row->results[i].goes_on && channel->sending && !channel->released)
            emi_readiness_send(readiness, channel);
    }
}

/* In the order in which their owners called send. */
static void send_rows(emi_readiness *readiness, emi_list *asked)
{
    while (!emi_list_is_empty(asked) && !emi_readiness_is_forked(readiness)) {
        send_row row;
        emi_channel *large = fill_row(asked, &row);
        drop_released(&row);
        emi_readiness_run(readiness, row.calls, row.count);
        note_row(readiness, &row);
        finish_row(readiness, &row);
        if (large && !large->released && may_send(large))
            emi_readiness_send(readiness, large);
    }
    emi_list_move_all(&readiness->flush, asked); /* what a fork within an event has left */
}

void emi_readiness_send_all(emi_readiness *readiness)
{
    if (emi_list_is_empty(&readiness->flush) || emi_readiness_is_forked(readiness))
        return;
    emi_list asked;
    emi_list_init(&asked);
    emi_list_move_all(&asked, &readiness->flush);
    if (readiness->batcher) {
        send_rows(readiness, &asked);
        return;
    }
    for (emi_list *link; (link = emi_list_take_first(&asked));) {
        emi_channel *channel = EMI_CONTAINER(link, emi_channel, flush);
        if (may_send(channel))
            emi_readiness_send(readiness, channel);
    }
}
