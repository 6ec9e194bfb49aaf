/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The life of a datagram socket: how it is created, how it is paused, how it ends.
 *
 *   OPEN ──► DRAINING
 *     │          │
 *     ▼          ▼
 *   RELEASING ◄──┘
 *     │ unbind
 *     ▼
 *   CLOSED
 */
#include "base/invariant.h"
#include "net/datagram_private.h"

static em_datagram_socket *socket_of(emi_object *object)
{
    return EMI_CONTAINER(object, em_datagram_socket, object);
}

void emi_datagram_socket_free(em_datagram_socket *socket)
{
    em_loop *loop = socket->object.loop;
    emi_datagram_timers_cancel(socket);
    emi_datagram_queue_clear(&socket->queue, emi_datagram_pool_of(socket));
    emi_proxy_free(socket->links.proxy);
    emi_object_remove(&socket->object);
    emi_release(&loop->memory, socket);
}

void emi_datagram_socket_end(em_datagram_socket *socket, em_status reason)
{
    if (emi_datagram_socket_has_ended(socket))
        return;
    socket->object.state = EMI_DATAGRAM_RELEASING;
    emi_object_end(&socket->object, reason);
    emi_datagram_timers_cancel(socket);
    if (socket->channel.backend && !socket->channel.released && socket->channel.receiving &&
        !emi_loop_is_forked(socket->object.loop))
        emi_channel_stop_receiving(&socket->channel);
}

/* Releases the channel, which frees the memory later, or frees it now. */
static void leave(em_datagram_socket *socket)
{
    if (!socket->channel.backend)
        emi_datagram_socket_free(socket);
    else if (!socket->channel.released)
        emi_channel_release(&socket->channel);
}

void emi_datagram_socket_give_up(em_datagram_socket *socket)
{
    socket->object.state = EMI_DATAGRAM_CLOSED;
    emi_datagram_timers_cancel(socket);
    leave(socket);
}

static void reap(emi_object *object)
{
    em_datagram_socket *socket = socket_of(object);
    EMI_INVARIANT(object->state == EMI_DATAGRAM_RELEASING);
    if (socket->handler->unbind)
        socket->handler->unbind(socket, (em_status)object->reason);
    object->state = EMI_DATAGRAM_CLOSED;
    emi_proxy_end_all(&socket->links);
    if (!emi_loop_is_forked(object->loop)) /* else the channel ends with the backend, the memory after it */
        leave(socket);
}

static void close_socket(emi_object *object)
{
    emi_datagram_socket_end(socket_of(object), EM_OK);
}

static void renew(emi_object *object)
{
    if (object->state == EMI_DATAGRAM_CLOSED)
        leave(socket_of(object));
}

static void free_socket(emi_object *object)
{
    emi_datagram_socket_free(socket_of(object));
}

static const emi_object_operations operations = {
    .reap = reap,
    .close = close_socket,
    .renew = renew,
    .free = free_socket,
};

em_status emi_datagram_socket_create(em_loop *loop, const em_datagram_handler *handler, void *user,
                                     em_datagram_socket **created)
{
    emi_loop_refresh_time(loop);
    em_datagram_socket *socket = emi_allocate_zeroed(&loop->memory, sizeof *socket);
    if (!socket)
        return EM_NO_MEMORY;
    em_status status = emi_object_add(&socket->object, loop, EMI_DATAGRAM_SOCKET, &operations, user);
    if (status != EM_OK) {
        emi_release(&loop->memory, socket);
        return status;
    }
    emi_channel_init(&socket->channel, &emi_datagram_events);
    emi_datagram_timers_init(socket);
    socket->handler = handler;
    *created = socket;
    return EM_OK;
}

em_datagram_socket *em_loop_find_datagram_socket(const em_loop *loop, em_signature signature)
{
    emi_object *object = emi_loop_find_object(loop, EMI_DATAGRAM_SOCKET, signature);
    return object && object->state != EMI_DATAGRAM_CLOSED ? socket_of(object) : NULL;
}

void emi_datagram_socket_act_if_sent(em_datagram_socket *socket)
{
    emi_datagram_socket_note_room(socket);
    if (socket->under_pressure && socket->queue.bytes <= socket->low_water_bytes) {
        socket->under_pressure = false;
        if (socket->handler->drained && socket->object.state == EMI_DATAGRAM_OPEN)
            socket->handler->drained(socket);
    }
    if (socket->object.state == EMI_DATAGRAM_DRAINING && socket->queue.count == 0)
        emi_datagram_socket_end(socket, EM_OK);
}

/* Ending */

em_status em_datagram_socket_close(em_datagram_socket *socket)
{
    em_status status = emi_datagram_socket_check(socket);
    if (status == EM_OK)
        emi_datagram_socket_end(socket, EM_OK);
    return status;
}

em_status em_datagram_socket_close_after_writing(em_datagram_socket *socket)
{
    em_status status = emi_datagram_socket_check(socket);
    if (status != EM_OK)
        return status;
    socket->object.state = EMI_DATAGRAM_DRAINING;
    emi_datagram_socket_note_progress(socket);
    emi_datagram_socket_act_if_sent(socket);
    emi_datagram_socket_arm(socket);
    return EM_OK;
}

/* Pauses */

em_status em_datagram_socket_pause(em_datagram_socket *socket)
{
    em_status status = emi_datagram_socket_check(socket);
    if (status == EM_OK && socket->paused)
        status = EM_INVALID_STATE;
    if (status != EM_OK)
        return status;
    socket->paused = true;
    if (!socket->is_held)
        emi_channel_stop_receiving(&socket->channel);
    return EM_OK;
}

em_status em_datagram_socket_resume(em_datagram_socket *socket)
{
    em_status status = emi_datagram_socket_check(socket);
    if (status == EM_OK && !socket->paused)
        status = EM_INVALID_STATE;
    if (status != EM_OK)
        return status;
    socket->paused = false;
    return emi_datagram_socket_go_on(socket);
}

int em_datagram_socket_is_paused(const em_datagram_socket *socket)
{
    return socket && socket->paused;
}
