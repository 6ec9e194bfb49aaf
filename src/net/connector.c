/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Opening connections: resolves the names of both ends and connects, all under one deadline. There are two ways to
 * connect. To one address, the connection's own channel connects, within the call. Several addresses, those of a name
 * or of a list, take part in a race, see attempts.c; and so does one address that is to be secured by TLS.
 */
#include <string.h>

#include "net/attempts.h"
#include "net/connection_tls.h"
#include "net/early_options.h"
#include "system/socket.h"
#include "system/socket_state.h"

#define SHORTEST_PAUSE_NS (5 * EM_MILLISECONDS)
#define LONGEST_PAUSE_NS (100 * EM_MILLISECONDS)

static bool is_tcp(const em_address *address)
{
    em_address_family family = em_address_get_family(address);
    return family == EM_ADDRESS_IPV4 || family == EM_ADDRESS_IPV6;
}

em_status emi_connector_open_socket(const emi_connector *connector, const em_address *address, int *socket)
{
    em_status status = emi_socket_open(address, socket);
    if (status != EM_OK)
        return status;
    const em_address *local = emi_local_end_for(&connector->local, address);
    if (local)
        status = emi_bind_local_end(*socket, local, &connector->options);
    if (status == EM_OK)
        status = emi_apply_socket_options(*socket, is_tcp(address), &connector->stream);
    if (status == EM_OK)
        status = emi_early_options_apply(connector->early_options, *socket);
    if (status != EM_OK)
        emi_socket_close(*socket);
    return status;
}

/*
 * Where nobody listens, the system may choose the very port as the local one, and the socket's SYN then meets itself: a
 * simultaneous open (RFC 9293, section 3.5). It ends with a reset, which leaves nothing behind that would keep the
 * port.
 */
bool emi_connector_has_met_itself(int socket, const em_address *address)
{
    em_address local, peer;
    if (emi_socket_local_address(socket, &local) != EM_OK ||
        em_address_get_port(&local) != em_address_get_port(address))
        return false;
    if (emi_socket_peer_address(socket, &peer) != EM_OK || !emi_addresses_are_equal(&peer, &local))
        return false;
    emi_socket_reset(socket);
    return true;
}

/* To one address */

/* connect(2) to a Unix-domain server whose queue is full fails with EAGAIN: the client has to try again, unix(7). */
static bool must_try_again(const em_connection *connection)
{
    return connection->extras->connector->failure == EM_WOULD_BLOCK && !connection->is_tcp;
}

/* What connect(2) returns at once is kept for the timer, see emi_connector_act. */
static void call_connect(em_connection *connection)
{
    emi_connector *connector = connection->extras->connector;
    em_loop *loop = connection->object.loop;
    connector->failure = emi_channel_connect(&connection->channel, &connector->address);
    connector->due_ns = connector->failure == EM_OK ? UINT64_MAX : loop->now_ns;
    if (!must_try_again(connection))
        return;
    uint64_t longer_ns = connector->pause_ns > 0 ? connector->pause_ns * 2 : SHORTEST_PAUSE_NS;
    connector->pause_ns = longer_ns < LONGEST_PAUSE_NS ? longer_ns : LONGEST_PAUSE_NS;
    /* Spread, so that not all waiting clients try again at the same time. */
    uint64_t spread_ns = connector->pause_ns / 16 * (connection->object.handle.signature % 16);
    connector->due_ns = emi_loop_due_ns(loop, connector->pause_ns + spread_ns);
}

static em_status connect_to_address(em_connection *connection)
{
    emi_connector *connector = connection->extras->connector;
    int socket;
    if (!emi_local_end_has(&connector->local, em_address_get_family(&connector->address)))
        return EM_ADDRESS_FAMILY;
    em_status status = emi_connector_open_socket(connector, &connector->address, &socket);
    if (status != EM_OK)
        return status;
    connector->was_tried = true;
    connection->is_tcp = is_tcp(&connector->address);
    connection->channel.exact_reads = connection->is_tcp;
    connection->may_linger = connection->may_linger || connector->stream.linger_seconds > 0;
    status = emi_loop_attach_channel(connection->object.loop, &connection->channel, EMI_STREAM, socket, EMI_OURS);
    if (status != EM_OK) {
        emi_socket_close(socket);
        return status;
    }
    call_connect(connection);
    emi_connection_arm(connection);
    return EM_OK;
}

static void act_on_failure(em_connection *connection)
{
    const emi_connector *connector = connection->extras->connector;
    if (must_try_again(connection))
        call_connect(connection);
    if (connector->failure == EM_OK || must_try_again(connection))
        emi_connection_arm(connection);
    else
        emi_connection_end(connection, connector->failure);
}

