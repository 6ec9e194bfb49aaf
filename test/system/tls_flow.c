/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What flows through TLS, and when: after a word in the clear, over pauses, against a peer that does not read; and what
 * the two sides agree about.
 */
#include "base/features.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"
#include "support/system_tls.h"
#include "support/system_tls_peer.h"

#if EMI_HAVE_OPENSSL

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BURST_BYTES = 60000, HIGH_WATER = 64 * 1024, LOW_WATER = 16 * 1024, BLOCK_BYTES = 5000, CONNECTIONS = 20 };

/* STARTTLS */

static void bytes_behind_the_word_are_never_taken_for_protected_data(void **state)
{
    char answer[2];
    system_tls_pair *pair = system_tls_new_pair(*state);
    pair->server.is_plain_at_first = true;
    int client = system_connect(system_tls_serve(pair));
    system_write(client, "STARTTLSinjected", strlen("STARTTLSinjected"));
    assert_int_equal(system_read(*state, client, answer, sizeof answer), 2);
    assert_memory_equal(answer, "GO", 2);
    system_tls_peer peer;
    system_tls_peer_start(&peer, *state, client);
    system_tls_peer_await_ready(&peer);
    system_tls_peer_send(&peer, "protected");
    system_tls_peer_await_bytes(&peer, strlen("protected"));
    assert_true(bytes_equal_text(&peer.raw.received, "protected"));
    assert_true(bytes_equal_text(&pair->server.received, "protected"));
    assert_true(bytes_equal_text(&pair->server.received_plain, "injected"));
    system_tls_peer_close(&peer);
    system_tls_expect_end(pair, &pair->server, EM_TLS_TRUNCATED, "");
    system_tls_free(pair);
}

/* The client does not wait for the answer. Its hello arrives together with the word, but not in the same piece. */
static void what_follows_the_piece_with_the_word_belongs_to_tls(void **state)
{
    (void)state;
    char hello[4096] = "STARTTLS";
    em_loop *loop = system_create_loop((em_loop_options){.receive_buffer_bytes = strlen("STARTTLS")});
    system_tls_pair *pair = system_tls_new_pair(loop);
    pair->server.is_plain_at_first = true;
    system_tls_peer peer;
    system_tls_peer_start(&peer, loop, system_connect(system_tls_serve(pair)));
    tls_raw_advance(&peer.raw);
    size_t length = tls_raw_take_wire(&peer.raw, hello + 8, sizeof hello - 8);
    system_write(peer.socket, hello, 8 + length);
    while (pair->server.is_plain_at_first)
        system_turn(loop);
    char answer[2];
    assert_int_equal(system_read(loop, peer.socket, answer, sizeof answer), 2);
    assert_memory_equal(answer, "GO", 2);
    system_tls_peer_await_ready(&peer);
    system_tls_peer_send(&peer, "protected");
    system_tls_peer_await_bytes(&peer, strlen("protected"));
    assert_int_equal(bytes_length(&pair->server.received_plain), 0);
    system_tls_peer_close(&peer);
    system_tls_expect_end(pair, &pair->server, EM_TLS_TRUNCATED, "");
    system_tls_free(pair);
    assert_int_equal(em_loop_destroy(loop), EM_OK);
}

/* An attacker puts its answer behind the server's, before the client has begun. */
static void bytes_behind_the_answer_are_never_taken_for_protected_data(void **state)
{
    int port;
    char word[8];
    int listener = system_listen(1, &port);
    system_tls_pair *pair = system_tls_new_pair(*state);
    pair->client.is_plain_at_first = true;
    pair->client.greeting = "STARTTLS";
    system_dial(*state, port, &system_tls_handler, &pair->client);
    system_tls_peer peer;
    system_tls_peer_accept(&peer, *state, listener);
    assert_int_equal(system_read(*state, peer.socket, word, sizeof word), 8);
    system_write(peer.socket, "GOinjected", strlen("GOinjected"));
    while (!pair->client.ready)
        system_tls_peer_turn(&peer);
    system_tls_peer_await_bytes(&peer, strlen("secret"));
    system_tls_peer_send(&peer, "protected");
    system_tls_await_bytes(pair, &pair->client, strlen("protected"));
    assert_true(bytes_equal_text(&pair->client.received, "protected"));
    assert_true(bytes_equal_text(&pair->client.received_plain, "injected"));
    system_tls_peer_close(&peer);
    system_tls_expect_end(pair, &pair->client, EM_TLS_TRUNCATED, "");
    close(listener);
    system_tls_free(pair);
}

/* Pausing */

