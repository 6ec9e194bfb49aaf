/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * How connections with TLS end: closed in order, cut off, refused, too late. The peer is OpenSSL over a bare socket, or
 * something that does not speak TLS at all.
 */
#include "base/features.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"
#include "support/system_tls.h"
#include "support/system_tls_peer.h"

#if EMI_HAVE_OPENSSL

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RECORD_BYTES = 16384, HEAD_BYTES = 9 };

/* Our side is a server, the peer a client whose handshake is done. */
static void meet(system_tls_pair *pair, system_tls_peer *peer)
{
    system_tls_peer_connect(peer, pair->loop, system_tls_serve(pair));
    system_tls_peer_await_ready(peer);
    while (!pair->server.ready)
        system_tls_peer_turn(peer);
}

/* Our side is a client, the peer a server. Returns the listening socket. */
static int meet_as_client(system_tls_pair *pair, system_tls_peer *peer)
{
    int port;
    int listener = system_listen(1, &port);
    system_dial(pair->loop, port, &system_tls_handler, &pair->client);
    system_tls_peer_accept(peer, pair->loop, listener);
    while (!pair->client.ready)
        system_tls_peer_turn(peer);
    return listener;
}

static void a_server_s_peer_that_ends_without_close_notify_is_a_cut_behind_its_data(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    system_tls_peer peer;
    meet(pair, &peer);
    system_tls_peer_send(&peer, "half of it");
    shutdown(peer.socket, SHUT_WR);
    system_tls_expect_end(pair, &pair->server, EM_TLS_TRUNCATED, "close_notify");
    assert_true(bytes_equal_text(&pair->server.received, "half of it"));
    system_tls_peer_close(&peer);
    system_tls_free(pair);
}

static void a_client_s_peer_that_ends_without_close_notify_is_a_cut_behind_its_data(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    system_tls_peer peer;
    int listener = meet_as_client(pair, &peer);
    system_tls_peer_send(&peer, "half of it");
    shutdown(peer.socket, SHUT_WR);
    system_tls_expect_end(pair, &pair->client, EM_TLS_TRUNCATED, "close_notify");
    assert_true(bytes_equal_text(&pair->client.received, "half of it"));
    system_tls_peer_close(&peer);
    close(listener);
    system_tls_free(pair);
}

static void starting_tls_again_is_refused_in_words(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    system_tls_begin(pair, &system_tls_open_handler);
    system_tls_await_ready(pair);
    assert_int_equal(em_connection_start_tls(pair->client.connection, &pair->client.tls), EM_INVALID_STATE);
    assert_string_equal(em_status_get_detail(EM_INVALID_STATE), "TLS was started on this connection already");
    system_tls_finish(pair);
}

static void starting_tls_after_the_end_is_refused_in_words(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    pair->client.is_plain_at_first = true;
    pair->server.is_plain_at_first = true;
    system_tls_begin(pair, &system_tls_handler);
    assert_int_equal(em_connection_close_write(pair->client.connection), EM_OK);
    assert_int_equal(em_connection_start_tls(pair->client.connection, &pair->client.tls), EM_INVALID_STATE);
    assert_string_equal(em_status_get_detail(EM_INVALID_STATE), "one side of the connection has ended");
    system_tls_finish(pair);
}

static void a_close_notify_is_a_normal_end(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    system_tls_peer peer;
    meet(pair, &peer);
    system_tls_peer_send(&peer, "all of it");
    SSL_shutdown(peer.raw.ssl);
    system_tls_peer_await_end(&peer);
    system_tls_expect_end(pair, &pair->server, EM_OK, "");
    assert_true(bytes_equal_text(&peer.raw.received, "all of it"));
    assert_int_equal(peer.raw.error, SSL_ERROR_ZERO_RETURN);
    system_tls_peer_close(&peer);
    system_tls_free(pair);
}