/* The timer. A server whose queue is full does not keep the deadline from passing. */

uint64_t emi_connector_due_ns(const em_connection *connection)
{
    const emi_connector *connector = connection->extras->connector;
    return connector ? connector->due_ns : UINT64_MAX;
}

bool emi_connector_act(em_connection *connection)
{
    if (emi_connector_due_ns(connection) > connection->object.loop->now_ns)
        return false;
    if (connection->extras->connector->attempts)
        emi_attempts_act(connection);
    else
        act_on_failure(connection);
    return true;
}

bool emi_connector_is_decided(const em_connection *connection)
{
    const emi_connector *connector = connection->extras->connector;
    if (connector->attempts) /* a connection alone decides nothing with TLS */
        return !connector->tls && emi_attempts_are_decided(connector->attempts);
    return connector->due_ns == UINT64_MAX && (emi_socket_look(connection->channel.descriptor) & EMI_SOCKET_TAKES_MORE);
}

bool emi_connector_is_securing(const em_connection *connection)
{
    const emi_attempts *attempts = connection->extras->connector->attempts;
    return attempts && emi_attempts_are_securing(attempts);
}

void emi_connector_close(em_connection *connection)
{
    emi_connector *connector = connection->extras ? connection->extras->connector : NULL;
    if (!connector)
        return;
    if (connector->lookup)
        emi_resolve_cancel(connector->lookup);
    if (connector->local_lookup)
        emi_resolve_cancel(connector->local_lookup);
    if (connector->attempts)
        emi_attempts_close(connector->attempts);
    emi_connector_drop_tls(connection);
    connection->extras->connector = NULL;
    emi_early_options_free(&connection->object.loop->memory, connector->early_options);
    emi_release(&connection->object.loop->memory, connector);
}

/* What was resolved */

static void finish_resolving(void *user, em_address_family family, em_status status, const emi_addresses *addresses,
                             bool is_last)
{
    em_connection *connection = user;
    if (is_last)
        connection->extras->connector->lookup = NULL;
    if (emi_connection_has_ended(connection))
        return;
    emi_attempts_resolved(connection, family, status, addresses);
    emi_attempts_go_on(connection);
}

/* The local end is known, and the addresses of the peer may be. */
static void go_on(em_connection *connection)
{
    const emi_connector *connector = connection->extras->connector;
    if (connector->attempts) {
        emi_attempts_limit(connection);
        emi_race_hold(&connector->attempts->race, false);
        emi_attempts_go_on(connection);
        return;
    }
    emi_connection_enter(connection, EM_STATE_CONNECTING);
    em_status status = connect_to_address(connection);
    if (status != EM_OK)
        emi_connection_end(connection, status);
}

static void finish_resolving_local_end(void *user, em_status status, const emi_addresses *addresses)
{
    em_connection *connection = user;
    emi_connector *connector = connection->extras->connector;
    connector->local_lookup = NULL;
    if (emi_connection_has_ended(connection))
        return;
    if (status == EM_OK) {
        emi_local_end_set(&connector->local, addresses);
        go_on(connection);
    } else {
        emi_connection_end(connection, emi_local_end_failure(status));
    }
}

/* Creates a connection that has its options, and no peer yet. */
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
    connector->due_ns = UINT64_MAX;
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

/* Begins the connection and reports it, or frees it silently if there is a failure. */
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
                             finish_resolving_local_end, connection, &connector->local_lookup);
    options->bind_host = NULL;
    return status;
}

/* For a race: nothing starts before the local end is known. */
static em_status prepare_attempts(em_connection *connection)
{
    emi_connector *connector = connection->extras->connector;
    em_status status = emi_attempts_create(connection);
    if (status == EM_OK)
        status = resolve_local_end(connection);
    if (status != EM_OK)
        return status;
    if (connector->local_lookup)
        emi_race_hold(&connector->attempts->race, true);
    else
        emi_attempts_limit(connection);
    return EM_OK;
}

/* hostname: what the peer's certificate must be for, if the options do not say it. */
static em_status take_tls(em_connection *connection, const char *hostname)
{
    em_connect_options *options = &connection->extras->connector->options;
    const em_tls_options *given = options->tls;
    options->tls = NULL; /* the caller's */
    return emi_connector_set_tls(connection, given, hostname);
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
    status = emi_local_end_try(&connector->local, &connector->options);
    if (status == EM_OK)
        status = take_tls(connection, host);
    if (status == EM_OK)
        status = emi_resolve_families(loop, host, port, finish_resolving, connection, &connector->lookup);
    if (status == EM_OK)
        status = prepare_attempts(connection);
    return begin(connection, status, made);
}

