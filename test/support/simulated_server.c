/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A server over the simulated backend and the list of its connections.
 */
#include "support/simulated_server.h"

#include "net/server_private.h"

static void enter(em_connection *connection)
{
    simulated_server *set = em_connection_get_user(connection);
    assert_true(set->open_count < SIMULATED_MOST_CLIENTS);
    set->open[set->open_count++] = connection;
    set->accepted++;
    if (set->on_accept)
        set->on_accept(set, connection);
    if (set->accepted == set->pause_at)
        assert_int_equal(em_server_pause(set->server), EM_OK);
}

static void leave(em_connection *connection, em_status reason)
{
    simulated_server *set = em_connection_get_user(connection);
    (void)reason;
    if (set->on_unbind)
        set->on_unbind(set, connection);
    unsigned place = 0;
    while (place < set->open_count && set->open[place] != connection)
        place++;
    assert_true(place < set->open_count);
    set->open[place] = set->open[--set->open_count];
}

const em_handler simulated_server_handler = {.post_init = enter, .unbind = leave};

void serve_at_host(simulated_server *set, simulated_loop *fixture, const char *host, unsigned max_connections)
{
    *set = (simulated_server){.fixture = fixture};
    em_server_options options = {.size = sizeof options, .user = set, .max_connections = max_connections};
    assert_int_equal(
        em_loop_start_server(set->fixture->loop, host, 0, &simulated_server_handler, &options, &set->server), EM_OK);
}

void serve(simulated_server *set, simulated_loop *fixture, unsigned max_connections)
{
    serve_at_host(set, fixture, "127.0.0.1", max_connections);
}

void connect_clients(simulated_server *set, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        simulated_connect(set->fixture->backend, set->server->listeners[i % set->server->count].channel.descriptor);
}

void run_a_few_turns(const simulated_server *set)
{
    run_turns(set->fixture, 4);
}

void close_oldest(simulated_server *set)
{
    assert_int_equal(em_connection_close(set->open[0]), EM_OK);
    run_a_few_turns(set);
}

void expect_accepted(const simulated_server *set, unsigned accepted, unsigned open)
{
    assert_int_equal(set->accepted, accepted);
    assert_int_equal(set->open_count, open);
    assert_int_equal(em_server_get_connection_count(set->server), open);
}

void end_server(simulated_server *set)
{
    while (set->open_count > 0)
        close_oldest(set);
    if (set->server)
        assert_int_equal(em_server_stop(set->server), EM_OK);
    run_a_few_turns(set);
    assert_int_equal(simulated_count_channels(set->fixture->backend), 0);
}
