/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Opening connections: resolves the name and tries its addresses one after the other, all under one deadline. The
 * reason at the end shows which stage failed.
 */
#include <string.h>

#include "net/net_private.h"
#include "system/socket.h"

#define SHORTEST_PAUSE_NS (5 * EM_MILLISECONDS)
#define LONGEST_PAUSE_NS (100 * EM_MILLISECONDS)

/* A socket for the address, bound and prepared, but not attached yet. */
static em_status open_socket(const em_connection *connection, const em_address *address, int *socket)
{
    const emi_connector *connector = connection->extras->connector;
    em_status status = emi_socket_open(address, socket);
    if (status != EM_OK)
        return status;
    const em_address *local = emi_local_end_for(&connector->local, address);
    if (local)
        status = emi_bind_local_end(*socket, local, &connector->options);
    if (status != EM_OK)
        emi_socket_close(*socket);
    return status;
}

/* connect(2) to a Unix-domain server whose queue is full fails with EAGAIN: the client has to try again, unix(7). */
static bool must_try_again(const em_connection *connection)
{
    return connection->extras->connector->failure == EM_WOULD_BLOCK && !connection->is_tcp;
}

/* What connect(2) returns at once is kept for the timer, see emi_connector_act. */
static void call_connect(em_connection *connection, const em_address *address)
{
    emi_connector *connector = connection->extras->connector;
    connector->failure = emi_channel_connect(&connection->channel, address);
    connector->due_ns = connection->object.loop->now_ns;
    if (!must_try_again(connection))
        return;
    uint64_t longer_ns = connector->pause_ns > 0 ? connector->pause_ns * 2 : SHORTEST_PAUSE_NS;
    connector->pause_ns = longer_ns < LONGEST_PAUSE_NS ? longer_ns : LONGEST_PAUSE_NS;
    /* Spread, so that not all waiting clients try at once when there is room for a few. */
    uint64_t spread_ns = connector->pause_ns / 16 * (connection->object.handle.signature % 16);
    connector->due_ns = emi_loop_due_ns(connection->object.loop, connector->pause_ns + spread_ns);
}

/* Attaches the socket and starts connecting. */
static em_status start(em_connection *connection, int socket, const em_address *address)
{
    emi_connector *connector = connection->extras->connector;
    em_address_family family = em_address_get_family(address);
    connection->is_tcp = family == EM_ADDRESS_IPV4 || family == EM_ADDRESS_IPV6;
    connection->channel.exact_reads = connection->is_tcp;
    connection->may_linger = connector->stream.linger_seconds > 0;
    em_status status = emi_apply_socket_options(socket, connection->is_tcp, &connector->stream);
    if (status == EM_OK)
        status = emi_loop_attach_channel(connection->object.loop, &connection->channel, EMI_STREAM, socket, EMI_OURS);
    if (status != EM_OK) {
        emi_socket_close(socket);
        return status;
    }
    call_connect(connection, address);
    emi_connection_arm(connection);
    return EM_OK;
}

static em_status try_next_address(em_connection *connection)
{
    emi_connector *connector = connection->extras->connector;
    const em_address *address = &connector->addresses.list[connector->next++];
    int socket;
    em_status status = open_socket(connection, address, &socket);
    return status == EM_OK ? start(connection, socket, address) : status;
}

/* Goes through the addresses until one is under way; otherwise ends with the last failure. */
static void go_on(em_connection *connection, em_status reason)
{
    emi_connector *connector = connection->extras->connector;
    while (connector->next < connector->addresses.count) {
        reason = try_next_address(connection);
        if (reason == EM_OK)
            return;
    }
    emi_connection_end(connection, reason);
}

void emi_connector_failed(em_connection *connection, em_status reason)
{
    emi_connector *connector = connection->extras->connector;
    connector->failure = reason;
    if (connector->next < connector->addresses.count)
        emi_connection_release(connection);
    else
        emi_connection_end(connection, reason);
}

bool emi_connector_act(em_connection *connection)
{
    if (connection->object.state != EM_STATE_CONNECTING || connection->channel.released)
        return false;
    const emi_connector *connector = connection->extras->connector;
    if (connector->failure == EM_OK || connector->due_ns > connection->object.loop->now_ns)
        return false;
    if (must_try_again(connection)) {
        call_connect(connection, &connector->addresses.list[connector->next - 1]);
        if (must_try_again(connection))
            return false;
    }
    if (connector->failure == EM_OK)
        emi_connection_arm(connection);
    else
        emi_connector_failed(connection, connector->failure);
    return true;
}

