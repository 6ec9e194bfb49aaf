/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Datagrams: receiving and sending them in batches. No error ends a channel. What the network has reported is told to
 * the owner, and what the system refuses concerns one datagram.
 *
 * A system call may fail because of an error that the network has reported before, and that it takes off the socket
 * (SO_ERROR, socket(7)). So a call that has failed is repeated before its failure is taken to be that of a datagram.
 */
#include "io/readiness_private.h"
#include "system/socket.h"

enum {
    MOST_ATTEMPTS = 3, /* at sending a datagram, while errors of others are in the way */
    MOST_ERRORS = 32   /* read from an error queue in a row */
};

/* After batches that take longer, fewer messages are received at once, so that timers keep their pace. */
#define LONGEST_BATCH_NS 1000000

em_status emi_readiness_prepare_datagrams(emi_readiness *readiness)
{
    if (readiness->reader)
        return EM_OK;
    readiness->datagram_messages = EMI_MOST_RECEIVED;
    return emi_datagram_reader_create(readiness->memory, &readiness->reader);
}

static bool is_failure(em_status status)
{
    return status != EM_OK && status != EM_WOULD_BLOCK && status != EM_NO_BUFFERS && status != EM_INTERRUPTED;
}

/* Errors of the network */

/* Returns false if there are none left, or if nothing more is to be reported. */
static bool report_from_queue(emi_readiness *readiness, emi_channel *channel)
{
    emi_datagram_error error;
    void *memory = emi_datagram_reader_borrow(readiness->reader);
    em_status status = emi_datagram_read_error(channel->descriptor, memory, &error);
    if (status != EM_OK)
        return status == EM_INTERRUPTED;
    if (error.status != EM_OK)
        channel->events->datagram_lost(channel, &error);
    return !emi_readiness_is_over(readiness, channel);
}

static void report_queue(emi_readiness *readiness, emi_channel *channel)
{
    for (unsigned i = 0; i < MOST_ERRORS; i++)
        if (!report_from_queue(readiness, channel))
            return;
    channel->hung_up = true;
    emi_readiness_add_work(readiness, channel);
}

/* An error was taken off the socket. If the socket has an error queue, that says more. */
static void report_error(emi_readiness *readiness, emi_channel *channel, em_status status)
{
    if (channel->has_error_queue)
        report_queue(readiness, channel);
    else if (status != EM_OK)
        channel->events->datagram_lost(channel, &(emi_datagram_error){.status = status});
}

/* The poller has reported an error. If nobody took it off the socket, the poller would report it for ever. */
static void look_for_errors(emi_readiness *readiness, emi_channel *channel)
{
    channel->hung_up = false;
    report_error(readiness, channel, emi_socket_take_error(channel->descriptor));
}

/* Receiving */

/* Returns false if nothing more is to be reported. */
static bool deliver_some(emi_readiness *readiness, emi_channel *channel, const em_datagram *list, unsigned count)
{
    bool receives = channel->receiving && !emi_readiness_is_forked(readiness);
    unsigned taken = receives ? channel->events->datagrams(channel, list, count) : 0;
    if (channel->released)
        return false;
    if (taken < count)
        emi_readiness_keep_datagrams(readiness, channel, list + taken, count - taken);
    return true;
}

static void deliver(emi_readiness *readiness, emi_channel *channel)
{
    unsigned count;
    const em_datagram *list;
    while ((list = emi_datagram_reader_next(readiness->reader, &count)), count > 0)
        if (!deliver_some(readiness, channel, list, count))
            return;
}

static void adapt(emi_readiness *readiness, uint64_t taken_ns)
{
    if (taken_ns > LONGEST_BATCH_NS)
        readiness->datagram_messages = (readiness->datagram_messages + 1) / 2;
    else if (readiness->datagram_messages < EMI_MOST_RECEIVED)
        readiness->datagram_messages *= 2;
    if (readiness->datagram_messages > EMI_MOST_RECEIVED)
        readiness->datagram_messages = EMI_MOST_RECEIVED;
}

