/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A peer that resets the connection, in every state that a connection can be in: unbind comes once, says so, and still
 * knows who it was.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { BACKLOG_BYTES = 16 * 1024 * 1024, WRITES = 1000 };

/* A bare client of a server that records, as far as the server's post_init. */
static void expect_unbind(em_loop *loop, const system_record *served)
{
    while (!served->unbind)
        system_turn(loop);
    system_turn(loop);
    assert_int_equal(served->unbind, 1);
    assert_int_equal(served->reason, EM_CONNECTION_RESET);
    assert_int_equal(system_stats(loop).connections_open, 0);
    assert_int_equal(system_stats(loop).outbox_bytes, 0);
}

/* Sends so much that most of it waits. */
static void send_backlog(em_connection *connection)
{
    static const char backlog[BACKLOG_BYTES];
    assert_int_equal(em_connection_send_borrowed(connection, backlog, sizeof backlog, NULL, NULL), EM_UNDER_PRESSURE);
}

static void a_reset_of_an_idle_connection_is_reported(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_reset(system_connected_client(*state, &system_recorder, served));
    expect_unbind(*state, served);
    assert_int_equal(served->reason, EM_CONNECTION_RESET);
}

static void a_reset_before_it_is_accepted_does_not_harm_the_server(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int port = system_serve(*state, &system_recorder, served);
    system_reset(system_connect(port));
    int client = system_connect(port);
    system_write(client, "here", 4);
    while (served->bytes < 4)
        system_turn(*state);
    close(client);
    while (served->unbind < served->post_init)
        system_turn(*state);
    assert_string_equal(served->text, "here");
}

static void what_arrived_before_a_reset_is_delivered(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    system_write(client, "last words", 10);
    system_reset(client);
    expect_unbind(*state, served);
    assert_string_equal(served->text, "last words");
}

static void what_arrived_before_a_reset_is_delivered_also_when_sending_finds_out(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    system_write(client, "last words", 10);
    system_reset(client);
    assert_int_equal(em_connection_send_text(served->connection, "too late"),
                     EM_OK); /* leaves before anything is read */
    expect_unbind(*state, served);
    assert_string_equal(served->text, "last words");
}

static void a_reset_while_much_waits_to_be_sent_is_reported(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    send_backlog(served->connection);
    system_await(*state, client);
    system_reset(client);
    expect_unbind(*state, served);
}

static void a_reset_while_draining_is_reported(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    send_backlog(served->connection);
    assert_int_equal(em_connection_close_after_writing(served->connection), EM_OK);
    assert_int_equal(em_connection_get_state(served->connection), EM_STATE_DRAINING);
    system_await(*state, client);
    system_reset(client);
    expect_unbind(*state, served);
}

static void a_reset_while_paused_is_reported_after_the_pause_and_nothing_spins(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    assert_int_equal(em_connection_pause(served->connection), EM_OK);
    system_write(client, "kept", 4);
    system_reset(client);
    uint64_t turns_before = system_stats(*state).turns;
    system_run_for(*state, 100 * EM_MILLISECONDS);
    assert_in_range(system_stats(*state).turns - turns_before, 1, 10);
    assert_int_equal(served->bytes, 0);
    if (served->connection) { /* else: told already, which is as good */
        assert_int_equal(em_connection_resume(served->connection), EM_OK);
        expect_unbind(*state, served);
        assert_string_equal(served->text, "kept");
    }
}

/* Nothing is sent that could find it. */
static void expect_reset_after_end(em_loop *loop, em_status (*pause)(em_connection *connection), bool paused_before)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(loop, &system_open_recorder, served);
    if (paused_before)
        assert_int_equal(pause(served->connection), EM_OK);
    shutdown(client, SHUT_WR);
    if (paused_before)
        system_turn(loop);
    for (unsigned turns = 0; !served->end && !(paused_before && turns > 10); turns++)
        system_turn(loop);
    if (pause && !paused_before)
        assert_int_equal(pause(served->connection), EM_OK);
    system_reset(client);
    if (paused_before) {
        system_run_for(loop, 20 * EM_MILLISECONDS);
        em_connection_resume(served->connection);
        em_connection_resume_receiving(served->connection);
    }
    expect_unbind(loop, served);
    assert_int_equal(served->end, 1);
}

static void a_reset_after_the_peers_end_ends_the_connection(void **state)
{
    expect_reset_after_end(*state, NULL, false);
}

static void a_reset_after_the_peers_end_ends_the_connection_during_a_pause(void **state)
{
    expect_reset_after_end(*state, em_connection_pause, false);
    expect_reset_after_end(*state, em_connection_pause_receiving, false);
}

static void a_reset_after_an_end_that_came_during_a_pause_is_reported_after_it(void **state)
{
    expect_reset_after_end(*state, em_connection_pause, true);
    expect_reset_after_end(*state, em_connection_pause_receiving, true);
}

static void a_reset_after_the_peers_end_ends_the_connection_also_if_the_program_has_taken_the_error(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_open_recorder, served);
    shutdown(client, SHUT_WR);
    while (!served->end)
        system_turn(*state);
    system_reset(client);
    assert_int_not_equal(em_connection_take_error(served->connection), EM_OK);
    expect_unbind(*state, served);
}

static void a_reset_after_the_peers_end_ends_the_connection_while_much_waits_to_be_sent(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_open_recorder, served);
    shutdown(client, SHUT_WR);
    while (!served->end)
        system_turn(*state);
    send_backlog(served->connection);
    system_await(*state, client);
    system_reset(client);
    expect_unbind(*state, served);
}

static void a_reset_after_our_end_is_reported(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    assert_int_equal(em_connection_close_write(served->connection), EM_OK);
    system_await(*state, client);
    system_reset(client);
    expect_unbind(*state, served);
}

