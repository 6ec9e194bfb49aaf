/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * TLS with the C API over real sockets, with our library at both ends. Without OpenSSL there is nothing to test.
 */
#include "base/features.h"
#include "support/filtered_connections.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

#if EMI_HAVE_OPENSSL

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/bytes.h"
#include "support/tls_pair.h"

enum { LARGE_BYTES = 8 * 1024 * 1024, REASON_BYTES = 256 };

/* One end of a connection: what it does, and what happened to it. */
typedef struct end {
    em_tls_options tls;
    const char *greeting; /* sent at once, before the handshake */
    bool closes_at_once;  /* after the greeting */
    bool echoes;
    bool is_plain_at_first; /* until "STARTTLS" */
    em_connection *connection;
    unsigned ready, ended, unbound;
    em_status reason;
    char reason_text[REASON_BYTES];
    em_tls_info info; /* after the handshake; its strings are no longer valid */
    byte_buffer received;
} end;

static void start(em_connection *connection, const end *mine)
{
    assert_int_equal(em_connection_start_tls(connection, &mine->tls), EM_OK);
}

static void post_init(em_connection *connection)
{
    end *mine = em_connection_get_user(connection);
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
    end *mine = em_connection_get_user(connection);
    mine->ready++;
    assert_int_equal(em_connection_get_tls_info(connection, &mine->info, sizeof mine->info), EM_OK);
}

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    end *mine = em_connection_get_user(connection);
    if (mine->is_plain_at_first && length == 8 && memcmp(data, "STARTTLS", 8) == 0) {
        mine->is_plain_at_first = false;
        assert_int_equal(em_connection_send_text(connection, "GO"), EM_OK);
        start(connection, mine);
        return;
    }
    if (mine->is_plain_at_first && length == 2 && memcmp(data, "GO", 2) == 0) {
        mine->is_plain_at_first = false;
        start(connection, mine);
        em_connection_send_text(connection, "secret");
        return;
    }
    bytes_append(&mine->received, data, length);
    if (mine->echoes)
        assert_true(em_connection_send(connection, data, length) >= 0);
}

static void receive_end(em_connection *connection)
{
    end *mine = em_connection_get_user(connection);
    mine->ended++;
}

static void unbind(em_connection *connection, em_status reason)
{
    end *mine = em_connection_get_user(connection);
    em_reason details = {.size = sizeof details};
    assert_int_equal(em_connection_get_reason(connection, &details), EM_OK);
    strncpy(mine->reason_text, details.text, REASON_BYTES - 1);
    mine->unbound++;
    mine->reason = reason;
    mine->connection = NULL;
}

static const em_handler handler = {
    .post_init = post_init,
    .receive_data = receive_data,
    .ssl_handshake_completed = handshake_completed,
    .unbind = unbind,
};

/* The same with receive_end, so the library does not close when the peer ends. */
static const em_handler open_handler = {
    .post_init = post_init,
    .receive_data = receive_data,
    .receive_end = receive_end,
    .ssl_handshake_completed = handshake_completed,
    .unbind = unbind,
};

typedef struct scene {
    em_loop *loop;
    end client, server;
} scene;

static scene *set_scene(em_loop *loop)
{
    if (connections_are_filtered())
        system_skip("it has a filter of its own");
    scene *set = system_memory(sizeof *set);
    set->loop = loop;
    set->client.tls = (em_tls_options){.size = sizeof set->client.tls, .hostname = "example.com"};
    set->client.tls.context = tls_client_context();
    set->server.tls = (em_tls_options){.size = sizeof set->server.tls, .context = tls_server_context()};
    set->server.echoes = true;
    return set;
}

static void begin(scene *set, const em_handler *both)
{
    system_dial(set->loop, system_serve(set->loop, both, &set->server), both, &set->client);
}

static void strike(scene *set)
{
    em_tls_context_release(set->client.tls.context);
    em_tls_context_release(set->server.tls.context);
    bytes_free(&set->client.received);
    bytes_free(&set->server.received);
}

