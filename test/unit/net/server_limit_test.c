/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The maximum of open connections of a server, over the simulated backend, and, at the end, limits and pauses in any
 * order. Clients that have to wait are never lost.
 */
#include "support/simulated_server.h"

#include <stdlib.h>

static void never_more_connections_than_the_maximum_are_open(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    for (unsigned i = 0; i < COUNT(hosts); i++) {
        simulated_server set;
        serve_at_host(&set, *state, hosts[i], 3);
        assert_int_equal(em_server_get_max_connections(set.server), 3);
        connect_clients(&set, 10);
        run_a_few_turns(&set);
        expect_accepted(&set, 3, 3);
        for (unsigned accepted = 4; accepted <= 10; accepted++) {
            close_oldest(&set);
            expect_accepted(&set, accepted, 3);
        }
        close_oldest(&set);
        expect_accepted(&set, 10, 2);
        end_server(&set);
    }
}

static void expect_one(simulated_server *set, em_connection *connection)
{
    (void)connection;
    assert_int_equal(em_server_get_connection_count(set->server), 1);
}

static void expect_one_and_close(simulated_server *set, em_connection *connection)
{
    expect_one(set, connection);
    em_connection_close(connection);
}

static void a_connection_counts_from_its_post_init_until_its_unbind_has_returned(void **state)
{
    simulated_server set;
    serve(&set, *state, 1);
    set.on_accept = expect_one_and_close;
    set.on_unbind = expect_one;
    connect_clients(&set, 6);
    run_turns(set.fixture, 20);
    expect_accepted(&set, 6, 0);
    end_server(&set);
}

static void clients_that_are_turned_away_do_not_count(void **state)
{
    simulated_server set;
    serve(&set, *state, 1);
    connect_clients(&set, 3);
    simulated_fail_next(set.fixture->backend, SIMULATED_ATTACH, EM_NO_MEMORY);
    run_a_few_turns(&set);
    assert_int_equal(stats_of(set.fixture).connections_shed, 1);
    expect_accepted(&set, 1, 1);
    close_oldest(&set);
    expect_accepted(&set, 2, 1);
    end_server(&set);
}

static void a_connection_that_fails_at_once_makes_room(void **state)
{
    simulated_server set;
    serve(&set, *state, 1);
    simulated_fail_next(set.fixture->backend, SIMULATED_START_RECEIVING, EM_NO_MEMORY);
    connect_clients(&set, 2);
    run_a_few_turns(&set);
    expect_accepted(&set, 2, 1);
    end_server(&set);
}

static void a_socket_that_is_given_back_makes_room(void **state)
{
    simulated_server set;
    int socket;
    serve(&set, *state, 1);
    connect_clients(&set, 2);
    run_a_few_turns(&set);
    expect_accepted(&set, 1, 1);
    assert_int_equal(em_connection_detach(set.open[0], &socket), EM_OK);
    run_a_few_turns(&set);
    expect_accepted(&set, 2, 1);
    end_server(&set);
}

static void the_maximum_can_be_changed_at_any_time(void **state)
{
    simulated_server set;
    serve(&set, *state, 0);
    assert_int_equal(em_server_get_max_connections(set.server), 0);
    connect_clients(&set, 4);
    run_a_few_turns(&set);
    expect_accepted(&set, 4, 4);
    assert_int_equal(em_server_set_max_connections(set.server, 2), EM_OK);
    connect_clients(&set, 6);
    run_a_few_turns(&set);
    expect_accepted(&set, 4, 4); /* none is closed */
    close_oldest(&set);
    close_oldest(&set);
    expect_accepted(&set, 4, 2);
    close_oldest(&set);
    expect_accepted(&set, 5, 2);
    assert_int_equal(em_server_set_max_connections(set.server, 3), EM_OK);
    run_a_few_turns(&set);
    expect_accepted(&set, 6, 3);
    assert_int_equal(em_server_set_max_connections(set.server, 0), EM_OK);
    run_a_few_turns(&set);
    expect_accepted(&set, 10, 7);
    assert_int_equal(em_server_set_max_connections(NULL, 1), EM_INVALID_ARGUMENT);
    assert_int_equal(em_server_get_max_connections(NULL), 0);
    assert_int_equal(em_server_get_connection_count(NULL), 0);
    end_server(&set);
}

