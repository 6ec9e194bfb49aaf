/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Handlers for tests, servers and clients. See system_record.h.
 */
#include "support/system_record.h"

#include <string.h>

#include "support/system_peer.h"
#include "support/system_test.h"

system_record *system_new_record(unsigned stop_at)
{
    system_record *record = system_memory(sizeof *record);
    record->stop_at = stop_at;
    return record;
}

static system_record *happened(em_connection *connection, system_event event)
{
    system_record *record = em_connection_get_user(connection);
    assert_non_null(record);
    if (record->stop_at & (unsigned)event)
        em_loop_stop(em_connection_get_loop(connection));
    return record;
}

static void post_init(em_connection *connection)
{
    system_record *record = happened(connection, SYSTEM_POST_INIT);
    record->post_init++;
    record->connection = connection;
}

static void connection_completed(em_connection *connection)
{
    happened(connection, SYSTEM_COMPLETED)->completed++;
}

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    system_record *record = happened(connection, SYSTEM_DATA);
    assert_true(length > 0);
    size_t used = strlen(record->text);
    size_t room = sizeof record->text - 1 - used;
    memcpy(record->text + used, data, length < room ? length : room);
    record->data++;
    record->bytes += length;
}

static void receive_and_echo(em_connection *connection, const void *data, size_t length)
{
    receive_data(connection, data, length);
    assert_true(em_connection_send(connection, data, length) >= 0);
}

static void receive_end(em_connection *connection)
{
    happened(connection, SYSTEM_END)->end++;
}

static void drained(em_connection *connection)
{
    system_record *record = happened(connection, SYSTEM_DRAINED);
    record->drained++;
    record->outbound_at_drained = em_connection_get_outbound_bytes(connection);
}

static void unbind(em_connection *connection, em_status reason)
{
    system_record *record = happened(connection, SYSTEM_UNBIND);
    record->unbind++;
    record->reason = reason;
    record->peer_had_ended = em_connection_has_peer_ended(connection);
    record->connection = NULL;
}

const em_handler system_recorder = {
    .post_init = post_init,
    .connection_completed = connection_completed,
    .receive_data = receive_data,
    .drained = drained,
    .unbind = unbind,
};

const em_handler system_open_recorder = {
    .post_init = post_init,
    .connection_completed = connection_completed,
    .receive_data = receive_data,
    .receive_end = receive_end,
    .drained = drained,
    .unbind = unbind,
};

const em_handler system_echo = {
    .post_init = post_init,
    .connection_completed = connection_completed,
    .receive_data = receive_and_echo,
    .drained = drained,
    .unbind = unbind,
};

int system_port_of(const em_server *server)
{
    int port = em_server_get_port(server);
    assert_true(port > 0);
    return port;
}

int system_serve_with(em_loop *loop, const em_handler *handler, em_server_options options, em_server **server)
{
    em_server *started;
    options.size = sizeof options;
    assert_int_equal(em_loop_start_server(loop, "127.0.0.1", 0, handler, &options, &started), EM_OK);
    assert_non_null(started);
    if (server)
        *server = started;
    return system_port_of(started);
}

int system_serve(em_loop *loop, const em_handler *handler, void *user)
{
    return system_serve_with(loop, handler, (em_server_options){.user = user}, NULL);
}

em_connection *system_dial_with(em_loop *loop, int port, const em_handler *handler, em_connect_options options)
{
    em_connection *connection;
    options.size = sizeof options;
    assert_int_equal(em_loop_connect(loop, "127.0.0.1", port, handler, &options, &connection), EM_OK);
    assert_non_null(connection);
    return connection;
}

em_connection *system_dial(em_loop *loop, int port, const em_handler *handler, void *user)
{
    return system_dial_with(loop, port, handler, (em_connect_options){.user = user});
}

int system_connected_client(em_loop *loop, const em_handler *handler, system_record *served)
{
    int client = system_connect(system_serve(loop, handler, served));
    while (!served->connection)
        system_turn(loop);
    return client;
}
