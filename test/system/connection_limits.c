/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The maximum of open connections of a server: the next client waits in the system's queue until one of them has ended,
 * in whatever way.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { MOST = 3, CLIENTS = 12 };

static uint64_t accepted(const em_loop *loop)
{
    return system_stats(loop).connections_accepted;
}

static unsigned open_at_most;

static void note_count(em_connection *connection)
{
    em_server **server = em_connection_get_user(connection);
    unsigned count = em_server_get_connection_count(*server);
    if (count > open_at_most)
        open_at_most = count;
}

static void answer_and_close(em_connection *connection, const void *data, size_t length)
{
    em_connection_send(connection, data, length);
    em_connection_close_after_writing(connection);
}

static const em_handler counting = {.post_init = note_count, .receive_data = answer_and_close};

/* A server with this maximum, at a name, so on several sockets. */
static em_server *serve(em_loop *loop, unsigned max_connections, int *port)
{
    em_server **server = system_memory(sizeof *server);
    em_server_options options = {.size = sizeof options, .user = server, .max_connections = max_connections};
    assert_int_equal(em_loop_start_server(loop, "localhost", 0, &counting, &options, server), EM_OK);
    *port = system_port_of(*server);
    open_at_most = 0;
    return *server;
}

static void run_until_accepted(em_loop *loop, unsigned count)
{
    while (accepted(loop) < count)
        system_turn(loop);
    for (unsigned i = 0; i < 3; i++)
        system_turn(loop);
    assert_int_equal(accepted(loop), count);
}

static void never_more_than_the_maximum_are_open_and_all_are_served(void **state)
{
    int port;
    int clients[CLIENTS];
    em_server *server = serve(*state, MOST, &port);
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i] = system_connect(port);
    run_until_accepted(*state, MOST);
    assert_int_equal(em_server_get_connection_count(server), MOST);
    for (unsigned i = 0; i < CLIENTS; i++) {
        char answer[2];
        system_write(clients[i], "x", 1);
        assert_int_equal(system_read(*state, clients[i], answer, 2), 1);
        close(clients[i]);
    }
    assert_int_equal(accepted(*state), CLIENTS);
    assert_int_equal(open_at_most, MOST);
    while (em_server_get_connection_count(server) > 0)
        system_turn(*state);
}

static void whatever_ends_a_connection_makes_room(void **state)
{
    int port;
    int clients[4];
    em_server *server = serve(*state, 1, &port);
    for (unsigned i = 0; i < 4; i++)
        clients[i] = system_connect(port);
    run_until_accepted(*state, 1);
    close(clients[0]); /* the normal end */
    run_until_accepted(*state, 2);
    system_reset(clients[1]);
    run_until_accepted(*state, 3);
    char answer[2];
    system_write(clients[2], "x", 1); /* the server closes */
    assert_int_equal(system_read(*state, clients[2], answer, 2), 1);
    run_until_accepted(*state, 4);
    assert_int_equal(em_server_get_connection_count(server), 1);
    close(clients[2]);
    close(clients[3]);
    while (em_server_get_connection_count(server) > 0)
        system_turn(*state);
}

static void a_client_that_does_not_close_after_unbind_keeps_no_client_out(void **state)
{
    int port;
    char answer;
    serve(*state, 1, &port);
    int first = system_connect(port);
    int second = system_connect(port);
    system_write(first, "x", 1);
    system_write(second, "x", 1);
    assert_int_equal(system_read(*state, second, &answer, 1), 1); /* the first has closed nothing */
    close(first);
    close(second);
}

static void a_full_server_with_clients_in_its_queue_costs_nothing(void **state)
{
    int port;
    int clients[CLIENTS];
    serve(*state, 1, &port);
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i] = system_connect(port);
    run_until_accepted(*state, 1);
    uint64_t turns_before = system_stats(*state).turns;
    system_run_for(*state, 100 * EM_MILLISECONDS);
    assert_in_range(system_stats(*state).turns - turns_before, 1, 5);
    for (unsigned i = 0; i < CLIENTS; i++)
        close(clients[i]);
}

