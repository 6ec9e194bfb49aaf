/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A lot of data both ways at once, through a server that echoes, with everything checked: nothing is lost, doubled or
 * exchanged.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum {
    TOTAL_BYTES = 100 * 1024 * 1024,
    LARGEST_PIECE_BYTES = 200 * 1000,
    MANY = 1000,
    TURNS_TO_SETTLE = 50,
    HIGH_BYTES = 1024 * 1024
};

/* A stream of bytes that anyone can make again from its seed. */
typedef struct stream {
    uint64_t state;
    uint64_t word;
    unsigned left; /* bytes of the word */
} stream;

static void next_bytes(stream *source, unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (source->left == 0) { /* xorshift64 */
            source->state ^= source->state << 13;
            source->state ^= source->state >> 7;
            source->state ^= source->state << 17;
            source->word = source->state;
            source->left = 8;
        }
        bytes[i] = (unsigned char)source->word;
        source->word >>= 8;
        source->left--;
    }
}

/* A client that sends a stream, in pieces of all sizes, and expects it back. */
typedef struct transfer {
    stream outgoing;
    stream expected;
    size_t sent;
    size_t received;
    size_t total;
    unsigned mismatches;
    unsigned unbind;
    em_status reason;
} transfer;

static unsigned char buffer[LARGEST_PIECE_BYTES];

static void send_more(em_connection *connection)
{
    transfer *mine = em_connection_get_user(connection);
    em_status status = EM_OK;
    while (mine->sent < mine->total && status == EM_OK) {
        size_t length = 1 + mine->sent * 7919 % LARGEST_PIECE_BYTES;
        if (length > mine->total - mine->sent)
            length = mine->total - mine->sent;
        next_bytes(&mine->outgoing, buffer, length);
        status = em_connection_send(connection, buffer, length);
        assert_true(status >= 0);
        mine->sent += length;
    }
    if (mine->sent == mine->total)
        em_connection_close_write(connection);
}

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    transfer *mine = em_connection_get_user(connection);
    static unsigned char expected[1 << 16];
    assert_true(length <= sizeof expected);
    next_bytes(&mine->expected, expected, length);
    mine->mismatches += memcmp(data, expected, length) != 0;
    mine->received += length;
}

static void unbind(em_connection *connection, em_status reason)
{
    transfer *mine = em_connection_get_user(connection);
    mine->unbind++;
    mine->reason = reason;
}

static const em_handler sending = {
    .connection_completed = send_more,
    .receive_data = receive_data,
    .drained = send_more,
    .unbind = unbind,
};

/* The echo holds back while the client does not take what was echoed. */
static void echo(em_connection *connection, const void *data, size_t length)
{
    if (em_connection_send(connection, data, length) == EM_UNDER_PRESSURE)
        em_connection_pause(connection);
}

static void echo_with_care(em_connection *connection, const void *data, size_t length)
{
    assert_true(em_connection_send(connection, data, length) >= 0);
}

static transfer *start_transfer(em_loop *loop, int port, uint64_t seed, size_t total)
{
    transfer *started = system_memory(sizeof *started);
    *started = (transfer){.outgoing.state = seed, .expected.state = seed, .total = total};
    em_connect_options options = {.size = sizeof options, .user = started};
    assert_int_equal(em_loop_connect(loop, "127.0.0.1", port, &sending, &options, NULL), EM_OK);
    return started;
}

static void expect_all(const transfer *finished)
{
    assert_int_equal(finished->unbind, 1);
    assert_int_equal(finished->reason, EM_OK);
    assert_int_equal(finished->sent, finished->total);
    assert_int_equal(finished->received, finished->total);
    assert_int_equal(finished->mismatches, 0);
}

static void a_hundred_mebibytes_come_back_as_they_were_sent(void **state)
{
    static const em_handler echoing = {.receive_data = echo_with_care};
    const transfer *only =
        start_transfer(*state, system_serve(*state, &echoing, NULL), 88172645463325252U, TOTAL_BYTES);
    while (!only->unbind)
        system_turn(*state);
    expect_all(only);
    em_loop_stats stats = system_stats(*state);
    assert_int_equal(stats.bytes_sent, 2 * (uint64_t)TOTAL_BYTES);
    assert_int_equal(stats.bytes_received, 2 * (uint64_t)TOTAL_BYTES);
    assert_int_equal(stats.outbox_bytes, 0);
}

static void a_thousand_connections_at_once_keep_their_data_apart(void **state)
{
    static const em_handler echoing = {.receive_data = echo_with_care};
    int port = system_serve(*state, &echoing, NULL);
    const transfer *transfers[MANY];
    for (unsigned i = 0; i < MANY; i++)
        transfers[i] = start_transfer(*state, port, 1 + i, 1 + i * 13);
    uint64_t most_open = 0;
    for (unsigned done = 0; done < MANY;) {
        system_turn(*state);
        uint64_t open = system_stats(*state).connections_open;
        most_open = open > most_open ? open : most_open;
        done = 0;
        for (unsigned i = 0; i < MANY; i++)
            done += transfers[i]->unbind;
    }
    for (unsigned i = 0; i < MANY; i++)
        expect_all(transfers[i]);
    assert_true(most_open >= MANY);
}

/* What a paused connection does not read waits in the system, and memory stays bounded. */
static void an_echo_that_pauses_under_pressure_needs_little_memory(void **state)
{
    static const em_handler echoing = {.receive_data = echo};
    static const char block[65536];
    size_t written = 0;
    int client = system_connect(system_serve(*state, &echoing, NULL));
    for (unsigned idle = 0; idle < TURNS_TO_SETTLE; idle++) { /* the client writes and does not read */
        ssize_t length = send(client, block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL);
        written += length > 0 ? (size_t)length : 0;
        idle = length > 0 ? 0 : idle;
        system_turn(*state);
        assert_true(system_stats(*state).outbox_bytes <= HIGH_BYTES + sizeof block);
    }
    assert_true(written > HIGH_BYTES);
    close(client);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_hundred_mebibytes_come_back_as_they_were_sent),
        SYSTEM_TEST(a_thousand_connections_at_once_keep_their_data_apart),
        SYSTEM_TEST(an_echo_that_pauses_under_pressure_needs_little_memory),
    };
    return SYSTEM_RUN(tests);
}