/* Runs until unbind was called for both ends. */
static void finish(scene *set)
{
    while (!set->client.unbound || !set->server.unbound)
        system_turn(set->loop);
    assert_int_equal(set->client.unbound, 1);
    assert_int_equal(set->server.unbound, 1);
    strike(set);
}

static void await_bytes(const scene *set, const end *one, size_t length)
{
    while (bytes_length(&one->received) < length)
        system_turn(set->loop);
}

static void what_is_sent_before_the_handshake_is_echoed_after_it(void **state)
{
    scene *set = set_scene(*state);
    set->client.greeting = "hello";
    begin(set, &handler);
    await_bytes(set, &set->client, 5);
    assert_true(bytes_equal_text(&set->client.received, "hello"));
    assert_int_equal(set->client.ready, 1);
    assert_int_equal(set->server.ready, 1);
    assert_int_equal(set->client.info.is_verified, 1);
    em_connection_close(set->client.connection);
    finish(set);
    assert_int_equal(set->client.reason, EM_OK);
    assert_int_equal(set->server.reason, EM_OK);
}

static void a_connection_closed_at_once_still_sends_what_is_queued(void **state)
{
    scene *set = set_scene(*state);
    set->client.greeting = "last words";
    set->client.closes_at_once = true;
    set->server.echoes = false;
    begin(set, &handler);
    await_bytes(set, &set->server, 10);
    assert_true(bytes_equal_text(&set->server.received, "last words"));
    finish(set);
    assert_int_equal(set->server.reason, EM_OK);
}

/* The client fails with this status, the server gets an alert, and no data arrives. */
static void expect_rejection(scene *set, em_status status, const char *client_text, const char *server_text)
{
    set->client.greeting = "secret";
    begin(set, &handler);
    while (!set->client.unbound || !set->server.unbound)
        system_turn(set->loop);
    assert_int_equal(set->client.reason, status);
    assert_int_equal(set->server.reason, EM_TLS_ALERT);
    if (!strstr(set->client.reason_text, client_text) || !strstr(set->server.reason_text, server_text))
        fail_msg("client: %s; server: %s", set->client.reason_text, set->server.reason_text);
    assert_int_equal(bytes_length(&set->server.received), 0);
    assert_int_equal(set->client.ready, 0);
    finish(set);
}

static void a_server_of_another_name_gets_no_data(void **state)
{
    scene *set = set_scene(*state);
    set->client.tls.hostname = "example.net";
    expect_rejection(set, EM_TLS_WRONG_NAME, "name", "alert");
}

static void an_untrusted_server_gets_no_data(void **state)
{
    scene *set = set_scene(*state);
    const em_tls_context_options options = {.size = sizeof options, .self_signed = EM_ON};
    em_tls_context_release(set->server.tls.context);
    set->server.tls.context = tls_context_make(&options);
    expect_rejection(set, EM_TLS_UNTRUSTED, "self-signed certificate", "alert");
}

static void both_sides_start_tls_after_an_exchange_in_the_clear(void **state)
{
    scene *set = set_scene(*state);
    set->client.is_plain_at_first = set->server.is_plain_at_first = true;
    set->client.greeting = "STARTTLS";
    begin(set, &handler);
    await_bytes(set, &set->client, 6);
    assert_true(bytes_equal_text(&set->client.received, "secret"));
    em_connection_close(set->client.connection);
    finish(set);
}

static void a_large_transfer_comes_back_unchanged(void **state)
{
    scene *set = set_scene(*state);
    char *data = system_memory(LARGE_BYTES);
    pattern_fill(data, LARGE_BYTES, 0);
    begin(set, &handler);
    assert_true(em_connection_send(set->client.connection, data, LARGE_BYTES) >= 0);
    await_bytes(set, &set->client, LARGE_BYTES);
    assert_int_equal(bytes_length(&set->client.received), LARGE_BYTES);
    assert_memory_equal(bytes_at(&set->client.received), data, LARGE_BYTES);
    em_connection_close(set->client.connection);
    finish(set);
}

