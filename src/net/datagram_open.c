/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Opening datagram sockets, attaching and detaching them. A call that fails leaves nothing behind, except that the
 * options of a socket that was given stay as far as they were set.
 */
#include <string.h>

#include "net/datagram_private.h"
#include "system/socket.h"

/* Where a socket comes from. */
typedef struct origin {
    const em_address *bound_to; /* open one here; NULL: it is given */
    int given;
} origin;

static em_status check_handler(const em_datagram_handler *handler)
{
    return EMI_IS_HANDLER(handler) ? EM_OK : emi_status_without_detail(EM_INVALID_ARGUMENT);
}

static em_status open_at(const em_address *address, const em_datagram_options *options, int *descriptor)
{
    em_status status = emi_datagram_open(em_address_get_family(address), descriptor);
    if (status != EM_OK)
        return status;
    emi_datagram_receive_joined_groups_only(*descriptor, em_address_get_family(address));
    status = emi_apply_options_before_bind(*descriptor, options);
    if (status == EM_OK && address->length > 0)
        status = emi_socket_bind(*descriptor, address);
    if (status == EM_OK)
        return EM_OK;
    emi_socket_close(*descriptor);
    return status;
}

/* The fixed peer of a socket that was given, if it has one. */
static void note_peer(em_datagram_socket *socket, int descriptor)
{
    em_address peer;
    if (emi_socket_peer_address(descriptor, &peer) == EM_OK)
        socket->peer = peer;
}

/* On success the descriptor belongs to the socket. */
static em_status take(em_datagram_socket *socket, int descriptor, bool is_given)
{
    em_status status = emi_loop_attach_channel(socket->object.loop, &socket->channel, EMI_DATAGRAM, descriptor,
                                               is_given ? EMI_GIVEN : EMI_OURS);
    if (status != EM_OK) {
        emi_datagram_socket_free(socket);
        return status;
    }
    status = emi_channel_start_receiving(&socket->channel);
    if (status != EM_OK) {
        socket->channel.ownership = EMI_SHARED; /* the caller closes it, or keeps it */
        emi_datagram_socket_give_up(socket);
    }
    return status;
}

/* Makes an object of a socket, which belongs to the caller on failure. */
static em_status make(em_loop *loop, int descriptor, bool is_given, const em_datagram_handler *handler,
                      const em_datagram_options *options, em_datagram_socket **made)
{
    em_address local;
    em_datagram_socket *socket;
    em_status status = emi_datagram_check(descriptor, &local);
    if (status == EM_OK && em_address_get_family(&local) == EM_ADDRESS_UNIX && emi_has_options_of_ip(options))
        status = emi_status_without_detail(EM_INVALID_ARGUMENT);
    if (status == EM_OK)
        status = emi_datagram_socket_create(loop, handler, options->user, &socket);
    if (status != EM_OK)
        return status;
    socket->family = em_address_get_family(&local);
    emi_apply_own_options(socket, options);
    if (is_given)
        note_peer(socket, descriptor);
    status = emi_apply_datagram_options(socket, descriptor, options, emi_address_is_any(&local));
    if (status != EM_OK) {
        emi_datagram_socket_free(socket);
        return status;
    }
    status = take(socket, descriptor, is_given);
    if (status == EM_OK)
        *made = socket;
    return status;
}

static em_status open_new(em_loop *loop, const em_address *address, const em_datagram_handler *handler,
                          const em_datagram_options *options, em_datagram_socket **made)
{
    int descriptor;
    bool is_of_ip =
        em_address_get_family(address) == EM_ADDRESS_IPV4 || em_address_get_family(address) == EM_ADDRESS_IPV6;
    if (!is_of_ip && emi_has_options_of_ip(options))
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    em_status status = open_at(address, options, &descriptor);
    if (status != EM_OK)
        return status;
    status = make(loop, descriptor, false, handler, options, made);
    if (status != EM_OK)
        emi_socket_close(descriptor);
    return status;
}

static em_status adopt(em_loop *loop, int descriptor, const em_datagram_handler *handler,
                       const em_datagram_options *options, em_datagram_socket **made)
{
    emi_socket_modes modes;
    em_status status = emi_socket_get_modes(descriptor, &modes);
    if (status == EM_OK)
        status = emi_apply_options_before_bind(descriptor, options);
    if (status != EM_OK)
        return status;
    status = make(loop, descriptor, true, handler, options, made);
    if (status != EM_OK)
        emi_socket_restore_modes(descriptor, &modes);
    return status;
}

