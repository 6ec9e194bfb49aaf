/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Options that users give, from reading to applying: of streams, of servers, of connecting. They are read and checked
 * before anything is made of them, so a bad option leaves nothing behind. The local end of a connection has its own
 * file, local_end.c.
 */
#include "base/options.h"
#include "net/server_private.h"
#include "system/socket.h"

enum { PERMISSION_BITS = 0777 };

/* Streams */

static bool are_water_marks(size_t low_bytes, size_t high_bytes)
{
    return low_bytes <= (high_bytes > 0 ? high_bytes : EMI_DEFAULT_HIGH_WATER_BYTES);
}

/* A time without the switch would be dropped in silence. */
static bool is_linger(const em_stream_options *options)
{
    return emi_is_switch(options->linger) && options->linger_seconds >= 0 &&
           (options->linger == EM_ON || options->linger_seconds == 0);
}

static bool are_sensible(const em_stream_options *options)
{
    return are_water_marks(options->low_water_bytes, options->high_water_bytes) && emi_is_switch(options->no_delay) &&
           emi_is_switch(options->keepalive) && is_linger(options) && options->send_buffer_bytes >= 0 &&
           options->receive_buffer_bytes >= 0;
}

static em_status read_stream_options(em_stream_options *own, const em_stream_options *given)
{
    em_status status = emi_read_options(own, sizeof *own, given);
    if (status != EM_OK)
        return status;
    if (!are_sensible(own))
        return EM_INVALID_ARGUMENT;
    return own->user_timeout_ns > 0 && !emi_has_user_timeout() ? EM_UNSUPPORTED : EM_OK;
}

em_status emi_apply_stream_options(em_connection *connection, const em_stream_options *options)
{
    if (options->high_water_bytes == 0 && options->low_water_bytes == 0 && options->outbox_limit_bytes == 0 &&
        options->inactivity_timeout_ns == 0 && options->write_timeout_ns == 0 && options->drain_timeout_ns == 0)
        return EM_OK;
    emi_connection_extras *extras = emi_connection_extras_of(connection);
    if (!extras)
        return EM_NO_MEMORY;
    if (options->high_water_bytes > 0)
        extras->high_water_bytes = options->high_water_bytes;
    extras->low_water_bytes = options->low_water_bytes > 0 ? options->low_water_bytes : extras->high_water_bytes / 4;
    extras->outbox_limit_bytes = options->outbox_limit_bytes;
    extras->inactivity_timeout_ns = options->inactivity_timeout_ns;
    extras->write_timeout_ns = options->write_timeout_ns;
    extras->drain.timeout_ns = options->drain_timeout_ns;
    emi_connection_note_activity(connection);
    return EM_OK;
}

static em_status apply_tcp_options(int socket, const em_stream_options *options)
{
    em_status status = emi_socket_set_no_delay(socket, options->no_delay != EM_OFF);
    if (options->no_delay == EM_DEFAULT)
        status = EM_OK; /* nobody asked for it */
    if (status == EM_OK && options->keepalive != EM_DEFAULT)
        status = emi_socket_set_keepalive(socket, options->keepalive == EM_ON, 0, 0, 0);
    if (status == EM_OK && options->user_timeout_ns > 0)
        status = emi_socket_set_user_timeout(socket, options->user_timeout_ns);
    return status;
}

em_status emi_apply_socket_options(int socket, bool is_tcp, const em_stream_options *options)
{
    em_status status = is_tcp ? apply_tcp_options(socket, options) : EM_OK;
    if (status == EM_OK)
        status = emi_socket_set_buffer_sizes(socket, options->send_buffer_bytes, options->receive_buffer_bytes);
    if (status == EM_OK && options->linger == EM_ON)
        status = emi_socket_set_linger(socket, options->linger_seconds);
    if (status == EM_OK && options->linger == EM_OFF)
        status = emi_socket_clear_linger(socket);
    return status;
}

/* Servers */

static bool wants_file(const em_server_options *options)
{
    return options->socket_file_mode != 0 || options->socket_file_owner || options->socket_file_group;
}

/* Users and groups are looked up before anything is opened. */
static em_status read_file_access(emi_file_access *access, const em_server_options *options)
{
    if (options->socket_file_mode & ~(unsigned)PERMISSION_BITS)
        return EM_INVALID_ARGUMENT;
    access->mode = options->socket_file_mode;
    em_status status = emi_find_user(options->socket_file_owner, &access->owner);
    return status == EM_OK ? emi_find_group(options->socket_file_group, &access->group) : status;
}

em_status emi_read_server_options(emi_server_settings *own, const em_server_options *given, bool has_file)
{
    em_server_options *options = &own->options;
    em_status status = emi_read_options(options, sizeof *options, given);
    if (status == EM_OK)
        status = read_stream_options(&own->stream, options->stream);
    if (status != EM_OK)
        return status;
    bool sensible = options->backlog >= 0 && emi_is_switch(options->reuse_address) &&
                    emi_is_switch(options->reuse_port) && emi_is_switch(options->v6_only) &&
                    emi_is_switch(options->replace_socket_file) && (has_file || !wants_file(options));
    status = sensible ? read_file_access(&own->file_access, options) : EM_INVALID_ARGUMENT;
    options->stream = NULL; /* these are the caller's */
    options->socket_file_owner = NULL;
    options->socket_file_group = NULL;
    return status;
}

