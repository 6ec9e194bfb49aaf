/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A server that answers and closes while its peer still sends: the peer gets the whole answer (RFC 9112, section 9.6), and the
 * socket that waits for it does not stay for long.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { ANSWER_BYTES = 4 * 1024 * 1024, PIECE_BYTES = 64 * 1024 };

static const char answer[ANSWER_BYTES];

/* Answers and closes; turns until the connection is unbound. Returns how much the client had to read for that. */
static size_t answer_and_close(em_loop *loop, system_record *served, int client)
{
    static char piece[PIECE_BYTES];
    size_t read_bytes = 0;
    em_send(served->connection, answer, sizeof answer);
    assert_int_equal(em_close_after_writing(served->connection), EM_OK);
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

static void a_peer_that_never_reads_keeps_the_socket_for_two_seconds_only(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = connected_client(*state, served);
    answer_and_close(*state, served, client);
    unsigned before = system_descriptors();
    uint64_t began_ns = system_now_ns();
    while (system_descriptors() == before)
        system_turn(*state);
    assert_in_range((system_now_ns() - began_ns) / EM_MILLISECONDS, 1900, 4000);
    close(client);
}

static void the_loop_ends_without_waiting_for_such_a_peer(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = connected_client(*state, served);
    answer_and_close(*state, served, client);
    uint64_t began_ns = system_now_ns();
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    assert_true(system_now_ns() - began_ns < EM_SECONDS);
    close(client);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_peer_that_goes_on_sending_gets_the_whole_answer),
        SYSTEM_TEST(the_socket_is_closed_when_the_peer_has_ended),
        SYSTEM_TEST(a_peer_that_never_reads_keeps_the_socket_for_two_seconds_only),
        SYSTEM_TEST(the_loop_ends_without_waiting_for_such_a_peer),
    };
    return SYSTEM_RUN(tests);
}
