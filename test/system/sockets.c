/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Options of sockets, addresses of both ends, and urgent data.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

/* A server's connection and its client, both of this loop. */
typedef struct pair {
    em_connection *client;
    em_connection *served;
} pair;

static pair connected_pair(em_loop *loop, const em_stream_options *stream)
{
    system_record *record = system_new_record(SYSTEM_NONE);
    system_record *served = system_new_record(SYSTEM_NONE);
    int port = system_serve_with(loop, &system_recorder, (em_server_options){.user = served, .stream = stream}, NULL);
    em_connection *client =
        system_dial_with(loop, port, &system_recorder, (em_connect_options){.user = record, .stream = stream});
    while (!record->completed || !served->connection)
        system_turn(loop);
    return (pair){.client = client, .served = served->connection};
}

static int option_of(em_connection *connection, int level, int option)
{
    int value = -1;
    size_t length = sizeof value;
    assert_int_equal(em_connection_get_socket_option(connection, level, option, &value, &length), EM_OK);
    assert_int_equal(length, sizeof value);
    return value;
}

static void small_messages_are_not_delayed_unless_asked_for(void **state)
{
    em_stream_options delaying = {.size = sizeof delaying, .no_delay = EM_OFF};
    pair prompt = connected_pair(*state, NULL);
    pair slow = connected_pair(*state, &delaying);
    assert_true(option_of(prompt.client, IPPROTO_TCP, TCP_NODELAY));
    assert_true(option_of(prompt.served, IPPROTO_TCP, TCP_NODELAY));
    assert_false(option_of(slow.client, IPPROTO_TCP, TCP_NODELAY));
    assert_false(option_of(slow.served, IPPROTO_TCP, TCP_NODELAY));
}

static void keepalive_is_off_unless_asked_for_and_has_its_times(void **state)
{
    em_stream_options alive = {.size = sizeof alive, .keepalive = EM_ON};
    pair with = connected_pair(*state, &alive);
    pair without = connected_pair(*state, NULL);
    assert_true(option_of(with.client, SOL_SOCKET, SO_KEEPALIVE));
    assert_true(option_of(with.served, SOL_SOCKET, SO_KEEPALIVE));
    assert_false(option_of(without.served, SOL_SOCKET, SO_KEEPALIVE));
    assert_int_equal(em_connection_set_keepalive(without.served, EM_ON, 11, 3, 4), EM_OK);
    assert_true(option_of(without.served, SOL_SOCKET, SO_KEEPALIVE));
    assert_int_equal(option_of(without.served, IPPROTO_TCP, TCP_KEEPIDLE), 11);
    assert_int_equal(option_of(without.served, IPPROTO_TCP, TCP_KEEPINTVL), 3);
    assert_int_equal(option_of(without.served, IPPROTO_TCP, TCP_KEEPCNT), 4);
    assert_int_equal(em_connection_set_keepalive(without.served, EM_ON, -1, 0, 0), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_set_keepalive(without.served, EM_ON, 0, -1, 0), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_set_keepalive(without.served, EM_ON, 0, 0, -1), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_set_keepalive(without.served, EM_DEFAULT, 0, 0, 0), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_set_keepalive(without.served, EM_OFF, 0, 0, 0), EM_OK);
    assert_false(option_of(without.served, SOL_SOCKET, SO_KEEPALIVE));
}

static void stream_options_reach_the_sockets_of_both_sides(void **state)
{
    em_stream_options options = {
        .size = sizeof options,
        .send_buffer_bytes = 32 * 1024,
        .receive_buffer_bytes = 48 * 1024,
        .linger = EM_ON,
        .linger_seconds = 7,
        .user_timeout_ns = 3 * EM_SECONDS,
    };
    pair both = connected_pair(*state, &options);
    em_connection *ends[] = {both.client, both.served};
    for (size_t i = 0; i < 2; i++) {
        struct linger linger;
        size_t length = sizeof linger;
        assert_in_range(option_of(ends[i], SOL_SOCKET, SO_SNDBUF), 32 * 1024, 2 * 32 * 1024); /* doubled, socket(7) */
        assert_in_range(option_of(ends[i], SOL_SOCKET, SO_RCVBUF), 48 * 1024, 2 * 48 * 1024);
        assert_int_equal(option_of(ends[i], IPPROTO_TCP, TCP_USER_TIMEOUT), 3000);
        assert_int_equal(em_connection_get_socket_option(ends[i], SOL_SOCKET, SO_LINGER, &linger, &length), EM_OK);
        assert_int_equal(linger.l_onoff, 1);
        assert_int_equal(linger.l_linger, 7);
    }
}

