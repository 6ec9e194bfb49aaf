/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Servers: making them and ending them. What happens when somebody connects is in server_accept.c.
 */
#include "net/net_private.h"
#include "system/socket.h"

enum { DEFAULT_ACCEPT_BATCH = 64, LARGEST_ACCEPT_BATCH = 4096 };

static em_server *new_server(em_loop *loop, const em_handler *handler, const em_server_options *options)
{
    em_server *server = emi_allocate_zeroed(&loop->memory, sizeof *server);
    if (!server)
        return NULL;
    server->loop = loop;
    server->handler = handler;
    server->user = options->user;
    server->stream = *options->stream;
    emi_channel_init(&server->channel, &emi_server_events);
    emi_server_init_back_off(server);
    em_server_set_accept_batch(server, options->accept_batch ? options->accept_batch : DEFAULT_ACCEPT_BATCH);
    return server;
}

/* Counts the channel; from here on only emi_server_release ends the server. */
static em_status listen_with(emi_net *net, em_server *server, int socket, emi_ownership ownership)
{
    emi_backend *backend = net->loop->backend;
    em_status status = backend->operations->attach(backend, &server->channel, EMI_LISTENER, socket, ownership);
    if (status != EM_OK)
        return status;
    net->channels++;
    net->loop->stats.servers_open++;
    status = emi_channel_start_receiving(&server->channel);
    if (status != EM_OK) {
        server->channel.ownership = EMI_SHARED; /* the socket stays the caller's */
        emi_server_release(server);
    }
    return status;
}

/* A server over a listening socket, which is its own from now on, unless it fails. */
static em_status start(em_loop *loop, int socket, emi_ownership ownership, const em_handler *handler,
                       const em_server_options *options, em_server **started)
{
    emi_net *net;
    em_status status = emi_net_of(loop, &net);
    if (status != EM_OK)
        return status;
    em_server *server = new_server(loop, handler, options);
    if (!server)
        return EM_NO_MEMORY;
    em_address address;
    if (emi_socket_local_address(socket, &address) == EM_OK)
        server->family = em_address_get_family(&address);
    /* A socket that was given may be shared with other processes, so its options stay as they are. Those of Unix-domain
     * sockets are not inherited. */
    server->inherits_options =
        EMI_ACCEPTED_INHERIT_OPTIONS && ownership == EMI_OURS && server->family != EM_ADDRESS_UNIX;
    if (server->inherits_options)
        emi_apply_to_socket(socket, true, &server->stream);
    status = emi_handle_table_add(&net->servers, &server->handle);
    if (status == EM_OK)
        status = listen_with(net, server, socket, ownership);
    if (status != EM_OK) {
        if (!server->channel.backend)
            emi_server_free(server);
        return status;
    }
    emi_net_open_reserve(net);
    if (started)
        *started = server;
    return EM_OK;
}

static em_status prepare_socket(int socket, const em_address *address, const em_server_options *options)
{
    em_address_family family = em_address_get_family(address);
    em_status status = EM_OK;
    if (family != EM_ADDRESS_UNIX && options->reuse_address != EM_OFF)
        status = emi_socket_set_reuse_address(socket, true);
    if (status == EM_OK && options->reuse_port == EM_ON)
        status = emi_socket_set_reuse_port(socket, true);
    if (status == EM_OK && family == EM_ADDRESS_IPV6 && options->v6_only != EM_DEFAULT)
        status = emi_socket_set_v6_only(socket, options->v6_only == EM_ON);
    if (status == EM_OK)
        status = emi_socket_bind(socket, address);
    if (status == EM_OK)
        status = emi_socket_listen(socket, options->backlog);
    return status;
}

static em_status start_at(em_loop *loop, const em_address *address, const em_handler *handler,
                          const em_server_options *options, em_server **server)
{
    int socket;
    em_status status = emi_socket_open(address, &socket);
    if (status != EM_OK)
        return status;
    status = prepare_socket(socket, address, options);
    if (status == EM_OK)
        status = start(loop, socket, EMI_OURS, handler, options, server);
    if (status != EM_OK)
        emi_socket_close(socket);
    return status;
}

