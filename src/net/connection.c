/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The life of a connection: how it is created, its states, and how it ends.
 *
 *   RESOLVING ──► CONNECTING ──► OPEN ──► DRAINING
 *       │             │            │          │
 *       ▼             ▼            ▼          ▼
 *       └────────► RELEASING ◄─────┴──────────┘
 *                     │ unbind
 *                     ▼
 *                  CLOSED
 *
 * Accepted connections begin in OPEN, those to a literal address in CONNECTING.
 */
#include "base/invariant.h"
#include "net/server_private.h"
#include "system/clock.h"
#include "system/socket.h"

static const struct {
    em_connection_state from, to;
} moves[] = {
    {EM_STATE_RESOLVING, EM_STATE_CONNECTING}, {EM_STATE_RESOLVING, EM_STATE_RELEASING},
    {EM_STATE_CONNECTING, EM_STATE_OPEN},      {EM_STATE_CONNECTING, EM_STATE_RELEASING},
    {EM_STATE_OPEN, EM_STATE_DRAINING},        {EM_STATE_OPEN, EM_STATE_RELEASING},
    {EM_STATE_DRAINING, EM_STATE_RELEASING},   {EM_STATE_RELEASING, EM_STATE_CLOSED},
};

static bool may_move(em_connection_state from, em_connection_state to)
{
    for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++)
        if (moves[i].from == from && moves[i].to == to)
            return true;
    return false;
}

static em_connection *connection_of(emi_object *object)
{
    return EMI_CONTAINER(object, em_connection, object);
}

void emi_connection_enter(em_connection *connection, em_connection_state state)
{
    EMI_INVARIANT(may_move((em_connection_state)connection->object.state, state));
    connection->object.state = (uint8_t)state;
}

void emi_connection_free(em_connection *connection)
{
    em_loop *loop = connection->object.loop;
    EMI_INVARIANT(loop->stats.connections_open > 0);
    emi_connector_close(connection);
    if (connection->extras) {
        emi_loop_timer_cancel(loop, &connection->extras->timer);
        emi_list_remove(&connection->extras->lingering);
    }
    emi_outbox_clear(&connection->outbox, &loop->outboxes);
    if (emi_gate_of(connection))
        emi_gate_free(connection->extras->gate);
    emi_files_free(connection);
    if (connection->extras) {
        emi_proxy_free(connection->extras->links.proxy);
        emi_connection_drop_pipe(connection);
        emi_release(&loop->memory, connection->extras->reason_text);
    }
    emi_release(&loop->memory, connection->extras);
    emi_object_remove(&connection->object);
    loop->stats.connections_open--;
    emi_release(&loop->memory, connection);
}

static void cancel_timers(em_connection *connection)
{
    if (connection->extras)
        emi_loop_timer_cancel(connection->object.loop, &connection->extras->timer);
    if (emi_gate_of(connection))
        emi_gate_stop(connection->extras->gate);
}

void emi_connection_end(em_connection *connection, em_status reason)
{
    if (emi_connection_has_ended(connection))
        return;
    emi_connection_enter(connection, EM_STATE_RELEASING);
    emi_object_end(&connection->object, reason);
    if (connection->channel.backend && connection->channel.receiving && !emi_loop_is_forked(connection->object.loop))
        emi_channel_stop_receiving(&connection->channel);
    cancel_timers(connection);
}

void emi_connection_give_up(em_connection *connection)
{
    emi_connector_close(connection);
    emi_connection_enter(connection, EM_STATE_RELEASING);
    emi_connection_enter(connection, EM_STATE_CLOSED);
    cancel_timers(connection);
    emi_connection_release(connection);
}

void emi_connection_leave(em_connection *connection, bool lingers)
{
    if (!connection->channel.backend)
        emi_connection_free(connection);
    else if (!connection->channel.released && !(lingers && emi_connection_linger(connection)))
        emi_connection_release(connection);
}

/*
 * A descriptor that is not closed here is the caller's from unbind on: it may be closed there, and its number may be
 * attached again at once. During unbind it still has its addresses.
 */
