/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A client and a server with TLS. See system_tls.h.
 */
#include "support/system_tls.h"

#include "base/features.h"

#if EMI_HAVE_OPENSSL

#include <stdio.h>
#include <string.h>

#include "support/filtered_connections.h"
#include "support/system_record.h"
#include "support/system_test.h"
#include "support/tls_pair.h"

static void start(em_connection *connection, const system_tls_end *mine)
{
    assert_int_equal(em_connection_start_tls(connection, &mine->tls), EM_OK);
}

static void post_init(em_connection *connection)
{
    system_tls_end *mine = em_connection_get_user(connection);
    mine->connection = connection;
    if (!mine->is_plain_at_first)
        start(connection, mine);
    if (mine->greeting)
        assert_int_equal(em_connection_send_text(connection, mine->greeting), EM_OK);
    if (mine->closes_at_once)
        assert_int_equal(em_connection_close_after_writing(connection), EM_OK);
}

static void handshake_completed(em_connection *connection)
{
    system_tls_end *mine = em_connection_get_user(connection);
    mine->ready++;
    assert_int_equal(em_connection_get_tls_info(connection, &mine->info, sizeof mine->info), EM_OK);
    snprintf(mine->alpn, sizeof mine->alpn, "%s", mine->info.alpn ? mine->info.alpn : "");
}

static bool begins_with(const void *data, size_t length, const char *word)
{
    return length >= strlen(word) && memcmp(data, word, strlen(word)) == 0;
}

/* The client asks, the server agrees. */
static void receive_plain(em_connection *connection, system_tls_end *mine, const char *data, size_t length)
{
    bool is_asked = begins_with(data, length, "STARTTLS");
    size_t word = is_asked ? strlen("STARTTLS") : strlen("GO");
    assert_true(is_asked || begins_with(data, length, "GO"));
    mine->is_plain_at_first = false;
    bytes_append(&mine->received_plain, data + word, length - word);
    if (is_asked)
        assert_int_equal(em_connection_send_text(connection, "GO"), EM_OK);
    start(connection, mine);
    if (!is_asked)
        assert_int_equal(em_connection_send_text(connection, "secret"), EM_OK);
}

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    system_tls_end *mine = em_connection_get_user(connection);
    if (mine->is_plain_at_first) {
        receive_plain(connection, mine, data, length);
        return;
    }
    bytes_append(&mine->received, data, length);
    if (mine->echoes)
        assert_true(em_connection_send(connection, data, length) >= 0);
    if (mine->pauses)
        assert_int_equal(em_connection_pause_receiving(connection), EM_OK);
}

static void receive_end(em_connection *connection)
{
    system_tls_end *mine = em_connection_get_user(connection);
    mine->ended++;
}

static void drained(em_connection *connection)
{
    system_tls_end *mine = em_connection_get_user(connection);
    mine->drained++;
    mine->outbound_when_drained = em_connection_get_outbound_bytes(connection);
}

static void unbind(em_connection *connection, em_status reason)
{
    system_tls_end *mine = em_connection_get_user(connection);
    em_reason details = {.size = sizeof details};
    assert_int_equal(em_connection_get_reason(connection, &details), EM_OK);
    snprintf(mine->reason_text, sizeof mine->reason_text, "%s", details.text);
    em_connection_get_tls_info(connection, &mine->info_at_end, sizeof mine->info_at_end);
    mine->unbound++;
    mine->reason = reason;
    mine->connection = NULL;
}

const em_handler system_tls_handler = {
    .post_init = post_init,
    .receive_data = receive_data,
    .drained = drained,
    .ssl_handshake_completed = handshake_completed,
    .unbind = unbind,
};

const em_handler system_tls_open_handler = {
    .post_init = post_init,
    .receive_data = receive_data,
    .receive_end = receive_end,
    .drained = drained,
    .ssl_handshake_completed = handshake_completed,
    .unbind = unbind,
};

system_tls_pair *system_tls_new_pair(em_loop *loop)
{
    if (connections_are_filtered())
        system_skip("it has a filter of its own");
    system_tls_pair *pair = system_memory(sizeof *pair);
    pair->loop = loop;
    pair->client.tls = (em_tls_options){.size = sizeof pair->client.tls, .hostname = "example.com"};
    pair->client.tls.context = tls_client_context();
    pair->server.tls = (em_tls_options){.size = sizeof pair->server.tls, .context = tls_server_context()};
    pair->server.echoes = true;
    return pair;
}

static void set_context(system_tls_end *end, em_tls_context_options options)
{
    options.size = sizeof options;
    em_tls_context_release(end->tls.context);
    end->tls.context = tls_context_make(&options);
}

void system_tls_set_client(system_tls_pair *pair, em_tls_context_options options)
{
    if (!options.ca_pem)
        options.ca_pem = tls_test_credentials()->authority_pem;
    set_context(&pair->client, options);
}

void system_tls_set_server(system_tls_pair *pair, em_tls_context_options options)
{
    const em_tls_certificate_options certificate = {.size = sizeof certificate,
                                                    .certificate_pem = tls_test_credentials()->server_pem};
    if (!options.certificate && options.self_signed != EM_ON)
        options.certificate = &certificate;
    set_context(&pair->server, options);
}

void system_tls_begin(system_tls_pair *pair, const em_handler *both)
{
    system_dial(pair->loop, system_serve(pair->loop, both, &pair->server), both, &pair->client);
}

int system_tls_serve(system_tls_pair *pair)
{
    return system_serve(pair->loop, &system_tls_handler, &pair->server);
}

void system_tls_await_bytes(const system_tls_pair *pair, const system_tls_end *end, size_t length)
{
    while (bytes_length(&end->received) < length)
        system_turn(pair->loop);
}

void system_tls_await_ready(const system_tls_pair *pair)
{
    while (!pair->client.ready || !pair->server.ready)
        system_turn(pair->loop);
}

void system_tls_await_ends(const system_tls_pair *pair)
{
    while (!pair->client.unbound || !pair->server.unbound)
        system_turn(pair->loop);
}

void system_tls_expect_end(const system_tls_pair *pair, const system_tls_end *end, em_status reason, const char *text)
{
    while (!end->unbound)
        system_turn(pair->loop);
    if (end->reason != reason || !strstr(end->reason_text, text))
        fail_msg("%s: %s", em_status_get_name(end->reason), end->reason_text);
}

void system_tls_free(system_tls_pair *pair)
{
    system_tls_end *const ends[] = {&pair->client, &pair->server};
    for (unsigned i = 0; i < 2; i++) {
        em_tls_context_release(ends[i]->tls.context);
        bytes_free(&ends[i]->received);
        bytes_free(&ends[i]->received_plain);
    }
}

void system_tls_finish(system_tls_pair *pair)
{
    if (pair->client.connection)
        em_connection_close(pair->client.connection);
    system_tls_await_ends(pair);
    assert_int_equal(pair->client.unbound, 1);
    assert_int_equal(pair->server.unbound, 1);
    system_tls_free(pair);
}

#endif