uint64_t emi_connector_due_ns(const em_connection *connection)
{
    const emi_connector *connector = connection->extras->connector;
    return connector && connector->failure != EM_OK ? connector->due_ns : UINT64_MAX;
}

/*
 * Where nobody listens, the system may choose the very port as the local one, and the socket's SYN then meets itself: a
 * simultaneous open (RFC 9293, section 3.5). It ends with a reset, which leaves nothing behind that would keep the
 * port.
 */
bool emi_connector_has_met_itself(em_connection *connection)
{
    int socket = connection->channel.descriptor;
    const emi_connector *connector = connection->extras->connector;
    em_address local, peer;
    if (!connection->is_tcp || emi_socket_local_address(socket, &local) != EM_OK ||
        em_address_get_port(&local) != em_address_get_port(&connector->addresses.list[connector->next - 1]))
        return false;
    if (emi_socket_peer_address(socket, &peer) != EM_OK || peer.length != local.length ||
        memcmp(peer.storage.bytes, local.storage.bytes, local.length) != 0)
        return false;
    emi_socket_reset(socket);
    emi_connector_failed(connection, EM_CONNECTION_REFUSED);
    return true;
}

void emi_connector_released(em_connection *connection)
{
    em_status failure = connection->extras->connector->failure;
    connection->extras->connector->failure = EM_OK;
    emi_channel_init(&connection->channel, emi_connection_choose_events(connection));
    go_on(connection, failure);
}

void emi_connector_close(em_connection *connection)
{
    emi_connector *connector = connection->extras ? connection->extras->connector : NULL;
    if (!connector)
        return;
    if (connector->resolution)
        emi_resolve_cancel(connector->resolution);
    if (connector->local_resolution)
        emi_resolve_cancel(connector->local_resolution);
    connection->extras->connector = NULL;
    emi_release(&connection->object.loop->memory, connector);
}

/* Goes on when the addresses of both ends are known. */
static void connect_if_resolved(em_connection *connection, em_status status)
{
    emi_connector *connector = connection->extras->connector;
    if (emi_connection_has_ended(connection))
        return;
    if (status == EM_OK && (connector->resolution || connector->local_resolution))
        return;
    if (status == EM_OK)
        status = emi_local_end_filter(&connector->local, &connector->addresses);
    if (status != EM_OK) {
        emi_connection_end(connection, status);
        return;
    }
    emi_connection_enter(connection, EM_STATE_CONNECTING);
    emi_connection_arm(connection);
    go_on(connection, EM_NAME_NOT_FOUND);
}

static void finish_resolving(void *user, em_status status, const emi_addresses *addresses)
{
    em_connection *connection = user;
    emi_connector *connector = connection->extras->connector;
    connector->resolution = NULL;
    connector->addresses = *addresses;
    connect_if_resolved(connection, status);
}

static void finish_resolving_local_end(void *user, em_status status, const emi_addresses *addresses)
{
    em_connection *connection = user;
    emi_connector *connector = connection->extras->connector;
    connector->local_resolution = NULL;
    if (status == EM_OK)
        emi_local_end_set(&connector->local, addresses);
    connect_if_resolved(connection, emi_local_end_failure(status));
}

/* A connection that knows its options and nothing of its peer. */
static em_status prepare(em_loop *loop, const char *host, const em_handler *handler, const em_connect_options *options,
                         em_connection **prepared)
{
    emi_net *net;
    em_status status = emi_check_handler(handler);
    if (status == EM_OK)
        status = emi_net_of(loop, &net);
    if (status != EM_OK)
        return status;
    em_connection *connection;
    status = emi_connection_create(net, handler, NULL, EM_STATE_RESOLVING, &connection);
    if (status != EM_OK)
        return status;
    emi_connection_extras *extras = emi_connection_extras_of(connection);
    size_t host_bytes = strlen(host) + 1;
    emi_connector *connector = extras ? emi_allocate_zeroed(&loop->memory, sizeof *connector + host_bytes) : NULL;
    if (!connector) {
        emi_connection_free(connection);
        return EM_NO_MEMORY;
    }
    extras->connector = connector;
    memcpy(connector->host, host, host_bytes);
    status = emi_read_connect_options(&connector->options, &connector->stream, &connector->local, options);
    if (status == EM_OK)
        status = emi_apply_connect_options(connection, &connector->options, &connector->stream);
    if (status != EM_OK) {
        emi_connection_free(connection);
        return status;
    }
    *prepared = connection;
    return EM_OK;
}