static void each_server_counts_its_own(void **state)
{
    int ports[2];
    int clients[4];
    em_server *servers[2];
    for (unsigned i = 0; i < 2; i++)
        servers[i] = serve(*state, 1, &ports[i]);
    for (unsigned i = 0; i < 4; i++)
        clients[i] = system_connect(ports[i % 2]);
    run_until_accepted(*state, 2);
    assert_int_equal(em_server_get_connection_count(servers[0]), 1);
    assert_int_equal(em_server_get_connection_count(servers[1]), 1);
    close(clients[0]);
    run_until_accepted(*state, 3);
    assert_int_equal(em_server_get_connection_count(servers[0]), 1);
    for (unsigned i = 1; i < 4; i++)
        close(clients[i]);
}

static void a_descriptor_that_was_given_can_have_a_maximum(void **state)
{
    int port;
    em_server **server = system_memory(sizeof *server);
    em_server_options options = {.size = sizeof options, .user = server, .max_connections = 1};
    int listener = system_listen(5, &port);
    assert_int_equal(em_loop_attach_server(*state, listener, &counting, &options, server), EM_OK);
    int clients[] = {system_connect(port), system_connect(port)};
    run_until_accepted(*state, 1);
    close(clients[0]);
    run_until_accepted(*state, 2);
    close(clients[1]);
}

static void a_full_server_can_be_stopped_before_its_connections(void **state)
{
    int port;
    em_server *server = serve(*state, 1, &port);
    int clients[] = {system_connect(port), system_connect(port)};
    run_until_accepted(*state, 1);
    assert_int_equal(em_server_set_max_connections(server, 2), EM_OK);
    assert_int_equal(em_server_set_max_connections(server, 1), EM_OK);
    assert_int_equal(em_server_stop(server), EM_OK);
    system_turn(*state);
    close(clients[0]);
    while (system_stats(*state).connections_closed == 0)
        system_turn(*state);
    assert_int_equal(accepted(*state), 1);
    close(clients[1]);
}

/* The test keeps one client connected and one waiting; the child serves them from now on. */
static void serve_in_child(void *user)
{
    em_server *server = user;
    em_loop *loop = em_server_get_loop(server);
    system_child_check(em_loop_take_over(loop) == EM_OK, "the child takes the loop over");
    system_child_check(em_server_get_connection_count(server) == 1, "with its count");
    while (system_stats(loop).connections_closed < 2)
        system_child_check(em_loop_run_once(loop, EM_FOREVER) == EM_OK, "it serves both");
    system_child_check(em_server_get_connection_count(server) == 0, "none is left");
    em_loop_destroy(loop);
}

static void a_child_that_takes_the_loop_over_goes_on_with_the_count(void **state)
{
    int port;
    char answer;
    em_server *server = serve(*state, 1, &port);
    int clients[] = {system_connect(port), system_connect(port)};
    run_until_accepted(*state, 1);
    pid_t child = system_fork(serve_in_child, server);
    assert_int_equal(em_loop_hand_over(*state), EM_OK);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    system_write(clients[1], "x", 1);
    assert_true(system_is_silent(clients[1]));
    shutdown(clients[0], SHUT_WR); /* the child has a copy, so closing this one would not end it */
    assert_int_equal(system_receive(clients[1], &answer, 1), 1);
    assert_int_equal(system_wait(child), 0);
    close(clients[0]);
    close(clients[1]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(never_more_than_the_maximum_are_open_and_all_are_served),
        SYSTEM_TEST(whatever_ends_a_connection_makes_room),
        SYSTEM_TEST(a_client_that_does_not_close_after_unbind_keeps_no_client_out),
        SYSTEM_TEST(a_full_server_with_clients_in_its_queue_costs_nothing),
        SYSTEM_TEST(each_server_counts_its_own),
        SYSTEM_TEST(a_descriptor_that_was_given_can_have_a_maximum),
        SYSTEM_TEST(a_full_server_can_be_stopped_before_its_connections),
        SYSTEM_TEST(a_child_that_takes_the_loop_over_goes_on_with_the_count),
    };
    return SYSTEM_RUN(tests);
}