static void buffer_sizes_reach_the_accepted_sockets_of_a_unix_server(void **state)
{
    em_stream_options stream = {
        .size = sizeof stream, .send_buffer_bytes = 16 * 1024, .receive_buffer_bytes = 24 * 1024};
    system_record *served = system_new_record(SYSTEM_NONE);
    em_server_options options = {.size = sizeof options, .user = served, .stream = &stream};
    char path[64];
    snprintf(path, sizeof path, "@em_buffers_%d", (int)getpid());
    assert_int_equal(em_loop_start_unix_domain_server(*state, path, &system_recorder, &options, NULL), EM_OK);
    em_connect_options connecting = {.size = sizeof connecting, .user = system_new_record(SYSTEM_NONE)};
    assert_int_equal(em_loop_connect_unix_domain(*state, path, &system_recorder, &connecting, NULL), EM_OK);
    while (!served->connection)
        system_turn(*state);
    assert_in_range(option_of(served->connection, SOL_SOCKET, SO_SNDBUF), 16 * 1024, 2 * 16 * 1024);
    assert_in_range(option_of(served->connection, SOL_SOCKET, SO_RCVBUF), 24 * 1024, 2 * 24 * 1024);
}

static void any_option_of_the_socket_can_be_set_and_read(void **state)
{
    pair both = connected_pair(*state, NULL);
    int priority = 5;
    size_t length = 1;
    assert_int_equal(em_connection_set_socket_option(both.client, SOL_SOCKET, SO_PRIORITY, &priority, sizeof priority),
                     EM_OK);
    assert_int_equal(option_of(both.client, SOL_SOCKET, SO_PRIORITY), 5);
    assert_int_equal(em_connection_get_socket_option(both.client, SOL_SOCKET, 12345, &priority, &length),
                     EM_NO_PROTOCOL_OPTION);
    assert_int_equal(em_connection_take_error(both.client), EM_OK);
}

static void a_short_user_timeout_is_not_taken_for_none(void **state)
{
    em_stream_options short_timeout = {.size = sizeof short_timeout, .user_timeout_ns = 1};
    assert_int_equal(option_of(connected_pair(*state, &short_timeout).client, IPPROTO_TCP, TCP_USER_TIMEOUT), 1);
}

static void both_ends_know_both_addresses(void **state)
{
    pair both = connected_pair(*state, NULL);
    em_connection *ends[] = {both.client, both.served};
    for (size_t i = 0; i < 2; i++) {
        char mine[EM_ADDRESS_TEXT_BYTES];
        char theirs[EM_ADDRESS_TEXT_BYTES];
        em_address address;
        assert_int_equal(em_connection_get_local_address(ends[i], &address), EM_OK);
        assert_int_equal(em_address_get_family(&address), EM_ADDRESS_IPV4);
        em_address_to_text(&address, mine, sizeof mine);
        assert_int_equal(em_connection_get_peer_address(ends[1 - i], &address), EM_OK);
        em_address_to_text(&address, theirs, sizeof theirs);
        assert_string_equal(mine, theirs);
    }
}

/* What the server's connection has known of its peer: in post_init, and in unbind. */
typedef struct acquaintance {
    em_address first;
    em_address last;
    bool over;
} acquaintance;

static void meet(em_connection *connection)
{
    acquaintance *peer = em_connection_get_user(connection);
    assert_int_equal(em_connection_get_peer_address(connection, &peer->first), EM_OK);
}

static void part(em_connection *connection, em_status reason)
{
    acquaintance *peer = em_connection_get_user(connection);
    assert_int_equal(reason, EM_CONNECTION_RESET);
    assert_int_equal(em_connection_get_peer_address(connection, &peer->last), EM_OK);
    peer->over = true;
}