static void give_descriptor_back(em_connection *connection)
{
    emi_channel *channel = &connection->channel;
    bool is_given_back = !channel->backend || channel->released;
    if (is_given_back || channel->ownership != EMI_SHARED || emi_loop_is_forked(connection->object.loop))
        return;
    int descriptor = channel->descriptor;
    emi_connection_release(connection);
    channel->descriptor = descriptor;
}

static void call_unbind(em_connection *connection)
{
    give_descriptor_back(connection);
    if (connection->handler->unbind)
        connection->handler->unbind(connection, (em_status)connection->object.reason);
    if (connection->channel.released)
        connection->channel.descriptor = EMI_NO_SOCKET;
}

static void unbind(em_connection *connection)
{
    em_loop *loop = connection->object.loop;
    emi_files_give_up(connection);
    bool lingers = emi_connection_must_linger(connection);
    /* Without memory to wait for the peer, the peer may lose what was sent, so the reason cannot be EM_OK. */
    if (lingers && !emi_connection_extras_of(connection))
        connection->object.reason = EM_NO_MEMORY;
    call_unbind(connection);
    emi_connector_close(connection);
    emi_connection_enter(connection, EM_STATE_CLOSED);
    loop->stats.connections_closed++;
    emi_connection_end_proxies(connection);
    emi_object_leave_parent(&connection->object);
    if (!emi_loop_is_forked(loop)) /* else the channel ends with the backend, the memory after it */
        emi_connection_leave(connection, lingers);
}

/* Finishes the end with unbind and release, or calls back for files that were sent, and, if the connection is about to
 * end, begins to check the peer's progress. */
static void reap(emi_object *object)
{
    em_connection *connection = connection_of(object);
    if (emi_connection_has_ended(connection)) {
        unbind(connection);
        return;
    }
    emi_files_finish(connection);
    if (emi_connection_has_unsent(connection) && emi_connection_is_about_to_end(connection)) {
        em_status status = emi_drain_begin(connection);
        if (status == EM_OK)
            emi_connection_arm(connection);
        else
            emi_connection_end(connection, status);
    }
}

static void close_connection(emi_object *object)
{
    em_connection *connection = connection_of(object);
    if (connection->object.state == EM_STATE_CLOSED)
        emi_connection_stop_lingering(connection);
    else
        em_connection_close(connection);
}

/* Connections that were unbound in the child before it took the loop over still have to be released. */
static void renew(emi_object *object)
{
    em_connection *connection = connection_of(object);
    if (connection->object.state == EM_STATE_CLOSED && !emi_connection_is_lingering(connection))
        emi_connection_leave(connection, emi_connection_must_linger(connection));
}

static void free_connection(emi_object *object)
{
    emi_connection_free(connection_of(object));
}

static const emi_object_operations operations = {
    .reap = reap,
    .close = close_connection,
    .renew = renew,
    .free = free_connection,
};

em_connection *em_loop_find_connection(const em_loop *loop, em_signature signature)
{
    emi_object *object = emi_loop_find_object(loop, EMI_CONNECTION, signature);
    return object && object->state != EM_STATE_CLOSED ? connection_of(object) : NULL;
}

em_status emi_connection_create(emi_net *net, const em_handler *handler, void *user, em_connection_state state,
                                em_connection **created)
{
    em_loop *loop = net->loop;
    emi_loop_refresh_time(loop);
    em_connection *connection = emi_allocate_zeroed(&loop->memory, sizeof *connection);
    if (!connection)
        return EM_NO_MEMORY;
    em_status status = emi_object_add(&connection->object, loop, EMI_CONNECTION, &operations, user);
    if (status != EM_OK) {
        emi_release(&loop->memory, connection);
        return status;
    }
    emi_channel_init(&connection->channel, &emi_connection_events);
    connection->channel.offers_room = handler->receive_buffer != NULL;
    connection->handler = handler;
    connection->object.state = (uint8_t)state;
    loop->stats.connections_open++;
    *created = connection;
    return EM_OK;
}

