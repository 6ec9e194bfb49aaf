/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Servers: starting and stopping them, their pauses and their count of connections. Their sockets are opened in
 * server_sockets.c; accepting is in listener.c.
 */
#include "net/server_private.h"
#include "system/socket.h"

enum { DEFAULT_ACCEPT_BATCH = 64, LARGEST_ACCEPT_BATCH = 4096 };

/*
 * From a socket that was given, one client in each turn: other processes may share the socket, and an idle one can
 * serve the next client while this one is busy with the first.
 */
enum { GIVEN_ACCEPT_BATCH = 1 };

static em_server *server_of(emi_object *object)
{
    return EMI_CONTAINER(object, em_server, object);
}

static void free_server(emi_object *object)
{
    em_server *server = server_of(object);
    em_loop *loop = object->loop;
    for (unsigned i = 0; i < server->count; i++)
        emi_loop_timer_cancel(loop, &server->listeners[i].back_off);
    emi_object_remove(object);
    emi_release(&loop->memory, server);
}

static void close_server(emi_object *object)
{
    emi_server_release(server_of(object));
}

static void update_listeners(em_server *server)
{
    for (unsigned i = 0; i < server->count; i++)
        emi_listener_update(&server->listeners[i]);
}

/* A connection that the server has accepted makes room for another one. */
static void child_unbound(emi_object *object, emi_object *child)
{
    em_server *server = server_of(object);
    (void)child;
    server->connections--;
    if (server->stopped)
        emi_server_free_if_unused(server);
    else if (server->max_connections > 0)
        update_listeners(server);
}

static const emi_object_operations operations = {
    .close = close_server,
    .child_unbound = child_unbound,
    .free = free_server,
};

static em_status new_server(em_loop *loop, unsigned count, const em_handler *handler,
                            const emi_server_settings *settings, em_server **made)
{
    const em_server_options *options = &settings->options;
    em_server *server = emi_allocate_zeroed(&loop->memory, sizeof *server + count * sizeof *server->listeners);
    if (!server)
        return EM_NO_MEMORY;
    em_status status = emi_object_add(&server->object, loop, EMI_SERVER, &operations, options->user);
    if (status != EM_OK) {
        emi_release(&loop->memory, server);
        return status;
    }
    loop->stats.servers_open++;
    server->handler = handler;
    server->stream = settings->stream;
    server->max_connections = options->max_connections;
    server->count = count;
    for (unsigned i = 0; i < count; i++)
        emi_listener_init(&server->listeners[i], server);
    *made = server;
    return EM_OK;
}

static unsigned accept_batch(const em_server_options *options, emi_ownership ownership)
{
    unsigned otherwise = ownership == EMI_GIVEN ? GIVEN_ACCEPT_BATCH : DEFAULT_ACCEPT_BATCH;
    return options->accept_batch ? options->accept_batch : otherwise;
}

/* Ends a server that could not be started. The sockets stay the caller's. */
static void give_up(em_server *server)
{
    for (unsigned i = 0; i < server->count; i++)
        server->listeners[i].channel.ownership = EMI_SHARED;
    emi_server_release(server);
    emi_server_free_if_unused(server);
}

/* Makes a server over listening sockets. They belong to it from now on, unless this fails. */
static em_status start(em_loop *loop, const emi_server_sockets *sockets, emi_ownership ownership,
                       const em_handler *handler, const emi_server_settings *settings, em_server **started)
{
    emi_net *net;
    em_status status = emi_net_of(loop, &net);
    if (status != EM_OK)
        return status;
    em_server *server;
    status = new_server(loop, sockets->count, handler, settings, &server);
    if (status != EM_OK)
        return status;
    em_server_set_accept_batch(server, accept_batch(&settings->options, ownership));
    for (unsigned i = 0; i < sockets->count && status == EM_OK; i++)
        status = emi_listener_start(&server->listeners[i], sockets->list[i], ownership);
    if (status != EM_OK) {
        give_up(server);
        return status;
    }
    emi_net_open_reserve(net);
    if (started)
        *started = server;
    return EM_OK;
}

