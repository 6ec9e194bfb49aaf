/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connections that cannot be made: what fails at once fails without side effect, everything else ends in one unbind
 * with its reason. And the local end. Names are tested in names.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

static void a_closed_port_ends_with_connection_refused(void **state)
{
    system_record *record = system_new_record(SYSTEM_UNBIND);
    em_connection *client = system_dial(*state, system_closed_port(), &system_recorder, record);
    assert_int_equal(record->post_init, 1);
    assert_int_equal(record->unbind, 0); /* never before em_loop_connect returns */
    assert_int_equal(em_connection_send_text(client, "lost"), EM_OK);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(record->unbind, 1);
    assert_int_equal(record->completed, 0);
    assert_int_equal(record->reason, EM_CONNECTION_REFUSED);
}

/* The program takes the error off the socket (SO_ERROR) before the loop does. */
static void a_refused_connection_whose_error_is_taken_is_not_established(void **state)
{
    system_record *record = system_new_record(SYSTEM_UNBIND);
    em_connection *client = system_dial(*state, system_closed_port(), &system_recorder, record);
    em_status taken = EM_OK;
    while (record->unbind == 0 && (taken = em_connection_take_error(client)) == EM_OK)
        assert_true(em_loop_run_once(*state, 0) >= 0);
    assert_true(record->unbind == 1 || taken == EM_CONNECTION_REFUSED);
    while (record->unbind == 0)
        system_turn(*state);
    assert_int_equal(record->completed, 0);
    assert_int_equal(record->reason, EM_CONNECTION_REFUSED);
}

static void nor_is_one_whose_error_is_taken_from_its_descriptor(void **state)
{
    system_record *record = system_new_record(SYSTEM_UNBIND);
    em_connection *client = system_dial(*state, system_closed_port(), &system_recorder, record);
    int error = 0;
    socklen_t length = sizeof error;
    assert_int_equal(getsockopt(em_connection_get_descriptor(client), SOL_SOCKET, SO_ERROR, &error, &length), 0);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(record->completed, 0);
    assert_int_equal(record->reason, error == ECONNREFUSED ? EM_NOT_CONNECTED : EM_CONNECTION_REFUSED);
}

static void a_port_that_never_answers_ends_at_the_connect_timeout(void **state)
{
    int port;
    int fillers[SYSTEM_MOST_FILLERS];
    int listener = system_listen(0, &port);
    unsigned filled = system_fill_queue(port, fillers);
    if (filled == 0)
        system_skip("this system answers however full the queue is");
    system_record *record = system_new_record(SYSTEM_UNBIND);
    em_connect_options options = {.user = record, .connect_timeout_ns = 200 * EM_MILLISECONDS};
    uint64_t started_ns = system_now_ns();
    uint64_t used_before_ns = system_cpu_ns();
    em_connection *client = system_dial_with(*state, port, &system_recorder, options);
    assert_int_equal(em_connection_get_state(client), EM_STATE_CONNECTING);
    assert_int_equal(em_loop_run(*state), EM_OK);
    uint64_t took_ns = system_now_ns() - started_ns;
    assert_int_equal(record->reason, EM_CONNECT_TIMEOUT);
    assert_in_range(took_ns, 200 * EM_MILLISECONDS, 15 * EM_SECONDS);
    assert_in_range(system_cpu_ns() - used_before_ns, 0, took_ns / 4); /* waits, does not spin */
    for (unsigned i = 0; i < filled; i++)
        close(fillers[i]);
    close(listener);
}

static void what_is_wrong_in_itself_fails_at_once_and_calls_nothing(void **state)
{
    static const struct {
        const char *host;
        int port;
        em_status status;
    } wrong[] = {
        {"127.0.0.1", 0, EM_INVALID_PORT},     {"127.0.0.1", -1, EM_INVALID_PORT},
        {"127.0.0.1", 65536, EM_INVALID_PORT}, {"127.0.0.1.1", 80, EM_INVALID_ADDRESS},
        {"::1::", 80, EM_INVALID_ADDRESS},     {"", 80, EM_INVALID_ADDRESS},
        {"300.0.0.1", 80, EM_INVALID_ADDRESS}, {"tab\there", 80, EM_INVALID_ADDRESS},
        {NULL, 80, EM_INVALID_ARGUMENT},
    };
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connect_options options = {.size = sizeof options, .user = record};
    em_connection *client = (em_connection *)record;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        em_status status = em_loop_connect(*state, wrong[i].host, wrong[i].port, &system_recorder, &options, &client);
        assert_int_equal(status, wrong[i].status);
        assert_null(client);
    }
    assert_int_equal(em_loop_connect(*state, "127.0.0.1", 80, NULL, &options, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_connect(NULL, "127.0.0.1", 80, &system_recorder, &options, NULL), EM_INVALID_ARGUMENT);
    options.size = 3;
    assert_int_equal(em_loop_connect(*state, "127.0.0.1", 80, &system_recorder, &options, NULL), EM_INVALID_ARGUMENT);
    system_turn(*state);
    assert_int_equal(record->post_init + record->unbind, 0);
    assert_int_equal(system_stats(*state).connections_open, 0);
}

