/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sending: filling the outbox, emptying it, and acting when it is empty.
 */
#include <string.h>

#include "net/net_private.h"
#include "system/clock.h"
#include "system/socket.h"

/* From this length on, copying costs more than a system call. */
enum { LARGE_BYTES = 4096 };

void emi_connection_request_send(em_connection *connection)
{
    const emi_gate *gate = emi_gate_of(connection);
    bool has_output = gate ? emi_gate_has_output(gate) : emi_connection_has_unsent(connection) && !connection->paused;
    if (!has_output || !emi_connection_is_open(connection))
        return;
    if (gate && gate->cannot_write && connection->write_side != EMI_WRITE_FLUSHING)
        connection->channel.events->failed(&connection->channel, EM_BROKEN_PIPE);
    else
        emi_channel_send(&connection->channel);
}

bool emi_connection_has_unsent_elsewhere(const em_connection *connection)
{
    const emi_gate *gate = connection->extras->gate;
    return connection->extras->pipe || emi_files_are_waiting(connection) ||
           (gate && (gate->filter->wire.bytes > 0 || gate->filter->held.bytes > 0 || emi_gate_owes_end(gate)));
}

static void relieve(em_connection *connection)
{
    size_t low_bytes = connection->extras ? connection->extras->low_water_bytes : EMI_DEFAULT_HIGH_WATER_BYTES / 4;
    if (emi_connection_outbound_bytes(connection) > low_bytes)
        return;
    connection->under_pressure = false;
    if (connection->handler->drained && !emi_connection_has_ended(connection))
        connection->handler->drained(connection);
}

/* What is no socket has no half-close. If it cannot receive either, it ends as a whole. */
static void shut_down(em_connection *connection)
{
    connection->write_side = EMI_WRITE_ENDED;
    if (connection->channel.descriptor_kind != EMI_SOCKET)
        return;
    em_status status = emi_socket_shutdown_write(connection->channel.descriptor);
    if (status != EM_OK && status != EM_NOT_CONNECTED)
        emi_connection_end(connection, status);
}

bool emi_connection_is_about_to_end(const em_connection *connection)
{
    const emi_gate *gate = emi_gate_of(connection);
    if (!emi_connection_is_open(connection) || (gate && !gate->was_ready))
        return false;
    return connection->write_side == EMI_WRITE_CLOSING ||
           (connection->write_side == EMI_WRITE_ENDING && emi_connection_receives_no_more(connection));
}

void emi_connection_act_if_sent(em_connection *connection)
{
    if (connection->under_pressure)
        relieve(connection);
    if (connection->holds_source)
        emi_proxy_note_room(connection->extras->links.feeder);
    if (emi_connection_has_unsent(connection)) {
        if (emi_connection_is_about_to_end(connection) && !emi_drain_has_begun(connection))
            emi_object_list(&connection->object);
        return;
    }
    if (emi_connection_has_ended(connection))
        return;
    if (connection->write_side == EMI_WRITE_CLOSING && !connection->paused)
        emi_connection_end(connection, EM_OK);
    if (connection->write_side == EMI_WRITE_ENDING && connection->object.state == EM_STATE_OPEN)
        shut_down(connection);
    if (connection->write_side == EMI_WRITE_ENDED && emi_connection_receives_no_more(connection))
        emi_connection_end(connection, EM_OK);
}

/* What is left is sealed at once, the end included, so that nothing need wait if there is none. */
void emi_connection_send_end(em_connection *connection)
{
    if (emi_gate_of(connection) && emi_connection_is_open(connection) && !connection->paused)
        emi_gate_fill(connection->extras->gate);
    emi_connection_request_send(connection);
    emi_connection_act_if_sent(connection);
}

/* Nothing in memory is longer than PTRDIFF_MAX: such a length is a negative number of the caller's. */
static bool is_memory(const void *data, size_t length)
{
    return length <= PTRDIFF_MAX && (data || length == 0);
}

static em_status refuse_to_send(const em_connection *connection)
{
    bool never_could = connection->channel.cannot_send && !emi_connection_has_ended(connection);
    return never_could ? emi_status_without_detail(EM_BAD_DESCRIPTOR) : EM_CLOSED;
}