static void a_peer_that_was_gone_before_it_was_accepted_is_known_all_the_same(void **state)
{
    static const em_handler handler = {.post_init = meet, .unbind = part};
    static const char *const hosts[] = {"127.0.0.1", "::1"};
    static const int families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < 2; i++) {
        acquaintance *peer = system_memory(sizeof *peer);
        em_server_options options = {.size = sizeof options, .user = peer};
        em_server *server;
        em_address address;
        em_status status = em_loop_start_server(*state, hosts[i], 0, &handler, &options, &server);
        if (i == 1 && (status == EM_ADDRESS_NOT_AVAILABLE || status == EM_ADDRESS_FAMILY))
            system_skip("no IPv6 on this machine");
        assert_int_equal(status, EM_OK);
        assert_int_equal(em_server_get_local_address(server, &address), EM_OK);
        int client = socket(families[i], SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_return_code(connect(client, (struct sockaddr *)address.storage.bytes, address.length), errno);
        socklen_t length = sizeof address.storage.bytes;
        assert_return_code(getsockname(client, (struct sockaddr *)address.storage.bytes, &length), errno);
        system_reset(client);
        while (!peer->over)
            system_turn(*state);
        assert_int_equal(peer->first.length, length);
        assert_memory_equal(peer->first.storage.bytes, address.storage.bytes, length);
        assert_int_equal(peer->last.length, length);
        assert_memory_equal(peer->last.storage.bytes, address.storage.bytes, length);
    }
}

static void before_it_stands_a_connection_has_no_peer(void **state)
{
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connect_options options = {.size = sizeof options, .user = record};
    em_connection *client;
    em_address address;
    assert_int_equal(em_loop_connect(*state, "localhost", system_closed_port(), &system_recorder, &options, &client),
                     EM_OK);
    assert_int_equal(em_connection_get_peer_address(client, &address), EM_NOT_CONNECTED);
    assert_int_equal(em_connection_get_local_address(client, &address), EM_NOT_CONNECTED);
}

static void urgent_data_neither_stops_the_stream_nor_makes_it_spin(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    system_write(client, "before", 6);
    assert_int_equal(send(client, "!", 1, MSG_OOB | MSG_NOSIGNAL), 1);
    system_write(client, "after", 5);
    while (served->bytes < 11)
        system_turn(*state);
    assert_int_equal(send(client, "!", 1, MSG_OOB | MSG_NOSIGNAL), 1);
    uint64_t turns_before = system_stats(*state).turns;
    system_run_for(*state, 100 * EM_MILLISECONDS);
    assert_in_range(system_stats(*state).turns - turns_before, 1, 10);
    system_write(client, "end", 3);
    close(client);
    while (!served->unbind)
        system_turn(*state);
    assert_string_equal(served->text, "beforeafterend"); /* the urgent bytes are out of band, tcp(7) */
}

static void a_message_of_one_byte_arrives_by_itself(void **state)
{
    pair both = connected_pair(*state, NULL);
    system_record *received = em_connection_get_user(both.served);
    for (size_t i = 1; i <= 100; i++) {
        em_connection_send(both.client, "x", 1);
        while (received->bytes < i)
            system_turn(*state);
    }
    assert_int_equal(received->data, 100);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(small_messages_are_not_delayed_unless_asked_for),
        SYSTEM_TEST(keepalive_is_off_unless_asked_for_and_has_its_times),
        SYSTEM_TEST(stream_options_reach_the_sockets_of_both_sides),
        SYSTEM_TEST(buffer_sizes_reach_the_accepted_sockets_of_a_unix_server),
        SYSTEM_TEST(any_option_of_the_socket_can_be_set_and_read),
        SYSTEM_TEST(a_short_user_timeout_is_not_taken_for_none),
        SYSTEM_TEST(both_ends_know_both_addresses),
        SYSTEM_TEST(a_peer_that_was_gone_before_it_was_accepted_is_known_all_the_same),
        SYSTEM_TEST(before_it_stands_a_connection_has_no_peer),
        SYSTEM_TEST(urgent_data_neither_stops_the_stream_nor_makes_it_spin),
        SYSTEM_TEST(a_message_of_one_byte_arrives_by_itself),
    };
    return SYSTEM_RUN(tests);
}
