/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connections, servers and loops that end while the kernel has operations of theirs. What the kernel may still read is
 * given back to its owner only afterwards; here it is spoiled then, so that the peer would notice.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/filtered_connections.h"
#include "support/bytes.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { PEERS = 20, BLOCKS = 4, BLOCK_BYTES = 1 << 20, WAITING = 200, ENOUGH_BYTES = 64 * 1024, ROUNDS = 10 };

/* What one connection lends. */
typedef struct loan {
    unsigned char *blocks[BLOCKS];
    unsigned released[BLOCKS];
    em_connection *connection;
    unsigned unbound;
    int peer;
} loan;

static void spoil(void *user, const void *data)
{
    loan *lent = user;
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (lent->blocks[i] != data)
            continue;
        lent->released[i]++;
        memset(lent->blocks[i], 0, BLOCK_BYTES);
    }
}

static loan *next_loan;

static void lend(em_connection *connection)
{
    loan *lent = next_loan++;
    lent->connection = connection;
    em_connection_set_user(connection, lent);
    for (unsigned i = 0; i < BLOCKS; i++) {
        lent->blocks[i] = malloc(BLOCK_BYTES);
        assert_non_null(lent->blocks[i]);
        pattern_fill(lent->blocks[i], BLOCK_BYTES, (uint64_t)i * BLOCK_BYTES);
        em_connection_send_borrowed(connection, lent->blocks[i], BLOCK_BYTES, spoil, lent);
    }
}

static void note_unbind(em_connection *connection, em_status reason)
{
    loan *lent = em_connection_get_user(connection);
    assert_int_equal(reason, EM_OK);
    lent->unbound++;
}

static const em_handler lending = {.post_init = lend, .unbind = note_unbind};

/* Peers that do not read, and a server's connections to them whose sends are blocked. */
static loan *begin_loans(em_loop *loop)
{
    loan *loans = system_memory(PEERS * sizeof *loans);
    next_loan = loans;
    int port = system_serve(loop, &lending, NULL);
    for (unsigned i = 0; i < PEERS; i++) {
        loans[i].peer = system_connect(port);
        while (!loans[i].connection)
            system_turn(loop);
    }
    system_turn(loop);
    return loans;
}

/* Reads so much, or to the end if it is 0; all that comes must be what was lent. Returns where that is. */
static uint64_t read_pattern(int peer, uint64_t offset, uint64_t most)
{
    static unsigned char piece[65536];
    for (uint64_t end = most > 0 ? offset + most : UINT64_MAX; offset < end;) {
        size_t capacity = end - offset < sizeof piece ? (size_t)(end - offset) : sizeof piece;
        ssize_t length = system_receive(peer, piece, capacity);
        if (length <= 0) {
            assert_int_equal(length, 0);
            break;
        }
        assert_true(pattern_matches(piece, (size_t)length, offset));
        offset += (uint64_t)length;
    }
    return offset;
}

static void end_loans(loan *loans, const uint64_t *offsets)
{
    for (unsigned i = 0; i < PEERS; i++) {
        uint64_t end = read_pattern(loans[i].peer, offsets[i], 0);
        assert_in_range(end, 1, (uint64_t)BLOCKS * BLOCK_BYTES);
        close(loans[i].peer);
        assert_int_equal(loans[i].unbound, 1);
        for (unsigned block = 0; block < BLOCKS; block++) {
            assert_int_equal(loans[i].released[block], 1);
            free(loans[i].blocks[block]);
        }
    }
}

static void borrowed_memory_of_a_closed_connection_comes_back_when_the_kernel_has_let_go(void **state)
{
    uint64_t offsets[PEERS] = {0};
    loan *loans = begin_loans(*state);
    for (unsigned i = 0; i < PEERS; i++) {
        if (i % 2 > 0) /* makes room, so that the next part is on its way */
            offsets[i] = read_pattern(loans[i].peer, 0, (uint64_t)ENOUGH_BYTES * i);
        assert_int_equal(em_connection_close(loans[i].connection), EM_OK);
        if (i % 3 > 0)
            system_turn(*state);
    }
    while (system_stats(*state).connections_open > 0)
        system_turn(*state);
    end_loans(loans, offsets);
}

