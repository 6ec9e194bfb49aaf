/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The handshake of an attempt. The filter is called with what arrives until it is ready or has failed, and what it
 * wants to send is sent. Handshakes of attempts share their time in each turn with those of connections, see gates.c.
 */
#include "net/securing.h"

#include <string.h>

#include "base/invariant.h"
#include "net/connection_tls.h"
#include "system/clock.h"
#include "system/socket_state.h"

enum { MOST_CALLS = 64 /* of a filter in a row, before other connections are served */ };

static em_loop *loop_of(const emi_securing *securing)
{
    return securing->gates->loop;
}

/* A callback of the TLS context may have closed the connection. */
static bool is_over(const emi_securing *securing)
{
    return !securing->connection || emi_connection_has_ended(securing->connection);
}

static bool is_decided(const emi_securing *securing)
{
    return securing->filter->is_ready || securing->filter->failure != EM_OK;
}

/* Creating and freeing */

static uint64_t timeout_of(const em_connection *connection)
{
    uint64_t given_ns = connection->extras->connector->tls->options.handshake_timeout_ns;
    return given_ns > 0 ? given_ns : EMI_DEFAULT_HANDSHAKE_TIMEOUT_NS;
}

em_status emi_securing_create(em_connection *connection, emi_channel *channel, const em_address *address,
                              const emi_securing_events *events, emi_securing **made)
{
    em_loop *loop = connection->object.loop;
    emi_filter *filter;
    em_status status = emi_connector_open_filter(connection, address, &filter);
    if (status != EM_OK)
        return status;
    emi_securing *securing = emi_allocate_zeroed(&loop->memory, sizeof *securing);
    if (!securing) {
        filter->operations->destroy(filter);
        return EM_NO_MEMORY;
    }
    securing->events = events;
    securing->channel = channel;
    securing->connection = connection;
    securing->address = address;
    securing->gates = emi_net_at(loop)->gates;
    securing->filter = filter;
    securing->timeout_ns = timeout_of(connection);
    securing->deadline_ns = emi_loop_due_ns(loop, securing->timeout_ns);
    emi_list_init(&securing->due);
    *made = securing;
    return EM_OK;
}

void emi_securing_stop(emi_securing *securing)
{
    emi_list_remove(&securing->due);
    securing->connection = NULL;
}

void emi_securing_free(emi_securing *securing)
{
    if (!securing)
        return;
    const emi_memory *memory = &loop_of(securing)->memory;
    emi_filter *filter = securing->filter;
    emi_securing_stop(securing);
    if (filter) {
        emi_outbox_clear(&filter->wire, filter->pool);
        filter->operations->destroy(filter);
    }
    emi_release(memory, securing->held);
    emi_release(memory, securing);
}

/* The last message, an alert, leaves at once or not at all. */
static void send_last_message(const emi_securing *securing)
{
    emi_channel *channel = securing->channel;
    emi_span spans[EMI_MAX_SPANS];
    unsigned count = emi_outbox_gather(&securing->filter->wire, spans, EMI_MAX_SPANS);
    if (count > 0 && channel->backend->operations->send_now)
        channel->backend->operations->send_now(channel, spans, count);
}

static void fail(emi_securing *securing, em_status status)
{
    send_last_message(securing);
    securing->events->failed(securing, status, securing->filter->detail);
}

/* From the wire to the filter */

static void call_open(emi_securing *securing, emi_bytes *input)
{
    emi_gates *gates = securing->gates;
    emi_filter *filter = securing->filter;
    emi_connector *connector = securing->connection->extras->connector;
    emi_bytes none = {.length = 0};
    size_t length = 0;
    bool is_first = !securing->has_begun;
    securing->has_begun = true;
    uint64_t begun_ns = emi_clock_now_ns();
    connector->judged = securing->address;
    emi_filter_result result = filter->operations->open(filter, is_first ? &none : input, gates->plain, &length);
    connector->judged = NULL;
    gates->spent_ns += emi_clock_now_ns() - begun_ns;
    EMI_INVARIANT(length == 0); /* a call that makes it ready returns no plain bytes */
    securing->is_starved = result == EMI_FILTER_STARVED;
}

static bool may_open(const emi_securing *securing)
{
    return !is_over(securing) && !is_decided(securing) && !emi_loop_is_forked(loop_of(securing)) &&
           emi_gates_has_time(securing->gates);
}

