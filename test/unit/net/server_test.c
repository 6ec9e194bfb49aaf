/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Servers over the simulated backend: accepting, running out of descriptors, stopping at every moment.
 */
#include "net/server_private.h"
#include "support/simulated_loop.h"
#include "support/sockets.h"

#include <stdio.h>
#include <unistd.h>

static em_server *start_server(simulated_loop *fixture, recorder *told)
{
    em_server *server;
    em_server_options options = {.size = sizeof options, .user = told};
    assert_int_equal(em_loop_start_server(fixture->loop, "127.0.0.1", 0, &recording, &options, &server), EM_OK);
    return server;
}

static simulated_peer *connect_peer(simulated_loop *fixture, em_server *server)
{
    return simulated_connect(fixture->backend, em_server_get_descriptor(server));
}

static void a_server_knows_its_address_port_number_loop_and_user(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    em_address address;
    em_server *server = start_server(fixture, &told);
    em_signature signature = em_server_get_signature(server);
    assert_ptr_equal(em_loop_find_server(fixture->loop, signature), server);
    assert_ptr_equal(em_server_get_loop(server), fixture->loop);
    assert_ptr_equal(em_server_get_user(server), &told);
    assert_int_equal(em_server_get_local_address(server, &address), EM_OK);
    assert_true(em_server_get_port(server) > 0);
    assert_int_equal(em_server_get_port(server), em_address_get_port(&address));
    assert_int_equal(stats_of(fixture).servers_open, 1);
    assert_int_equal(em_server_stop(server), EM_OK);
    assert_null(em_loop_find_server(fixture->loop, signature));
    assert_int_equal(stats_of(fixture).servers_open, 0);
    run_turns(fixture, 1);
    assert_int_equal(simulated_count_channels(fixture->backend), 0);
}

static void accepted_connections_know_their_peer_and_begin_with_the_server_s_user(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    em_address address;
    char text[EM_ADDRESS_TEXT_BYTES];
    recorder_init(&told, fixture);
    open_accepted(&told, &recording, NULL);
    assert_ptr_equal(em_connection_get_user(told.connection), &told);
    assert_ptr_equal(em_connection_get_loop(told.connection), fixture->loop);
    assert_int_equal(em_connection_get_peer_address(told.connection, &address), EM_OK);
    em_address_to_text(&address, text, sizeof text);
    assert_string_equal(text, "192.0.2.1:1025");
    recorder_free(&told);
}