static em_status start_at(em_loop *loop, const emi_addresses *addresses, const em_handler *handler,
                          const emi_server_settings *settings, em_server **server)
{
    emi_server_sockets sockets;
    em_status status = emi_server_sockets_open(&sockets, addresses, settings);
    if (status != EM_OK)
        return status;
    status = start(loop, &sockets, EMI_OURS, handler, settings, server);
    if (status != EM_OK)
        emi_server_sockets_discard(&sockets);
    return status;
}

/* The first checks of all functions that start a server. */
static em_status check(em_loop *loop, const em_handler *handler, em_server **server)
{
    if (server)
        *server = NULL;
    em_status status = emi_loop_check(loop);
    return status == EM_OK ? emi_check_handler(handler) : status;
}

em_status em_loop_start_server(em_loop *loop, const char *host, int port, const em_handler *handler,
                               const em_server_options *given, em_server **server)
{
    em_status status = check(loop, handler, server);
    if (status != EM_OK)
        return status;
    if (port < 0 || port > UINT16_MAX)
        return EM_INVALID_PORT;
    emi_server_settings settings;
    status = emi_read_server_options(&settings, given, false);
    if (status != EM_OK)
        return status;
    if (!host || host[0] == '\0')
        host = "0.0.0.0";
    emi_addresses addresses = {.count = 1};
    if (em_address_from_text(host, port, &addresses.list[0]) != EM_OK)
        status = emi_resolve_blocking(host, port, &addresses);
    return status == EM_OK ? start_at(loop, &addresses, handler, &settings, server) : status;
}

em_status em_loop_start_server_at(em_loop *loop, const em_address *address, const em_handler *handler,
                                  const em_server_options *given, em_server **server)
{
    em_status status = check(loop, handler, server);
    if (status != EM_OK || !address)
        return status != EM_OK ? status : EM_INVALID_ARGUMENT;
    if (em_address_get_family(address) == EM_ADDRESS_NONE)
        return EM_INVALID_ADDRESS;
    emi_server_settings settings;
    status = emi_read_server_options(&settings, given, emi_address_has_file(address));
    if (status != EM_OK)
        return status;
    emi_addresses addresses = {.count = 1, .list = {*address}};
    return start_at(loop, &addresses, handler, &settings, server);
}

em_status em_loop_start_unix_domain_server(em_loop *loop, const char *path, const em_handler *handler,
                                           const em_server_options *options, em_server **server)
{
    em_address address;
    em_status status = check(loop, handler, server);
    if (status == EM_OK)
        status = em_address_from_path(path, &address);
    return status == EM_OK ? em_loop_start_server_at(loop, &address, handler, options, server) : status;
}

/* A failure leaves the socket as it was, its blocking mode included. */
static em_status start_on(em_loop *loop, int descriptor, const em_handler *handler, const emi_server_settings *settings,
                          em_server **server)
{
    const emi_server_sockets sockets = {.count = 1, .list = {descriptor}};
    emi_socket_modes modes;
    em_status status = emi_socket_get_modes(descriptor, &modes);
    if (status != EM_OK)
        return status;
    status = start(loop, &sockets, EMI_GIVEN, handler, settings, server);
    if (status != EM_OK)
        emi_socket_restore_modes(descriptor, &modes);
    return status;
}

em_status em_loop_attach_server(em_loop *loop, int descriptor, const em_handler *handler,
                                const em_server_options *given, em_server **server)
{
    em_status status = check(loop, handler, server);
    if (status != EM_OK)
        return status;
    emi_server_settings settings;
    status = emi_read_server_options(&settings, given, false);
    if (status == EM_OK)
        status = emi_socket_check_listening(descriptor);
    return status == EM_OK ? start_on(loop, descriptor, handler, &settings, server) : status;
}

void emi_server_release(em_server *server)
{
    if (server->stopped)
        return;
    server->stopped = true;
    server->object.loop->stats.servers_open--;
    for (unsigned i = 0; i < server->count; i++)
        emi_listener_release(&server->listeners[i]);
}