/* What a forked child would seal takes the keys and numbers of what the parent seals. */
static em_status check_limits(em_connection *connection, size_t length)
{
    const emi_connection_extras *extras = connection->extras;
    if (extras->gate && emi_loop_is_forked(connection->object.loop))
        return EM_FORKED;
    if (extras->outbox_limit_bytes == 0)
        return EM_OK;
    size_t queued = emi_connection_outbound_bytes(connection);
    if (queued <= extras->outbox_limit_bytes && length <= extras->outbox_limit_bytes - queued)
        return EM_OK;
    emi_connection_end(connection, EM_OUTBOX_LIMIT);
    return EM_OUTBOX_LIMIT;
}

em_status emi_connection_check_room(em_connection *connection, size_t length)
{
    if (EMI_UNLIKELY(connection->object.state >= EM_STATE_RELEASING || connection->write_side != EMI_WRITE_OPEN))
        return refuse_to_send(connection);
    return EMI_LIKELY(!connection->extras) ? EM_OK : check_limits(connection, length);
}

static em_status check_pressure(em_connection *connection)
{
    const emi_connection_extras *extras = connection->extras;
    if (EMI_LIKELY(!extras) && EMI_LIKELY(connection->outbox.bytes <= EMI_DEFAULT_HIGH_WATER_BYTES))
        return EM_OK;
    if (extras && emi_connection_outbound_bytes(connection) <= extras->high_water_bytes)
        return EM_OK;
    connection->under_pressure = true;
    return EM_UNDER_PRESSURE;
}

em_status emi_connection_note_added(em_connection *connection, bool was_empty)
{
    emi_connection_extras *extras = connection->extras;
    if (was_empty) {
        if (extras && extras->write_timeout_ns > 0) {
            extras->progress_ns = emi_clock_now_ns();
            emi_connection_arm(connection);
        }
        emi_connection_request_send(connection);
    }
    return check_pressure(connection);
}

/* What need not be copied into the outbox: */

/* What a filter seals at once. */
static size_t seal_large(em_connection *connection, const emi_span *spans, unsigned count)
{
    size_t taken = 0;
    for (unsigned i = 0; i < count; i++) {
        size_t sealed = emi_gate_seal_now(connection->extras->gate, spans[i].data, spans[i].length);
        taken += sealed;
        if (sealed < spans[i].length)
            break;
    }
    if (taken > 0)
        emi_connection_request_send(connection);
    return taken;
}

/* What the system accepts at once. */
static size_t send_now(em_connection *connection, const emi_span *spans, unsigned count)
{
    emi_channel *channel = &connection->channel;
    if (!channel->backend || !channel->backend->operations->send_now)
        return 0;
    size_t taken = channel->backend->operations->send_now(channel, spans, count);
    if (taken > 0)
        emi_connection_note_sent(connection, taken);
    return taken;
}

/* Returns the length. If the loop has an outbox limit, everything goes through the outbox, so that a refusal leaves
 * nothing half sent. */
static size_t send_large(em_connection *connection, const emi_span *spans, unsigned count)
{
    if (connection->outbox.first || connection->object.state != EM_STATE_OPEN || connection->paused ||
        connection->object.loop->outboxes.limit_bytes != SIZE_MAX)
        return 0;
    return emi_gate_of(connection) ? seal_large(connection, spans, count) : send_now(connection, spans, count);
}

/* Nothing is left for the outbox: all was taken, or sealing has failed. */
static bool is_done(const em_connection *connection, size_t taken, size_t length)
{
    return taken == length || EMI_UNLIKELY(connection->object.state >= EM_STATE_RELEASING);
}

static em_status done(em_connection *connection)
{
    if (EMI_UNLIKELY(connection->object.state >= EM_STATE_RELEASING))
        return (em_status)connection->object.reason;
    return check_pressure(connection);
}