static void a_unix_socket_that_is_not_there_fails_at_once(void **state)
{
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connect_options options = {.size = sizeof options, .user = record};
    char path[sizeof((struct sockaddr_un){0}.sun_path)];
    snprintf(path, sizeof path, "/tmp/em_stale_%d", (int)getpid());
    assert_int_equal(em_loop_connect_unix_domain(*state, path, &system_recorder, &options, NULL), EM_NO_SUCH_FILE);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, sizeof path);
    int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_return_code(bind(stale, (struct sockaddr *)&address, sizeof address), errno);
    close(stale);
    assert_int_equal(em_loop_connect_unix_domain(*state, path, &system_recorder, &options, NULL),
                     EM_CONNECTION_REFUSED);
    unlink(path);
    system_turn(*state);
    assert_int_equal(record->post_init + record->unbind, 0);
    assert_int_equal(system_stats(*state).connections_open, 0);
}

/* A Unix-domain server that does not accept, and whose queue is full. */
typedef struct busy_server {
    char path[64];
    int listener;
    int filler;
} busy_server;

static int unix_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_return_code(fd, errno);
    return fd;
}

static busy_server start_busy_server(void)
{
    em_address address;
    busy_server server = {.listener = unix_socket(), .filler = unix_socket()};
    snprintf(server.path, sizeof server.path, "@em_busy_%d", (int)getpid());
    assert_int_equal(em_address_from_path(server.path, &address), EM_OK);
    const struct sockaddr *name = (const struct sockaddr *)address.storage.bytes;
    assert_return_code(bind(server.listener, name, address.length), errno);
    assert_return_code(listen(server.listener, 0), errno);
    assert_return_code(connect(server.filler, name, address.length), errno);
    return server;
}

static em_connection *dial_busy(em_loop *loop, const busy_server *server, system_record *record, uint64_t timeout_ns)
{
    em_connection *client;
    em_connect_options options = {.size = sizeof options, .user = record, .connect_timeout_ns = timeout_ns};
    assert_int_equal(em_loop_connect_unix_domain(loop, server->path, &system_recorder, &options, &client), EM_OK);
    assert_int_equal(em_connection_get_state(client), EM_STATE_CONNECTING);
    assert_int_equal(record->post_init, 1);
    return client;
}

static void a_unix_server_with_a_full_queue_is_tried_again_until_it_accepts(void **state)
{
    busy_server server = start_busy_server();
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connection *client = dial_busy(*state, &server, record, 0);
    assert_int_equal(em_connection_send_text(client, "patient"), EM_OK);
    assert_int_equal(em_connection_pause(client), EM_OK);
    assert_int_equal(em_connection_resume(client), EM_OK);
    system_run_for(*state, 50 * EM_MILLISECONDS);
    assert_int_equal(record->completed + record->unbind, 0);
    int first = accept(server.listener, NULL, NULL);
    while (!record->completed)
        system_turn(*state);
    int second = accept(server.listener, NULL, NULL);
    char text[8] = "";
    assert_int_equal(system_read(*state, second, text, 7), 7);
    assert_string_equal(text, "patient");
    int fds[] = {first, second, server.filler, server.listener};
    for (unsigned i = 0; i < 4; i++)
        close(fds[i]);
}