static void room_does_not_end_a_pause(void **state)
{
    simulated_server set;
    serve(&set, *state, 1);
    connect_clients(&set, 2);
    run_a_few_turns(&set);
    assert_int_equal(em_server_is_paused(set.server), 0);
    assert_int_equal(em_server_pause(set.server), EM_OK);
    close_oldest(&set);
    expect_accepted(&set, 1, 0);
    assert_int_equal(em_server_resume(set.server), EM_OK);
    run_a_few_turns(&set);
    expect_accepted(&set, 2, 1);
    end_server(&set);
}

static void resuming_does_not_exceed_the_maximum(void **state)
{
    simulated_server set;
    serve(&set, *state, 1);
    connect_clients(&set, 2);
    run_a_few_turns(&set);
    assert_int_equal(em_server_pause(set.server), EM_OK);
    assert_int_equal(em_server_resume(set.server), EM_OK);
    run_a_few_turns(&set);
    expect_accepted(&set, 1, 1);
    end_server(&set);
}

static void another_handler_does_not_change_the_count(void **state)
{
    em_handler other = simulated_server_handler;
    other.post_init = NULL;
    simulated_server set;
    serve(&set, *state, 1);
    connect_clients(&set, 2);
    run_a_few_turns(&set);
    assert_int_equal(em_connection_set_handler(set.open[0], &other), EM_OK);
    close_oldest(&set);
    expect_accepted(&set, 2, 1);
    end_server(&set);
}

static void a_socket_that_outlives_unbind_does_not_count(void **state)
{
    static char bytes[200 * 1024];
    simulated_server set;
    serve(&set, *state, 1);
    simulated_peer *peer = simulated_connect(set.fixture->backend, em_server_get_descriptor(set.server));
    connect_clients(&set, 1);
    run_a_few_turns(&set);
    assert_int_equal(em_connection_send(set.open[0], bytes, sizeof bytes), EM_OK);
    assert_int_equal(em_connection_close_in_background(set.open[0]), EM_OK);
    run_a_few_turns(&set);
    assert_false(simulated_saw_close(peer));
    expect_accepted(&set, 2, 1);
    while (simulated_take(peer, NULL, sizeof bytes) > 0)
        run_a_few_turns(&set);
    simulated_end(peer);
    end_server(&set);
}

static void connections_that_no_server_accepted_do_not_count(void **state)
{
    simulated_server set;
    recorder told;
    serve(&set, *state, 1);
    recorder_init(&told, set.fixture);
    open_connected(&told, NULL);
    connect_clients(&set, 2);
    run_a_few_turns(&set);
    recorder_free(&told);
    run_a_few_turns(&set);
    expect_accepted(&set, 1, 1);
    end_server(&set);
}

static void connections_of_a_stopped_server_count_for_no_other_one(void **state)
{
    simulated_server old, new;
    serve(&old, *state, 2);
    connect_clients(&old, 3);
    run_a_few_turns(&old);
    assert_int_equal(em_server_stop(old.server), EM_OK);
    old.server = NULL;
    run_a_few_turns(&old);
    serve(&new, *state, 1);
    connect_clients(&new, 2);
    run_a_few_turns(&new);
    expect_accepted(&new, 1, 1);
    close_oldest(&old);
    close_oldest(&old);
    expect_accepted(&new, 1, 1);
    close_oldest(&new);
    expect_accepted(&new, 2, 1);
    end_server(&new);
    end_server(&old);
}

static void stop_server(simulated_server *set, em_connection *connection)
{
    (void)connection;
    assert_int_equal(em_server_stop(set->server), EM_OK);
    set->server = NULL;
}

static void a_server_can_be_stopped_within_unbind_of_its_last_connection(void **state)
{
    simulated_server set;
    serve(&set, *state, 1);
    set.on_unbind = stop_server;
    connect_clients(&set, 2);
    run_a_few_turns(&set);
    close_oldest(&set);
    assert_int_equal(set.accepted, 1);
    end_server(&set);
}

