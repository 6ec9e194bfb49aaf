/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * An echo server and its clients over every kind of socket that the library knows.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { SERVERS = 20 };

/* The client, made to stop the loop when it hears something, says hello and hears it back. */
static void expect_echo(em_loop *loop, em_connection *client, system_record *record)
{
    assert_int_equal(em_connection_send_text(client, "hello"), EM_OK);
    assert_int_equal(em_loop_run(loop), EM_OK);
    record->stop_at = SYSTEM_NONE;
    assert_int_equal(record->completed, 1);
    assert_string_equal(record->text, "hello");
    assert_int_equal(em_connection_get_state(client), EM_STATE_OPEN);
}

static void connect_and_expect_echo(em_loop *loop, const char *host, int port)
{
    system_record *record = system_new_record(SYSTEM_DATA | SYSTEM_UNBIND);
    em_connect_options options = {.size = sizeof options, .user = record};
    em_connection *client;
    assert_int_equal(em_loop_connect(loop, host, port, &system_recorder, &options, &client), EM_OK);
    expect_echo(loop, client, record);
    em_connection_close(client);
    while (!record->unbind)
        system_turn(loop);
    assert_int_equal(record->reason, EM_OK);
}

static void echoes_over_ipv4(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    connect_and_expect_echo(*state, "127.0.0.1", system_serve(*state, &system_echo, served));
    assert_int_equal(served->post_init, 1);
    assert_int_equal(served->completed, 0);
}

/* A server at the IPv6 address of the machine itself; a machine without it skips the test. */
static em_server *serve_ipv6(em_loop *loop)
{
    em_server_options options = {.size = sizeof options, .user = system_new_record(SYSTEM_NONE)};
    em_server *server;
    em_status status = em_loop_start_server(loop, "::1", 0, &system_echo, &options, &server);
    if (status == EM_ADDRESS_NOT_AVAILABLE || status == EM_ADDRESS_FAMILY)
        system_skip("this machine has no IPv6");
    assert_int_equal(status, EM_OK);
    return server;
}

static void echoes_over_ipv6(void **state)
{
    em_server *server = serve_ipv6(*state);
    connect_and_expect_echo(*state, "::1", system_port_of(server));
}

static void a_server_on_all_addresses_serves_both_families(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    em_server_options options = {.size = sizeof options, .user = served, .v6_only = EM_OFF};
    em_server *server;
    em_server_stop(serve_ipv6(*state));
    assert_int_equal(em_loop_start_server(*state, "::", 0, &system_echo, &options, &server), EM_OK);
    connect_and_expect_echo(*state, "::1", system_port_of(server));
    connect_and_expect_echo(*state, "127.0.0.1", system_port_of(server));
}

static void an_empty_host_means_all_ipv4_addresses(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    em_server_options options = {.size = sizeof options, .user = served};
    em_server *server;
    assert_int_equal(em_loop_start_server(*state, "", 0, &system_echo, &options, &server), EM_OK);
    connect_and_expect_echo(*state, "127.0.0.1", system_port_of(server));
}

static void echo_at_path(em_loop *loop, const char *path)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_record *record = system_new_record(SYSTEM_DATA | SYSTEM_UNBIND);
    em_server_options serving = {.size = sizeof serving, .user = served};
    em_connect_options connecting = {.size = sizeof connecting, .user = record};
    em_server *server;
    em_connection *client;
    em_address address;
    char text[EM_ADDRESS_TEXT_BYTES];
    assert_int_equal(em_loop_start_unix_domain_server(loop, path, &system_echo, &serving, &server), EM_OK);
    assert_int_equal(em_loop_connect_unix_domain(loop, path, &system_recorder, &connecting, &client), EM_OK);
    expect_echo(loop, client, record);
    assert_int_equal(em_connection_get_peer_address(client, &address), EM_OK);
    em_address_to_text(&address, text, sizeof text);
    assert_string_equal(text + strlen("unix:"), path);
    em_server_stop(server);
    em_connection_close(client);
    while (!record->unbind || !served->unbind)
        system_turn(loop);
}

