/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A peer that reads slowly or not at all: water marks, hard limits, the write timeout, borrowed memory; and that
 * waiting for it costs nothing.
 */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum {
    PIECE_BYTES = 64 * 1024,
    LOW_BYTES = 64 * 1024,
    HIGH_BYTES = 256 * 1024,
    MEBIBYTE = 1024 * 1024,
    BIG_BYTES = 10 * 1024 * 1024,
    BORROWED = 100
};

static const char piece[PIECE_BYTES];
static const char big[BIG_BYTES];

static int connected_client(em_loop *loop, em_server_options options)
{
    const system_record *served = options.user;
    int client = system_connect(system_serve_with(loop, &system_recorder, options, NULL));
    while (!served->connection)
        system_turn(loop);
    return client;
}

static void water_marks_tell_of_pressure_and_of_its_end(void **state)
{
    em_stream_options stream = {.size = sizeof stream,
                                .high_water_bytes = HIGH_BYTES,
                                .low_water_bytes = LOW_BYTES,
                                .send_buffer_bytes = 32 * 1024};
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = connected_client(*state, (em_server_options){.user = served, .stream = &stream});
    em_status status = EM_OK;
    size_t sent = 0;
    while (status == EM_OK) {
        status = em_connection_send(served->connection, piece, sizeof piece);
        sent += sizeof piece;
        if (status == EM_OK)
            system_turn(*state);
    }
    assert_int_equal(status, EM_UNDER_PRESSURE);
    assert_true(em_connection_get_outbound_bytes(served->connection) > HIGH_BYTES);
    assert_int_equal(served->drained, 0);
    size_t read = 0;
    static char buffer[PIECE_BYTES];
    while (!served->drained)
        read += system_read(*state, client, buffer, 1024);
    assert_true(served->outbound_at_drained <= LOW_BYTES);
    read += system_read(*state, client, buffer, 1);
    while (read < sent)
        read += system_read(*state, client, buffer, sent - read < sizeof buffer ? sent - read : sizeof buffer);
    assert_int_equal(em_connection_get_outbound_bytes(served->connection), 0);
    assert_int_equal(served->drained, 1);
    close(client);
}

static void beyond_its_hard_limit_a_connection_ends_and_takes_nothing_more(void **state)
{
    em_stream_options stream = {.size = sizeof stream, .outbox_limit_bytes = MEBIBYTE};
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = connected_client(*state, (em_server_options){.user = served, .stream = &stream});
    em_status status = EM_OK;
    while (status >= 0) {
        status = em_connection_send(served->connection, piece, sizeof piece);
        assert_true(em_connection_get_outbound_bytes(served->connection) <= MEBIBYTE);
    }
    assert_int_equal(status, EM_OUTBOX_LIMIT);
    assert_int_equal(em_connection_send(served->connection, piece, 1), EM_CLOSED);
    while (!served->unbind)
        system_turn(*state);
    assert_int_equal(served->reason, EM_OUTBOX_LIMIT);
    assert_int_equal(system_stats(*state).outbox_bytes, 0);
    close(client);
}

static void beyond_the_loops_limit_sending_fails_and_the_connection_goes_on(void **state)
{
    em_loop *loop = system_create_loop((em_loop_options){.outbox_limit_bytes = MEBIBYTE});
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = connected_client(loop, (em_server_options){.user = served});
    char byte;
    assert_int_equal(em_connection_send(served->connection, big, MEBIBYTE), EM_OK);
    assert_int_equal(em_connection_send(served->connection, "x", 1), EM_LOOP_OUTBOX_LIMIT);
    assert_int_equal(em_connection_send_borrowed(served->connection, "x", 1, NULL, NULL), EM_LOOP_OUTBOX_LIMIT);
    while (em_connection_get_outbound_bytes(served->connection) == MEBIBYTE)
        system_turn(loop);
    assert_true(em_connection_send(served->connection, "x", 1) >= 0); /* room again */
    em_connection_close_after_writing(served->connection);
    assert_int_equal(system_read_to_end(loop, client), MEBIBYTE + 1);
    assert_int_equal(system_receive(client, &byte, 1), 0);
    close(client);
    while (!served->unbind)
        system_turn(loop);
    assert_int_equal(served->reason, EM_OK);
    assert_int_equal(em_loop_destroy(loop), EM_OK);
    (void)state;
}

static void read_something(em_loop *loop, em_timer timer, void *client)
{
    static char buffer[64 * 1024];
    (void)timer;
    if (recv(*(int *)client, buffer, sizeof buffer, MSG_DONTWAIT) == 0)
        em_loop_stop(loop);
}

static void closing_after_writing_to_a_slow_reader_sends_all_and_does_not_spin(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = connected_client(*state, (em_server_options){.user = served});
    em_connection_send(served->connection, big, sizeof big);
    assert_int_equal(em_connection_close_after_writing(served->connection), EM_OK);
    uint64_t turns_before = system_stats(*state).turns;
    /* Nobody reads: the loop sleeps. */
    system_run_for(*state, 200 * EM_MILLISECONDS);
    assert_in_range(system_stats(*state).turns - turns_before, 1, 20);
    assert_int_equal(served->unbind, 0);
    /* Somebody reads a little every now and then. */
    assert_int_equal(em_loop_add_periodic_timer(*state, 2 * EM_MILLISECONDS, read_something, &client, NULL, NULL),
                     EM_OK);
    uint64_t sent;
    em_connection_get_byte_counts(served->connection, NULL, &sent);
    turns_before = system_stats(*state).turns;
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(served->unbind, 1);
    assert_int_equal(served->reason, EM_OK);
    assert_int_equal(system_stats(*state).bytes_sent, sizeof big);
    assert_in_range(system_stats(*state).turns - turns_before, 1, 10 * (sizeof big / 1024));
    close(client);
}

