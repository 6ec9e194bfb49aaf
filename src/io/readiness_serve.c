/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Serving channels that are ready. What a poller has reported is remembered in the channel, because an edge-triggered
 * poller reports it once.
 */
#include "io/accept_errors.h"
#include "io/readiness_private.h"
#include "system/socket.h"
#include "system/socket_state.h"

/* The program may have taken the error off the socket (SO_ERROR, socket(7)). Then what is left of it is that there is
 * no peer. */
static em_status result_of_connect(const emi_channel *channel)
{
    em_address peer;
    em_status status = emi_socket_take_error(channel->descriptor);
    return status == EM_OK && channel->hung_up ? emi_socket_peer_address(channel->descriptor, &peer) : status;
}

static void finish_connect(emi_channel *channel)
{
    em_status status = result_of_connect(channel);
    channel->connecting = false;
    if (status != EM_OK)
        emi_channel_fail(channel, status);
    else
        channel->events->connected(channel);
}

void emi_readiness_fail_later(emi_readiness *readiness, emi_channel *channel, em_status reason)
{
    if (channel->failure == EM_OK)
        channel->failure = (int16_t)reason;
    channel->readable = true;
    channel->read_to_the_end = true;
    emi_readiness_add_work(readiness, channel);
}

/*
 * After its end a peer may still reset the connection, or, on a Unix socket, close it. No read finds that, because
 * nothing is read after the end. The program may have taken the error off the socket (SO_ERROR, socket(7)). Such a
 * socket polls as hung up for ever.
 */
static void look_after_end(emi_channel *channel)
{
    bool is_socket = channel->descriptor_kind == EMI_SOCKET;
    em_status status = is_socket ? emi_socket_take_error(channel->descriptor) : EM_OK;
    channel->hung_up = false;
    if (channel->failure != EM_OK && (status == EM_OK || channel->failure != EM_BROKEN_PIPE))
        status = (em_status)channel->failure;
    /* A Unix socket polls as hung up also before it is connected, while the server's queue is full. */
    if (status == EM_OK && is_socket && (emi_socket_look(channel->descriptor) & EMI_SOCKET_HUNG_UP))
        status = EM_BROKEN_PIPE;
    if (status == EM_OK)
        return;
    channel->is_over = true;
    emi_channel_fail(channel, status);
}

void emi_readiness_fail_sending(emi_readiness *readiness, emi_channel *channel, em_status reason)
{
    channel->send_failed = !channel->receiving;
    emi_readiness_fail_later(readiness, channel, reason);
}

static bool must_look_after_end(const emi_channel *channel)
{
    if (EMI_LIKELY(!channel->ended && !channel->send_failed) || channel->is_over)
        return false;
    return channel->ended ? channel->hung_up || channel->failure != EM_OK : !channel->receiving;
}

static void serve_stream(emi_readiness *readiness, emi_channel *channel, const emi_call *early)
{
    if (EMI_UNLIKELY(channel->connecting)) {
        if (channel->blocked)
            return;
        finish_connect(channel);
        if (emi_readiness_is_over(readiness, channel))
            return;
    }
    if (early && !channel->receiving)
        emi_readiness_keep(readiness, channel, early);
    else if (early || (channel->receiving && channel->readable))
        emi_readiness_receive(readiness, channel, early);
    /* A channel whose owner called send just now is in the flush list, and sends with the others; see readiness_turn.c.
     */
    if (!emi_readiness_is_over(readiness, channel) && channel->sending && !channel->blocked &&
        !emi_list_is_linked(&channel->flush) && channel->failure == EM_OK)
        emi_readiness_send(readiness, channel);
    if (must_look_after_end(channel) && !emi_readiness_is_over(readiness, channel))
        look_after_end(channel);
}

static void serve_listener(emi_readiness *readiness, emi_channel *channel)
{
    for (unsigned accepts = 0; accepts < channel->burst; accepts++) {
        if (emi_readiness_is_over(readiness, channel) || !channel->receiving || !channel->readable)
            return;
        if (atomic_load(&readiness->base.stopping))
            break;
        em_address peer;
        int socket;
        em_status status = emi_socket_accept(channel->descriptor, &socket, &peer);
        if (status == EM_OK) {
            channel->events->accepted(channel, socket, &peer);
            if (emi_slice_is_over(&readiness->slice)) {
                emi_readiness_send_all(readiness);
                break; /* callbacks are slow: other channels come first */
            }
        } else if (status == EM_WOULD_BLOCK) {
            channel->readable = false;
        } else if (!emi_accept_may_go_on(status)) {
            emi_channel_fail(channel, status);
        }
    }
    if (!emi_readiness_is_over(readiness, channel))
        emi_readiness_add_work(readiness, channel);
}

static void fail_polled(emi_channel *channel)
{
    em_status failure = (em_status)channel->failure;
    channel->failure = EM_OK;
    emi_channel_poll(channel, EMI_NO_INTEREST);
    if (channel->events->failed)
        emi_channel_fail(channel, failure);
}

/* Level-triggered: the poller reports again what is still true after the event. */
static void serve_polled(emi_readiness *readiness, emi_channel *channel)
{
    if (EMI_UNLIKELY(channel->failure != EM_OK)) {
        fail_polled(channel);
        return;
    }
    unsigned ready = channel->always_ready
                         ? EMI_READABLE | EMI_WRITABLE
                         : (channel->readable ? EMI_READABLE : 0U) | (channel->blocked ? 0U : EMI_WRITABLE);
    channel->readable = false;
    channel->blocked = true;
    ready &= channel->interest;
    if (ready)
        channel->events->ready(channel, ready);
    if (channel->always_ready && !emi_readiness_is_over(readiness, channel) && channel->interest != 0)
        emi_readiness_add_work(readiness, channel);
}

void emi_readiness_serve(emi_readiness *readiness, emi_channel *channel, const emi_call *early)
{
    switch ((emi_channel_kind)channel->kind) {
    case EMI_STREAM:
        serve_stream(readiness, channel, early);
        break;
    case EMI_LISTENER:
        serve_listener(readiness, channel);
        break;
    case EMI_DATAGRAM:
        emi_readiness_serve_datagrams(readiness, channel);
        break;
    case EMI_POLLED:
        serve_polled(readiness, channel);
        break;
    }
    if (!emi_readiness_is_over(readiness, channel) && channel->kind != EMI_POLLED &&
        !readiness->poller_operations->edge_triggered)
        emi_readiness_update_interest(readiness, channel);
}