/* Before it is connected, the socket polls as hung up. That must be forgotten. */
static void after_waiting_for_a_full_queue_a_half_close_is_only_that(void **state)
{
    busy_server server = start_busy_server();
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connection *client = dial_busy(*state, &server, record, 0);
    assert_int_equal(em_connection_set_handler(client, &system_open_recorder), EM_OK);
    system_run_for(*state, 20 * EM_MILLISECONDS);
    int first = accept(server.listener, NULL, NULL);
    while (!record->completed)
        system_turn(*state);
    int second = accept(server.listener, NULL, NULL);
    assert_return_code(shutdown(second, SHUT_WR), errno);
    while (!record->end)
        system_turn(*state);
    system_run_for(*state, 20 * EM_MILLISECONDS);
    assert_int_equal(record->unbind, 0);
    assert_int_equal(em_connection_send_text(client, "answer"), EM_OK);
    char text[7] = "";
    assert_int_equal(system_read(*state, second, text, 6), 6);
    assert_string_equal(text, "answer");
    int fds[] = {first, second, server.filler, server.listener};
    for (unsigned i = 0; i < 4; i++)
        close(fds[i]);
}

static void a_unix_server_whose_queue_stays_full_ends_at_the_connect_timeout(void **state)
{
    busy_server server = start_busy_server();
    system_record *record = system_new_record(SYSTEM_UNBIND);
    dial_busy(*state, &server, record, 300 * EM_MILLISECONDS);
    uint64_t turns_before = system_stats(*state).turns;
    uint64_t started_ns = system_now_ns();
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(record->reason, EM_CONNECT_TIMEOUT);
    assert_int_equal(record->completed, 0);
    assert_true(system_now_ns() - started_ns >= 300 * EM_MILLISECONDS);
    assert_in_range(system_stats(*state).turns - turns_before, 1, 30);
    close(server.filler);
    close(server.listener);
}

static void a_unix_server_that_goes_while_its_queue_is_full_refuses(void **state)
{
    busy_server server = start_busy_server();
    system_record *refused = system_new_record(SYSTEM_UNBIND);
    system_record *closed = system_new_record(SYSTEM_NONE);
    dial_busy(*state, &server, refused, 0);
    assert_int_equal(em_connection_close(dial_busy(*state, &server, closed, 0)), EM_OK);
    close(server.listener);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(refused->reason, EM_CONNECTION_REFUSED);
    assert_int_equal(closed->unbind, 1);
    assert_int_equal(closed->reason, EM_OK);
    close(server.filler);
}

static void many_clients_of_a_unix_server_with_a_short_queue_get_through(void **state)
{
    char path[64];
    system_record *served = system_new_record(SYSTEM_NONE);
    system_record *record = system_new_record(SYSTEM_NONE);
    em_server_options serving = {.size = sizeof serving, .user = served, .backlog = 1};
    em_connect_options options = {.size = sizeof options, .user = record};
    snprintf(path, sizeof path, "@em_full_%d", (int)getpid());
    assert_int_equal(em_loop_start_unix_domain_server(*state, path, &system_recorder, &serving, NULL), EM_OK);
    for (unsigned i = 0; i < SYSTEM_MOST_FILLERS; i++)
        assert_int_equal(em_loop_connect_unix_domain(*state, path, &system_recorder, &options, NULL), EM_OK);
    while (record->completed < SYSTEM_MOST_FILLERS || served->post_init < SYSTEM_MOST_FILLERS)
        system_turn(*state);
    assert_int_equal(record->unbind, 0);
}

/* Where the system chooses the local port, this happens by chance only. */
static void a_connection_to_itself_is_refused_and_leaves_the_port_free(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "::1"};
    for (size_t i = 0; i < 2; i++) {
        system_record *record = system_new_record(SYSTEM_UNBIND);
        int port = system_closed_port();
        em_connect_options options = {
            .size = sizeof options, .user = record, .bind_host = hosts[i], .bind_port = port, .reuse_address = EM_OFF};
        em_status status = em_loop_connect(*state, hosts[i], port, &system_recorder, &options, NULL);
        if (status == EM_ADDRESS_NOT_AVAILABLE || status == EM_ADDRESS_FAMILY)
            system_skip("no IPv6 on this machine");
        assert_int_equal(status, EM_OK);
        assert_int_equal(em_loop_run(*state), EM_OK);
        assert_int_equal(record->reason, EM_CONNECTION_REFUSED);
        assert_int_equal(record->completed, 0);
        em_server_options serving = {.size = sizeof serving, .reuse_address = EM_OFF};
        assert_int_equal(em_loop_start_server(*state, hosts[i], port, &system_recorder, &serving, NULL), EM_OK);
    }
}