static void post_init(em_datagram_socket *socket)
{
    emi_loop_begin_callback(socket->object.loop);
    if (socket->handler->post_init)
        socket->handler->post_init(socket);
    emi_loop_end_callback(socket->object.loop);
}

static em_status add_socket(em_loop *loop, const origin *from, const em_datagram_handler *handler,
                            const em_datagram_options *given, em_datagram_socket **made)
{
    emi_net *net;
    em_datagram_options options;
    em_datagram_socket *socket = NULL;
    em_status status = check_handler(handler);
    if (status == EM_OK)
        status = emi_net_of(loop, &net);
    if (status == EM_OK)
        status = emi_read_datagram_options(&options, given);
    if (status == EM_OK)
        status = from->bound_to ? open_new(loop, from->bound_to, handler, &options, &socket)
                                : adopt(loop, from->given, handler, &options, &socket);
    if (status != EM_OK)
        return status;
    emi_datagram_socket_arm(socket);
    if (made)
        *made = socket;
    post_init(socket);
    return EM_OK;
}

em_status em_loop_open_datagram_socket_at(em_loop *loop, const em_address *address, const em_datagram_handler *handler,
                                          const em_datagram_options *options, em_datagram_socket **socket)
{
    if (socket)
        *socket = NULL;
    if (!address)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    if (address->length > 0 && em_address_get_family(address) == EM_ADDRESS_NONE)
        return EM_INVALID_ADDRESS;
    return add_socket(loop, &(origin){.bound_to = address}, handler, options, socket);
}

/* Only what needs no lookup. */
static em_status address_of(const char *host, int port, em_address *address)
{
    emi_addresses known;
    em_status status = em_address_from_text(host && *host ? host : "0.0.0.0", port, address);
    if (status != EM_INVALID_ADDRESS)
        return status;
    status = emi_resolve_known(host, port, &known);
    if (status != EM_OK)
        return status == EM_IN_PROGRESS || status == EM_NAME_NOT_FOUND ? EM_INVALID_ADDRESS : status;
    *address = known.list[0];
    return EM_OK;
}

em_status em_loop_open_datagram_socket(em_loop *loop, const char *host, int port, const em_datagram_handler *handler,
                                       const em_datagram_options *options, em_datagram_socket **socket)
{
    em_address address;
    if (socket)
        *socket = NULL;
    em_status status = address_of(host, port, &address);
    if (status != EM_OK)
        return emi_status_without_detail(status);
    return em_loop_open_datagram_socket_at(loop, &address, handler, options, socket);
}

em_status em_loop_attach_datagram_socket(em_loop *loop, int descriptor, const em_datagram_handler *handler,
                                         const em_datagram_options *options, em_datagram_socket **socket)
{
    if (socket)
        *socket = NULL;
    return add_socket(loop, &(origin){.given = descriptor}, handler, options, socket);
}

/* To receive_datagram, also during a pause. */
static em_status deliver_held(em_datagram_socket *socket)
{
    socket->detaches = true;
    emi_loop_begin_callback(socket->object.loop);
    em_status status = emi_channel_deliver_held(&socket->channel);
    emi_loop_end_callback(socket->object.loop);
    socket->detaches = false;
    return status;
}

em_status em_datagram_socket_detach(em_datagram_socket *socket, int *descriptor)
{
    if (!descriptor)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    *descriptor = EMI_NO_SOCKET;
    em_status status = emi_datagram_socket_check(socket);
    if (status == EM_OK)
        status = emi_loop_check(socket->object.loop);
    if (status == EM_OK && socket->links.proxy)
        emi_proxy_stop(socket->links.proxy);
    if (status == EM_OK)
        status = deliver_held(socket);
    if (status == EM_OK)
        status = emi_datagram_socket_check(socket); /* receive_datagram may have ended it, or forked */
    if (status == EM_OK)
        status = emi_loop_check(socket->object.loop);
    if (status != EM_OK)
        return status;
    *descriptor = socket->channel.descriptor;
    socket->channel.ownership = EMI_SHARED;
    emi_channel_release(&socket->channel);
    emi_datagram_socket_end(socket, EM_OK);
    return EM_OK;
}