static void a_peer_that_takes_nothing_ends_at_the_write_timeout(void **state)
{
    em_stream_options stream = {.size = sizeof stream, .write_timeout_ns = 200 * EM_MILLISECONDS};
    system_record *served = system_new_record(SYSTEM_UNBIND);
    int client = connected_client(*state, (em_server_options){.user = served, .stream = &stream});
    uint64_t started_ns = system_now_ns();
    em_connection_send_borrowed(served->connection, big, sizeof big, NULL, NULL);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(served->reason, EM_WRITE_TIMEOUT);
    assert_in_range(system_now_ns() - started_ns, 200 * EM_MILLISECONDS, EM_FOREVER);
    close(client);
}

static void a_peer_that_takes_a_little_now_and_then_does_not_time_out(void **state)
{
    em_stream_options stream = {
        .size = sizeof stream, .write_timeout_ns = 400 * EM_MILLISECONDS, .send_buffer_bytes = 32 * 1024};
    int room = 64 * 1024;
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = connected_client(*state, (em_server_options){.user = served, .stream = &stream});
    assert_int_equal(setsockopt(client, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
    em_connection_send_borrowed(served->connection, big, sizeof big, NULL, NULL);
    em_connection_close_after_writing(served->connection);
    em_timer reading;
    assert_int_equal(em_loop_add_periodic_timer(*state, 20 * EM_MILLISECONDS, read_something, &client, NULL, &reading),
                     EM_OK);
    system_run_for(*state, 900 * EM_MILLISECONDS);
    assert_int_equal(served->unbind, 0);
    assert_true(em_connection_get_outbound_bytes(served->connection) > 0);
    assert_int_equal(em_loop_cancel_timer(*state, reading), EM_OK);
    close(client);
}

static unsigned releases[BORROWED];

static void release(void *user, const void *data)
{
    assert_ptr_equal(data, big);
    ++*(unsigned *)user;
}

static void expect_each_released_once(void)
{
    for (unsigned i = 0; i < BORROWED; i++)
        assert_int_equal(releases[i], 1);
}

static void borrow(em_connection *connection)
{
    memset(releases, 0, sizeof releases);
    for (unsigned i = 0; i < BORROWED; i++)
        assert_true(
            em_connection_send_borrowed(connection, big, i % 10 == 9 ? 0 : PIECE_BYTES, release, &releases[i]) >= 0);
}

static void borrowed_memory_is_released_once_when_sent(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = connected_client(*state, (em_server_options){.user = served});
    borrow(served->connection);
    assert_int_equal(releases[0], 0);
    em_connection_close_after_writing(served->connection);
    assert_int_equal(system_read_to_end(*state, client), (size_t)PIECE_BYTES * BORROWED * 9 / 10);
    expect_each_released_once();
    close(client);
}

static void borrowed_memory_is_released_once_however_it_ends(void **state)
{
    for (unsigned way = 0; way < 4; way++) {
        em_loop *loop = system_create_loop((em_loop_options){.size = 0});
        system_record *served = system_new_record(SYSTEM_NONE);
        int client = connected_client(loop, (em_server_options){.user = served});
        borrow(served->connection);
        if (way == 0)
            em_connection_close(served->connection);
        if (way == 1)
            system_await(loop, client); /* in the midst of it */
        if (way == 2)
            system_reset(client);
        while (way % 2 == 0 && !served->unbind)
            system_turn(loop);
        if (way != 3) /* then destroying is all */
            system_turn(loop);
        if (way == 0)
            expect_each_released_once();
        assert_int_equal(em_loop_destroy(loop), EM_OK);
        expect_each_released_once();
        if (way != 2)
            close(client);
    }
    (void)state;
}

static void borrowed_memory_is_released_once_when_it_is_not_taken(void **state)
{
    em_stream_options stream = {.size = sizeof stream, .outbox_limit_bytes = 1000};
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = connected_client(*state, (em_server_options){.user = served, .stream = &stream});
    unsigned refused[3] = {0};
    assert_int_equal(em_connection_send_borrowed(NULL, big, 1, release, &refused[0]), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_send_borrowed(served->connection, big, 1001, release, &refused[1]), EM_OUTBOX_LIMIT);
    assert_int_equal(em_connection_send_borrowed(served->connection, big, 1, release, &refused[2]), EM_CLOSED);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(refused[i], 1);
    close(client);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(water_marks_tell_of_pressure_and_of_its_end),
        SYSTEM_TEST(beyond_its_hard_limit_a_connection_ends_and_takes_nothing_more),
        SYSTEM_TEST(beyond_the_loops_limit_sending_fails_and_the_connection_goes_on),
        SYSTEM_TEST(closing_after_writing_to_a_slow_reader_sends_all_and_does_not_spin),
        SYSTEM_TEST(a_peer_that_takes_nothing_ends_at_the_write_timeout),
        SYSTEM_TEST(a_peer_that_takes_a_little_now_and_then_does_not_time_out),
        SYSTEM_TEST(borrowed_memory_is_released_once_when_sent),
        SYSTEM_TEST(borrowed_memory_is_released_once_however_it_ends),
        SYSTEM_TEST(borrowed_memory_is_released_once_when_it_is_not_taken),
    };
    return SYSTEM_RUN(tests);
}
