/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * TLS by the C API over real sockets, both ends ours. Without OpenSSL there is nothing to test.
 */
#include "base/features.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"
#include "support/system_tls.h"

#if EMI_HAVE_OPENSSL

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/bytes.h"
#include "support/certificates.h"

enum { LARGE_BYTES = 8 * 1024 * 1024 };

static void what_is_sent_before_the_handshake_is_echoed_after_it(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    pair->client.greeting = "hello";
    system_tls_begin(pair, &system_tls_handler);
    system_tls_await_bytes(pair, &pair->client, 5);
    assert_true(bytes_equal_text(&pair->client.received, "hello"));
    assert_int_equal(pair->client.ready, 1);
    assert_int_equal(pair->server.ready, 1);
    assert_int_equal(pair->client.info.is_verified, 1);
    em_connection_close(pair->client.connection);
    system_tls_finish(pair);
    assert_int_equal(pair->client.reason, EM_OK);
    assert_int_equal(pair->server.reason, EM_OK);
}

static void a_connection_closed_at_once_still_sends_what_is_queued(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    pair->client.greeting = "last words";
    pair->client.closes_at_once = true;
    pair->server.echoes = false;
    system_tls_begin(pair, &system_tls_handler);
    system_tls_await_bytes(pair, &pair->server, 10);
    assert_true(bytes_equal_text(&pair->server.received, "last words"));
    system_tls_finish(pair);
    assert_int_equal(pair->server.reason, EM_OK);
}

/* The client fails with this, the server is told by an alert, and no byte of the program's arrives. */
static void expect_rejection(system_tls_pair *pair, em_status status, const char *client_text, const char *server_text)
{
    pair->client.greeting = "secret";
    system_tls_begin(pair, &system_tls_handler);
    system_tls_await_ends(pair);
    assert_int_equal(pair->client.reason, status);
    assert_int_equal(pair->server.reason, EM_TLS_ALERT);
    if (!strstr(pair->client.reason_text, client_text) || !strstr(pair->server.reason_text, server_text))
        fail_msg("client: %s; server: %s", pair->client.reason_text, pair->server.reason_text);
    assert_int_equal(bytes_length(&pair->server.received), 0);
    assert_int_equal(pair->client.ready, 0);
    system_tls_finish(pair);
}

static void a_server_of_another_name_gets_no_data(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    pair->client.tls.hostname = "example.net";
    expect_rejection(pair, EM_TLS_WRONG_NAME, "name", "alert");
}

static void an_untrusted_server_gets_no_data(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    system_tls_set_server(pair, (em_tls_context_options){.self_signed = EM_ON});
    expect_rejection(pair, EM_TLS_UNTRUSTED, "self-signed certificate", "alert");
}

static void both_sides_turn_to_tls_after_a_word_in_the_clear(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    pair->client.is_plain_at_first = pair->server.is_plain_at_first = true;
    pair->client.greeting = "STARTTLS";
    system_tls_begin(pair, &system_tls_handler);
    system_tls_await_bytes(pair, &pair->client, 6);
    assert_true(bytes_equal_text(&pair->client.received, "secret"));
    em_connection_close(pair->client.connection);
    system_tls_finish(pair);
}

static void a_large_transfer_comes_back_unchanged(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    char *data = system_memory(LARGE_BYTES);
    pattern_fill(data, LARGE_BYTES, 0);
    system_tls_begin(pair, &system_tls_handler);
    assert_true(em_connection_send(pair->client.connection, data, LARGE_BYTES) >= 0);
    system_tls_await_bytes(pair, &pair->client, LARGE_BYTES);
    assert_int_equal(bytes_length(&pair->client.received), LARGE_BYTES);
    assert_memory_equal(bytes_at(&pair->client.received), data, LARGE_BYTES);
    em_connection_close(pair->client.connection);
    system_tls_finish(pair);
}

static void each_side_can_end_its_sending_and_receive_on(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    pair->client.greeting = "question";
    pair->server.echoes = false;
    system_tls_begin(pair, &system_tls_open_handler);
    assert_int_equal(em_connection_close_write(pair->client.connection), EM_OK);
    while (!pair->server.ended)
        system_turn(pair->loop);
    assert_true(bytes_equal_text(&pair->server.received, "question"));
    em_connection_send_text(pair->server.connection, "answer");
    em_connection_close_write(pair->server.connection);
    system_tls_await_ends(pair);
    assert_true(bytes_equal_text(&pair->client.received, "answer"));
    assert_int_equal(pair->client.reason, EM_OK);
    assert_int_equal(pair->server.reason, EM_OK);
    system_tls_finish(pair);
}

static void both_ends_of_a_socketpair_have_the_role_they_ask_for(void **state)
{
    int sockets[2];
    system_tls_pair *pair = system_tls_new_pair(*state);
    pair->client.greeting = "hello";
    pair->server.tls.role = EM_TLS_SERVER;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    const em_attach_options server = {.size = sizeof server, .user = &pair->server};
    const em_attach_options client = {.size = sizeof client, .user = &pair->client};
    assert_int_equal(em_loop_attach(pair->loop, sockets[0], &system_tls_handler, &server, NULL), EM_OK);
    assert_int_equal(em_loop_attach(pair->loop, sockets[1], &system_tls_handler, &client, NULL), EM_OK);
    system_tls_await_bytes(pair, &pair->client, 5);
    em_connection_close(pair->client.connection);
    system_tls_finish(pair);
}