/* Our server, and a peer that sends much in one go, and then nothing. */
static void send_burst(system_tls_pair *pair, system_tls_peer *peer)
{
    static char burst[BURST_BYTES + 1];
    memset(burst, 'x', BURST_BYTES);
    pair->server.echoes = false;
    system_tls_peer_connect(peer, pair->loop, system_tls_serve(pair));
    system_tls_peer_await_ready(peer);
    while (!pair->server.ready)
        system_tls_peer_turn(peer);
    pair->server.pauses = true;
    system_tls_peer_send(peer, burst);
}

static void expect_nothing_more(const system_tls_pair *pair)
{
    size_t before = bytes_length(&pair->server.received);
    for (unsigned i = 0; i < 5; i++)
        system_turn(pair->loop);
    assert_int_equal(bytes_length(&pair->server.received), before);
}

static void what_had_arrived_before_a_pause_is_delivered_without_a_further_event(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    system_tls_peer peer;
    send_burst(pair, &peer);
    system_tls_await_bytes(pair, &pair->server, 1);
    expect_nothing_more(pair);
    assert_true(bytes_length(&pair->server.received) < BURST_BYTES);
    pair->server.pauses = false;
    assert_int_equal(em_connection_resume_receiving(pair->server.connection), EM_OK);
    system_tls_await_bytes(pair, &pair->server, BURST_BYTES);
    assert_int_equal(bytes_length(&pair->server.received), BURST_BYTES);
    system_tls_peer_close(&peer);
    system_tls_expect_end(pair, &pair->server, EM_TLS_TRUNCATED, "");
    system_tls_free(pair);
}

static void a_pause_after_every_piece_gets_one_piece_each_time(void **state)
{
    unsigned pieces = 0;
    system_tls_pair *pair = system_tls_new_pair(*state);
    system_tls_peer peer;
    send_burst(pair, &peer);
    for (size_t length = 0; length < BURST_BYTES; pieces++) {
        system_tls_await_bytes(pair, &pair->server, length + 1);
        expect_nothing_more(pair);
        length = bytes_length(&pair->server.received);
        assert_int_equal(em_connection_resume_receiving(pair->server.connection), EM_OK);
    }
    assert_int_equal(bytes_length(&pair->server.received), BURST_BYTES);
    assert_true(pieces >= BURST_BYTES / 16384);
    system_tls_peer_close(&peer);
    system_tls_expect_end(pair, &pair->server, EM_TLS_TRUNCATED, "");
    system_tls_free(pair);
}

/* A cut behind what is held over a pause is reported behind it. */
static void an_end_that_arrives_during_a_pause_waits_for_the_bytes_before_it(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    system_tls_peer peer;
    send_burst(pair, &peer);
    SSL_shutdown(peer.raw.ssl);
    system_tls_peer_turn(&peer);
    system_tls_peer_close(&peer);
    system_tls_await_bytes(pair, &pair->server, 1);
    expect_nothing_more(pair);
    pair->server.pauses = false;
    em_connection_resume_receiving(pair->server.connection);
    system_tls_expect_end(pair, &pair->server, EM_OK, "");
    assert_int_equal(bytes_length(&pair->server.received), BURST_BYTES);
    system_tls_free(pair);
}

/* Sending */

static void what_waits_for_the_handshake_is_outbound(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    system_tls_peer peer;
    pair->server.greeting = "hello";
    system_tls_peer_connect(&peer, *state, system_tls_serve(pair));
    while (!pair->server.connection)
        system_turn(*state);
    assert_int_equal(em_connection_get_outbound_bytes(pair->server.connection), strlen("hello"));
    system_tls_peer_await_bytes(&peer, strlen("hello"));
    assert_int_equal(em_connection_get_outbound_bytes(pair->server.connection), 0);
    system_tls_peer_close(&peer);
    while (!pair->server.unbound)
        system_turn(*state);
    system_tls_free(pair);
}

/* Sends to a peer that does not read until the high-water mark is passed. Returns how much. */
static size_t fill(em_connection *connection)
{
    static const char block[BLOCK_BYTES];
    size_t sent = 0;
    em_status status = EM_OK;
    while (status == EM_OK) {
        status = em_connection_send(connection, block, sizeof block);
        sent += sizeof block;
    }
    assert_int_equal(status, EM_UNDER_PRESSURE);
    return sent;
}