static void echoes_over_a_unix_socket(void **state)
{
    char path[64];
    struct stat file;
    snprintf(path, sizeof path, "/tmp/em_echo_%d.sock", (int)getpid());
    echo_at_path(*state, path);
    assert_int_equal(lstat(path, &file), 0); /* the server is gone, its file stays */
    echo_at_path(*state, path);              /* and the next one replaces it */
    unlink(path);
}

static void echoes_over_an_abstract_unix_socket(void **state)
{
    char path[64];
    snprintf(path, sizeof path, "@em_echo_%d", (int)getpid());
    echo_at_path(*state, path);
}

static void serves_a_listening_socket_that_it_is_given(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    em_server_options options = {.size = sizeof options, .user = served};
    em_server *server;
    int port;
    int listener = system_listen(16, &port);
    assert_int_equal(em_loop_attach_server(*state, listener, &system_echo, &options, &server), EM_OK);
    assert_int_equal(em_server_get_descriptor(server), listener);
    assert_int_equal(system_port_of(server), port);
    connect_and_expect_echo(*state, "127.0.0.1", port);
}

static void one_loop_runs_many_servers(void **state)
{
    system_record *served[SERVERS];
    int ports[SERVERS];
    for (unsigned i = 0; i < SERVERS; i++) {
        served[i] = system_new_record(SYSTEM_NONE);
        ports[i] = system_serve(*state, &system_echo, served[i]);
    }
    for (unsigned i = 0; i < SERVERS; i++)
        connect_and_expect_echo(*state, "127.0.0.1", ports[i]);
    for (unsigned i = 0; i < SERVERS; i++)
        assert_int_equal(served[i]->post_init, 1);
    assert_int_equal(system_stats(*state).servers_open, SERVERS);
}

static void two_loops_share_a_port_with_reuse_port(void **state)
{
    system_record *served[2] = {system_new_record(SYSTEM_NONE), system_new_record(SYSTEM_NONE)};
    em_loop *loops[2] = {*state, system_create_loop((em_loop_options){.size = 0})};
    em_server_options options = {.size = sizeof options, .user = served[0], .reuse_port = EM_ON};
    em_server *server;
    int port = system_serve_with(loops[0], &system_echo, options, &server);
    options.user = served[1];
    assert_int_equal(em_loop_start_server(loops[1], "127.0.0.1", port, &system_echo, &options, NULL), EM_OK);
    char answer;
    while (!served[0]->post_init || !served[1]->post_init) { /* the system deals them out at random */
        int client = system_connect(port);
        system_write(client, "x", 1);
        while (system_is_silent(client)) {
            system_turn(loops[0]);
            system_turn(loops[1]);
        }
        assert_int_equal(system_read(loops[0], client, &answer, 1), 1);
        close(client);
    }
    em_loop_destroy(loops[1]);
}

static void what_one_callback_sends_leaves_together(void **state)
{
    char answer[5];
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    for (const char *letter = "hello"; *letter; letter++)
        assert_int_equal(em_connection_send(served->connection, letter, 1), EM_OK);
    uint64_t sent_before;
    em_connection_get_byte_counts(served->connection, NULL, &sent_before);
    system_await(*state, client);
    assert_int_equal(sent_before, 0);
    assert_int_equal(recv(client, answer, sizeof answer, MSG_DONTWAIT), sizeof answer);
    assert_memory_equal(answer, "hello", sizeof answer);
    close(client);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(echoes_over_ipv4),
        SYSTEM_TEST(echoes_over_ipv6),
        SYSTEM_TEST(a_server_on_all_addresses_serves_both_families),
        SYSTEM_TEST(an_empty_host_means_all_ipv4_addresses),
        SYSTEM_TEST(echoes_over_a_unix_socket),
        SYSTEM_TEST(echoes_over_an_abstract_unix_socket),
        SYSTEM_TEST(serves_a_listening_socket_that_it_is_given),
        SYSTEM_TEST(one_loop_runs_many_servers),
        SYSTEM_TEST(two_loops_share_a_port_with_reuse_port),
        SYSTEM_TEST(what_one_callback_sends_leaves_together),
    };
    return SYSTEM_RUN(tests);
}