/* Until the filter needs more, is ready or has failed, or there is no more time. */
static void open_all(emi_securing *securing, emi_bytes *input)
{
    for (unsigned calls = 0; calls < MOST_CALLS && may_open(securing); calls++) {
        call_open(securing, input);
        if (securing->is_starved && input->length == 0)
            return;
    }
}

/* Appends to what is held already. */
static em_status hold(emi_securing *securing, const emi_bytes *rest)
{
    if (rest->length == 0)
        return EM_OK;
    size_t bytes = securing->held_bytes + rest->length;
    unsigned char *held = emi_reallocate(&loop_of(securing)->memory, securing->held, bytes);
    if (!held)
        return EM_NO_MEMORY;
    memcpy(held + securing->held_bytes, rest->next, rest->length);
    securing->held = held;
    securing->held_bytes = bytes;
    return EM_OK;
}

static em_status receive_or_not(emi_securing *securing)
{
    emi_channel *channel = securing->channel;
    bool wants = securing->is_starved && securing->held_bytes == 0;
    if (wants && !channel->receiving)
        return emi_channel_start_receiving(channel);
    if (!wants && channel->receiving)
        emi_channel_stop_receiving(channel);
    return EM_OK;
}

static void add_due(emi_securing *securing)
{
    if (!emi_list_is_linked(&securing->due))
        emi_list_append(&securing->gates->securing, &securing->due);
}

static void go_on(emi_securing *securing)
{
    if (!securing->is_starved || securing->held_bytes > 0)
        add_due(securing);
    if (securing->filter->wire.bytes > 0)
        emi_channel_send(securing->channel);
    em_status status = receive_or_not(securing);
    if (status != EM_OK)
        fail(securing, status);
}

static void settle(emi_securing *securing, em_status status)
{
    if (is_over(securing))
        return;
    if (emi_loop_is_forked(loop_of(securing)))
        add_due(securing); /* a child that takes the loop over goes on */
    else if (status != EM_OK)
        fail(securing, status);
    else if (securing->filter->failure != EM_OK)
        fail(securing, securing->filter->failure);
    else if (securing->filter->is_ready)
        securing->events->secured(securing);
    else
        go_on(securing);
}

void emi_securing_data(emi_securing *securing, const void *bytes, size_t length)
{
    emi_bytes input = {.next = bytes, .length = length};
    securing->has_heard = true;
    if (securing->held_bytes == 0)
        open_all(securing, &input);
    settle(securing, hold(securing, &input));
}

void emi_securing_serve(emi_securing *securing)
{
    emi_bytes input = {.next = securing->held, .length = securing->held_bytes};
    open_all(securing, &input);
    if (input.length > 0)
        memmove(securing->held, input.next, input.length);
    securing->held_bytes = input.length;
    settle(securing, EM_OK);
}

void emi_securing_end(emi_securing *securing)
{
    fail(securing, securing->filter->operations->check_end(securing->filter));
}

/* From the filter to the wire */

unsigned emi_securing_gather(emi_securing *securing, emi_span *spans)
{
    return emi_outbox_gather(&securing->filter->wire, spans, EMI_MAX_SPANS);
}

void emi_securing_sent(emi_securing *securing, size_t length)
{
    securing->sent_bytes += length;
    emi_outbox_consume(&securing->filter->wire, securing->filter->pool, length);
}

/* Its deadline */

bool emi_securing_has_input(const emi_securing *securing)
{
    return emi_list_is_linked(&securing->due) ||
           (emi_socket_look(securing->channel->descriptor) & EMI_SOCKET_HAS_INPUT);
}

bool emi_securing_is_excused(emi_securing *securing)
{
    const em_loop *loop = loop_of(securing);
    uint64_t late_ns = loop->now_ns - securing->deadline_ns;
    if (securing->is_excused)
        return false;
    uint64_t granted_ns = emi_gate_excused_ns(late_ns, securing->timeout_ns, emi_securing_has_input(securing));
    securing->is_excused = true;
    securing->deadline_ns = emi_loop_due_ns(loop, granted_ns);
    return granted_ns > 0;
}

const char *emi_securing_progress(const emi_securing *securing)
{
    return emi_gate_progress(securing->has_heard);
}

/* Winning */

em_status emi_securing_hand_over(emi_securing *securing)
{
    em_status status = emi_gate_open_ready(securing->connection, securing->filter, securing->held, securing->held_bytes,
                                           securing->sent_bytes);
    if (status != EM_OK)
        return status;
    securing->filter = NULL;
    securing->held = NULL;
    securing->held_bytes = 0;
    if (securing->channel->receiving)
        emi_channel_stop_receiving(securing->channel);
    return EM_OK;
}
