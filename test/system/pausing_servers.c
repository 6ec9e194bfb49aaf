/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Pausing a server: its clients wait in the system's queue, none is lost, and those who share the socket can serve
 * them.
 */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { CLIENTS = 20 };

/* Clients that have connected and asked for something. */
typedef struct clients {
    int each[CLIENTS];
} clients;

static void connect_all(clients *all, int port)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        all->each[i] = system_connect(port);
        system_write(all->each[i], "x", 1);
    }
}

static void expect_served(em_loop *loop, int client)
{
    char answer;
    assert_int_equal(system_read(loop, client, &answer, 1), 1);
    close(client);
}

static void expect_all_served(em_loop *loop, const clients *all)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        expect_served(loop, all->each[i]);
}

static uint64_t accepted(const em_loop *loop)
{
    return system_stats(loop).connections_accepted;
}

/* A server that echoes; returns its port. */
static int serve(em_loop *loop, em_server_options options, em_server **server)
{
    options.user = system_new_record(SYSTEM_NONE);
    return system_serve_with(loop, &system_echo, options, server);
}

static int serve_paused(em_loop *loop, em_server **server)
{
    int port = serve(loop, (em_server_options){.size = 0}, server);
    assert_int_equal(em_server_pause(*server), EM_OK);
    return port;
}

/* Whoever waits had the opportunity to be accepted. */
static void expect_nobody_accepted(em_loop *loop)
{
    for (unsigned i = 0; i < 5; i++)
        system_turn(loop);
    assert_int_equal(accepted(loop), 0);
}

static void clients_of_a_paused_server_wait_and_are_served_when_it_resumes(void **state)
{
    clients all;
    em_server *server;
    int port = serve_paused(*state, &server);
    connect_all(&all, port);
    expect_nobody_accepted(*state);
    assert_int_equal(em_server_resume(server), EM_OK);
    expect_all_served(*state, &all);
    assert_int_equal(accepted(*state), CLIENTS);
}

static void a_server_that_pauses_again_and_again_loses_no_client(void **state)
{
    clients all;
    em_server *server;
    int port = serve(*state, (em_server_options){.accept_batch = 3}, &server);
    connect_all(&all, port);
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_int_equal(em_server_pause(server), EM_OK);
        uint64_t before = accepted(*state);
        assert_int_equal(em_loop_run_once(*state, 0), EM_OK);
        assert_int_equal(accepted(*state), before);
        assert_int_equal(em_server_resume(server), EM_OK);
        assert_int_equal(em_loop_run_once(*state, 0), EM_OK);
    }
    expect_all_served(*state, &all);
}

static void pause_server(em_connection *connection)
{
    em_server **server = em_connection_get_user(connection);
    assert_int_equal(em_server_pause(*server), EM_OK);
}

static void echo(em_connection *connection, const void *data, size_t length)
{
    em_connection_send(connection, data, length);
}

static const em_handler one_by_one = {.post_init = pause_server, .receive_data = echo};

static void a_pause_in_post_init_takes_effect_before_the_next_client(void **state)
{
    clients all;
    em_server **server = system_memory(sizeof *server);
    int port = system_serve_with(*state, &one_by_one, (em_server_options){.user = server}, server);
    connect_all(&all, port);
    for (unsigned i = 1; i <= CLIENTS; i++) {
        while (accepted(*state) < i)
            system_turn(*state);
        system_turn(*state);
        system_turn(*state);
        assert_int_equal(accepted(*state), i);
        assert_int_equal(em_server_resume(*server), EM_OK);
    }
    expect_all_served(*state, &all);
}

static void connections_go_on_while_their_server_is_paused(void **state)
{
    char answer[2];
    em_server *server;
    int port = serve(*state, (em_server_options){.size = 0}, &server);
    int client = system_connect(port);
    while (accepted(*state) == 0)
        system_turn(*state);
    assert_int_equal(em_server_pause(server), EM_OK);
    system_write(client, "on", 2);
    assert_int_equal(system_read(*state, client, answer, 2), 2);
    close(client);
}

static void clients_that_wait_cost_a_paused_server_nothing(void **state)
{
    clients all;
    em_server *server;
    int port = serve_paused(*state, &server);
    connect_all(&all, port);
    system_turn(*state);
    uint64_t turns_before = system_stats(*state).turns;
    system_run_for(*state, 100 * EM_MILLISECONDS);
    assert_in_range(system_stats(*state).turns - turns_before, 1, 5);
    assert_int_equal(em_server_resume(server), EM_OK);
    expect_all_served(*state, &all);
}