static void add_family(em_connection *connection, em_address_family family, const em_address *addresses, size_t count)
{
    emi_addresses found = {.count = 0};
    for (size_t i = 0; i < count && found.count < EMI_MOST_ADDRESSES; i++)
        if (em_address_get_family(&addresses[i]) == family && !emi_addresses_have(&found, &addresses[i]))
            found.list[found.count++] = addresses[i];
    emi_attempts_resolved(connection, family, found.count > 0 ? EM_OK : EM_NAME_NOT_FOUND, &found);
}

/* The race begins with the next turn, which reports its failures. */
static em_status start_at_all(em_connection *connection, const em_address *addresses, size_t count)
{
    emi_connector *connector = connection->extras->connector;
    if (connector->options.preferred_family == EM_ADDRESS_NONE)
        connector->options.preferred_family = em_address_get_family(&addresses[0]);
    connector->address = addresses[0];
    em_status status = prepare_attempts(connection);
    if (status != EM_OK)
        return status;
    add_family(connection, EM_ADDRESS_IPV6, addresses, count);
    add_family(connection, EM_ADDRESS_IPV4, addresses, count);
    if (connector->local_lookup)
        return EM_OK;
    emi_connection_enter(connection, EM_STATE_CONNECTING);
    connector->due_ns = connection->object.loop->now_ns;
    return EM_OK;
}

/* With TLS one address races alone. */
static em_status start_with_tls(em_connection *connection, const em_address *address)
{
    char host[EM_ADDRESS_TEXT_BYTES];
    if (!is_tcp(address))
        return emi_status_with_detail(EM_UNSUPPORTED, "em_connect_options: tls is for TCP only");
    em_address_to_text(address, host, sizeof host);
    *strrchr(host, ':') = '\0'; /* without the port */
    em_status status = take_tls(connection, host);
    return status == EM_OK ? start_at_all(connection, address, 1) : status;
}

/* To one address: where nothing has to be looked up, the attempt is made within the call. For Unix-domain sockets the
 * system decides at once, so its status is the call's own result, but for a full queue. */
static em_status start_at(em_connection *connection, const em_address *address, em_connection **made)
{
    emi_connector *connector = connection->extras->connector;
    bool is_unix = em_address_get_family(address) == EM_ADDRESS_UNIX;
    if (connector->options.tls)
        return begin(connection, start_with_tls(connection, address), made);
    if (is_unix) {
        connector->local = (emi_local_end){.is_given = false};
        connector->options.bind_host = NULL;
    }
    connector->address = *address;
    em_status status = resolve_local_end(connection);
    if (status == EM_OK && !connector->local_lookup) {
        emi_connection_enter(connection, EM_STATE_CONNECTING);
        status = connect_to_address(connection);
    }
    if (is_unix && status == EM_OK && connector->failure != EM_OK && !must_try_again(connection)) {
        status = connector->failure;
        emi_connection_give_up(connection);
        return status;
    }
    return begin(connection, status, made);
}

static em_status check_address(const em_address *address)
{
    if (em_address_get_family(address) == EM_ADDRESS_NONE)
        return EM_INVALID_ADDRESS;
    return em_address_get_port(address) == 0 ? EM_INVALID_PORT : EM_OK;
}

em_status em_loop_connect_to(em_loop *loop, const em_address *address, const em_handler *handler,
                             const em_connect_options *options, em_connection **made)
{
    if (made)
        *made = NULL;
    if (!address)
        return EM_INVALID_ARGUMENT;
    em_connection *connection;
    em_status status = check_address(address);
    if (status == EM_OK)
        status = prepare(loop, "", handler, options, &connection);
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

/* To a list of addresses */

static em_status check_addresses(const em_address *addresses, size_t count)
{
    if (!addresses || count == 0)
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    em_status status = EM_OK;
    for (size_t i = 0; status == EM_OK && i < count; i++)
        status = is_tcp(&addresses[i]) ? check_address(&addresses[i]) : EM_INVALID_ADDRESS;
    return status;
}

em_status em_loop_connect_addresses(em_loop *loop, const em_address *addresses, size_t count, const em_handler *handler,
                                    const em_connect_options *options, em_connection **made)
{
    if (made)
        *made = NULL;
    em_connection *connection;
    em_status status = check_addresses(addresses, count);
    if (status == EM_OK)
        status = prepare(loop, "", handler, options, &connection);
    if (status != EM_OK)
        return status;
    status = take_tls(connection, NULL);
    return begin(connection, status == EM_OK ? start_at_all(connection, addresses, count) : status, made);
}