static void arguments_that_make_no_sense_are_refused(void **state)
{
    simulated_loop *fixture = *state;
    em_loop *loop = fixture->loop;
    em_server *server = (em_server *)(void *)fixture;
    em_server_options unset = {.size = 0};
    int pair[2];
    assert_int_equal(em_loop_start_server(loop, "127.0.0.1", 0, NULL, NULL, &server), EM_INVALID_ARGUMENT);
    assert_null(server);
    assert_int_equal(em_loop_start_server(NULL, "127.0.0.1", 0, &recording, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_start_server(loop, "127.0.0.1", -1, &recording, NULL, NULL), EM_INVALID_PORT);
    assert_int_equal(em_loop_start_server(loop, "127.0.0.1", 65536, &recording, NULL, NULL), EM_INVALID_PORT);
    assert_int_equal(em_loop_start_server(loop, "127.0.0.1", 0, &recording, &unset, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_start_server(loop, "192.0.2.1", 0, &recording, NULL, NULL), EM_ADDRESS_NOT_AVAILABLE);
    assert_int_equal(em_loop_start_server(loop, "host.invalid", 0, &recording, NULL, NULL), EM_NAME_NOT_FOUND);
    assert_int_equal(em_loop_start_unix_domain_server(loop, "", &recording, NULL, NULL), EM_INVALID_ADDRESS);
    assert_int_equal(em_loop_start_unix_domain_server(loop, "/nowhere/at/all", &recording, NULL, NULL),
                     EM_NO_SUCH_FILE);
    assert_int_equal(em_loop_attach_server(loop, -1, &recording, NULL, NULL), EM_BAD_DESCRIPTOR);
    unix_pair(pair);
    assert_int_equal(em_loop_attach_server(loop, pair[0], &recording, NULL, NULL), EM_INVALID_ARGUMENT);
    close(pair[0]);
    close(pair[1]);
    assert_int_equal(em_server_stop(NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_server_set_accept_batch(NULL, 1), EM_INVALID_ARGUMENT);
    assert_int_equal(stats_of(fixture).servers_open, 0);
    assert_int_equal(simulated_count_channels(fixture->backend), 0);
}

static void a_port_that_is_taken_is_reported(void **state)
{
    simulated_loop *fixture = *state;
    em_address address;
    int held = listen_on_loopback(&address);
    em_status status =
        em_loop_start_server(fixture->loop, "127.0.0.1", em_address_get_port(&address), &recording, NULL, NULL);
    assert_int_equal(status, EM_ADDRESS_IN_USE);
    close(held);
}

static void a_server_that_cannot_start_leaves_a_given_descriptor_to_the_caller(void **state)
{
    simulated_loop *fixture = *state;
    static const simulated_operation failing[] = {SIMULATED_ATTACH, SIMULATED_START_RECEIVING};
    for (size_t i = 0; i < COUNT(failing); i++) {
        em_address address;
        em_server *server;
        unsigned descriptors = count_descriptors();
        int listener = listen_on_loopback(&address);
        simulated_fail_next(fixture->backend, failing[i], EM_NO_BUFFERS);
        assert_int_equal(em_loop_attach_server(fixture->loop, listener, &recording, NULL, &server), EM_NO_BUFFERS);
        assert_null(server);
        run_turns(fixture, 3);
        assert_int_equal(close(listener), 0);
        assert_int_equal(stats_of(fixture).servers_open, 0);
        assert_int_equal(simulated_count_channels(fixture->backend), 0);
        assert_int_equal(count_descriptors(), descriptors);
    }
}

static void a_server_that_cannot_start_leaves_no_file(void **state)
{
    simulated_loop *fixture = *state;
    static const simulated_operation failing[] = {SIMULATED_ATTACH, SIMULATED_START_RECEIVING};
    em_server_options options = {.size = sizeof options, .socket_file_mode = 0600};
    char path[64];
    snprintf(path, sizeof path, "/tmp/em_unit_%d", (int)getpid());
    for (size_t i = 0; i < COUNT(failing); i++) {
        simulated_fail_next(fixture->backend, failing[i], EM_NO_BUFFERS);
        assert_int_equal(em_loop_start_unix_domain_server(fixture->loop, path, &recording, &options, NULL),
                         EM_NO_BUFFERS);
        assert_int_equal(access(path, F_OK), -1);
    }
}

static void a_server_without_a_port_has_port_0(void **state)
{
    simulated_loop *fixture = *state;
    em_server *server;
    char name[64];
    snprintf(name, sizeof name, "@em_unit_%d", (int)getpid());
    assert_int_equal(em_loop_start_unix_domain_server(fixture->loop, name, &recording, NULL, &server), EM_OK);
    assert_int_equal(em_server_get_port(server), 0);
    assert_int_equal(em_server_get_port(NULL), 0);
}

static void a_given_listening_socket_is_served_and_closed_with_the_server(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    em_address address;
    em_server *server;
    em_server_options options = {.size = sizeof options, .user = &told};
    int listener = listen_on_loopback(&address);
    recorder_init(&told, fixture);
    assert_int_equal(em_loop_attach_server(fixture->loop, listener, &recording, &options, &server), EM_OK);
    connect_peer(fixture, server);
    run_turns(fixture, 2);
    expect_events(&told, "I");
    em_server_stop(server);
    run_turns(fixture, 1);
    assert_int_equal(close(listener), -1);
    recorder_free(&told);
}

static void stopping_a_server_leaves_its_connections_alone(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    run_turns(fixture, 3);
    feed_text(peer, "still here");
    run_turns(fixture, 1);
    assert_true(bytes_equal_text(&told.received, "still here"));
    recorder_free(&told);
}

static unsigned accepted;
static em_server *the_server;

static void stop_at_the_third(em_connection *connection)
{
    em_connection_close(connection);
    if (++accepted == 3)
        assert_int_equal(em_server_stop(the_server), EM_OK);
}

static void stopping_within_post_init_accepts_nobody_else(void **state)
{
    simulated_loop *fixture = *state;
    static const em_handler handler = {.post_init = stop_at_the_third};
    accepted = 0;
    assert_int_equal(em_loop_start_server(fixture->loop, "127.0.0.1", 0, &handler, NULL, &the_server), EM_OK);
    for (unsigned i = 0; i < 10; i++)
        connect_peer(fixture, the_server);
    run_turns(fixture, 5);
    assert_int_equal(accepted, 3);
    assert_int_equal(stats_of(fixture).connections_accepted, 3);
    assert_int_equal(stats_of(fixture).connections_closed, 3);
}

static void count_and_close(em_connection *connection)
{
    accepted++;
    em_connection_close(connection);
}

static void a_server_accepts_in_batches(void **state)
{
    simulated_loop *fixture = *state;
    static const em_handler handler = {.post_init = count_and_close};
    em_server_options options = {.size = sizeof options, .accept_batch = 7};
    em_server *server;
    accepted = 0;
    assert_int_equal(em_loop_start_server(fixture->loop, "127.0.0.1", 0, &handler, &options, &server), EM_OK);
    for (unsigned i = 0; i < 20; i++)
        connect_peer(fixture, server);
    run_turns(fixture, 1);
    assert_int_equal(accepted, 7);
    assert_int_equal(em_server_set_accept_batch(server, 0), EM_INVALID_ARGUMENT);
    assert_int_equal(em_server_set_accept_batch(server, 10), EM_OK);
    run_turns(fixture, 1);
    assert_int_equal(accepted, 17);
    run_turns(fixture, 1);
    assert_int_equal(accepted, 20);
    em_server_stop(server);
}

/* A server with two listening sockets. Skips where there is no IPv6. */
static em_server *start_double_server(simulated_loop *fixture)
{
    static const em_handler silent = {.post_init = NULL};
    em_server *server;
    em_server_options options = {.size = sizeof options, .accept_batch = 7};
    assert_int_equal(em_loop_start_server(fixture->loop, "localhost", 0, &silent, &options, &server), EM_OK);
    if (server->count == 2)
        return server;
    print_message("skipped: no IPv6 on this machine\n");
    skip();
    return NULL;
}

static int descriptor_of(const em_server *server, unsigned listener)
{
    return server->listeners[listener].channel.descriptor;
}

static void each_socket_of_a_server_accepts_in_batches(void **state)
{
    simulated_loop *fixture = *state;
    em_server *server = start_double_server(fixture);
    for (unsigned i = 0; i < 40; i++)
        simulated_connect(fixture->backend, descriptor_of(server, i % 2));
    run_turns(fixture, 1);
    assert_int_equal(stats_of(fixture).connections_accepted, 2 * 7);
    em_server_set_accept_batch(server, 2);
    run_turns(fixture, 1);
    assert_int_equal(stats_of(fixture).connections_accepted, 2 * 7 + 2 * 2);
}

static void without_descriptors_each_socket_of_a_server_pauses_by_itself(void **state)
{
    simulated_loop *fixture = *state;
    em_server *server = start_double_server(fixture);
    simulated_fail_accepting(fixture->backend, descriptor_of(server, 1), EM_NO_DESCRIPTORS);
    run_turns(fixture, 2);
    assert_int_equal(stats_of(fixture).accept_back_offs, 1);
    simulated_connect(fixture->backend, descriptor_of(server, 0));
    run_turns(fixture, 2);
    assert_int_equal(stats_of(fixture).connections_accepted, 1);
    simulated_connect(fixture->backend, descriptor_of(server, 1));
    run_for(fixture, 2 * EM_SECONDS);
    assert_int_equal(stats_of(fixture).connections_accepted, 2);
    for (unsigned i = 0; i < 2; i++)
        simulated_fail_accepting(fixture->backend, descriptor_of(server, i), EM_NO_DESCRIPTORS);
    run_turns(fixture, 2);
    assert_int_equal(em_server_stop(server), EM_OK);
    run_for(fixture, 2 * EM_SECONDS);
    assert_int_equal(stats_of(fixture).servers_open, 0);
}

static void stopping_within_post_init_stops_all_sockets_of_a_server(void **state)
{
    simulated_loop *fixture = *state;
    static const em_handler handler = {.post_init = stop_at_the_third};
    accepted = 0;
    assert_int_equal(em_loop_start_server(fixture->loop, "localhost", 0, &handler, NULL, &the_server), EM_OK);
    for (unsigned i = 0; i < 10; i++)
        simulated_connect(fixture->backend, descriptor_of(the_server, i % the_server->count));
    run_turns(fixture, 5);
    assert_int_equal(accepted, 3);
    assert_int_equal(simulated_count_channels(fixture->backend), 0);
}

static void without_descriptors_a_server_pauses_says_so_and_does_not_spin(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    em_server *server = start_server(fixture, &told);
    for (unsigned i = 0; i < 5; i++) {
        simulated_fail_accepting(fixture->backend, em_server_get_descriptor(server), EM_NO_DESCRIPTORS);
        uint64_t pauses = stats_of(fixture).accept_back_offs;
        for (unsigned turns = 0; stats_of(fixture).accept_back_offs == pauses; turns++) {
            assert_true(turns < 50);
            assert_int_equal(em_loop_run_once(fixture->loop, 10 * EM_SECONDS), EM_OK);
        }
    }
    assert_true(fixture->log_messages >= 1);
    assert_true(fixture->log_messages <= 5);
    connect_peer(fixture, server);
    run_for(fixture, 2 * EM_SECONDS);
    expect_events(&told, "I");
    recorder_free(&told);
    em_server_stop(server);
}

static void a_descriptor_that_becomes_free_ends_the_pause(void **state)
{
    simulated_loop *fixture = *state;
    recorder told[2];
    for (unsigned i = 0; i < 2; i++)
        recorder_init(&told[i], fixture);
    open_accepted(&told[0], &recording, NULL);
    run_turns(fixture, 1);
    em_server *server = start_server(fixture, &told[1]);
    connect_peer(fixture, server);
    simulated_fail_accepting(fixture->backend, em_server_get_descriptor(server), EM_NO_DESCRIPTORS);
    run_turns(fixture, 5);
    expect_events(&told[1], "");
    em_connection_close(told[0].connection);
    run_turns(fixture, 3);
    expect_events(&told[1], "I");
    for (unsigned i = 0; i < 2; i++)
        recorder_free(&told[i]);
    em_server_stop(server);
}

static void a_server_that_stops_ends_the_pause_of_another_one(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    em_server *stopping = start_server(fixture, &told);
    em_server *server = start_server(fixture, &told);
    simulated_fail_accepting(fixture->backend, em_server_get_descriptor(server), EM_NO_DESCRIPTORS);
    run_turns(fixture, 2);
    assert_int_equal(stats_of(fixture).accept_back_offs, 1);
    connect_peer(fixture, server);
    run_turns(fixture, 3);
    expect_events(&told, "");
    em_server_stop(stopping);
    run_turns(fixture, 3);
    expect_events(&told, "I");
    recorder_free(&told);
    em_server_stop(server);
}

static void a_paused_server_can_be_stopped_and_destroyed(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    for (unsigned way = 0; way < 2; way++) {
        em_server *server = start_server(fixture, &told);
        simulated_fail_accepting(fixture->backend, em_server_get_descriptor(server), EM_NO_DESCRIPTORS);
        run_turns(fixture, 2);
        assert_int_equal(stats_of(fixture).accept_back_offs, way + 1);
        if (way == 0)
            em_server_stop(server);
        run_for(fixture, way == 0 ? 5 * EM_SECONDS : 0);
    }
}

static void a_restart_that_fails_pauses_again(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    em_server *server = start_server(fixture, &told);
    simulated_fail_accepting(fixture->backend, em_server_get_descriptor(server), EM_NO_DESCRIPTORS);
    run_turns(fixture, 2);
    simulated_fail_next(fixture->backend, SIMULATED_START_RECEIVING, EM_NO_MEMORY);
    connect_peer(fixture, server);
    run_for(fixture, 150 * EM_MILLISECONDS);
    expect_events(&told, "");
    assert_int_equal(stats_of(fixture).accept_back_offs, 2);
    run_for(fixture, EM_SECONDS);
    expect_events(&told, "I");
    recorder_free(&told);
    em_server_stop(server);
}

static void a_connection_that_cannot_be_attached_is_turned_away(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    em_server *server = start_server(fixture, &told);
    simulated_peer *peer = connect_peer(fixture, server);
    simulated_fail_next(fixture->backend, SIMULATED_ATTACH, EM_NO_MEMORY);
    run_turns(fixture, 2);
    expect_events(&told, "");
    assert_true(simulated_saw_close(peer));
    assert_int_equal(stats_of(fixture).connections_shed, 1);
    assert_int_equal(stats_of(fixture).connections_open, 0);
    connect_peer(fixture, server);
    run_turns(fixture, 2);
    expect_events(&told, "I");
    recorder_free(&told);
    em_server_stop(server);
}

static void a_connection_that_cannot_receive_ends_with_the_reason(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    em_server *server = start_server(fixture, &told);
    simulated_fail_next(fixture->backend, SIMULATED_START_RECEIVING, EM_NO_MEMORY);
    connect_peer(fixture, server);
    run_turns(fixture, 2);
    expect_events(&told, "IU");
    assert_int_equal(told.reason, EM_NO_MEMORY);
    recorder_free(&told);
    em_server_stop(server);
}

#define SERVER_TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SERVER_TEST(a_server_knows_its_address_port_number_loop_and_user),
        SERVER_TEST(accepted_connections_know_their_peer_and_begin_with_the_server_s_user),
        SERVER_TEST(arguments_that_make_no_sense_are_refused),
        SERVER_TEST(a_port_that_is_taken_is_reported),
        SERVER_TEST(a_server_that_cannot_start_leaves_a_given_descriptor_to_the_caller),
        SERVER_TEST(a_server_that_cannot_start_leaves_no_file),
        SERVER_TEST(a_server_without_a_port_has_port_0),
        SERVER_TEST(a_given_listening_socket_is_served_and_closed_with_the_server),
        SERVER_TEST(stopping_a_server_leaves_its_connections_alone),
        SERVER_TEST(stopping_within_post_init_accepts_nobody_else),
        SERVER_TEST(a_server_accepts_in_batches),
        SERVER_TEST(each_socket_of_a_server_accepts_in_batches),
        SERVER_TEST(without_descriptors_each_socket_of_a_server_pauses_by_itself),
        SERVER_TEST(stopping_within_post_init_stops_all_sockets_of_a_server),
        SERVER_TEST(without_descriptors_a_server_pauses_says_so_and_does_not_spin),
        SERVER_TEST(a_descriptor_that_becomes_free_ends_the_pause),
        SERVER_TEST(a_server_that_stops_ends_the_pause_of_another_one),
        SERVER_TEST(a_paused_server_can_be_stopped_and_destroyed),
        SERVER_TEST(a_restart_that_fails_pauses_again),
        SERVER_TEST(a_connection_that_cannot_be_attached_is_turned_away),
        SERVER_TEST(a_connection_that_cannot_receive_ends_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
