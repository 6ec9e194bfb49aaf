/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Borrowed memory that the kernel reads where it stands: io_uring, Linux 6.2. On this machine it does so only if asked. Whatever the
 * backend, the memory is given back exactly once, and not before it may be.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { PIECE_BYTES = 128 * 1024, PIECES = 16, TOTAL_BYTES = PIECE_BYTES * PIECES };

typedef struct lender {
    unsigned char *pieces[PIECES];
    unsigned given_back;
    unsigned unbind;
    em_connection *connection;
} lender;

/* Whoever still reads from it afterwards reads this. */
static void give_back(void *user, const void *data)
{
    lender *mine = user;
    for (unsigned i = 0; i < PIECES; i++)
        if (mine->pieces[i] == data) {
            memset(mine->pieces[i], 0xDD, PIECE_BYTES);
            mine->pieces[i] = NULL;
            mine->given_back++;
            return;
        }
    fail_msg("given back twice, or never lent");
}

static unsigned char pattern(size_t at)
{
    return (unsigned char)(at % 251 ^ at >> 16);
}

static void send_everything(em_connection *connection)
{
    lender *mine = em_connection_get_user(connection);
    mine->connection = connection;
    for (size_t i = 0; i < PIECES; i++) {
        unsigned char *piece = system_memory(PIECE_BYTES);
        for (size_t at = 0; at < PIECE_BYTES; at++)
            piece[at] = pattern(i * PIECE_BYTES + at);
        mine->pieces[i] = piece;
        assert_true(em_send_borrowed(connection, piece, PIECE_BYTES, give_back, mine) >= 0);
    }
}

static void count_unbind(em_connection *connection, em_status reason)
{
    (void)reason;
    ((lender *)em_connection_get_user(connection))->unbind++;
}

static const em_handler lending = {.post_init = send_everything, .unbind = count_unbind};

/* A loop that has sent everything to a client, as far as its kernel takes it. */
typedef struct scene {
    em_loop *loop;
    lender *mine;
    int client;
} scene;

static void run_until_stalled(em_loop *loop, const lender *mine)
{
    size_t waiting = SIZE_MAX;
    while (!mine->connection)
        system_turn(loop);
    while (waiting != em_connection_get_outbound_bytes(mine->connection)) {
        waiting = em_connection_get_outbound_bytes(mine->connection);
        system_run_for(loop, 50 * EM_MILLISECONDS);
    }
}

/* The client's receive buffer is small, so that the server's kernel has to keep what it took. */
static scene set_scene(em_switch zero_copy)
{
    scene set = {.loop = system_create_loop((em_loop_options){.zero_copy = zero_copy}),
                 .mine = system_memory(sizeof *set.mine),
                 .client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    em_stream_options stream = {.size = sizeof stream, .send_buffer_bytes = 2 * PIECE_BYTES};
    em_server_options options = {.user = set.mine, .stream = &stream};
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    server.sin_port = htons((uint16_t)system_serve_with(set.loop, &lending, options, NULL));
    int little = 8192;
    assert_int_equal(setsockopt(set.client, SOL_SOCKET, SO_RCVBUF, &little, sizeof little), 0);
    assert_int_equal(connect(set.client, (const struct sockaddr *)&server, sizeof server), 0);
    run_until_stalled(set.loop, set.mine);
    return set;
}

static void run_until_all_is_over(scene set)
{
    while (!set.mine->unbind || set.mine->given_back < PIECES)
        system_turn(set.loop);
    assert_int_equal(set.mine->unbind, 1);
    assert_int_equal(em_loop_destroy(set.loop), EM_OK);
    assert_int_equal(set.mine->given_back, PIECES);
}

/* Some of it is in this kernel, which for want of room over there cannot have been acknowledged. */
static bool holds_what_it_took(scene set)
{
    size_t taken = TOTAL_BYTES - em_connection_get_outbound_bytes(set.mine->connection);
    assert_in_range(taken, PIECE_BYTES, TOTAL_BYTES - 1);
    assert_true(set.mine->given_back <= taken / PIECE_BYTES);
    return set.mine->given_back < taken / PIECE_BYTES;
}

static void expect_everything(scene set)
{
    static unsigned char received[TOTAL_BYTES];
    em_close_after_writing(set.mine->connection);
    assert_int_equal(system_read(set.loop, set.client, received, TOTAL_BYTES), TOTAL_BYTES);
    for (size_t at = 0; at < TOTAL_BYTES; at++)
        if (received[at] != pattern(at))
            fail_msg("byte %zu is another", at);
    close(set.client);
    run_until_all_is_over(set);
}

static void what_the_kernel_still_reads_is_not_given_back(void **state)
{
    (void)state;
    scene set = set_scene(EM_ON);
    assert_int_equal(holds_what_it_took(set), strcmp(system_backend(), "uring") == 0);
    expect_everything(set);
}

static void on_this_machine_it_is_copied(void **state)
{
    (void)state;
    const em_switch not_wanted[] = {EM_DEFAULT, EM_OFF};
    for (unsigned i = 0; i < 2; i++) {
        scene set = set_scene(not_wanted[i]);
        assert_false(holds_what_it_took(set));
        expect_everything(set);
    }
}

static void a_connection_that_is_closed_gives_everything_back_in_the_end(void **state)
{
    (void)state;
    scene set = set_scene(EM_ON);
    em_close(set.mine->connection);
    run_until_all_is_over(set);
    close(set.client);
}

static void a_loop_that_ends_waits_for_what_the_kernel_reads_but_not_for_long(void **state)
{
    (void)state;
    scene set = set_scene(EM_ON);
    uint64_t began_ns = system_now_ns();
    assert_int_equal(em_loop_destroy(set.loop), EM_OK);
    assert_in_range(system_now_ns() - began_ns, 0, 5 * EM_SECONDS);
    assert_int_equal(set.mine->given_back, PIECES);
    close(set.client);
}

static void a_peer_that_resets_is_no_obstacle(void **state)
{
    (void)state;
    scene set = set_scene(EM_ON);
    system_reset(set.client);
    run_until_all_is_over(set);
}

static void end_copy(void *argument)
{
    system_child_check(em_loop_destroy(argument) == EM_OK, "its copy ends");
}

static void a_forked_child_leaves_what_is_held_alone(void **state)
{
    (void)state;
    scene set = set_scene(EM_ON);
    assert_int_equal(system_wait(system_fork(end_copy, set.loop)), 0);
    expect_everything(set);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(what_the_kernel_still_reads_is_not_given_back),
        SYSTEM_TEST(on_this_machine_it_is_copied),
        SYSTEM_TEST(a_connection_that_is_closed_gives_everything_back_in_the_end),
        SYSTEM_TEST(a_loop_that_ends_waits_for_what_the_kernel_reads_but_not_for_long),
        SYSTEM_TEST(a_peer_that_resets_is_no_obstacle),
        SYSTEM_TEST(a_forked_child_leaves_what_is_held_alone),
    };
    return SYSTEM_RUN(tests);
}