static void every_close_of_ours_sends_close_notify(void **state)
{
    em_status (*const ways[])(em_connection *) = {em_connection_close, em_connection_close_after_writing,
                                                  em_connection_close_in_background, em_connection_close_write};
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        system_tls_pair *pair = system_tls_new_pair(*state);
        system_tls_peer peer;
        meet(pair, &peer);
        assert_int_equal(ways[i](pair->server.connection), EM_OK);
        system_tls_peer_await_end(&peer);
        assert_int_equal(peer.raw.error, SSL_ERROR_ZERO_RETURN);
        system_tls_peer_close(&peer);
        while (!pair->server.unbound)
            system_turn(*state);
        system_tls_free(pair);
    }
}

static void an_alert_ends_the_connection_and_is_told_by_name(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    system_tls_peer peer;
    system_tls_peer_connect(&peer, *state, system_tls_serve(pair));
    SSL_set_verify(peer.raw.ssl, SSL_VERIFY_PEER, NULL); /* and it knows no authority */
    system_tls_peer_await_end(&peer);
    system_tls_expect_end(pair, &pair->server, EM_TLS_ALERT, "alert 48: unknown CA");
    assert_int_equal(pair->server.ready, 0);
    system_tls_peer_close(&peer);
    system_tls_free(pair);
}

/* No handshake */

static void whatever_is_no_handshake_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", 37},
        {"EHLO example.com\r\n", 18},
        {"SSH-2.0-OpenSSH_9.2\r\n", 21},
        {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16},
        {"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6\xf5\xf4\xf3\xf2\xf1\xf0", 16},
        {"\x17\x03\x03\x00\x05hello", 10},          /* a record of data */
        {"\x16\x03\x01\x00\x05hello", 10},          /* a record of the handshake that holds no message of it */
        {"\x16\x03\x01\xff\xff\x01\x00\xff\xfb", 9} /* longer than records may be */
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        system_tls_pair *pair = system_tls_new_pair(*state);
        int client = system_connect(system_tls_serve(pair));
        system_write(client, rows[i].bytes, rows[i].length);
        system_tls_expect_end(pair, &pair->server, EM_TLS_FAILED, "TLS");
        assert_int_equal(bytes_length(&pair->server.received), 0);
        assert_int_equal(pair->server.ready, 0);
        system_read_to_end(*state, client);
        close(client);
        system_tls_free(pair);
    }
}

