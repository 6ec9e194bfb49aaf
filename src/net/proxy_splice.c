/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The fast path of a proxy between two TCP connections without filters: bytes move through a pipe within the kernel,
 * splice(2). It is used while much arrives, and only when nothing waits in the target: so what is in a pipe is always
 * sent before what is in the outbox. A pipe is taken for one piece. If the target's socket does not accept all of it,
 * the pipe stays with the target until it does, and the source is held back. What is in the pipe belongs to the target
 * like the bytes of its outbox, whatever becomes of the proxy.
 */
#include "base/invariant.h"
#include "net/net_private.h"
#include "system/clock.h"

enum {
    FULL_READS = 4,                /* in a row, after which a source is read into pipes */
    FULL_BYTES = 32 * 1024,        /* of a full read */
    LEAST_PIECE_BYTES = 64 * 1024, /* smaller ones are not worth it */
    COPY_BYTES = 16 * 1024
};

void emi_proxy_note_read(emi_proxy *proxy, size_t length)
{
    proxy->full_reads = length < FULL_BYTES ? 0 : proxy->full_reads < FULL_READS ? proxy->full_reads + 1 : FULL_READS;
}

static bool may_splice(const emi_proxy *proxy, const em_connection *from)
{
    return proxy->full_reads == FULL_READS && from->is_tcp && proxy->piece_bytes >= LEAST_PIECE_BYTES &&
           from->channel.backend->operations->receive_into_pipe;
}

/* How many bytes may go into a pipe now; 0: none. */
static size_t most_bytes(const emi_proxy *proxy, const em_connection *to)
{
    const emi_channel *channel = &to->channel;
    size_t limit_bytes = to->extras->outbox_limit_bytes;
    size_t most = emi_proxies_room_bytes(to->object.loop);
    bool is_ready = to->object.state == EM_STATE_OPEN && to->write_side == EMI_WRITE_OPEN && !to->paused &&
                    !to->outbox.first && !emi_files_are_waiting(to) && !to->extras->pipe && !channel->sending &&
                    !channel->blocked;
    if (!is_ready || !to->is_tcp || emi_gate_of(to) || emi_loop_is_forked(to->object.loop))
        return 0;
    if (limit_bytes > 0 && limit_bytes < most)
        most = limit_bytes;
    if (proxy->piece_bytes < most)
        most = proxy->piece_bytes;
    return proxy->left_bytes < most ? (size_t)proxy->left_bytes : most;
}

/* What the target's socket has not accepted waits in the pipe. */
static void attach(em_connection *to, emi_proxy_pipe *pipe)
{
    emi_connection_extras *extras = to->extras;
    extras->pipe = pipe;
    to->object.loop->outboxes.bytes += pipe->pipe.bytes;
    if (extras->write_timeout_ns > 0) {
        extras->progress_ns = emi_clock_now_ns();
        emi_connection_arm(to);
    }
}

static void send_piece(em_connection *to, emi_proxy_pipe *pipe)
{
    size_t sent = to->channel.backend->operations->send_from_pipe(&to->channel, &pipe->pipe);
    if (sent > 0)
        emi_connection_note_sent(to, sent);
    if (pipe->pipe.bytes > 0)
        attach(to, pipe);
    else
        emi_proxies_give_back(to->object.loop, pipe);
}

static void note_received(em_connection *from, size_t length)
{
    emi_connection_note_activity(from);
    from->bytes_received += length;
    from->object.loop->stats.bytes_received += length;
}

bool emi_connection_splice(em_connection *from)
{
    emi_proxy *proxy = emi_connection_proxy(from);
    bool tries = proxy && may_splice(proxy, from) && !emi_connection_has_ended(from);
    em_connection *to = tries ? emi_connection_target(proxy) : NULL;
    size_t most = to ? most_bytes(proxy, to) : 0;
    emi_proxy_pipe *pipe = most > 0 ? emi_proxies_take_pipe(from->object.loop) : NULL;
    if (!pipe)
        return false;
    if (most > pipe->pipe.capacity_bytes)
        most = pipe->pipe.capacity_bytes;
    emi_channel *channel = &from->channel;
    size_t length = channel->backend->operations->receive_into_pipe(channel, &pipe->pipe, most);
    if (length == 0) {
        emi_proxies_give_back(from->object.loop, pipe);
        return !channel->readable;
    }
    note_received(from, length);
    send_piece(to, pipe);
    emi_proxy_note_relayed(proxy, length);
    return true;
}

/* The target's pipe */

static void note_moved(em_connection *to, size_t length)
{
    EMI_INVARIANT(to->object.loop->outboxes.bytes >= length);
    to->object.loop->outboxes.bytes -= length;
}

bool emi_connection_send_pipe(em_connection *to)
{
    emi_proxy_pipe *pipe = to->extras->pipe;
    size_t sent = to->channel.backend->operations->send_from_pipe(&to->channel, &pipe->pipe);
    if (sent > 0) {
        note_moved(to, sent);
        emi_connection_note_sent(to, sent);
    }
    if (pipe->pipe.bytes > 0)
        return false;
    to->extras->pipe = NULL;
    emi_proxies_give_back(to->object.loop, pipe);
    return true;
}

void emi_connection_drop_pipe(em_connection *to)
{
    emi_proxy_pipe *pipe = to->extras->pipe;
    if (!pipe)
        return;
    note_moved(to, pipe->pipe.bytes);
    to->extras->pipe = NULL;
    emi_proxies_close_pipe(to->object.loop, pipe);
}

/* Reserved before anything is read, so that nothing is lost without memory. */
em_status emi_connection_empty_pipe(em_connection *to)
{
    emi_outbox_pool *pool = &to->object.loop->outboxes;
    emi_proxy_pipe *pipe = to->extras ? to->extras->pipe : NULL;
    emi_outbox first = {.bytes = 0};
    emi_outbox_block *place;
    unsigned char bytes[COPY_BYTES];
    if (!pipe)
        return EM_OK;
    note_moved(to, pipe->pipe.bytes);
    em_status status = emi_outbox_reserve(&first, pool, pipe->pipe.bytes, &place);
    if (status != EM_OK) {
        pool->bytes += pipe->pipe.bytes;
        return status;
    }
    while (pipe->pipe.bytes > 0)
        place = emi_outbox_put(place, bytes, emi_pipe_read(&pipe->pipe, bytes, sizeof bytes));
    emi_outbox_move(&first, &to->outbox);
    to->outbox = first;
    to->extras->pipe = NULL;
    emi_proxies_give_back(to->object.loop, pipe);
    return EM_OK;
}