static void borrowed_memory_of_a_destroyed_loop_comes_back_when_the_kernel_has_let_go(void **state)
{
    if (connections_are_filtered())
        system_skip("a filter gives borrowed memory back when it is sealed");
    uint64_t offsets[PEERS] = {0};
    loan *loans = begin_loans(*state);
    for (unsigned i = 1; i < PEERS; i += 2)
        offsets[i] = read_pattern(loans[i].peer, 0, (uint64_t)ENOUGH_BYTES * i);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    end_loans(loans, offsets);
}

/* A peer that talks and does not listen: when enough waits for it, the connection ends within the callback. */
static void echo_until_it_is_too_much(em_connection *connection, const void *data, size_t length)
{
    system_recorder.receive_data(connection, data, length);
    em_connection_send(connection, data, length);
    if (em_connection_get_outbound_bytes(connection) > ENOUGH_BYTES)
        assert_int_equal(em_connection_close(connection), EM_OK);
}

static void closing_in_receive_data_ends_a_blocked_send_and_an_armed_receive(void **state)
{
    static em_handler impatient;
    static const char noise[65536];
    impatient = system_recorder;
    impatient.receive_data = echo_until_it_is_too_much;
    for (unsigned round = 0; round < ROUNDS; round++) {
        system_record *served = system_new_record(SYSTEM_NONE);
        int peer = system_connect(system_serve(*state, &impatient, served));
        while (!served->unbind) {
            ssize_t ignored = send(peer, noise, sizeof noise, MSG_DONTWAIT | MSG_NOSIGNAL);
            (void)ignored;
            system_turn(*state);
        }
        system_turn(*state);
        assert_int_equal(served->unbind, 1);
        assert_int_equal(served->reason, EM_OK);
        close(peer);
    }
}

/* The end, or a reset, for those whom nobody accepted. */
static void expect_some_end(int peer)
{
    char byte;
    ssize_t length = system_receive(peer, &byte, 1);
    assert_true(length == 0 || (length < 0 && errno == ECONNRESET));
    close(peer);
}

static void servers_end_with_all_who_wait_for_them(void **state)
{
    int *peers = system_memory(WAITING * sizeof *peers);
    for (unsigned turns = 0; turns < 3; turns++) {
        em_loop *loop = system_create_loop((em_loop_options){.size = 0});
        system_record *served = system_new_record(SYSTEM_NONE);
        em_server *server;
        int port = system_serve_with(loop, &system_recorder, (em_server_options){.user = served}, &server);
        system_turn(loop); /* it accepts from now on */
        for (unsigned i = 0; i < WAITING; i++)
            peers[i] = system_connect(port);
        for (unsigned turn = 0; turn < turns; turn++)
            assert_int_equal(em_loop_run_once(loop, 0), EM_OK);
        if (turns == 2)
            assert_int_equal(em_server_stop(server), EM_OK);
        assert_int_equal(em_loop_destroy(loop), EM_OK);
        assert_int_equal(served->unbind, served->post_init);
        for (unsigned i = 0; i < WAITING; i++)
            expect_some_end(peers[i]);
    }
    (void)state;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(borrowed_memory_of_a_closed_connection_comes_back_when_the_kernel_has_let_go),
        SYSTEM_TEST(borrowed_memory_of_a_destroyed_loop_comes_back_when_the_kernel_has_let_go),
        SYSTEM_TEST(closing_in_receive_data_ends_a_blocked_send_and_an_armed_receive),
        SYSTEM_TEST(servers_end_with_all_who_wait_for_them),
    };
    return SYSTEM_RUN(tests);
}
