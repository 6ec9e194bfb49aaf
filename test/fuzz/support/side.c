/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What a fuzzer does with a connection, and what must hold while it lives.
 */
#include "support/filtered_connections.h"
#include "fuzz/support/node.h"

#include <stdlib.h>

/* One side sends no more than this, so that each run comes to its end. */
enum { MOST_BYTES = 400000 };

static side *side_of(em_connection *connection)
{
    return em_connection_get_user(connection);
}

/* Sending */

static void return_borrowed(void *user, const void *data)
{
    side *owner = user;
    union {
        const void *constant;
        void *memory;
    } borrowed = {.constant = data};
    owner->returned++;
    free(borrowed.memory);
}

static size_t pick_length(node *owner)
{
    unsigned kind = node_pick(owner, 100);
    return 1 + node_pick(owner, kind < 75 ? 400 : kind < 95 ? 9000 : 120000);
}

static em_status send_piece(side *sending, void *data, size_t length)
{
    em_status status;
    if (node_one_in(sending->node, 2)) {
        sending->borrowed++;
        return em_connection_send_borrowed(sending->connection, data, length, return_borrowed, sending);
    }
    status = em_connection_send(sending->connection, data, length);
    free(data);
    return status;
}

static void check_sent(side *sending, em_status status)
{
    node *owner = sending->node;
    bool may_fail = (status == EM_OUTBOX_LIMIT && sending->limited) ||
                    (status == EM_LOOP_OUTBOX_LIMIT && owner->outbox_limited) ||
                    (status == EM_NO_MEMORY && owner->run->memory);
    FUZZ_CHECK(status >= 0 || status == EM_CLOSED || may_fail);
    FUZZ_CHECK(status < 0 || !sending->finishing);
    sending->pressed = sending->pressed || status == EM_UNDER_PRESSURE;
}

void side_send(side *sending)
{
    if (sending->accepted > MOST_BYTES)
        return;
    size_t length = pick_length(sending->node);
    void *data = malloc(length);
    if (!data)
        fuzz_fail("no memory");
    fuzz_stream_fill(sending->number, data, length, sending->accepted);
    em_status status = send_piece(sending, data, length);
    check_sent(sending, status);
    if (status >= 0)
        sending->accepted += length;
    else if (status == EM_NO_MEMORY && em_connection_get_state(sending->connection) == EM_STATE_RELEASING)
        sending->torn = true;
}

/* Acting */

static void set_timeout(side *acting)
{
    uint64_t timeout_ns = node_pick(acting->node, 20) * EM_MILLISECONDS;
    acting->timed = true;
    switch (node_pick(acting->node, 3)) {
    case 0:
        em_connection_set_inactivity_timeout_ns(acting->connection, timeout_ns);
        break;
    case 1:
        em_connection_set_write_timeout_ns(acting->connection, timeout_ns);
        break;
    default:
        em_connection_set_connect_timeout_ns(acting->connection, timeout_ns);
    }
}

static void ask_for_everything(side *acting)
{
    em_address address;
    em_connection *connection = acting->connection;
    em_connection_get_peer_address(connection, &address);
    em_connection_get_local_address(connection, &address);
    em_connection_set_keepalive(connection, EM_ON, 100, 0, 0); /* also before there is a socket */
    FUZZ_CHECK(em_loop_find_connection(acting->node->loop, em_connection_get_signature(connection)) == connection);
    if (acting->node->in_turn)
        FUZZ_CHECK(em_loop_destroy(acting->node->loop) == EM_INVALID_STATE);
}

static void finish_after_writing(side *acting)
{
    if (em_connection_close_after_writing(acting->connection) != EM_OK)
        return;
    acting->finishing = true;
    acting->closing = acting->closing || !acting->saw_end;
}

/* With more than the high-water mark waiting already, drained follows. */
static void set_water_marks(side *acting)
{
    size_t low_bytes = node_pick(acting->node, 1000);
    size_t high_bytes = 1000 + node_pick(acting->node, 100000);
    if (em_connection_set_water_marks(acting->connection, low_bytes, high_bytes) == EM_OK)
        acting->pressed = acting->pressed || em_connection_get_outbound_bytes(acting->connection) > high_bytes;
}

static void finish_writing(side *acting)
{
    if (em_connection_close_write(acting->connection) == EM_OK)
        acting->finishing = true;
}

void side_act(side *acting)
{
    em_connection *connection = acting->connection;
    node *owner = acting->node;
    switch (node_pick(owner, 44)) {
    case 0:
        acting->aborted = em_connection_close(connection) == EM_OK || acting->aborted;
        break;
    case 1:
        finish_after_writing(acting);
        break;
    case 2:
        finish_writing(acting);
        break;
    case 3:
    case 4:
        em_connection_pause(connection);
        break;
    case 5:
    case 6:
    case 7:
        em_connection_resume(connection);
        break;
    case 8:
        set_water_marks(acting);
        break;
    case 9:
        acting->limited = acting->limited || node_one_in(owner, 4);
        if (acting->limited)
            em_connection_set_outbox_limit_bytes(connection, 200000);
        break;
    case 10:
        if (node_one_in(owner, 4))
            set_timeout(acting);
        break;
    case 11:
        ask_for_everything(acting);
        break;
    case 12:
        em_connection_set_handler(connection, &side_handlers[node_pick(owner, SIDE_HANDLERS)]);
        break;
    default:
        side_send(acting);
    }
}