static void a_server_at_a_path_can_be_paused(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/em_paused_%d", (int)getpid());
    em_server_options options = {.size = sizeof options, .user = system_new_record(SYSTEM_NONE)};
    em_server *server;
    assert_int_equal(em_loop_start_unix_domain_server(*state, address.sun_path, &system_echo, &options, &server),
                     EM_OK);
    assert_int_equal(em_server_pause(server), EM_OK);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (const struct sockaddr *)&address, sizeof address), 0);
    system_write(client, "x", 1);
    expect_nobody_accepted(*state);
    assert_int_equal(em_server_resume(server), EM_OK);
    expect_served(*state, client);
    unlink(address.sun_path);
}

static em_server *share(em_loop *loop, int listener)
{
    em_server_options options = {.size = sizeof options, .user = system_new_record(SYSTEM_NONE)};
    em_server *server;
    assert_int_equal(em_loop_attach_server(loop, dup(listener), &system_echo, &options, &server), EM_OK);
    return server;
}

static void others_that_share_the_socket_serve_the_clients_of_a_paused_server(void **state)
{
    int port;
    clients all;
    em_loop *other = system_create_loop((em_loop_options){.size = 0});
    int listener = system_listen(CLIENTS, &port);
    em_server *paused = share(*state, listener);
    share(other, listener);
    assert_int_equal(em_loop_run_once(*state, 0), EM_OK);
    assert_int_equal(em_server_pause(paused), EM_OK);
    connect_all(&all, port);
    while (accepted(other) < CLIENTS / 2) {
        system_turn(*state);
        system_turn(other);
    }
    assert_int_equal(accepted(*state), 0);
    while (system_stats(other).bytes_sent < CLIENTS)
        system_turn(other);
    expect_all_served(other, &all);
    assert_int_equal(em_server_resume(paused), EM_OK);
    expect_nobody_accepted(*state); /* what was reported meanwhile has gone */
    assert_int_equal(em_loop_destroy(other), EM_OK);
    connect_all(&all, port);
    expect_all_served(*state, &all);
    assert_int_equal(accepted(*state), CLIENTS);
    close(listener);
}

static void a_paused_server_can_be_stopped_and_its_port_served_again(void **state)
{
    em_server *server;
    int port = system_serve_with(*state, &system_recorder, (em_server_options){.size = 0}, &server);
    assert_int_equal(em_server_pause(server), EM_OK);
    int client = system_connect(port);
    assert_int_equal(em_server_stop(server), EM_OK);
    assert_int_equal(em_loop_start_server(*state, "127.0.0.1", port, &system_recorder, NULL, NULL), EM_OK);
    close(client);
}

/* In the child, which has the loop from now on. */
static void resume_in_child(void *user)
{
    em_server *server = user;
    em_loop *loop = em_server_get_loop(server);
    system_child_check(em_loop_take_over(loop) == EM_OK, "the child takes the loop over");
    system_child_check(em_loop_run_once(loop, 0) == EM_OK && accepted(loop) == 0, "the server is paused still");
    system_child_check(em_server_resume(server) == EM_OK, "it resumes");
    while (system_stats(loop).connections_closed == 0)
        system_child_check(em_loop_run_once(loop, EM_FOREVER) == EM_OK, "it serves");
    em_loop_destroy(loop);
}

static void a_paused_server_stays_paused_in_a_child_that_takes_the_loop_over(void **state)
{
    em_server *server;
    char answer;
    int port = serve_paused(*state, &server);
    int client = system_connect(port);
    system_write(client, "x", 1);
    system_turn(*state);
    pid_t child = system_fork(resume_in_child, server);
    assert_int_equal(em_loop_hand_over(*state), EM_OK);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    assert_int_equal(system_receive(client, &answer, 1), 1);
    shutdown(client, SHUT_WR); /* the child has a copy, so closing this one would not end it */
    assert_int_equal(system_wait(child), 0);
    close(client);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(clients_of_a_paused_server_wait_and_are_served_when_it_resumes),
        SYSTEM_TEST(a_server_that_pauses_again_and_again_loses_no_client),
        SYSTEM_TEST(a_pause_in_post_init_takes_effect_before_the_next_client),
        SYSTEM_TEST(connections_go_on_while_their_server_is_paused),
        SYSTEM_TEST(clients_that_wait_cost_a_paused_server_nothing),
        SYSTEM_TEST(a_server_at_a_path_can_be_paused),
        SYSTEM_TEST(others_that_share_the_socket_serve_the_clients_of_a_paused_server),
        SYSTEM_TEST(a_paused_server_can_be_stopped_and_its_port_served_again),
        SYSTEM_TEST(a_paused_server_stays_paused_in_a_child_that_takes_the_loop_over),
    };
    return SYSTEM_RUN(tests);
}