static void a_reset_right_after_connecting_is_reported_to_the_client(void **state)
{
    int port;
    int listener = system_listen(4, &port);
    system_record *record = system_new_record(SYSTEM_UNBIND);
    em_connection *client = system_dial(*state, port, &system_recorder, record);
    em_connection_send_text(client, "hello");
    system_reset(system_accept(listener));
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(record->unbind, 1);
    assert_int_equal(record->reason, EM_CONNECTION_RESET);
    close(listener);
}

static em_address peer_in_unbind;
static em_status told_in_unbind;

static void ask_for_peer(em_connection *connection, em_status reason)
{
    (void)reason;
    told_in_unbind = em_connection_get_peer_address(connection, &peer_in_unbind);
    em_loop_stop(em_connection_get_loop(connection));
}

static void the_peers_address_is_known_in_unbind_after_a_reset(void **state)
{
    static const em_handler asking = {.unbind = ask_for_peer};
    static const char *const hosts[] = {"127.0.0.1", "::1"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        em_server *server;
        if (em_loop_start_server(*state, hosts[i], 0, &asking, NULL, &server) != EM_OK)
            continue; /* no IPv6 here; IPv4 there always is */
        em_stream_options resetting = {.size = sizeof resetting, .linger = EM_ON};
        em_connect_options options = {.size = sizeof options, .stream = &resetting};
        system_record *record = options.user = system_new_record(SYSTEM_COMPLETED);
        em_connection *client;
        em_address expected;
        char expected_text[EM_ADDRESS_TEXT_BYTES];
        char text[EM_ADDRESS_TEXT_BYTES];
        assert_int_equal(em_loop_connect(*state, hosts[i], system_port_of(server), &system_recorder, &options, &client),
                         EM_OK);
        assert_int_equal(em_loop_run(*state), EM_OK);
        assert_int_equal(record->completed, 1);
        assert_int_equal(em_connection_get_local_address(client, &expected), EM_OK);
        assert_int_equal(em_connection_close(client), EM_OK);
        assert_int_equal(em_loop_run(*state), EM_OK);
        assert_int_equal(told_in_unbind, EM_OK);
        em_address_to_text(&expected, expected_text, sizeof expected_text);
        em_address_to_text(&peer_in_unbind, text, sizeof text);
        assert_string_equal(text, expected_text);
    }
}

static volatile sig_atomic_t broken_pipes;

static void count_signal(int signal_number)
{
    (void)signal_number;
    broken_pipes = broken_pipes + 1;
}

static void write_until_it_breaks(em_loop *loop, const system_record *served)
{
    for (unsigned i = 0; i < WRITES && served->connection; i++) {
        em_connection_send_text(served->connection, "one ");
        em_connection_send_borrowed(served->connection, "two ", 4, NULL,
                                    NULL); /* several pieces go another way than one */
        system_turn(loop);
    }
    assert_int_equal(served->unbind, 1);
    assert_true(served->reason < 0);
}

static void no_sigpipe_is_ever_delivered(void **state)
{
    system_record *over_tcp = system_new_record(SYSTEM_NONE);
    system_record *over_unix = system_new_record(SYSTEM_NONE);
    broken_pipes = 0;
    signal(SIGPIPE, count_signal);
    int client = system_connected_client(*state, &system_open_recorder, over_tcp);
    close(client);
    write_until_it_breaks(*state, over_tcp);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path, sizeof address.sun_path, "@em_pipe_%d", (int)getpid());
    em_server_options options = {.size = sizeof options, .user = over_unix};
    assert_int_equal(em_loop_start_unix_domain_server(*state, address.sun_path, &system_open_recorder, &options, NULL),
                     EM_OK);
    address.sun_path[0] = '\0';
    client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length);
    assert_return_code(connect(client, (struct sockaddr *)&address, address_bytes), errno);
    while (!over_unix->connection)
        system_turn(*state);
    close(client);
    write_until_it_breaks(*state, over_unix);
    signal(SIGPIPE, SIG_DFL);
    assert_int_equal(broken_pipes, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_reset_of_an_idle_connection_is_reported),
        SYSTEM_TEST(a_reset_before_it_is_accepted_does_not_harm_the_server),
        SYSTEM_TEST(what_arrived_before_a_reset_is_delivered),
        SYSTEM_TEST(what_arrived_before_a_reset_is_delivered_also_when_sending_finds_out),
        SYSTEM_TEST(a_reset_while_much_waits_to_be_sent_is_reported),
        SYSTEM_TEST(a_reset_while_draining_is_reported),
        SYSTEM_TEST(a_reset_while_paused_is_reported_after_the_pause_and_nothing_spins),
        SYSTEM_TEST(a_reset_after_the_peers_end_ends_the_connection),
        SYSTEM_TEST(a_reset_after_the_peers_end_ends_the_connection_during_a_pause),
        SYSTEM_TEST(a_reset_after_an_end_that_came_during_a_pause_is_reported_after_it),
        SYSTEM_TEST(a_reset_after_the_peers_end_ends_the_connection_also_if_the_program_has_taken_the_error),
        SYSTEM_TEST(a_reset_after_the_peers_end_ends_the_connection_while_much_waits_to_be_sent),
        SYSTEM_TEST(a_reset_after_our_end_is_reported),
        SYSTEM_TEST(a_reset_right_after_connecting_is_reported_to_the_client),
        SYSTEM_TEST(the_peers_address_is_known_in_unbind_after_a_reset),
        SYSTEM_TEST(no_sigpipe_is_ever_delivered),
    };
    return SYSTEM_RUN(tests);
}
