/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A connection as source and as target of a proxy.
 */
#include "net/net_private.h"

static em_connection *connection_at(emi_object *object)
{
    return EMI_CONTAINER(object, em_connection, object);
}

static const em_connection *connection_seen(const emi_object *object)
{
    return (const em_connection *)(const void *)object;
}

static void route(emi_object *object)
{
    emi_connection_route(connection_at(object));
}

/* As a source */

static void hold(emi_object *from, bool is_held)
{
    emi_connection_hold(connection_at(from), is_held);
}

/* They will be received again, so they do not count yet. */
static void put_back(emi_object *from, const void *bytes, size_t length)
{
    em_connection *connection = connection_at(from);
    emi_gate *gate = emi_gate_of(connection);
    emi_channel *channel = &connection->channel;
    connection->bytes_received -= length;
    from->loop->stats.bytes_received -= length;
    if (emi_connection_has_ended(connection))
        return;
    em_status status =
        gate ? emi_gate_put_back(gate, bytes, length) : channel->backend->operations->put_back(channel, bytes, length);
    if (status != EM_OK)
        emi_connection_end(connection, status);
}

static void fail(emi_object *from, em_status reason)
{
    emi_connection_end(connection_at(from), reason);
}

static void completed(emi_object *from)
{
    em_connection *connection = connection_at(from);
    if (connection->handler->proxy_completed && !emi_connection_has_ended(connection))
        connection->handler->proxy_completed(connection);
}

/* Also after the program has closed the source, as it often does in the target's unbind: the two belong together. After
 * the source's unbind there is no proxy any more. */
static void target_unbound(emi_object *from)
{
    em_connection *connection = connection_at(from);
    if (connection->handler->proxy_target_unbound)
        connection->handler->proxy_target_unbound(connection);
}

/* As a target */

static size_t outbox_limit(const em_connection *to)
{
    size_t limit_bytes = to->extras->outbox_limit_bytes;
    return limit_bytes > 0 ? limit_bytes : SIZE_MAX;
}

static bool takes_bytes(const em_connection *to)
{
    return !emi_connection_has_ended(to) && to->write_side == EMI_WRITE_OPEN &&
           !(emi_gate_of(to) && emi_loop_is_forked(to->object.loop));
}

static size_t room_of(const em_connection *to)
{
    size_t queued = emi_connection_outbound_bytes(to);
    size_t limit = outbox_limit(to);
    size_t own_bytes = queued < limit ? limit - queued : 0;
    size_t loop_bytes = emi_proxies_room_bytes(to->object.loop);
    if (!takes_bytes(to))
        return 0;
    return own_bytes < loop_bytes ? own_bytes : loop_bytes;
}

/* Bytes that a target drops because it ends just now have been relayed, as those that wait in its outbox. */
static em_status send_copy(emi_object *object, const void *bytes, size_t *length)
{
    em_connection *to = connection_at(object);
    size_t room = room_of(to);
    size_t piece = *length < room ? *length : room;
    *length = 0;
    if (piece == 0)
        return EM_OK;
    em_status status = em_connection_send(to, bytes, piece);
    if (status < 0 && !emi_connection_has_ended(to))
        return status;
    *length = piece;
    return EM_OK;
}

static size_t count_outbound(const emi_object *to)
{
    return emi_connection_outbound_bytes(connection_seen(to));
}

/* Half of the limit, so that sources do not go on for a few bytes. What is read while a pipe waits would be copied. */
static bool has_room(const emi_object *object)
{
    const em_connection *to = connection_seen(object);
    return takes_bytes(to) && !to->extras->pipe && emi_connection_outbound_bytes(to) <= outbox_limit(to) / 2;
}

static void watch(emi_object *to, bool is_watched)
{
    connection_at(to)->holds_source = is_watched;
}

static void end(emi_object *to, em_proxy_end at_end)
{
    if (at_end == EM_PROXY_CLOSE_WRITE)
        em_connection_close_write(connection_at(to));
    else
        em_connection_close_after_writing(connection_at(to));
}

/* As both */

static bool is_receiver(const emi_object *object)
{
    const em_connection *from = connection_seen(object);
    return !emi_connection_has_ended(from) && !from->peer_ended;
}

static bool is_unbound(const emi_object *object)
{
    return object->state == EM_STATE_CLOSED;
}

static emi_proxy_links *find_links(emi_object *object, bool makes)
{
    em_connection *connection = connection_at(object);
    emi_connection_extras *extras = makes ? emi_connection_extras_of(connection) : connection->extras;
    return extras ? &extras->links : NULL;
}

const emi_proxy_kind emi_connection_as_end = {
    .source =
        {
            .route = route,
            .hold = hold,
            .put_back = put_back,
            .fail = fail,
            .completed = completed,
            .target_unbound = target_unbound,
        },
    .target =
        {
            .route = route,
            .send = send_copy,
            .count_outbound = count_outbound,
            .has_room = has_room,
            .watch = watch,
            .end = end,
        },
    .is_receiver = is_receiver,
    .is_unbound = is_unbound,
    .find_links = find_links,
};

/* Of connections in general */

void emi_connection_route(em_connection *connection)
{
    emi_channel *channel = &connection->channel;
    channel->events = emi_connection_choose_events(connection);
    /* What a source reads in large pieces is relayed at once: it is best read into memory that is still in the
     * processor's cache, see bulk.h, or into a pipe. */
    channel->offers_room =
        !emi_gate_of(connection) && (emi_connection_proxy(connection) || connection->handler->receive_buffer);
}

em_connection *emi_connection_target(const emi_proxy *proxy)
{
    return proxy->target == &emi_connection_as_end.target ? connection_at(proxy->to) : NULL;
}

void emi_connection_end_proxies(em_connection *connection)
{
    if (connection->extras)
        emi_proxy_end_all(&connection->extras->links);
}

bool emi_connection_is_kept_open(const em_connection *connection)
{
    const emi_proxy *proxy = emi_connection_proxy(connection);
    return proxy && proxy->at_end == EM_PROXY_CLOSE_WRITE && connection->extras->links.feeder;
}

/* The public functions */

em_status em_connection_start_proxy(em_connection *from, em_connection *to, const em_proxy_options *options)
{
    if (!from || !to)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    return emi_proxy_connect(&from->object, &to->object, options);
}

em_status em_connection_stop_proxy(em_connection *from)
{
    em_status status = emi_connection_check(from);
    return status == EM_OK ? emi_proxy_disconnect(&from->object) : status;
}

uint64_t em_connection_get_proxied_bytes(const em_connection *from)
{
    return from && from->extras && from->extras->links.proxy ? from->extras->links.proxy->relayed_bytes : 0;
}

em_connection *em_connection_get_proxy_target(const em_connection *from)
{
    const emi_proxy *proxy = from ? emi_connection_proxy(from) : NULL;
    return proxy ? emi_connection_target(proxy) : NULL;
}