emi_connection_extras *emi_connection_extras_of(em_connection *connection)
{
    if (connection->extras)
        return connection->extras;
    emi_connection_extras *extras = emi_allocate_zeroed(&connection->object.loop->memory, sizeof *extras);
    if (!extras)
        return NULL;
    extras->connection = connection;
    extras->created_ns = emi_clock_now_ns();
    extras->progress_ns = extras->created_ns;
    extras->connect_timeout_ns = EMI_DEFAULT_CONNECT_TIMEOUT_NS;
    extras->high_water_bytes = EMI_DEFAULT_HIGH_WATER_BYTES;
    extras->low_water_bytes = EMI_DEFAULT_HIGH_WATER_BYTES / 4;
    emi_list_init(&extras->lingering);
    emi_connection_timer_init(extras);
    connection->extras = extras;
    return extras;
}

em_status emi_connection_extras_to_set(em_connection *connection, emi_connection_extras **extras)
{
    em_status status = emi_connection_check(connection);
    if (status != EM_OK)
        return status;
    *extras = emi_connection_extras_of(connection);
    return *extras ? EM_OK : EM_NO_MEMORY;
}

/* Ending */

em_status em_connection_close(em_connection *connection)
{
    em_status status = emi_connection_check(connection);
    if (status != EM_OK)
        return status;
    if (emi_gate_of(connection))
        emi_gate_send_end_now(connection->extras->gate);
    emi_connection_end(connection, EM_OK);
    return EM_OK;
}

/* What is queued must wait for a handshake, whose callbacks may not come after unbind. */
static bool must_wait_for_filter(const em_connection *connection)
{
    const emi_gate *gate = emi_gate_of(connection);
    return gate && !gate->was_ready && emi_connection_is_open(connection) && connection->outbox.first;
}

/* Sealing is tried before unbind, because a filter that needs more from the wire first gets none after it. */
static bool must_wait_to_seal(const em_connection *connection)
{
    emi_gate *gate = emi_gate_of(connection);
    if (!gate || gate->has_ended || gate->wire_ended)
        return false;
    emi_gate_fill(gate);
    return gate->was_ready && gate->filter->piece_bytes == 0 && !emi_connection_has_ended(connection);
}

em_status em_connection_close_in_background(em_connection *connection)
{
    em_status status = emi_connection_check(connection);
    if (status != EM_OK)
        return status;
    if (must_wait_for_filter(connection) || emi_files_are_waiting(connection))
        return em_connection_close_after_writing(connection);
    if (emi_connection_is_open(connection)) {
        connection->write_side = EMI_WRITE_FLUSHING;
        connection->paused = false;
        if (must_wait_to_seal(connection))
            return em_connection_close_after_writing(connection);
        /* What the system accepts in this turn is sent before unbind, because programs often stop the loop there. */
        emi_connection_request_send(connection);
    }
    emi_connection_end(connection, EM_OK);
    return EM_OK;
}

em_status em_connection_close_after_writing(em_connection *connection)
{
    em_status status = emi_connection_check(connection);
    if (status != EM_OK)
        return status;
    if (connection->write_side == EMI_WRITE_ENDED && connection->peer_ended) {
        emi_connection_end(connection, EM_OK); /* within receive_end: nothing is left that a pause could hold up */
        return EM_OK;
    }
    connection->write_side = EMI_WRITE_CLOSING;
    if (connection->object.state == EM_STATE_OPEN)
        emi_connection_enter(connection, EM_STATE_DRAINING);
    emi_connection_send_end(connection);
    return EM_OK;
}

em_status em_connection_close_write(em_connection *connection)
{
    em_status status = emi_connection_check(connection);
    if (status == EM_OK && connection->channel.descriptor_kind != EMI_SOCKET && !connection->channel.cannot_send &&
        !connection->channel.cannot_receive)
        status = emi_status_with_detail(EM_UNSUPPORTED, "only a socket can end one direction alone");
    if (status != EM_OK)
        return status;
    if (connection->write_side == EMI_WRITE_OPEN)
        connection->write_side = EMI_WRITE_ENDING;
    emi_connection_send_end(connection);
    return EM_OK;
}