static void each_side_can_half_close_and_still_receive(void **state)
{
    scene *set = set_scene(*state);
    set->client.greeting = "question";
    set->server.echoes = false;
    begin(set, &open_handler);
    assert_int_equal(em_connection_close_write(set->client.connection), EM_OK);
    while (!set->server.ended)
        system_turn(set->loop);
    assert_true(bytes_equal_text(&set->server.received, "question"));
    em_connection_send_text(set->server.connection, "answer");
    em_connection_close_write(set->server.connection);
    while (!set->client.unbound || !set->server.unbound)
        system_turn(set->loop);
    assert_true(bytes_equal_text(&set->client.received, "answer"));
    assert_int_equal(set->client.reason, EM_OK);
    assert_int_equal(set->server.reason, EM_OK);
    finish(set);
}

static void a_peer_that_does_not_speak_tls_is_refused(void **state)
{
    scene *set = set_scene(*state);
    int client = system_connect(system_serve(set->loop, &handler, &set->server));
    system_write(client, "GET / HTTP/1.1\r\n\r\n", 18);
    while (!set->server.unbound)
        system_turn(set->loop);
    assert_int_equal(set->server.reason, EM_TLS_FAILED);
    assert_int_equal(bytes_length(&set->server.received), 0);
    close(client);
    strike(set);
}

static void a_handshake_without_progress_times_out(void **state)
{
    scene *set = set_scene(*state);
    set->server.tls.handshake_timeout_ns = 20 * EM_MILLISECONDS;
    int client = system_connect(system_serve(set->loop, &handler, &set->server));
    while (!set->server.unbound)
        system_turn(set->loop);
    assert_int_equal(set->server.reason, EM_TLS_HANDSHAKE_TIMEOUT);
    close(client);
    strike(set);
}

static void both_ends_of_a_socketpair_have_the_role_they_ask_for(void **state)
{
    int sockets[2];
    scene *set = set_scene(*state);
    set->client.greeting = "hello";
    set->server.tls.role = EM_TLS_SERVER;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    const em_attach_options server = {.size = sizeof server, .user = &set->server};
    const em_attach_options client = {.size = sizeof client, .user = &set->client};
    assert_int_equal(em_loop_attach(set->loop, sockets[0], &handler, &server, NULL), EM_OK);
    assert_int_equal(em_loop_attach(set->loop, sockets[1], &handler, &client, NULL), EM_OK);
    await_bytes(set, &set->client, 5);
    em_connection_close(set->client.connection);
    finish(set);
}

static void a_client_that_verifies_needs_a_name_and_keeps_its_connection(void **state)
{
    scene *set = set_scene(*state);
    system_record *served = system_new_record(SYSTEM_NONE), *record = system_new_record(SYSTEM_DATA);
    em_connection *client = system_dial(*state, system_serve(*state, &system_echo, served), &system_recorder, record);
    const em_tls_options nothing = {.size = sizeof nothing};
    assert_int_equal(em_connection_start_tls(client, &nothing), EM_TLS_NO_HOSTNAME);
    assert_int_equal(em_connection_start_tls(client, NULL), EM_TLS_NO_HOSTNAME);
    em_connection_send_text(client, "plain");
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_string_equal(record->text, "plain");
    strike(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYSTEM_TEST(what_is_sent_before_the_handshake_is_echoed_after_it),
        SYSTEM_TEST(a_connection_closed_at_once_still_sends_what_is_queued),
        SYSTEM_TEST(a_server_of_another_name_gets_no_data),
        SYSTEM_TEST(an_untrusted_server_gets_no_data),
        SYSTEM_TEST(both_sides_start_tls_after_an_exchange_in_the_clear),
        SYSTEM_TEST(a_large_transfer_comes_back_unchanged),
        SYSTEM_TEST(each_side_can_half_close_and_still_receive),
        SYSTEM_TEST(a_peer_that_does_not_speak_tls_is_refused),
        SYSTEM_TEST(a_handshake_without_progress_times_out),
        SYSTEM_TEST(both_ends_of_a_socketpair_have_the_role_they_ask_for),
        SYSTEM_TEST(a_client_that_verifies_needs_a_name_and_keeps_its_connection),
    };
    return SYSTEM_RUN(tests);
}

#else

int main(void)
{
    print_message("skipped: built without OpenSSL\n");
    return 0;
}

#endif