static void a_server_that_answers_in_the_clear_is_refused_and_gets_no_data(void **state)
{
    int port;
    int listener = system_listen(1, &port);
    system_tls_pair *pair = system_tls_new_pair(*state);
    pair->client.greeting = "secret";
    system_dial(*state, port, &system_tls_handler, &pair->client);
    system_await(*state, listener);
    int server = system_accept(listener);
    system_write(server, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    system_tls_expect_end(pair, &pair->client, EM_TLS_FAILED, "the peer does not speak TLS");
    char wire[4096];
    size_t length = system_read(*state, server, wire, sizeof wire);
    assert_true(length > 0 && length < sizeof wire);
    assert_null(memmem(wire, length, "secret", strlen("secret")));
    close(server);
    close(listener);
    system_tls_free(pair);
}

static void an_end_within_the_handshake_is_a_cut(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    system_tls_peer peer;
    system_tls_peer_connect(&peer, *state, system_tls_serve(pair));
    system_tls_peer_turn(&peer);
    shutdown(peer.socket, SHUT_WR);
    system_tls_expect_end(pair, &pair->server, EM_TLS_TRUNCATED, "handshake");
    assert_int_equal(pair->server.ready, 0);
    system_tls_peer_close(&peer);
    system_tls_free(pair);
}

static void a_reset_within_the_handshake_is_a_reset(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    int client = system_connect(system_tls_serve(pair));
    while (!pair->server.connection)
        system_turn(*state);
    system_reset(client);
    system_tls_expect_end(pair, &pair->server, EM_CONNECTION_RESET, "");
    system_tls_free(pair);
}

/* Closing early */

/* The client does not wait for the answer, so it may get it or not. */
static void what_is_queued_before_the_handshake_is_sent_although_both_close_at_once(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    pair->client.greeting = "question";
    pair->server.greeting = "answer";
    pair->client.closes_at_once = pair->server.closes_at_once = true;
    pair->server.echoes = false;
    system_tls_begin(pair, &system_tls_handler);
    system_tls_await_ends(pair);
    assert_true(bytes_equal_text(&pair->server.received, "question"));
    assert_int_equal(pair->client.reason, EM_OK);
    assert_int_equal(pair->server.reason, EM_OK);
    system_tls_finish(pair);
}

static void a_server_that_closes_after_writing_before_the_handshake_is_read_to_the_end(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    system_tls_peer peer;
    pair->server.greeting = "good-bye";
    pair->server.closes_at_once = true;
    system_tls_peer_connect(&peer, *state, system_tls_serve(pair));
    system_tls_peer_await_end(&peer);
    assert_true(bytes_equal_text(&peer.raw.received, "good-bye"));
    assert_int_equal(peer.raw.error, SSL_ERROR_ZERO_RETURN);
    system_tls_peer_close(&peer);
    system_tls_expect_end(pair, &pair->server, EM_OK, "");
    system_tls_free(pair);
}

/* A Unix socket fails at once if the peer has closed, whatever it has sent before. */
static void connect_by_socketpair(system_tls_pair *pair, em_loop *client_loop)
{
    int sockets[2];
    pair->server.tls.role = EM_TLS_SERVER;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    const em_attach_options server = {.size = sizeof server, .user = &pair->server};
    const em_attach_options client = {.size = sizeof client, .user = &pair->client};
    assert_int_equal(em_loop_attach(pair->loop, sockets[0], &system_tls_handler, &server, NULL), EM_OK);
    assert_int_equal(em_loop_attach(client_loop, sockets[1], &system_tls_handler, &client, NULL), EM_OK);
}

/* Nothing more may have happened during the pause. */
static void resume_and_expect(const system_tls_pair *pair, const system_tls_end *end, const char *text)
{
    for (unsigned turns = 0; turns < 5; turns++)
        system_turn(pair->loop);
    assert_int_equal(end->unbound, 0);
    em_connection_resume_receiving(end->connection);
    system_tls_expect_end(pair, end, EM_OK, "");
    assert_true(bytes_equal_text(&end->received, text));
}

static void what_a_peer_has_sent_is_received_although_it_closed_before_our_end(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    connect_by_socketpair(pair, *state);
    system_tls_await_ready(pair);
    em_connection_pause_receiving(pair->client.connection);
    em_connection_send_text(pair->server.connection, "last words");
    em_connection_close_after_writing(pair->server.connection);
    system_tls_expect_end(pair, &pair->server, EM_OK, "");
    em_connection_close_write(pair->client.connection);
    resume_and_expect(pair, &pair->client, "last words");
    system_tls_free(pair);
}

/* The server's part of the handshake ends with session tickets. */
static void what_a_peer_has_sent_is_received_although_it_closed_before_our_tickets(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    em_loop *client_loop = system_create_loop((em_loop_options){.backend = em_loop_get_backend(pair->loop)});
    pair->client.greeting = "whole message";
    pair->client.closes_at_once = true;
    pair->server.echoes = false;
    connect_by_socketpair(pair, client_loop);
    em_connection_pause_receiving(pair->server.connection); /* does not stop the handshake */
    while (!pair->client.unbound) {
        em_loop_run_once(client_loop, 0);
        if (!pair->client.unbound)
            em_loop_run_once(pair->loop, 0);
    }
    resume_and_expect(pair, &pair->server, "whole message");
    assert_int_equal(em_loop_destroy(client_loop), EM_OK);
    system_tls_free(pair);
}

static void a_connection_with_tls_is_not_given_back(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    system_tls_peer peer;
    int descriptor = -1;
    system_tls_peer_connect(&peer, *state, system_tls_serve(pair));
    while (!pair->server.connection)
        system_tls_peer_turn(&peer);
    assert_int_equal(em_connection_detach(pair->server.connection, &descriptor), EM_INVALID_STATE);
    while (!pair->server.ready)
        system_tls_peer_turn(&peer);
    assert_int_equal(em_connection_detach(pair->server.connection, &descriptor), EM_INVALID_STATE);
    assert_int_equal(descriptor, -1);
    system_tls_peer_send(&peer, "still here");
    system_tls_peer_await_bytes(&peer, strlen("still here"));
    system_tls_peer_close(&peer);
    system_tls_expect_end(pair, &pair->server, EM_TLS_TRUNCATED, "");
    system_tls_free(pair);
}

/* Too late */

static void a_silent_peer_has_so_long_for_the_handshake(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    pair->server.tls.handshake_timeout_ns = 20 * EM_MILLISECONDS;
    int client = system_connect(system_tls_serve(pair));
    system_tls_expect_end(pair, &pair->server, EM_TLS_HANDSHAKE_TIMEOUT, "handshake");
    system_read_to_end(*state, client);
    close(client);
    system_tls_free(pair);
}

static void a_server_that_accepts_and_says_nothing_has_so_long_for_the_handshake(void **state)
{
    int port;
    int listener = system_listen(1, &port);
    system_tls_pair *pair = system_tls_new_pair(*state);
    pair->client.tls.handshake_timeout_ns = 20 * EM_MILLISECONDS;
    system_dial(*state, port, &system_tls_handler, &pair->client);
    system_tls_expect_end(pair, &pair->client, EM_TLS_HANDSHAKE_TIMEOUT, "handshake");
    close(listener);
    system_tls_free(pair);
}

/* A byte in each turn, of a hello that is as long as it may be, so the peer always makes progress. */
static void a_peer_that_sends_byte_by_byte_has_no_longer(void **state)
{
    static unsigned char hello[RECORD_BYTES] = {22, 3, 1, 0x3f, 0xfb, 1, 0, 0x3f, 0xf7};
    system_tls_pair *pair = system_tls_new_pair(*state);
    pair->server.tls.handshake_timeout_ns = 20 * EM_MILLISECONDS;
    int client = system_connect(system_tls_serve(pair));
    unsigned sent = 0;
    for (; !pair->server.unbound; sent++) {
        if (sent < RECORD_BYTES - HEAD_BYTES)
            system_write(client, hello + sent, 1);
        system_turn(*state);
    }
    assert_true(sent > HEAD_BYTES);
    system_tls_expect_end(pair, &pair->server, EM_TLS_HANDSHAKE_TIMEOUT, "handshake");
    close(client);
    system_tls_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_server_s_peer_that_ends_without_close_notify_is_a_cut_behind_its_data),
        SYSTEM_TEST(a_client_s_peer_that_ends_without_close_notify_is_a_cut_behind_its_data),
        SYSTEM_TEST(starting_tls_again_is_refused_in_words),
        SYSTEM_TEST(starting_tls_after_the_end_is_refused_in_words),
        SYSTEM_TEST(a_close_notify_is_a_normal_end),
        SYSTEM_TEST(every_close_of_ours_sends_close_notify),
        SYSTEM_TEST(an_alert_ends_the_connection_and_is_told_by_name),
        SYSTEM_TEST(whatever_is_no_handshake_is_refused),
        SYSTEM_TEST(a_server_that_answers_in_the_clear_is_refused_and_gets_no_data),
        SYSTEM_TEST(an_end_within_the_handshake_is_a_cut),
        SYSTEM_TEST(a_reset_within_the_handshake_is_a_reset),
        SYSTEM_TEST(what_is_queued_before_the_handshake_is_sent_although_both_close_at_once),
        SYSTEM_TEST(a_server_that_closes_after_writing_before_the_handshake_is_read_to_the_end),
        SYSTEM_TEST(what_a_peer_has_sent_is_received_although_it_closed_before_our_end),
        SYSTEM_TEST(what_a_peer_has_sent_is_received_although_it_closed_before_our_tickets),
        SYSTEM_TEST(a_connection_with_tls_is_not_given_back),
        SYSTEM_TEST(a_silent_peer_has_so_long_for_the_handshake),
        SYSTEM_TEST(a_server_that_accepts_and_says_nothing_has_so_long_for_the_handshake),
        SYSTEM_TEST(a_peer_that_sends_byte_by_byte_has_no_longer),
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