/* status: whether the bytes that the system had not accepted were added to the outbox. */
static em_status queued(em_connection *connection, em_status status, size_t taken, bool was_empty)
{
    if (status == EM_OK)
        return emi_connection_note_added(connection, was_empty);
    if (taken > 0)
        emi_connection_end(connection, status); /* the peer has the first part only */
    return status;
}

em_status em_connection_send(em_connection *connection, const void *data, size_t length)
{
    if (!connection || !is_memory(data, length))
        return EM_INVALID_ARGUMENT;
    em_status status = emi_connection_check_room(connection, length);
    if (status != EM_OK || length == 0)
        return status;
    const emi_span span = emi_span_of(data, length);
    size_t taken = 0;
    if (length >= LARGE_BYTES) {
        taken = send_large(connection, &span, 1);
        if (is_done(connection, taken, length))
            return done(connection);
    }
    bool was_empty = !connection->outbox.first;
    status = emi_outbox_append(&connection->outbox, &connection->object.loop->outboxes, (const char *)data + taken,
                               length - taken);
    return queued(connection, status, taken, was_empty);
}

/* Several spans */

static em_status add_up(const em_span *spans, size_t count, size_t *length)
{
    *length = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_memory(spans[i].data, spans[i].length) || spans[i].length > PTRDIFF_MAX - *length)
            return EM_INVALID_ARGUMENT;
        *length += spans[i].length;
    }
    return EM_OK;
}

static size_t send_large_spans(em_connection *connection, const em_span *spans, size_t count)
{
    emi_span first[EMI_MAX_SPANS];
    unsigned used = 0;
    for (size_t i = 0; i < count && used < EMI_MAX_SPANS; i++)
        if (spans[i].length > 0)
            first[used++] = emi_span_of(spans[i].data, spans[i].length);
    return send_large(connection, first, used);
}

/* Without the first `taken` bytes, so that `length` are left. */
static em_status append_spans(em_connection *connection, const em_span *spans, size_t taken, size_t length)
{
    emi_outbox_block *place;
    em_status status = emi_outbox_reserve(&connection->outbox, &connection->object.loop->outboxes, length, &place);
    for (; status == EM_OK && length > 0; spans++) {
        if (spans->length == 0)
            continue; /* NULL cannot be added to */
        size_t skipped = taken < spans->length ? taken : spans->length;
        place = emi_outbox_put(place, (const char *)spans->data + skipped, spans->length - skipped);
        taken -= skipped;
        length -= spans->length - skipped;
    }
    return status;
}

em_status em_connection_send_spans(em_connection *connection, const em_span *spans, size_t count)
{
    size_t length;
    if (!connection || (!spans && count > 0) || add_up(spans, count, &length) != EM_OK)
        return EM_INVALID_ARGUMENT;
    em_status status = emi_connection_check_room(connection, length);
    if (status != EM_OK || length == 0)
        return status;
    size_t taken = 0;
    if (length >= LARGE_BYTES) {
        taken = send_large_spans(connection, spans, count);
        if (is_done(connection, taken, length))
            return done(connection);
    }
    bool was_empty = !connection->outbox.first;
    status = append_spans(connection, spans, taken, length - taken);
    return queued(connection, status, taken, was_empty);
}

em_status em_connection_send_text(em_connection *connection, const char *text)
{
    return text ? em_connection_send(connection, text, strlen(text)) : EM_INVALID_ARGUMENT;
}

em_status em_connection_send_borrowed(em_connection *connection, const void *data, size_t length,
                                      void (*release)(void *user, const void *data), void *user)
{
    em_status status =
        !connection || !is_memory(data, length) ? EM_INVALID_ARGUMENT : emi_connection_check_room(connection, length);
    if (status == EM_OK && length > 0) {
        bool was_empty = !connection->outbox.first;
        status = emi_outbox_append_borrowed(&connection->outbox, &connection->object.loop->outboxes, data, length,
                                            release, user);
        if (status == EM_OK)
            return emi_connection_note_added(connection, was_empty);
    }
    if (!release)
        return status;
    if (connection)
        emi_loop_begin_callback(connection->object.loop);
    release(user, data);
    if (connection)
        emi_loop_end_callback(connection->object.loop);
    return status;
}