void side_finish(side *finished)
{
    em_connection_resume(finished->connection);
    if (finished->accepted == 0)
        side_send(finished);
    if (node_one_in(finished->node, 2))
        finish_writing(finished);
    else
        finish_after_writing(finished);
}

/* Callbacks */

static void post_init(em_connection *connection)
{
    node *owner = em_loop_get_user(em_connection_get_loop(connection));
    side *own = side_of(connection);
    if (!own) {
        own = node_add_side(owner);
        owner->accepted++;
        em_connection_set_user(connection, own);
    }
    FUZZ_CHECK(own->begun++ == 0);
    own->connection = connection;
    owner->live++;
    fuzz_count.connections++;
    if (node_one_in(owner, 2))
        side_send(own);
    if (owner->is_quiet)
        side_finish(own);
    node_act_sometimes(owner);
}

static void connection_completed(em_connection *connection)
{
    side *own = side_of(connection);
    FUZZ_CHECK(own->ended == 0 && own->is_client && !own->completed && own->arrived.bytes == 0);
    own->completed = true;
    node_act_sometimes(own->node);
}

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    side *own = side_of(connection);
    FUZZ_CHECK(length > 0 && own->ended == 0 && !own->saw_end);
    FUZZ_CHECK(own->completed || !own->is_client);
    FUZZ_CHECK(!em_connection_is_paused(connection));
    FUZZ_CHECK(em_connection_get_state(connection) < EM_STATE_RELEASING);
    FUZZ_CHECK(fuzz_stream_accept(&own->arrived, data, length));
    own->node->received += length;
    fuzz_count.bytes += length;
    node_act_sometimes(own->node);
}

static void *receive_buffer(em_connection *connection, size_t *capacity)
{
    side *own = side_of(connection);
    FUZZ_CHECK(own->ended == 0);
    if (node_one_in(own->node, 4))
        return NULL;
    *capacity = 100 + node_pick(own->node, NODE_ROOM_BYTES - 100);
    return own->room;
}

static void receive_end(em_connection *connection)
{
    side *own = side_of(connection);
    FUZZ_CHECK(own->ended == 0 && !own->saw_end);
    FUZZ_CHECK(!em_connection_is_paused(connection));
    own->saw_end = true;
    node_act_sometimes(own->node);
    /* Nobody else would end it, in some lives. */
    if (own->connection && node_one_in(own->node, 2))
        finish_after_writing(own);
}

static void drained(em_connection *connection)
{
    side *own = side_of(connection);
    FUZZ_CHECK(own->ended == 0 && own->pressed);
    own->pressed = false;
    node_act_sometimes(own->node);
}

static bool is_expected(const side *ended, em_status reason)
{
    switch (reason) {
    case EM_OK:
    case EM_CONNECTION_RESET:
    case EM_BROKEN_PIPE:
        return true;
    case EM_CONNECTION_REFUSED:
        return (ended->is_client && !ended->completed) || node_has_failures(ended->node);
    case EM_INACTIVITY_TIMEOUT:
    case EM_WRITE_TIMEOUT:
    case EM_CONNECT_TIMEOUT:
        return ended->timed;
    case EM_OUTBOX_LIMIT:
        return ended->limited;
    case EM_NO_MEMORY:
        return node_has_failures(ended->node);
    case EM_CONNECTION_ABORTED: /* a peer's filter that is closed with bytes to be sent sends no end */
        return connections_are_filtered() || ended->node->run->calls;
    default:
        return ended->node->run->calls;
    }
}

static void unbind(em_connection *connection, em_status reason)
{
    side *own = side_of(connection);
    node *owner = own->node;
    FUZZ_CHECK(own->begun == 1 && own->ended++ == 0);
    if (!is_expected(own, reason))
        fuzz_fail("unbind with %s", em_status_get_name(reason));
    FUZZ_CHECK(em_connection_send(connection, "x", 1) == EM_CLOSED && em_connection_close(connection) == EM_CLOSED);
    own->reason = reason;
    own->swept = owner->is_sweeping;
    own->connection = NULL;
    owner->live--;
    owner->unbound++;
    node_act_sometimes(owner);
}

#define COMMON                                                                                                         \
    .post_init = post_init, .connection_completed = connection_completed, .receive_data = receive_data,                \
    .drained = drained, .unbind = unbind

const em_handler side_handlers[SIDE_HANDLERS] = {
    {COMMON, .receive_end = receive_end},
    {COMMON},
    {COMMON, .receive_end = receive_end, .receive_buffer = receive_buffer},
    {COMMON, .receive_buffer = receive_buffer},
};

bool side_has_sent_all(const side *sender)
{
    if (!sender->finishing || sender->aborted || sender->reason != EM_OK || sender->swept)
        return false;
    /* To wait for the peer after unbind takes memory and system calls: without them TCP's reset may drop what is under
     * way. */
    return !sender->closing || sender->node->is_local || !node_has_failures(sender->node);
}

bool side_was_cut_off(const side *receiver)
{
    bool left = receiver->aborted || receiver->closing || receiver->swept || receiver->reason != EM_OK;
    return left && !receiver->saw_end;
}