static void a_unix_domain_server_speaks_tls(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    char *path = text_to_file("tls.socket", "");
    remove(path);
    pair->client.greeting = "hello";
    const em_server_options server = {.size = sizeof server, .user = &pair->server};
    const em_connect_options client = {.size = sizeof client, .user = &pair->client};
    assert_int_equal(em_loop_start_unix_domain_server(*state, path, &system_tls_handler, &server, NULL), EM_OK);
    assert_int_equal(em_loop_connect_unix_domain(*state, path, &system_tls_handler, &client, NULL), EM_OK);
    system_tls_await_bytes(pair, &pair->client, strlen("hello"));
    assert_int_equal(pair->client.info.is_verified, 1);
    system_tls_finish(pair);
    remove(path);
    free(path);
}

static void a_verifying_client_needs_a_name_and_is_unharmed_without(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    system_record *served = system_new_record(SYSTEM_NONE), *record = system_new_record(SYSTEM_DATA);
    em_connection *client = system_dial(*state, system_serve(*state, &system_echo, served), &system_recorder, record);
    const em_tls_options nothing = {.size = sizeof nothing};
    assert_int_equal(em_connection_start_tls(client, &nothing), EM_TLS_NO_HOSTNAME);
    assert_int_equal(em_connection_start_tls(client, NULL), EM_TLS_NO_HOSTNAME);
    em_connection_send_text(client, "plain");
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_string_equal(record->text, "plain");
    system_tls_free(pair);
}

static void try_to_use(void *user)
{
    system_tls_pair *pair = user;
    em_connection *client = pair->client.connection;
    system_child_check(em_connection_start_tls(client, &pair->client.tls) == EM_FORKED, "TLS cannot be started");
    system_child_check(em_connection_send_text(client, "child") == EM_FORKED, "sending is refused");
    em_connection_close_write(client);
    system_child_check(em_connection_close_after_writing(client) == EM_OK, "the child's copy is closed");
    em_connection_close(pair->server.connection);
    system_child_check(em_loop_destroy(pair->loop) == EM_OK, "the child's loop is destroyed");
}

/* A record of the child's would come at a wrong place in the parent's sequence and end the connection. */
static void a_forked_child_can_put_nothing_on_the_wire(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    pair->client.greeting = "before";
    system_tls_begin(pair, &system_tls_handler);
    system_tls_await_bytes(pair, &pair->client, 6);
    assert_int_equal(system_wait(system_fork(try_to_use, pair)), 0);
    em_connection_send_text(pair->client.connection, " after");
    system_tls_await_bytes(pair, &pair->client, 12);
    assert_true(bytes_equal_text(&pair->client.received, "before after"));
    em_connection_close(pair->client.connection);
    system_tls_finish(pair);
    assert_int_equal(pair->client.reason, EM_OK);
    assert_int_equal(pair->server.reason, EM_OK);
}

static void tell_of_plain(void *user)
{
    const em_tls_options options = {.size = sizeof options, .hostname = "example.com"};
    system_child_check(em_connection_start_tls(user, &options) == EM_FORKED, "TLS cannot be started");
}

static void a_forked_child_cannot_start_tls_on_the_parents_connection(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    system_record *served = system_new_record(SYSTEM_NONE), *record = system_new_record(SYSTEM_DATA);
    em_connection *client = system_dial(*state, system_serve(*state, &system_echo, served), &system_recorder, record);
    assert_int_equal(system_wait(system_fork(tell_of_plain, client)), 0);
    em_connection_send_text(client, "plain");
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_string_equal(record->text, "plain");
    system_tls_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYSTEM_TEST(what_is_sent_before_the_handshake_is_echoed_after_it),
        SYSTEM_TEST(a_connection_closed_at_once_still_sends_what_is_queued),
        SYSTEM_TEST(a_server_of_another_name_gets_no_data),
        SYSTEM_TEST(a_forked_child_can_put_nothing_on_the_wire),
        SYSTEM_TEST(a_forked_child_cannot_start_tls_on_the_parents_connection),
        SYSTEM_TEST(an_untrusted_server_gets_no_data),
        SYSTEM_TEST(both_sides_turn_to_tls_after_a_word_in_the_clear),
        SYSTEM_TEST(a_large_transfer_comes_back_unchanged),
        SYSTEM_TEST(each_side_can_end_its_sending_and_receive_on),
        SYSTEM_TEST(both_ends_of_a_socketpair_have_the_role_they_ask_for),
        SYSTEM_TEST(a_unix_domain_server_speaks_tls),
        SYSTEM_TEST(a_verifying_client_needs_a_name_and_is_unharmed_without),
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