em_status em_start_server(em_loop *loop, const char *host, int port, const em_handler *handler,
                          const em_server_options *given, em_server **server)
{
    if (server)
        *server = NULL;
    em_status status = emi_loop_check(loop);
    if (status != EM_OK || !handler)
        return status != EM_OK ? status : EM_INVALID_ARGUMENT;
    if (port < 0 || port > UINT16_MAX)
        return EM_INVALID_PORT;
    em_server_options options;
    em_stream_options stream;
    status = emi_read_server_options(&options, &stream, given);
    if (status != EM_OK)
        return status;
    if (!host || host[0] == '\0')
        host = "0.0.0.0";
    emi_addresses addresses = {.count = 1};
    if (em_address_from_text(host, port, &addresses.list[0]) != EM_OK)
        status = emi_resolve_blocking(host, port, &addresses);
    if (status != EM_OK)
        return status;
    for (unsigned i = 0; i < addresses.count; i++) {
        status = start_at(loop, &addresses.list[i], handler, &options, server);
        if (status == EM_OK)
            break;
    }
    return status;
}

em_status em_start_unix_server(em_loop *loop, const char *path, const em_handler *handler,
                               const em_server_options *given, em_server **server)
{
    if (server)
        *server = NULL;
    em_status status = emi_loop_check(loop);
    if (status != EM_OK || !handler)
        return status != EM_OK ? status : EM_INVALID_ARGUMENT;
    em_server_options options;
    em_stream_options stream;
    em_address address;
    status = emi_read_server_options(&options, &stream, given);
    if (status == EM_OK)
        status = em_address_from_path(path, &address);
    if (status != EM_OK)
        return status;
    if (options.replace_socket_file != EM_OFF && path[0] != '@')
        emi_remove_socket_file(path);
    return start_at(loop, &address, handler, &options, server);
}

em_status em_start_server_on_descriptor(em_loop *loop, int descriptor, const em_handler *handler,
                                        const em_server_options *given, em_server **server)
{
    if (server)
        *server = NULL;
    em_status status = emi_loop_check(loop);
    if (status != EM_OK || !handler)
        return status != EM_OK ? status : EM_INVALID_ARGUMENT;
    em_server_options options;
    em_stream_options stream;
    status = emi_read_server_options(&options, &stream, given);
    if (status == EM_OK)
        status = emi_socket_check_listening(descriptor);
    if (status == EM_OK)
        status = start(loop, descriptor, EMI_GIVEN, handler, &options, server);
    return status;
}

void emi_server_release(em_server *server)
{
    if (server->channel.released)
        return;
    emi_server_stop_back_off(server);
    emi_handle_table_remove(&emi_net_at(server->loop)->servers, &server->handle);
    server->loop->stats.servers_open--;
    emi_channel_release(&server->channel);
}

void emi_server_free(em_server *server)
{
    emi_handle_table_remove(&emi_net_at(server->loop)->servers, &server->handle);
    emi_loop_timer_cancel(server->loop, &server->back_off);
    emi_release(&server->loop->memory, server);
}

em_status em_stop_server(em_server *server)
{
    if (!server || server->channel.released)
        return EM_INVALID_ARGUMENT;
    emi_server_release(server);
    return EM_OK;
}

em_status em_server_get_local_address(const em_server *server, em_address *address)
{
    if (!server || !address)
        return EM_INVALID_ARGUMENT;
    return emi_socket_local_address(server->channel.descriptor, address);
}

em_loop *em_server_get_loop(const em_server *server)
{
    return server ? server->loop : NULL;
}

void *em_server_get_user(const em_server *server)
{
    return server ? server->user : NULL;
}

int em_server_get_descriptor(const em_server *server)
{
    return server ? server->channel.descriptor : EMI_NO_SOCKET;
}

em_signature em_server_get_signature(const em_server *server)
{
    return server ? server->handle.signature : 0;
}

em_status em_server_set_accept_batch(em_server *server, unsigned accept_batch)
{
    if (!server || accept_batch == 0)
        return EM_INVALID_ARGUMENT;
    server->channel.burst = (uint16_t)(accept_batch < LARGEST_ACCEPT_BATCH ? accept_batch : LARGEST_ACCEPT_BATCH);
    return EM_OK;
}
