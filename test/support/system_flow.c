/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Flows. See system_flow.h.
 */
#include "support/system_flow.h"

#include "support/bytes.h"
#include "support/system_test.h"

/* What a client has under way at most, and sends at once. */
enum { WINDOW_BYTES = 128 * 1024, PIECE_BYTES = 16 * 1024 };

/* Far enough from each other. */
enum { PATTERN_STEP = 1000003 };

static void send_more(system_flow *flow)
{
    static unsigned char piece[PIECE_BYTES];
    uint64_t total = flow->flows->bytes;
    while (flow->sent < total && flow->sent - flow->received < WINDOW_BYTES) {
        size_t length = total - flow->sent < PIECE_BYTES ? (size_t)(total - flow->sent) : PIECE_BYTES;
        pattern_fill(piece, length, flow->first + flow->sent);
        if (em_connection_send(flow->connection, piece, length) < 0)
            return;
        flow->sent += length;
    }
}

static void begin(em_connection *connection)
{
    system_flow *flow = em_connection_get_user(connection);
    flow->connection = connection;
    send_more(flow);
}

static void check(em_connection *connection, const void *data, size_t length)
{
    system_flow *flow = em_connection_get_user(connection);
    system_flows *flows = flow->flows;
    flows->wrong += !pattern_matches(data, length, flow->first + flow->received);
    flow->received += length;
    send_more(flow);
    if (flow->received < flows->bytes)
        return;
    if (++flows->complete == flows->stop_at)
        em_loop_stop(flows->loop);
    if (!flows->stay_open)
        em_connection_close(connection);
}

static void finish(em_connection *connection, em_status reason)
{
    system_flow *flow = em_connection_get_user(connection);
    system_flows *flows = flow->flows;
    flow->connection = NULL;
    if (reason != EM_OK)
        flows->reason = reason;
    if (--flows->open == 0 && flows->stop_at == 0)
        em_loop_stop(flows->loop);
}

static void echo(em_connection *connection, const void *data, size_t length)
{
    em_connection_send(connection, data, length);
}

const em_handler system_flow_client = {.post_init = begin, .receive_data = check, .unbind = finish};

const em_handler system_flow_echo = {.receive_data = echo};

system_flows *system_new_flows(em_loop *loop, unsigned count, uint64_t bytes)
{
    system_flows *flows = system_memory(sizeof *flows);
    *flows = (system_flows){.loop = loop, .count = count, .bytes = bytes};
    flows->each = system_memory(count * sizeof *flows->each);
    for (unsigned i = 0; i < count; i++)
        flows->each[i] = (system_flow){.flows = flows, .first = (uint64_t)i * PATTERN_STEP};
    return flows;
}

void system_start_flows(system_flows *flows, unsigned begin_at, unsigned end, int port)
{
    for (unsigned i = begin_at; i < end; i++) {
        /* Ends by resets: thousands of ports that wait (TIME-WAIT, RFC 9293) would be missing in the tests after this
         * one. */
        em_stream_options stream = {.size = sizeof stream, .linger = EM_ON};
        em_connect_options options = {.size = sizeof options, .user = &flows->each[i], .stream = &stream};
        flows->open++;
        assert_int_equal(em_loop_connect(flows->loop, "127.0.0.1", port, &system_flow_client, &options, NULL), EM_OK);
    }
}

void system_finish_flows(system_flows *flows)
{
    while (flows->open > 0)
        assert_int_equal(em_loop_run(flows->loop), EM_OK);
    assert_int_equal(flows->wrong, 0);
    assert_int_equal(flows->reason, EM_OK);
    assert_int_equal(flows->complete, flows->count);
}
