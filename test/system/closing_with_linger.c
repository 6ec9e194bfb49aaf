/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * SO_LINGER with a time makes close(2) wait, also on a non-blocking socket. Closing a connection never waits, whoever
 * set the option: here the time is so long that the watchdog would end a test that waits.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { VERY_LONG_SECONDS = 10000, MORE_THAN_FITS = 16 << 20 };

static const struct linger very_long = {.l_onoff = 1, .l_linger = VERY_LONG_SECONDS};

static struct linger linger_of(em_connection *connection)
{
    struct linger linger;
    size_t bytes = sizeof linger;
    em_status status = em_connection_get_socket_option(connection, SOL_SOCKET, SO_LINGER, &linger, &bytes);
    assert_int_equal(status, EM_OK);
    return linger;
}

/* Sends more than the system takes to a peer that reads nothing, and closes. The peer then gets what the system took,
 * and the end. */
static void close_before_a_peer_that_does_not_read(em_loop *loop, system_record *record, int peer)
{
    assert_int_equal(linger_of(record->connection).l_linger, VERY_LONG_SECONDS);
    char *data = system_memory(MORE_THAN_FITS);
    assert_true(em_connection_send(record->connection, data, MORE_THAN_FITS) >= 0);
    system_turn(loop);
    system_turn(loop);
    assert_int_equal(em_connection_close(record->connection), EM_OK);
    while (!record->unbind)
        system_turn(loop);
    assert_true(system_read_to_end(loop, peer) > 0);
    close(peer);
}

static system_record *await_connection(em_loop *loop, system_record *record)
{
    while (!record->connection)
        system_turn(loop);
    return record;
}

static void a_stream_option_of_a_server(void **state)
{
    em_stream_options stream = {.size = sizeof stream, .linger = EM_ON, .linger_seconds = VERY_LONG_SECONDS};
    system_record *served = system_new_record(SYSTEM_NONE);
    int port =
        system_serve_with(*state, &system_recorder, (em_server_options){.user = served, .stream = &stream}, NULL);
    int peer = system_connect(port);
    close_before_a_peer_that_does_not_read(*state, await_connection(*state, served), peer);
}

static void a_stream_option_of_a_client(void **state)
{
    em_stream_options stream = {.size = sizeof stream, .linger = EM_ON, .linger_seconds = VERY_LONG_SECONDS};
    system_record *record = system_new_record(SYSTEM_COMPLETED);
    int port;
    int listener = system_listen(1, &port);
    system_dial_with(*state, port, &system_recorder, (em_connect_options){.user = record, .stream = &stream});
    assert_int_equal(em_loop_run(*state), EM_OK);
    close_before_a_peer_that_does_not_read(*state, record, system_accept(listener));
    close(listener);
}

static void a_socket_option_of_a_connection(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int peer = system_connect(system_serve(*state, &system_recorder, served));
    em_connection *connection = await_connection(*state, served)->connection;
    em_status status = em_connection_set_socket_option(connection, SOL_SOCKET, SO_LINGER, &very_long, sizeof very_long);
    assert_int_equal(status, EM_OK);
    close_before_a_peer_that_does_not_read(*state, served, peer);
}

static void a_socket_option_of_a_server(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    em_server *server;
    int port = system_serve_with(*state, &system_recorder, (em_server_options){.user = served}, &server);
    em_status status = em_server_set_socket_option(server, SOL_SOCKET, SO_LINGER, &very_long, sizeof very_long);
    assert_int_equal(status, EM_OK);
    assert_int_equal(em_server_set_socket_option(server, SOL_SOCKET, SO_LINGER, NULL, 0), EM_INVALID_ARGUMENT);
    assert_int_equal(em_server_set_socket_option(NULL, SOL_SOCKET, SO_LINGER, &very_long, sizeof very_long),
                     EM_INVALID_ARGUMENT);
    int peer = system_connect(port);
    close_before_a_peer_that_does_not_read(*state, await_connection(*state, served), peer);
}

static void a_socket_that_was_handed_over(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    em_server_options options = {.size = sizeof options, .user = served};
    int port;
    int listener = system_listen(1, &port);
    assert_return_code(setsockopt(listener, SOL_SOCKET, SO_LINGER, &very_long, sizeof very_long), errno);
    assert_int_equal(em_loop_attach_server(*state, listener, &system_recorder, &options, NULL), EM_OK);
    int peer = system_connect(port);
    close_before_a_peer_that_does_not_read(*state, await_connection(*state, served), peer);
}

static void no_time_at_all_still_resets(void **state)
{
    em_stream_options stream = {.size = sizeof stream, .linger = EM_ON};
    static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    for (unsigned way = 0; way < 2; way++) {
        system_record *served = system_new_record(SYSTEM_NONE);
        em_server_options options = {.user = served, .stream = way == 0 ? &stream : NULL};
        int peer = system_connect(system_serve_with(*state, &system_recorder, options, NULL));
        em_connection *connection = await_connection(*state, served)->connection;
        if (way == 1)
            em_connection_set_socket_option(connection, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        assert_int_equal(em_connection_close(connection), EM_OK);
        while (!served->unbind)
            system_turn(*state);
        char byte;
        assert_int_equal(system_receive(peer, &byte, 1), -1);
        assert_int_equal(errno, ECONNRESET);
        close(peer);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_stream_option_of_a_server),     SYSTEM_TEST(a_stream_option_of_a_client),
        SYSTEM_TEST(a_socket_option_of_a_connection), SYSTEM_TEST(a_socket_option_of_a_server),
        SYSTEM_TEST(a_socket_that_was_handed_over),   SYSTEM_TEST(no_time_at_all_still_resets),
    };
    return SYSTEM_RUN(tests);
}