static void a_loop_can_be_destroyed_with_servers_at_their_maximum(void **state)
{
    static const em_handler silent = {.post_init = NULL};
    simulated_loop *fixture = *state;
    em_server_options options = {.size = sizeof options, .max_connections = 2};
    for (unsigned i = 0; i < 2; i++) {
        em_server *server;
        assert_int_equal(em_loop_start_server(fixture->loop, "127.0.0.1", 0, &silent, &options, &server), EM_OK);
        for (unsigned clients = 0; clients < 3; clients++)
            simulated_connect(fixture->backend, em_server_get_descriptor(server));
        run_turns(fixture, 3);
        assert_int_equal(em_server_get_connection_count(server), 2);
        if (i == 0)
            em_server_stop(server);
    }
}

/* Any order of things */

enum { SEEDS = 300, STEPS = 60 };

static void expect_permission(simulated_server *set, em_connection *connection)
{
    unsigned most = em_server_get_max_connections(set->server);
    assert_int_equal(em_server_is_paused(set->server), 0);
    assert_true(most == 0 || em_server_get_connection_count(set->server) <= most);
    if (rand() % 4 == 0)
        em_server_pause(set->server);
    if (rand() % 4 == 0)
        em_connection_close(connection);
    if (rand() % 8 == 0)
        em_server_set_max_connections(set->server, (unsigned)rand() % 4);
}

static void step(simulated_server *set, unsigned *clients)
{
    switch (rand() % 8) {
    case 0:
        em_server_pause(set->server);
        break;
    case 1:
        em_server_resume(set->server);
        break;
    case 2:
        em_server_set_max_connections(set->server, (unsigned)rand() % 4);
        break;
    case 3:
        if (set->open_count > 0)
            em_connection_close(set->open[(unsigned)rand() % set->open_count]);
        break;
    case 4:
        simulated_fail_accepting(set->fixture->backend, em_server_get_descriptor(set->server), EM_NO_BUFFERS);
        break;
    case 5:
        run_for(set->fixture, 300 * EM_MILLISECONDS);
        break;
    default:
        if (*clients < SIMULATED_MOST_CLIENTS) {
            connect_clients(set, 1);
            ++*clients;
        }
    }
    assert_int_equal(em_server_get_connection_count(set->server), set->open_count);
    run_turns(set->fixture, (unsigned)rand() % 3);
}

static void in_any_order_of_things_the_limits_hold_and_nobody_is_lost(void **state)
{
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        simulated_loop fixture;
        const simulated_options simulated = {.seed = seed};
        unsigned clients = 0;
        simulated_server set;
        srand(seed);
        simulated_loop_open(&fixture, &simulated, NULL);
        serve_at_host(&set, &fixture, "localhost", (unsigned)rand() % 4);
        set.on_accept = expect_permission;
        for (unsigned i = 0; i < STEPS; i++)
            step(&set, &clients);
        set.on_accept = NULL;
        em_server_resume(set.server);
        assert_int_equal(em_server_set_max_connections(set.server, 0), EM_OK);
        run_for(&fixture, 5 * EM_SECONDS);
        expect_accepted(&set, clients, set.open_count);
        while (set.open_count > 0) {
            em_connection_close(set.open[0]);
            run_for(&fixture, EM_SECONDS);
        }
        simulated_loop_close(&fixture);
    }
    (void)state;
}

#define SERVER_TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SERVER_TEST(never_more_connections_than_the_maximum_are_open),
        SERVER_TEST(a_connection_counts_from_its_post_init_until_its_unbind_has_returned),
        SERVER_TEST(clients_that_are_turned_away_do_not_count),
        SERVER_TEST(a_connection_that_fails_at_once_makes_room),
        SERVER_TEST(a_socket_that_is_given_back_makes_room),
        SERVER_TEST(the_maximum_can_be_changed_at_any_time),
        SERVER_TEST(room_does_not_end_a_pause),
        SERVER_TEST(resuming_does_not_exceed_the_maximum),
        SERVER_TEST(another_handler_does_not_change_the_count),
        SERVER_TEST(a_socket_that_outlives_unbind_does_not_count),
        SERVER_TEST(connections_that_no_server_accepted_do_not_count),
        SERVER_TEST(connections_of_a_stopped_server_count_for_no_other_one),
        SERVER_TEST(a_server_can_be_stopped_within_unbind_of_its_last_connection),
        SERVER_TEST(a_loop_can_be_destroyed_with_servers_at_their_maximum),
        cmocka_unit_test(in_any_order_of_things_the_limits_hold_and_nobody_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
