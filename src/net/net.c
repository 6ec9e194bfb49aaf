/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connections and servers as a part of the loop: their numbers, the end of those that are closing, the end of all.
 */
#include "base/invariant.h"
#include "net/server_private.h"
#include "system/socket.h"

static emi_net *net_of(emi_service *service)
{
    return EMI_CONTAINER(service, emi_net, service);
}

static void put_back(emi_net *net, em_connection *first)
{
    em_connection *last = first;
    while (last->next_listed)
        last = last->next_listed;
    last->next_listed = net->listed_first;
    net->listed_first = first;
    if (!net->listed_last)
        net->listed_last = last;
}

/*
 * Only those that were listed before it began: what their callbacks close waits for the next turn. In a child that one
 * of them has forked, those after it wait for em_loop_take_over.
 */
static void reap(emi_service *service)
{
    emi_net *net = net_of(service);
    bool was_forked = emi_loop_is_forked(net->loop);
    em_connection *connection = net->listed_first;
    net->listed_first = NULL;
    net->listed_last = NULL;
    while (connection && emi_loop_is_forked(net->loop) == was_forked) {
        em_connection *next = connection->next_listed;
        emi_connection_reap(connection);
        connection = next;
    }
    if (connection)
        put_back(net, connection);
}

/* Connections that were unbound in the child before it took the loop over still have to be released. */
static void renew(emi_service *service)
{
    emi_net *net = net_of(service);
    for (uint32_t index = 0; index < emi_handle_table_used(&net->connections); index++) {
        emi_handle *handle = emi_handle_table_at(&net->connections, index);
        em_connection *connection = handle ? EMI_CONTAINER(handle, em_connection, handle) : NULL;
        if (connection && connection->state == EM_STATE_CLOSED)
            emi_connection_leave(connection, emi_connection_must_linger(connection));
    }
}

static bool has_work(const emi_service *service)
{
    const emi_net *net = (const emi_net *)(const void *)service;
    return net->listed_first != NULL;
}

static void close_connection(em_connection *connection)
{
    if (emi_gate_of(connection))
        emi_gate_send_end_now(connection->extras->gate);
    emi_connection_end(connection, EM_OK);
}

static void close_all(emi_service *service)
{
    emi_net *net = net_of(service);
    net->closing = true;
    for (uint32_t index = 0; index < emi_handle_table_used(&net->connections); index++) {
        emi_handle *handle = emi_handle_table_at(&net->connections, index);
        if (handle)
            close_connection(EMI_CONTAINER(handle, em_connection, handle));
    }
    if (!emi_loop_is_forked(net->loop))
        emi_net_stop_lingering(net);
    for (uint32_t index = 0; index < emi_handle_table_used(&net->servers); index++) {
        emi_handle *handle = emi_handle_table_at(&net->servers, index);
        if (handle)
            emi_server_release(EMI_CONTAINER(handle, em_server, handle));
    }
    /* In a forked child the backend reaps nothing: the channels end with it, all at once. */
    while (emi_loop_is_forked(net->loop) && net->listed_first)
        reap(service);
}

static bool is_open(const emi_service *service)
{
    const emi_net *net = (const emi_net *)(const void *)service;
    return net->listed_first || net->channels > 0;
}

/* What is left here is so in a forked child only, where no channel was reaped. */
static void destroy(emi_service *service)
{
    emi_net *net = net_of(service);
    for (uint32_t index = 0; index < emi_handle_table_used(&net->connections); index++) {
        emi_handle *handle = emi_handle_table_at(&net->connections, index);
        if (handle)
            emi_connection_free(EMI_CONTAINER(handle, em_connection, handle));
    }
    for (uint32_t index = 0; index < emi_handle_table_used(&net->servers); index++) {
        emi_handle *handle = emi_handle_table_at(&net->servers, index);
        if (handle)
            emi_server_free(EMI_CONTAINER(handle, em_server, handle));
    }
    while (!emi_list_is_empty(&net->lingering))
        emi_connection_free(EMI_CONTAINER(net->lingering.next, emi_connection_extras, lingering)->connection);
    emi_handle_table_clear(&net->connections);
    emi_handle_table_clear(&net->servers);
    emi_gates_destroy(net->gates);
    emi_socket_close(net->reserve);
    emi_release(&net->loop->memory, net);
}

