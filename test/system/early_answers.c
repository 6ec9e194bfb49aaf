/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A server that answers and closes while its peer still sends: the peer gets the whole answer (RFC 9112, section 9.6),
 * and the socket that waits for it does not stay for long.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

#define DRAIN_NS (400 * EM_MILLISECONDS)

enum { ANSWER_BYTES = 4 * 1024 * 1024, PIECE_BYTES = 64 * 1024 };

static const char answer[ANSWER_BYTES];

/* Answers and closes; turns until the connection is unbound. Returns how much the client had to read for that. */
static size_t answer_and_close(em_loop *loop, system_record *served, int client)
{
    static char piece[PIECE_BYTES];
    size_t read_bytes = 0;
    em_connection_send(served->connection, answer, sizeof answer);
    assert_int_equal(em_connection_close_after_writing(served->connection), EM_OK);
    while (!served->unbind) {
        system_turn(loop);
        ssize_t length = served->unbind ? 0 : recv(client, piece, sizeof piece, MSG_DONTWAIT);
        read_bytes += length > 0 ? (size_t)length : 0;
    }
    assert_int_equal(served->reason, EM_OK);
    return read_bytes;
}

static int connected_client(em_loop *loop, system_record *served)
{
    int client = system_connect(system_serve(loop, &system_recorder, served));
    while (!served->connection)
        system_turn(loop);
    return client;
}

static void a_peer_that_goes_on_sending_gets_the_whole_answer(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = connected_client(*state, served);
    size_t read_bytes = answer_and_close(*state, served, client);
    assert_true(read_bytes < sizeof answer);
    for (int i = 0; i < 10; i++) {
        system_write(client, answer, 1000);
        system_run_for(*state, EM_MILLISECONDS);
    }
    assert_int_equal(read_bytes + system_read_to_end(*state, client), sizeof answer);
    close(client);
}

static void the_socket_is_closed_when_the_peer_has_ended(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = connected_client(*state, served);
    answer_and_close(*state, served, client);
    unsigned before = system_descriptors();
    system_read_to_end(*state, client);
    shutdown(client, SHUT_WR);
    while (system_descriptors() == before)
        system_turn(*state);
    close(client);
}

/* Reads what the system still has; false if a reset comes behind it instead of the end. */
static bool ends_well(int client)
{
    static char piece[PIECE_BYTES];
    ssize_t length;
    do
        length = system_receive(client, piece, sizeof piece);
    while (length > 0);
    return length == 0;
}

static void a_peer_that_never_reads_is_given_up_and_sees_a_reset(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = connected_client(*state, served);
    em_connection_set_drain_timeout_ns(served->connection, DRAIN_NS);
    answer_and_close(*state, served, client);
    unsigned before = system_descriptors();
    while (system_descriptors() == before)
        system_turn(*state);
    assert_false(ends_well(client));
    close(client);
}

/* It takes much longer for all of it than a silent peer is waited for. */
static void a_peer_that_reads_slowly_gets_the_whole_answer(void **state)
{
    static char piece[PIECE_BYTES];
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = connected_client(*state, served);
    em_connection_set_drain_timeout_ns(served->connection, DRAIN_NS);
    size_t read_bytes = answer_and_close(*state, served, client);
    ssize_t length;
    system_write(client, "x", 1);
    do {
        length = system_receive(client, piece, sizeof piece);
        assert_true(length >= 0);
        read_bytes += (size_t)length;
        system_run_for(*state, DRAIN_NS / 20);
    } while (length > 0);
    assert_int_equal(read_bytes, sizeof answer);
    close(client);
}

/* Before unbind, the connection ends for this reason. */
static void a_peer_that_stops_reading_before_all_is_sent_is_given_up(void **state)
{
    for (unsigned half_closed = 0; half_closed < 2; half_closed++) {
        system_record *served = system_new_record(SYSTEM_UNBIND);
        int client = connected_client(*state, served);
        em_connection_set_drain_timeout_ns(served->connection, DRAIN_NS);
        for (unsigned i = 0; i < 4; i++)
            em_connection_send_borrowed(served->connection, answer, sizeof answer, NULL, NULL);
        if (half_closed)
            shutdown(client, SHUT_WR);
        else
            em_connection_close_after_writing(served->connection);
        assert_int_equal(em_loop_run(*state), EM_OK);
        assert_int_equal(served->reason, EM_WRITE_TIMEOUT);
        assert_false(ends_well(client));
        close(client);
    }
}