/* One batch. Returns whether the next attempt may follow at once. */
static bool receive_once(emi_readiness *readiness, emi_channel *channel)
{
    bool is_last;
    em_status status =
        emi_datagram_reader_receive(readiness->reader, channel->descriptor, readiness->datagram_messages, &is_last);
    if (status == EM_OK) {
        uint64_t begun_ns = emi_clock_now_ns();
        channel->readable = !is_last;
        deliver(readiness, channel);
        adapt(readiness, emi_clock_now_ns() - begun_ns);
        return false;
    }
    if (status == EM_WOULD_BLOCK)
        channel->readable = false;
    else if (status == EM_BAD_DESCRIPTOR || status == EM_NOT_A_SOCKET)
        emi_channel_fail(channel, status); /* someone has closed it */
    else if (status != EM_INTERRUPTED)
        report_error(readiness, channel, status);
    return is_failure(status) && !emi_readiness_is_over(readiness, channel) && channel->receiving;
}

static void receive(emi_readiness *readiness, emi_channel *channel)
{
    unsigned attempts = 0;
    while (receive_once(readiness, channel) && attempts < channel->burst)
        attempts++;
    if (emi_readiness_is_over(readiness, channel))
        return;
    if (attempts == channel->burst)
        channel->readable = false; /* these were no errors of the network; the poller reports what arrives next */
    if (channel->readable)
        emi_readiness_add_work(readiness, channel);
}

/* Sending */

static emi_sending try_to_send(emi_channel *channel, const emi_outgoing *list, unsigned count, em_status *other)
{
    emi_sending done = emi_datagrams_send(channel->descriptor, list, count, channel->segments);
    for (unsigned i = 1; i < MOST_ATTEMPTS && is_failure(done.status); i++) {
        *other = done.status;
        done = emi_datagrams_send(channel->descriptor, list, count, channel->segments);
    }
    if (is_failure(done.status))
        *other = EM_OK; /* it was this datagram's */
    if (done.no_segments)
        channel->segments = false;
    return done;
}

/* What the channel does after the result of a send was reported. Returns whether the next send may follow. */
static bool go_on(emi_readiness *readiness, emi_channel *channel, em_status status)
{
    if (status == EM_NO_BUFFERS)
        channel->sending = false;
    if (status != EM_WOULD_BLOCK)
        return status != EM_NO_BUFFERS;
    channel->blocked = true;
    status = emi_readiness_update_interest(readiness, channel);
    if (status != EM_OK)
        emi_channel_fail(channel, status);
    return false;
}

static bool send_once(emi_readiness *readiness, emi_channel *channel)
{
    emi_outgoing list[EMI_MOST_SENT];
    unsigned count = channel->events->gather_datagrams(channel, list);
    if (count == 0) {
        channel->sending = false;
        return false;
    }
    em_status other = EM_OK;
    emi_sending done = try_to_send(channel, list, count, &other);
    em_status status = done.status == EM_INTERRUPTED ? EM_OK : done.status;
    bool goes_on = go_on(readiness, channel, status);
    if (channel->released)
        return false;
    channel->events->datagrams_sent(channel, done.sent, status);
    if (other != EM_OK && !emi_readiness_is_over(readiness, channel))
        report_error(readiness, channel, other);
    return goes_on;
}

void emi_readiness_send_datagrams(emi_readiness *readiness, emi_channel *channel)
{
    for (unsigned batches = 0; batches < channel->burst; batches++)
        if (!send_once(readiness, channel) || emi_readiness_is_over(readiness, channel) || !channel->sending)
            return;
    emi_readiness_add_work(readiness, channel);
}

/* Serving */

void emi_readiness_serve_datagrams(emi_readiness *readiness, emi_channel *channel)
{
    if (channel->hung_up)
        look_for_errors(readiness, channel);
    if (channel->receiving && channel->has_kept && !emi_readiness_is_over(readiness, channel))
        emi_readiness_deliver_kept_datagrams(readiness, channel);
    if (channel->receiving && channel->readable && !emi_readiness_is_over(readiness, channel))
        receive(readiness, channel);
    if (channel->sending && !channel->blocked && !emi_list_is_linked(&channel->flush) &&
        !emi_readiness_is_over(readiness, channel))
        emi_readiness_send_datagrams(readiness, channel);
}
