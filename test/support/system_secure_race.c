/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Servers good and bad, and a client that races to them. See system_secure_race.h.
 */
#include "support/system_secure_race.h"

#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/filtered_connections.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"
#include "support/tls_pair.h"

/* Servers */

static bool has_tls(const secure_server *server)
{
    return server->kind == SECURE_GOOD || server->kind == SECURE_LATE || server->kind == SECURE_WRONG_NAME ||
           server->kind == SECURE_UNTRUSTED;
}

static void begin(secure_server *server, em_connection *connection)
{
    em_tls_options tls = {.size = sizeof tls, .context = server->context};
    assert_int_equal(em_connection_start_tls(connection, &tls), EM_OK);
    assert_int_equal(em_connection_send_text(connection, "welcome"), EM_OK);
}

static void server_post_init(em_connection *connection)
{
    secure_server *server = em_connection_get_user(connection);
    server->accepted++;
    server->connection = connection;
    if (server->kind == SECURE_LATE)
        assert_int_equal(em_connection_pause(connection), EM_OK);
    else if (has_tls(server))
        begin(server, connection);
    else if (server->kind == SECURE_PLAIN)
        em_connection_send_text(connection, "220 mail.example.com\r\n");
}

static void server_receive(em_connection *connection, const void *data, size_t length)
{
    static const unsigned char handshake_failure[] = {21, 3, 3, 0, 2, 2, 40};
    secure_server *server = em_connection_get_user(connection);
    bytes_append(&server->received, data, length);
    if (has_tls(server))
        em_connection_send(connection, data, length);
    else if (server->kind == SECURE_ALERT)
        em_connection_send(connection, handshake_failure, sizeof handshake_failure);
    else if (server->kind == SECURE_CLOSES)
        em_connection_close_after_writing(connection);
}

static void server_ready(em_connection *connection)
{
    secure_server *server = em_connection_get_user(connection);
    server->ready++;
}

static void server_unbind(em_connection *connection, em_status reason)
{
    secure_server *server = em_connection_get_user(connection);
    server->closed++;
    server->reason = reason;
    if (server->connection == connection)
        server->connection = NULL;
}

static const em_handler serving = {
    .post_init = server_post_init,
    .receive_data = server_receive,
    .ssl_handshake_completed = server_ready,
    .unbind = server_unbind,
};

static const char *pem_for_another_host(void)
{
    static char *pem;
    static test_certificate certificate;
    const certificate_recipe recipe = {.common_name = "other", .alternative_names = "DNS:other.example"};
    if (pem)
        return pem;
    certificate = certificate_make(&recipe, &tls_test_credentials()->authority);
    pem = tls_pem_of(&certificate);
    return pem;
}

static em_tls_context *context_for(secure_server_kind kind)
{
    em_tls_certificate_options certificate = {.size = sizeof certificate};
    em_tls_context_options options = {.size = sizeof options};
    certificate.certificate_pem =
        kind == SECURE_WRONG_NAME ? pem_for_another_host() : tls_test_credentials()->server_pem;
    if (kind == SECURE_UNTRUSTED)
        options.self_signed = EM_ON;
    else
        options.certificate = &certificate;
    return tls_context_make(&options);
}

secure_server *secure_server_start(em_loop *loop, secure_server_kind kind)
{
    secure_server *server = system_memory(sizeof *server);
    em_server_options options = {.size = sizeof options, .user = server};
    int port = system_closed_port();
    server->kind = kind;
    server->loop = loop;
    if (has_tls(server))
        server->context = context_for(kind);
    if (kind != SECURE_REFUSED)
        port = system_serve_with(loop, &serving, options, &server->server);
    assert_int_equal(em_address_from_text("127.0.0.1", port, &server->address), EM_OK);
    return server;
}

void secure_server_begin(secure_server *server)
{
    begin(server, server->connection);
    assert_int_equal(em_connection_resume(server->connection), EM_OK);
}