static void the_water_marks_count_the_program_s_bytes(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    system_tls_peer peer;
    system_tls_peer_connect(&peer, *state, system_tls_serve(pair));
    system_tls_peer_await_ready(&peer);
    while (!pair->server.ready)
        system_tls_peer_turn(&peer);
    em_connection *connection = pair->server.connection;
    assert_int_equal(em_connection_set_water_marks(connection, LOW_WATER, HIGH_WATER), EM_OK);
    size_t sent = fill(connection);
    assert_int_equal(sent, HIGH_WATER / BLOCK_BYTES * BLOCK_BYTES + BLOCK_BYTES);
    assert_int_equal(em_connection_get_outbound_bytes(connection), sent);
    assert_int_equal(pair->server.drained, 0);
    system_tls_peer_await_bytes(&peer, sent);
    while (pair->server.drained == 0)
        system_turn(*state);
    assert_int_equal(pair->server.drained, 1);
    assert_in_range(pair->server.outbound_when_drained, 0, LOW_WATER);
    assert_int_equal(em_connection_get_outbound_bytes(connection), 0);
    assert_int_equal(bytes_length(&peer.raw.received), sent);
    system_tls_peer_close(&peer);
    system_tls_expect_end(pair, &pair->server, EM_TLS_TRUNCATED, "");
    system_tls_free(pair);
}

/* Agreeing */

static void expect_protocol(em_loop *loop, const char *const *client, const char *const *server, const char *alpn)
{
    system_tls_pair *pair = system_tls_new_pair(loop);
    system_tls_set_client(pair, (em_tls_context_options){.alpn = client});
    system_tls_set_server(pair, (em_tls_context_options){.alpn = server});
    system_tls_begin(pair, &system_tls_handler);
    if (alpn) {
        system_tls_await_ready(pair);
        assert_string_equal(pair->client.alpn, alpn);
        assert_string_equal(pair->server.alpn, alpn);
    } else {
        system_tls_expect_end(pair, &pair->server, EM_TLS_FAILED, "no application protocol");
        system_tls_expect_end(pair, &pair->client, EM_TLS_ALERT, "no application protocol");
    }
    system_tls_finish(pair);
}

static void both_sides_learn_the_protocol_that_the_server_prefers(void **state)
{
    static const char *const new_first[] = {"h2", "http/1.1", NULL};
    static const char *const old_first[] = {"http/1.1", "h2", NULL};
    static const char *const other[] = {"smtp", NULL};
    expect_protocol(*state, new_first, old_first, "http/1.1");
    expect_protocol(*state, old_first, new_first, "h2");
    expect_protocol(*state, new_first, NULL, "");
    expect_protocol(*state, NULL, new_first, "");
    expect_protocol(*state, other, new_first, NULL);
}

/* One connection after another. Returns how many sessions were resumed, as both sides say. */
static unsigned count_resumed(system_tls_pair *pair)
{
    unsigned resumed = 0;
    int port = system_tls_serve(pair);
    pair->client.greeting = "hello";
    for (unsigned i = 1; i <= CONNECTIONS; i++) {
        system_dial(pair->loop, port, &system_tls_handler, &pair->client);
        system_tls_await_bytes(pair, &pair->client, i * strlen("hello"));
        assert_int_equal(pair->client.info.is_resumed, pair->server.info.is_resumed);
        assert_int_equal(pair->client.info.is_verified, 1);
        resumed += pair->client.info.is_resumed != 0;
        em_connection_close(pair->client.connection);
        while (pair->client.unbound < i || pair->server.unbound < i)
            system_turn(pair->loop);
    }
    return resumed;
}

static void every_connection_but_the_first_is_resumed(void **state)
{
    static const em_tls_version versions[] = {EM_TLS_1_2, EM_TLS_1_3};
    for (unsigned i = 0; i < 2; i++) {
        system_tls_pair *pair = system_tls_new_pair(*state);
        system_tls_set_client(pair, (em_tls_context_options){.max_version = versions[i]});
        assert_int_equal(count_resumed(pair), CONNECTIONS - 1);
        system_tls_free(pair);
    }
}

static void without_tickets_no_connection_is_resumed(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    system_tls_set_server(pair, (em_tls_context_options){.session_tickets = EM_OFF});
    assert_int_equal(count_resumed(pair), 0);
    system_tls_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYSTEM_TEST(bytes_behind_the_word_are_never_taken_for_protected_data),
        SYSTEM_TEST(what_follows_the_piece_with_the_word_belongs_to_tls),
        SYSTEM_TEST(bytes_behind_the_answer_are_never_taken_for_protected_data),
        SYSTEM_TEST(what_had_arrived_before_a_pause_is_delivered_without_a_further_event),
        SYSTEM_TEST(a_pause_after_every_piece_gets_one_piece_each_time),
        SYSTEM_TEST(an_end_that_arrives_during_a_pause_waits_for_the_bytes_before_it),
        SYSTEM_TEST(what_waits_for_the_handshake_is_outbound),
        SYSTEM_TEST(the_water_marks_count_the_program_s_bytes),
        SYSTEM_TEST(both_sides_learn_the_protocol_that_the_server_prefers),
        SYSTEM_TEST(every_connection_but_the_first_is_resumed),
        SYSTEM_TEST(without_tickets_no_connection_is_resumed),
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