em_status emi_read_attach_options(em_attach_options *own, em_stream_options *stream, const em_attach_options *given)
{
    em_status status = emi_read_named_options("em_attach_options", own, sizeof *own, given);
    if (status == EM_OK && (!emi_is_switch(own->close_descriptor) || !emi_is_switch(own->nonblocking)))
        status = EM_INVALID_ARGUMENT;
    if (status == EM_OK)
        status = read_stream_options(stream, own->stream);
    own->stream = stream;
    return status;
}

em_status emi_apply_server_options(int socket, em_address_family family, const em_server_options *options)
{
    if (family == EM_ADDRESS_UNIX)
        return EM_OK;
    em_status status = EM_OK;
    if (options->reuse_address != EM_OFF)
        status = emi_socket_set_reuse_address(socket, true);
    if (status == EM_OK && options->reuse_port == EM_ON)
        status = emi_socket_set_reuse_port(socket, true);
    if (status == EM_OK && family == EM_ADDRESS_IPV6 && options->v6_only != EM_DEFAULT)
        status = emi_socket_set_v6_only(socket, options->v6_only == EM_ON);
    return status;
}

em_status emi_apply_file_access(const em_address *address, const emi_server_settings *settings)
{
    return emi_address_has_file(address) ? emi_socket_file_set_access(address, &settings->file_access) : EM_OK;
}

/* Connecting */

#define SHORTEST_ATTEMPT_DELAY_NS (100 * EM_MILLISECONDS)
#define SHORTEST_FORCED_ATTEMPT_DELAY_NS (10 * EM_MILLISECONDS)

static em_status refuse_connect_option(const char *text)
{
    emi_set_status_detail(EM_INVALID_ARGUMENT, text);
    return EM_INVALID_ARGUMENT;
}

static em_status check_attempt_delay(const em_connect_options *options)
{
    uint64_t shortest_ns =
        options->short_attempt_delay == EM_ON ? SHORTEST_FORCED_ATTEMPT_DELAY_NS : SHORTEST_ATTEMPT_DELAY_NS;
    if (options->attempt_delay_ns == 0 || options->attempt_delay_ns >= shortest_ns)
        return EM_OK;
    return refuse_connect_option(options->short_attempt_delay == EM_ON
                                     ? "em_connect_options: attempt_delay_ns is below 10 ms"
                                     : "em_connect_options: attempt_delay_ns is below 100 ms; see short_attempt_delay");
}

static em_status check_connect_options(const em_connect_options *options)
{
    if (!emi_is_switch(options->reuse_address) || !emi_is_switch(options->short_attempt_delay) ||
        !emi_is_switch(options->timeout_includes_tls))
        return refuse_connect_option("em_connect_options: a switch is neither EM_DEFAULT, EM_ON nor EM_OFF");
    if (options->preferred_family != EM_ADDRESS_NONE && options->preferred_family != EM_ADDRESS_IPV4 &&
        options->preferred_family != EM_ADDRESS_IPV6)
        return refuse_connect_option("em_connect_options: preferred_family is neither IPv4 nor IPv6");
    if (options->reserved != 0)
        return refuse_connect_option("em_connect_options: reserved must be 0");
    if (options->tls && options->timeout_includes_tls == EM_OFF)
        return refuse_connect_option("em_connect_options: with tls, the timeout always includes TLS");
    return check_attempt_delay(options);
}

em_status emi_read_connect_options(em_connect_options *own, em_stream_options *stream, emi_local_end *local,
                                   const em_connect_options *given)
{
    em_status status = emi_read_options(own, sizeof *own, given);
    if (status == EM_OK)
        status = read_stream_options(stream, own->stream);
    if (status == EM_OK)
        status = check_connect_options(own);
    if (status == EM_OK)
        status = emi_local_end_read(local, own->bind_host, own->bind_port);
    own->stream = NULL; /* the caller's */
    if (status == EM_IN_PROGRESS)
        return EM_OK;
    own->bind_host = NULL;
    return status;
}

em_status emi_apply_connect_options(em_connection *connection, const em_connect_options *options,
                                    const em_stream_options *stream)
{
    em_status status = emi_apply_stream_options(connection, stream);
    if (status != EM_OK)
        return status;
    connection->object.user = options->user;
    if (options->connect_timeout_ns > 0)
        connection->extras->connect_timeout_ns = options->connect_timeout_ns;
    connection->extras->limits_tls = options->timeout_includes_tls == EM_ON;
    return EM_OK;
}

em_status emi_bind_local_end(int socket, const em_address *local, const em_connect_options *options)
{
    em_status status = options->reuse_address != EM_OFF ? emi_socket_set_reuse_address(socket, true) : EM_OK;
    if (status != EM_OK)
        return status;
    if (em_address_get_port(local) == 0)
        emi_socket_choose_port_late(socket);
    return emi_socket_bind(socket, local);
}