static void a_client_is_bound_to_the_local_end_it_asks_for(void **state)
{
    system_record *record = system_new_record(SYSTEM_COMPLETED);
    system_record *served = system_new_record(SYSTEM_NONE);
    int port = system_serve(*state, &system_recorder, served);
    em_connect_options options = {.user = record, .bind_host = "127.0.0.2", .bind_port = system_closed_port()};
    em_connection *client = system_dial_with(*state, port, &system_recorder, options);
    assert_int_equal(em_loop_run(*state), EM_OK);
    em_address local;
    em_address peer;
    char text[EM_ADDRESS_TEXT_BYTES];
    char expected[EM_ADDRESS_TEXT_BYTES];
    snprintf(expected, sizeof expected, "127.0.0.2:%d", options.bind_port);
    assert_int_equal(em_connection_get_local_address(client, &local), EM_OK);
    em_address_to_text(&local, text, sizeof text);
    assert_string_equal(text, expected);
    while (!served->connection)
        system_turn(*state);
    assert_int_equal(em_connection_get_peer_address(served->connection, &peer), EM_OK);
    em_address_to_text(&peer, text, sizeof text);
    assert_string_equal(text, expected);
}

static void a_local_end_that_cannot_be_fails_at_once(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int port = system_serve(*state, &system_recorder, served);
    em_connect_options options = {.size = sizeof options, .bind_host = "127.0.0.1", .bind_port = port};
    assert_int_equal(em_loop_connect(*state, "127.0.0.1", port, &system_recorder, &options, NULL), EM_ADDRESS_IN_USE);
    options.bind_host = "203.0.113.1"; /* RFC 5737 */
    assert_int_equal(em_loop_connect(*state, "127.0.0.1", port, &system_recorder, &options, NULL),
                     EM_ADDRESS_NOT_AVAILABLE);
    options.bind_host = "no literal";
    assert_int_equal(em_loop_connect(*state, "127.0.0.1", port, &system_recorder, &options, NULL), EM_INVALID_ADDRESS);
    options.bind_host = "127.0.0.1";
    options.bind_port = 65536;
    assert_int_equal(em_loop_connect(*state, "127.0.0.1", port, &system_recorder, &options, NULL), EM_INVALID_PORT);
    assert_int_equal(system_stats(*state).connections_open, 0);
}

static void what_is_sent_before_the_connection_stands_arrives(void **state)
{
    system_record *record = system_new_record(SYSTEM_NONE);
    system_record *served = system_new_record(SYSTEM_UNBIND);
    em_connection *client =
        system_dial(*state, system_serve(*state, &system_recorder, served), &system_recorder, record);
    assert_int_equal(em_connection_send_text(client, "early "), EM_OK);
    assert_int_equal(em_connection_send_text(client, "bird"), EM_OK);
    assert_int_equal(em_connection_close_after_writing(client), EM_OK);
    assert_int_equal(em_connection_send_text(client, "late"), EM_CLOSED);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_string_equal(served->text, "early bird");
    assert_int_equal(record->completed, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_closed_port_ends_with_connection_refused),
        SYSTEM_TEST(a_refused_connection_whose_error_is_taken_is_not_established),
        SYSTEM_TEST(nor_is_one_whose_error_is_taken_from_its_descriptor),
        SYSTEM_TEST(a_port_that_never_answers_ends_at_the_connect_timeout),
        SYSTEM_TEST(what_is_wrong_in_itself_fails_at_once_and_calls_nothing),
        SYSTEM_TEST(a_unix_socket_that_is_not_there_fails_at_once),
        SYSTEM_TEST(a_unix_server_with_a_full_queue_is_tried_again_until_it_accepts),
        SYSTEM_TEST(after_waiting_for_a_full_queue_a_half_close_is_only_that),
        SYSTEM_TEST(a_unix_server_whose_queue_stays_full_ends_at_the_connect_timeout),
        SYSTEM_TEST(a_unix_server_that_goes_while_its_queue_is_full_refuses),
        SYSTEM_TEST(many_clients_of_a_unix_server_with_a_short_queue_get_through),
        SYSTEM_TEST(a_connection_to_itself_is_refused_and_leaves_the_port_free),
        SYSTEM_TEST(a_client_is_bound_to_the_local_end_it_asks_for),
        SYSTEM_TEST(a_local_end_that_cannot_be_fails_at_once),
        SYSTEM_TEST(what_is_sent_before_the_connection_stands_arrives),
    };
    return SYSTEM_RUN(tests);
}