void emi_server_free_if_unused(em_server *server)
{
    if (server->stopped && server->attached == 0 && server->connections == 0)
        free_server(&server->object);
}

/* Accepting */

bool emi_server_may_accept(const em_server *server)
{
    bool has_room = server->max_connections == 0 || server->connections < server->max_connections;
    return has_room && !server->paused && !server->stopped;
}

void emi_server_count(em_server *server, em_connection *connection)
{
    emi_object_set_parent(&connection->object, &server->object);
    server->connections++;
    if (server->connections == server->max_connections)
        update_listeners(server);
}

em_status em_server_pause(em_server *server)
{
    if (!server || server->stopped)
        return EM_INVALID_ARGUMENT;
    if (server->paused)
        return EM_INVALID_STATE;
    server->paused = true;
    update_listeners(server);
    return EM_OK;
}

em_status em_server_resume(em_server *server)
{
    if (!server || server->stopped)
        return EM_INVALID_ARGUMENT;
    if (!server->paused)
        return EM_INVALID_STATE;
    server->paused = false;
    update_listeners(server);
    return EM_OK;
}

int em_server_is_paused(const em_server *server)
{
    return server && server->paused;
}

em_status em_server_set_max_connections(em_server *server, unsigned max_connections)
{
    if (!server || server->stopped)
        return EM_INVALID_ARGUMENT;
    server->max_connections = max_connections;
    update_listeners(server);
    return EM_OK;
}

unsigned em_server_get_max_connections(const em_server *server)
{
    return server ? server->max_connections : 0;
}

unsigned em_server_get_connection_count(const em_server *server)
{
    return server ? server->connections : 0;
}

em_status em_server_set_accept_batch(em_server *server, unsigned accept_batch)
{
    if (!server || accept_batch == 0)
        return EM_INVALID_ARGUMENT;
    uint16_t burst = (uint16_t)(accept_batch < LARGEST_ACCEPT_BATCH ? accept_batch : LARGEST_ACCEPT_BATCH);
    for (unsigned i = 0; i < server->count; i++)
        server->listeners[i].channel.burst = burst;
    return EM_OK;
}

em_status em_server_stop(em_server *server)
{
    if (!server || server->stopped)
        return EM_INVALID_ARGUMENT;
    emi_server_release(server);
    return EM_OK;
}

/* What is known of it, and its sockets' options */

em_status em_server_get_local_address(const em_server *server, em_address *address)
{
    if (!server || !address)
        return EM_INVALID_ARGUMENT;
    return emi_socket_local_address(server->listeners[0].channel.descriptor, address);
}

int em_server_get_port(const em_server *server)
{
    em_address address;
    int port = em_server_get_local_address(server, &address) == EM_OK ? em_address_get_port(&address) : 0;
    return port > 0 ? port : 0; /* an address without a port has -1 */
}

em_loop *em_server_get_loop(const em_server *server)
{
    return server ? server->object.loop : NULL;
}

void *em_server_get_user(const em_server *server)
{
    return server ? server->object.user : NULL;
}

int em_server_get_descriptor(const em_server *server)
{
    return server ? server->listeners[0].channel.descriptor : EMI_NO_SOCKET;
}

em_signature em_server_get_signature(const em_server *server)
{
    return server ? server->object.handle.signature : 0;
}

em_status em_server_set_socket_option(em_server *server, int level, int option, const void *value, size_t value_bytes)
{
    if (!server || !value || server->stopped)
        return EM_INVALID_ARGUMENT;
    em_status status = EM_OK;
    for (unsigned i = 0; i < server->count && status == EM_OK; i++)
        status = emi_listener_set_option(&server->listeners[i], level, option, value, value_bytes);
    return status;
}

em_server *em_loop_find_server(const em_loop *loop, em_signature signature)
{
    emi_object *object = emi_loop_find_object(loop, EMI_SERVER, signature);
    return object && !server_of(object)->stopped ? server_of(object) : NULL;
}