static const emi_service_operations operations = {
    .reap = reap,
    .renew = renew,
    .has_work = has_work,
    .close = close_all,
    .is_open = is_open,
    .destroy = destroy,
};

/* The operations once a connection has a filter. Before that, the turns of the loop do nothing for filters. */

static void turn(emi_service *service)
{
    emi_gates_turn(net_of(service)->gates);
}

static bool has_work_or_gates_due(const emi_service *service)
{
    const emi_net *net = (const emi_net *)(const void *)service;
    return net->listed_first != NULL || !emi_list_is_empty(&net->gates->due);
}

static const emi_service_operations operations_with_gates = {
    .turn = turn,
    .reap = reap,
    .renew = renew,
    .has_work = has_work_or_gates_due,
    .close = close_all,
    .is_open = is_open,
    .destroy = destroy,
};

em_status emi_gates_of(emi_net *net, emi_gates **gates)
{
    em_status status = net->gates ? EM_OK : emi_gates_create(net->loop, &net->gates);
    if (status == EM_OK)
        net->service.operations = &operations_with_gates;
    *gates = net->gates;
    return status;
}

em_status emi_net_of(em_loop *loop, emi_net **net)
{
    em_status status = emi_loop_check(loop);
    if (status != EM_OK)
        return status;
    if (loop->services[EMI_SERVICE_NET]) {
        *net = emi_net_at(loop);
        return EM_OK;
    }
    emi_net *made = emi_allocate_zeroed(&loop->memory, sizeof *made);
    if (!made)
        return EM_NO_MEMORY;
    made->service.operations = &operations;
    made->loop = loop;
    made->reserve = EMI_NO_SOCKET;
    emi_list_init(&made->backing_off);
    emi_list_init(&made->lingering);
    emi_handle_table_init(&made->connections, &loop->memory, &loop->serial);
    emi_handle_table_init(&made->servers, &loop->memory, &loop->serial);
    loop->services[EMI_SERVICE_NET] = &made->service;
    *net = made;
    return EM_OK;
}

em_status emi_net_attach(emi_net *net, emi_channel *channel, emi_channel_kind kind, int socket, emi_ownership ownership)
{
    emi_backend *backend = net->loop->backend;
    em_status status = backend->operations->attach(backend, channel, kind, socket, ownership);
    if (status == EM_OK)
        net->channels++;
    return status;
}

void emi_net_note_released(emi_net *net, const emi_channel *channel)
{
    EMI_INVARIANT(net->channels > 0);
    net->channels--;
    if (channel->ownership != EMI_SHARED)
        emi_net_descriptor_freed(net);
}

em_status emi_check_handler(const em_handler *handler)
{
    if (!handler)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    for (size_t i = 0; i < sizeof handler->reserved / sizeof handler->reserved[0]; i++)
        if (handler->reserved[i])
            return emi_status_without_detail(EM_INVALID_ARGUMENT);
    return EM_OK;
}

em_connection *em_loop_find_connection(em_loop *loop, em_signature signature)
{
    if (!loop || !loop->services[EMI_SERVICE_NET])
        return NULL;
    emi_handle *handle = emi_handle_table_find(&emi_net_at(loop)->connections, signature);
    return handle ? EMI_CONTAINER(handle, em_connection, handle) : NULL;
}

em_server *em_loop_find_server(em_loop *loop, em_signature signature)
{
    if (!loop || !loop->services[EMI_SERVICE_NET])
        return NULL;
    emi_handle *handle = emi_handle_table_find(&emi_net_at(loop)->servers, signature);
    em_server *server = handle ? EMI_CONTAINER(handle, em_server, handle) : NULL;
    return server && !server->stopped ? server : NULL;
}