/* Starts, or gives up silently; then tells the user and the caller. */
static em_status begin(em_connection *connection, em_status status, em_connection **made)
{
    em_loop *loop = connection->object.loop;
    if (status != EM_OK) {
        emi_connection_free(connection);
        return status;
    }
    loop->stats.connections_opened++;
    emi_connection_arm(connection);
    if (made)
        *made = connection;
    emi_connection_post_init(connection);
    return EM_OK;
}

/* Looks up the name of the local end, if it has one. */
static em_status resolve_local_end(em_connection *connection)
{
    emi_connector *connector = connection->extras->connector;
    em_connect_options *options = &connector->options;
    em_status status = EM_OK;
    if (options->bind_host)
        status = emi_resolve(connection->object.loop, options->bind_host, options->bind_port,
                             finish_resolving_local_end, connection, &connector->local_resolution);
    options->bind_host = NULL;
    return status;
}

/* Where nothing has to be looked up, the first try is made within the call. */
static em_status start_if_resolved(em_connection *connection)
{
    emi_connector *connector = connection->extras->connector;
    if (connector->resolution || connector->local_resolution)
        return EM_OK;
    emi_connection_enter(connection, EM_STATE_CONNECTING);
    em_status status = emi_local_end_filter(&connector->local, &connector->addresses);
    return status == EM_OK ? try_next_address(connection) : status;
}

/* For Unix-domain sockets the system decides at once, so its status is the call's own result, but for a full queue. */
static em_status start_at(em_connection *connection, const em_address *address, em_connection **made)
{
    emi_connector *connector = connection->extras->connector;
    bool is_unix = em_address_get_family(address) == EM_ADDRESS_UNIX;
    if (is_unix) {
        connector->local = (emi_local_end){.is_given = false};
        connector->options.bind_host = NULL;
    }
    connector->addresses = (emi_addresses){.count = 1, .list = {*address}};
    em_status status = resolve_local_end(connection);
    if (status == EM_OK)
        status = start_if_resolved(connection);
    if (is_unix && status == EM_OK && connector->failure != EM_OK && !must_try_again(connection)) {
        status = connector->failure;
        emi_connection_give_up(connection);
        return status;
    }
    return begin(connection, status, made);
}

em_status em_loop_connect(em_loop *loop, const char *host, int port, const em_handler *handler,
                          const em_connect_options *options, em_connection **made)
{
    if (made)
        *made = NULL;
    if (!host)
        return EM_INVALID_ARGUMENT;
    if (port < 1 || port > UINT16_MAX)
        return EM_INVALID_PORT;
    em_address literal;
    if (em_address_from_text(host, port, &literal) == EM_OK)
        return em_loop_connect_to(loop, &literal, handler, options, made);
    em_connection *connection;
    em_status status = prepare(loop, host, handler, options, &connection);
    if (status != EM_OK)
        return status;
    emi_connector *connector = connection->extras->connector;
    connector->port = (uint16_t)port;
    status = emi_resolve(loop, host, port, finish_resolving, connection, &connector->resolution);
    if (status == EM_OK)
        status = resolve_local_end(connection);
    return begin(connection, status, made);
}

em_status em_loop_connect_to(em_loop *loop, const em_address *address, const em_handler *handler,
                             const em_connect_options *options, em_connection **made)
{
    if (made)
        *made = NULL;
    if (!address)
        return EM_INVALID_ARGUMENT;
    if (em_address_get_family(address) == EM_ADDRESS_NONE)
        return EM_INVALID_ADDRESS;
    if (em_address_get_port(address) == 0)
        return EM_INVALID_PORT;
    em_connection *connection;
    em_status status = prepare(loop, "", handler, options, &connection);
    return status == EM_OK ? start_at(connection, address, made) : status;
}

em_status em_loop_connect_unix_domain(em_loop *loop, const char *path, const em_handler *handler,
                                      const em_connect_options *options, em_connection **made)
{
    if (made)
        *made = NULL;
    em_address address;
    em_status status = em_address_from_path(path, &address);
    return status == EM_OK ? em_loop_connect_to(loop, &address, handler, options, made) : status;
}