void secure_server_free(secure_server *server)
{
    em_tls_context_release(server->context);
    bytes_free(&server->received);
}

/* The client */

static void note(em_connection *connection, char event)
{
    secure_client *client = em_connection_get_user(connection);
    size_t length = strlen(client->events);
    if (event == 'D' && length > 0 && client->events[length - 1] == 'D')
        return;
    assert_true(length + 1 < sizeof client->events);
    client->events[length] = event;
    client->events[length + 1] = '\0';
}

static void post_init(em_connection *connection)
{
    secure_client *client = em_connection_get_user(connection);
    client->connection = connection;
    note(connection, 'I');
}

static void completed(em_connection *connection)
{
    note(connection, 'C');
}

static void handshake_completed(em_connection *connection)
{
    em_tls_info info;
    assert_int_equal(em_connection_get_tls_info(connection, &info, sizeof info), EM_OK);
    assert_true(info.is_verified);
    note(connection, 'H');
}

static void receive(em_connection *connection, const void *data, size_t length)
{
    secure_client *client = em_connection_get_user(connection);
    bytes_append(&client->received, data, length);
    note(connection, 'D');
}

static void unbind(em_connection *connection, em_status reason)
{
    secure_client *client = em_connection_get_user(connection);
    em_reason details = {.size = sizeof details};
    note(connection, 'U');
    if (em_connection_get_reason(connection, &details) == EM_OK)
        snprintf(client->reason_text, sizeof client->reason_text, "%s", details.text);
    client->ended++;
    client->reason = reason;
    client->connection = NULL;
}

static const em_handler racing = {
    .post_init = post_init,
    .connection_completed = completed,
    .ssl_handshake_completed = handshake_completed,
    .receive_data = receive,
    .unbind = unbind,
};

secure_client *secure_client_new(void)
{
    if (connections_are_filtered())
        system_skip("it has a filter of its own");
    secure_client *client = system_memory(sizeof *client);
    client->tls =
        (em_tls_options){.size = sizeof client->tls, .context = tls_client_context(), .hostname = "example.com"};
    client->options = (em_connect_options){.size = sizeof client->options, .user = client, .tls = &client->tls};
    return client;
}

em_tls_context *secure_client_context(em_tls_context_options options)
{
    options.size = sizeof options;
    options.ca_pem = tls_test_credentials()->authority_pem;
    return tls_context_make(&options);
}

void secure_client_free(secure_client *client)
{
    em_tls_context_release(client->tls.context);
    bytes_free(&client->received);
}

em_status secure_client_dial(secure_client *client, secure_server *const *servers, size_t count)
{
    return secure_client_dial_in(client, servers[0]->loop, servers, count);
}

em_status secure_client_dial_in(secure_client *client, em_loop *loop, secure_server *const *servers, size_t count)
{
    em_address addresses[16];
    for (size_t i = 0; i < count; i++)
        addresses[i] = servers[i]->address;
    return em_loop_connect_addresses(loop, addresses, count, &racing, &client->options, NULL);
}

em_status secure_client_dial_name(secure_client *client, em_loop *loop, const char *host, int port)
{
    client->tls.hostname = NULL;
    return em_loop_connect(loop, host, port, &racing, &client->options, NULL);
}

void secure_client_await(em_loop *loop, const secure_client *client, const char *events)
{
    while (strlen(client->events) < strlen(events))
        system_turn(loop);
    assert_string_equal(client->events, events);
}

void secure_race_finish(em_loop *loop, secure_client *client, secure_server *const *servers, size_t count)
{
    if (client->connection)
        em_connection_close(client->connection);
    for (size_t i = 0; i < count; i++)
        while (!client->ended || servers[i]->closed < servers[i]->accepted)
            system_turn(loop);
    assert_int_equal(client->ended, 1);
    for (size_t i = 0; i < count; i++) {
        if (servers[i]->server)
            em_server_stop(servers[i]->server);
        secure_server_free(servers[i]);
    }
    secure_client_free(client);
}

#endif
