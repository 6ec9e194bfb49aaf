/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A datagram socket as source and as target of a proxy. What a source could not relay of a datagram stays with the
 * backend, which delivers that datagram again, and the socket remembers how much of it is left.
 */
#include "net/datagram_private.h"

/* The most in one datagram of IPv4, and room for what the queue adds: addresses and lengths. */
enum { LARGEST_PIECE_BYTES = 65507, OVERHEAD_BYTES = 320 };

static em_datagram_socket *socket_at(emi_object *object)
{
    return EMI_CONTAINER(object, em_datagram_socket, object);
}

static const em_datagram_socket *socket_seen(const emi_object *object)
{
    return (const em_datagram_socket *)(const void *)object;
}

/* Each datagram looks for its way. */
static void route(emi_object *object)
{
    (void)object;
}

/* As a source */

em_status emi_datagram_socket_go_on(em_datagram_socket *socket)
{
    if (socket->paused || socket->is_held)
        return EM_OK;
    emi_datagram_socket_note_activity(socket);
    emi_datagram_socket_arm(socket);
    em_status status = emi_channel_start_receiving(&socket->channel);
    if (status != EM_OK)
        emi_datagram_socket_end(socket, status);
    return status;
}

static void hold(emi_object *from, bool is_held)
{
    em_datagram_socket *socket = socket_at(from);
    socket->is_held = is_held;
    if (emi_datagram_socket_has_ended(socket) || emi_loop_is_forked(from->loop))
        return;
    if (!is_held)
        emi_datagram_socket_go_on(socket);
    else if (!socket->paused)
        emi_channel_stop_receiving(&socket->channel);
}

static void put_back(emi_object *from, const void *bytes, size_t length)
{
    (void)bytes;
    socket_at(from)->rest_bytes = length;
}

bool emi_datagram_socket_relay(em_datagram_socket *socket, const em_datagram *datagram)
{
    size_t length = socket->rest_bytes > 0 ? socket->rest_bytes : datagram->length;
    socket->rest_bytes = 0;
    emi_proxy_relay(socket->links.proxy, (const char *)datagram->data + datagram->length - length, length);
    return socket->rest_bytes == 0;
}

static void fail(emi_object *from, em_status reason)
{
    emi_datagram_socket_end(socket_at(from), reason);
}

static void completed(emi_object *from)
{
    em_datagram_socket *socket = socket_at(from);
    if (socket->handler->proxy_completed && !emi_datagram_socket_has_ended(socket))
        socket->handler->proxy_completed(socket);
}

static void target_unbound(emi_object *from)
{
    em_datagram_socket *socket = socket_at(from);
    if (socket->handler->proxy_target_unbound && !emi_datagram_socket_has_ended(socket))
        socket->handler->proxy_target_unbound(socket);
}

/* As a target */

void emi_datagram_socket_note_room(em_datagram_socket *socket)
{
    if (EMI_UNLIKELY(socket->links.feeder))
        emi_proxy_note_room(socket->links.feeder);
}

static size_t room_of(const em_datagram_socket *to)
{
    size_t used = to->queue.memory_bytes + OVERHEAD_BYTES;
    size_t own_bytes = used < to->limit_bytes ? to->limit_bytes - used : 0;
    size_t loop_bytes = emi_proxies_room_bytes(to->object.loop);
    size_t least = own_bytes < loop_bytes ? own_bytes : loop_bytes;
    return least < LARGEST_PIECE_BYTES ? least : LARGEST_PIECE_BYTES;
}

/* Half of the limit, so that sources do not go on for a few bytes. */
static bool has_room(const emi_object *object)
{
    const em_datagram_socket *to = socket_seen(object);
    bool has_peer = to->peer.length > 0 || to->sender.length > 0;
    return has_peer && object->state == EMI_DATAGRAM_OPEN && !emi_loop_is_forked(object->loop) &&
           to->queue.memory_bytes <= to->limit_bytes / 2 && room_of(to) > 0;
}

static em_status send_piece(em_datagram_socket *to, const void *bytes, size_t length)
{
    em_datagram last = {.peer = &to->sender, .local = to->destination.length > 0 ? &to->destination : NULL};
    return to->peer.length > 0 ? em_datagram_socket_send(to, bytes, length)
                               : em_datagram_socket_reply(to, &last, bytes, length);
}

/* A datagram for a sender that cannot be answered, because it has no name or no port, is dropped, as one that the
 * network loses: it must not end the source. */
static em_status send_copy(emi_object *object, const void *bytes, size_t *length)
{
    em_datagram_socket *to = socket_at(object);
    size_t room = has_room(object) ? room_of(to) : 0;
    size_t piece = *length < room ? *length : room;
    *length = 0;
    if (room == 0)
        return EM_OK;
    em_status status = send_piece(to, bytes, piece);
    if (status == EM_NO_MEMORY)
        return status;
    *length = piece;
    return EM_OK;
}

static size_t count_outbound(const emi_object *to)
{
    return socket_seen(to)->queue.bytes;
}

/* It always tells. */
static void watch(emi_object *to, bool is_watched)
{
    (void)to;
    (void)is_watched;
}

static void end(emi_object *to, em_proxy_end at_end)
{
    em_datagram_socket *socket = socket_at(to);
    const emi_proxy *proxy = socket->links.proxy, *feeder = socket->links.feeder;
    bool answers = emi_proxy_is_on(proxy) && feeder && feeder->from == proxy->to;
    if (at_end != EM_PROXY_CLOSE_WRITE || !answers)
        em_datagram_socket_close_after_writing(socket);
}

/* As both */

static bool is_receiver(const emi_object *from)
{
    return from->state < EMI_DATAGRAM_RELEASING;
}

static bool is_unbound(const emi_object *object)
{
    return object->state == EMI_DATAGRAM_CLOSED;
}

static emi_proxy_links *find_links(emi_object *object, bool makes)
{
    (void)makes;
    return &socket_at(object)->links;
}

const emi_proxy_kind emi_datagram_socket_as_end = {
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