static void a_peer_that_reads_a_byte_now_and_then_is_given_up(void **state)
{
    char byte;
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = connected_client(*state, served);
    em_connection_set_drain_timeout_ns(served->connection, DRAIN_NS);
    for (unsigned i = 0; i < 4; i++)
        em_connection_send_borrowed(served->connection, answer, sizeof answer, NULL, NULL);
    em_connection_close_after_writing(served->connection);
    while (!served->unbind) {
        system_run_for(*state, DRAIN_NS / 20);
        recv(client, &byte, 1, MSG_DONTWAIT);
    }
    assert_int_equal(served->reason, EM_WRITE_TIMEOUT);
    close(client);
}

static int unix_client(em_loop *loop, system_record *served)
{
    char path[108];
    snprintf(path, sizeof path, "/tmp/em-early-answers-%d", (int)getpid());
    em_server *server;
    em_server_options options = {.size = sizeof options, .user = served};
    assert_int_equal(em_loop_start_unix_domain_server(loop, path, &system_recorder, &options, &server), EM_OK);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, sizeof path);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    while (!served->connection)
        system_turn(loop);
    assert_int_equal(em_server_stop(server), EM_OK);
    return client;
}

static void closed_in_the_background_the_rest_arrives_after_unbind(void **state)
{
    int (*const connects[])(em_loop *, system_record *) = {connected_client, unix_client};
    for (unsigned i = 0; i < 4; i++) {
        system_record *served = system_new_record(SYSTEM_NONE);
        int client = connects[i % 2](*state, served);
        for (unsigned piece = 0; piece < 4; piece++)
            em_connection_send_borrowed(served->connection, answer, sizeof answer, NULL, NULL);
        unsigned before = system_descriptors();
        if (i < 2)
            shutdown(client, SHUT_WR);
        assert_int_equal(em_connection_close_in_background(served->connection), EM_OK);
        system_turn(*state);
        assert_int_equal(served->unbind, 1);
        assert_int_equal(served->reason, EM_OK);
        assert_int_equal(system_read_to_end(*state, client), 4 * sizeof answer);
        if (i >= 2)
            shutdown(client, SHUT_WR);
        while (system_descriptors() == before)
            system_turn(*state);
        close(client);
    }
}

static void closed_in_the_background_a_silent_peer_is_given_up(void **state)
{
    int (*const connects[])(em_loop *, system_record *) = {connected_client, unix_client};
    for (unsigned i = 0; i < 2; i++) {
        system_record *served = system_new_record(SYSTEM_NONE);
        int client = connects[i](*state, served);
        em_connection_set_drain_timeout_ns(served->connection, DRAIN_NS);
        for (unsigned piece = 0; piece < 4; piece++)
            em_connection_send_borrowed(served->connection, answer, sizeof answer, NULL, NULL);
        unsigned before = system_descriptors();
        em_connection_close_in_background(served->connection);
        while (system_descriptors() == before)
            system_turn(*state);
        assert_int_equal(system_stats(*state).outbox_bytes, 0);
        close(client);
    }
}

static void the_loop_ends_without_waiting_for_such_a_peer(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = connected_client(*state, served);
    em_connection_set_drain_timeout_ns(served->connection, EM_FOREVER);
    answer_and_close(*state, served, client);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    close(client);
}

static void the_loop_ends_without_waiting_for_what_is_left_in_the_background(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = connected_client(*state, served);
    em_connection_set_drain_timeout_ns(served->connection, EM_FOREVER);
    for (unsigned piece = 0; piece < 4; piece++)
        em_connection_send_borrowed(served->connection, answer, sizeof answer, NULL, NULL);
    em_connection_close_in_background(served->connection);
    system_turn(*state);
    assert_int_equal(served->unbind, 1);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    close(client);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_peer_that_goes_on_sending_gets_the_whole_answer),
        SYSTEM_TEST(the_socket_is_closed_when_the_peer_has_ended),
        SYSTEM_TEST(a_peer_that_never_reads_is_given_up_and_sees_a_reset),
        SYSTEM_TEST(a_peer_that_reads_slowly_gets_the_whole_answer),
        SYSTEM_TEST(a_peer_that_stops_reading_before_all_is_sent_is_given_up),
        SYSTEM_TEST(a_peer_that_reads_a_byte_now_and_then_is_given_up),
        SYSTEM_TEST(closed_in_the_background_the_rest_arrives_after_unbind),
        SYSTEM_TEST(closed_in_the_background_a_silent_peer_is_given_up),
        SYSTEM_TEST(the_loop_ends_without_waiting_for_such_a_peer),
        SYSTEM_TEST(the_loop_ends_without_waiting_for_what_is_left_in_the_background),
    };
    return SYSTEM_RUN(tests);
}
