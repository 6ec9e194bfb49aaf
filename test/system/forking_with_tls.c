/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * fork(2) with live TLS connections: a child puts nothing on the wire, whatever it does, the parent's connections go
 * on, and contexts that were made before serve the child as well.
 */
#include "base/features.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"
#include "support/system_tls.h"
#include "support/system_tls_peer.h"

#if EMI_HAVE_OPENSSL

#include <string.h>
#include <unistd.h>

/* Our server, and a client by OpenSSL; with a full handshake, or in the middle of one. */
static void meet(system_tls_pair *pair, system_tls_peer *peer, bool is_whole)
{
    system_tls_peer_connect(peer, pair->loop, system_tls_serve(pair));
    while (is_whole && !(pair->server.ready && SSL_is_init_finished(peer->raw.ssl)))
        system_tls_peer_turn(peer);
    while (!pair->server.connection)
        system_turn(pair->loop);
}

static void expect_echo(system_tls_peer *peer, const char *text)
{
    system_tls_peer_send(peer, text);
    system_tls_peer_await_bytes(peer, strlen(text));
    assert_true(bytes_equal_text(&peer->raw.received, text));
    bytes_take(&peer->raw.received, NULL, SIZE_MAX);
}

static void finish(system_tls_pair *pair, system_tls_peer *peer)
{
    SSL_shutdown(peer->raw.ssl);
    system_tls_peer_await_end(peer);
    system_tls_peer_close(peer);
    system_tls_expect_end(pair, &pair->server, EM_OK, "");
    system_tls_free(pair);
}

/* In the child. */
static void try_everything(void *user)
{
    system_tls_pair *pair = user;
    em_connection *connection = pair->server.connection;
    em_connection_send_text(connection, "from the child");
    em_connection_close_write(connection);
    em_connection_close_after_writing(connection);
    em_connection_close_in_background(connection);
    em_connection_close(connection);
    system_child_check(em_connection_start_tls(connection, &pair->server.tls) != EM_OK, "no TLS is started");
    system_child_check(em_loop_run_once(pair->loop, 0) == EM_FORKED, "the loop is the parent's");
}

static void destroy(void *user)
{
    const system_tls_pair *pair = user;
    system_child_check(em_loop_destroy(pair->loop) == EM_OK, "the loop is destroyed");
}

static void expect_silent_child(em_loop *loop, void (*run)(void *))
{
    system_tls_pair *pair = system_tls_new_pair(loop);
    system_tls_peer peer;
    meet(pair, &peer, true);
    expect_echo(&peer, "before");
    assert_int_equal(system_wait(system_fork(run, pair)), 0);
    assert_true(system_is_silent(peer.socket));
    expect_echo(&peer, "after");
    finish(pair, &peer);
}

static void a_child_puts_nothing_on_the_wire_whatever_it_does(void **state)
{
    expect_silent_child(*state, try_everything);
}

static void a_child_that_destroys_the_loop_puts_nothing_on_the_wire(void **state)
{
    expect_silent_child(*state, destroy);
}

static void a_fork_before_the_handshake_does_not_disturb_it(void **state)
{
    void (*const ways[])(void *) = {try_everything, destroy};
    for (unsigned i = 0; i < 2; i++) {
        system_tls_pair *pair = system_tls_new_pair(*state);
        system_tls_peer peer;
        meet(pair, &peer, false);
        assert_int_equal(system_wait(system_fork(ways[i], pair)), 0);
        assert_true(system_is_silent(peer.socket));
        system_tls_peer_await_ready(&peer);
        expect_echo(&peer, "after");
        finish(pair, &peer);
    }
}

static void take_over(void *user)
{
    system_tls_pair *pair = user;
    system_child_check(em_loop_take_over(pair->loop) == EM_OK, "the child takes the loop over");
    while (!pair->server.unbound)
        em_loop_run_once(pair->loop, EM_SECONDS);
    system_child_check(pair->server.reason == EM_OK, "the connection ends in the child as usual");
}

/* The parent only moves bytes of the peer's, its loop does not run any more. */
static void a_child_that_takes_the_loop_over_goes_on_with_its_connections(void **state)
{
    char wire[4096];
    system_tls_pair *pair = system_tls_new_pair(*state);
    system_tls_peer peer;
    meet(pair, &peer, true);
    expect_echo(&peer, "before");
    em_loop_hand_over(*state);
    pid_t child = system_fork(take_over, pair);
    system_tls_peer_send(&peer, "to the child");
    while (bytes_length(&peer.raw.received) < strlen("to the child")) {
        ssize_t length = system_receive(peer.socket, wire, sizeof wire);
        assert_true(length > 0);
        BIO_write(peer.raw.arriving, wire, (int)length);
        tls_raw_advance(&peer.raw);
    }
    assert_true(bytes_equal_text(&peer.raw.received, "to the child"));
    SSL_shutdown(peer.raw.ssl);
    size_t length = tls_raw_take_wire(&peer.raw, wire, sizeof wire);
    system_write(peer.socket, wire, length);
    assert_int_equal(system_wait(child), 0);
    system_tls_peer_close(&peer);
    system_tls_free(pair);
}

/* In the child: a loop of its own. */
static void meet_in_the_child(void *user)
{
    system_tls_pair *pair = user;
    pair->loop = system_create_loop((em_loop_options){.size = 0});
    system_tls_begin(pair, &system_tls_handler);
    system_tls_await_ready(pair);
    system_child_check(pair->client.info.is_verified, "the client verifies in the child");
    system_child_check(em_loop_destroy(pair->loop) == EM_OK, "the loop is destroyed");
}

static void contexts_of_the_parent_serve_the_child(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    assert_int_equal(system_wait(system_fork(meet_in_the_child, pair)), 0);
    system_tls_begin(pair, &system_tls_handler);
    system_tls_await_ready(pair);
    system_tls_finish(pair);
}

static int port;

/* In the child: a second connection to the same server, which the child has taken over. */
static void resume_in_the_child(void *user)
{
    system_tls_pair *pair = user;
    system_child_check(em_loop_take_over(pair->loop) == EM_OK, "the child takes the loop over");
    pair->client.ready = pair->server.ready = 0;
    system_dial(pair->loop, port, &system_tls_handler, &pair->client);
    system_tls_await_ready(pair);
    system_child_check(pair->client.info.is_resumed && pair->server.info.is_resumed, "the session is resumed");
}

static void sessions_of_the_parent_are_resumed_in_the_child(void **state)
{
    system_tls_pair *pair = system_tls_new_pair(*state);
    pair->client.greeting = "hello";
    port = system_tls_serve(pair);
    system_dial(*state, port, &system_tls_handler, &pair->client);
    system_tls_await_bytes(pair, &pair->client, strlen("hello"));
    em_connection_close(pair->client.connection);
    system_tls_await_ends(pair);
    em_loop_hand_over(*state);
    assert_int_equal(system_wait(system_fork(resume_in_the_child, pair)), 0);
    system_tls_free(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_child_puts_nothing_on_the_wire_whatever_it_does),
        SYSTEM_TEST(a_child_that_destroys_the_loop_puts_nothing_on_the_wire),
        SYSTEM_TEST(a_fork_before_the_handshake_does_not_disturb_it),
        SYSTEM_TEST(a_child_that_takes_the_loop_over_goes_on_with_its_connections),
        SYSTEM_TEST(contexts_of_the_parent_serve_the_child),
        SYSTEM_TEST(sessions_of_the_parent_are_resumed_in_the_child),
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
