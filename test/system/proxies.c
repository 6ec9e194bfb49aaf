/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Proxies over real sockets: bulk, which moves through pipes within the kernel, and whatever may happen in the middle
 * of it. What was relayed and what the source has received must be the whole stream, in order.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/bytes.h"
#include "support/filtered_connections.h"
#include "support/sockets.h"
#include "support/system_peer.h"
#include "support/system_test.h"

enum { BULK_BYTES = 12 * 1024 * 1024, BUFFER_BYTES = 256 * 1024, READ_BYTES = 65536 };

/* Two attached connections, the sockets at their other ends, and what passes. */
typedef struct relay {
    em_loop *loop;
    em_connection *from, *to; /* NULL after unbind */
    int from_peer, to_peer;   /* -1: closed */
    uint64_t written;         /* by from's peer: the pattern from 0 on */
    uint64_t taken;           /* by to's peer */
    uint64_t received;        /* by from's handler */
    uint64_t relayed;         /* before what the handler receives: the pattern goes on there */
    unsigned completed, told, wrong;
    size_t most_outbound;
    em_status reasons[2];
    bool peer_saw_end;
} relay;

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    relay *all = em_connection_get_user(connection);
    if (connection != all->from)
        return;
    all->wrong += !pattern_matches(data, length, all->relayed + all->received);
    all->received += length;
}

static void proxy_completed(em_connection *connection)
{
    relay *all = em_connection_get_user(connection);
    all->completed++;
    all->relayed += em_connection_get_proxied_bytes(connection);
}

static void proxy_target_unbound(em_connection *connection)
{
    relay *all = em_connection_get_user(connection);
    all->told++;
    all->relayed += em_connection_get_proxied_bytes(connection);
}

static void receive_end(em_connection *connection)
{
    (void)connection;
}

static void unbind(em_connection *connection, em_status reason)
{
    relay *all = em_connection_get_user(connection);
    bool is_from = connection == all->from;
    all->reasons[!is_from] = reason;
    if (is_from)
        all->from = NULL;
    else
        all->to = NULL;
}

static const em_handler handler = {
    .receive_data = receive_data,
    .receive_end = receive_end,
    .proxy_completed = proxy_completed,
    .proxy_target_unbound = proxy_target_unbound,
    .unbind = unbind,
};

static em_connection *attach(relay *all, int socket)
{
    em_connection *connection;
    const em_attach_options options = {.size = sizeof options, .user = all};
    assert_int_equal(em_loop_attach(all->loop, socket, &handler, &options, &connection), EM_OK);
    return connection;
}

static relay *open_relay(em_loop *loop, void (*make_pair)(int sockets[2]))
{
    relay *all = system_memory(sizeof *all);
    int from[2], to[2];
    make_pair(from);
    make_pair(to);
    all->loop = loop;
    all->from_peer = from[1];
    all->to_peer = to[1];
    all->from = attach(all, from[0]);
    all->to = attach(all, to[0]);
    return all;
}

static void start(relay *all, const em_proxy_options *options)
{
    assert_int_equal(em_connection_start_proxy(all->from, all->to, options), EM_OK);
}

static relay *open_proxied(em_loop *loop, const em_proxy_options *options)
{
    relay *all = open_relay(loop, tcp_pair);
    start(all, options);
    return all;
}

static void close_relay(relay *all)
{
    if (all->from)
        em_connection_close(all->from);
    if (all->to)
        em_connection_close(all->to);
    while (all->from || all->to)
        system_turn(all->loop);
    if (all->from_peer >= 0)
        close(all->from_peer);
    if (all->to_peer >= 0)
        close(all->to_peer);
    assert_int_equal(all->wrong, 0);
}

static void write_some(relay *all, uint64_t until)
{
    static unsigned char bytes[READ_BYTES];
    size_t length = until - all->written < sizeof bytes ? (size_t)(until - all->written) : sizeof bytes;
    pattern_fill(bytes, length, all->written);
    all->written += send_now(all->from_peer, bytes, length);
}

static void take_some(relay *all, size_t most)
{
    static unsigned char bytes[READ_BYTES];
    size_t length = receive_now(all->to_peer, bytes, most < sizeof bytes ? most : sizeof bytes, &all->peer_saw_end);
    all->wrong += !pattern_matches(bytes, length, all->taken);
    all->taken += length;
}

static void turn(relay *all)
{
    assert_int_equal(em_loop_run_once(all->loop, 0), EM_OK);
    size_t outbound = em_connection_get_outbound_bytes(all->to);
    all->most_outbound = outbound > all->most_outbound ? outbound : all->most_outbound;
}

/* Until the target's peer has taken so much. */
static void relay_until(relay *all, uint64_t written, uint64_t taken)
{
    while (all->taken < taken) {
        write_some(all, written);
        turn(all);
        take_some(all, READ_BYTES);
    }
}

/* Until the target's socket and its buffer are full. */
static void fill(relay *all)
{
    for (unsigned idle = 0; idle < 200;) {
        uint64_t before = all->written;
        write_some(all, BULK_BYTES * UINT64_C(4));
        turn(all);
        idle = all->written > before ? 0 : idle + 1;
    }
}

static const em_proxy_options bounded = {.size = sizeof bounded, .buffer_bytes = BUFFER_BYTES};

static void bulk_arrives_whole_and_counted(void **state)
{
    void (*const pairs[])(int sockets[2]) = {tcp_pair, unix_pair};
    for (unsigned i = 0; i < 2; i++) {
        relay *all = open_relay(*state, pairs[i]);
        start(all, NULL);
        relay_until(all, BULK_BYTES, BULK_BYTES);
        assert_int_equal(em_connection_get_proxied_bytes(all->from), BULK_BYTES);
        uint64_t received, sent;
        em_connection_get_byte_counts(all->from, &received, NULL);
        em_connection_get_byte_counts(all->to, NULL, &sent);
        assert_int_equal(received, BULK_BYTES);
        assert_int_equal(sent, BULK_BYTES);
        assert_int_equal(em_connection_get_outbound_bytes(all->to), 0);
        close_relay(all);
    }
}

static void a_tail_of_any_length_arrives(void **state)
{
    relay *all = open_proxied(*state, NULL);
    uint64_t end = BULK_BYTES / 4;
    relay_until(all, end, end);
    for (unsigned tail = 1; tail < 3000; tail = tail * 3 + 1) {
        end += tail;
        relay_until(all, end, end);
        end += READ_BYTES * UINT64_C(8) + tail;
        relay_until(all, end, end);
    }
    close_relay(all);
}

static void a_target_that_never_reads_bounds_what_waits(void **state)
{
    relay *all = open_proxied(*state, &bounded);
    fill(all);
    assert_in_range(all->most_outbound, 1, BUFFER_BYTES + READ_BYTES);
    uint64_t turns = system_stats(*state).turns;
    system_run_for(*state, 50 * EM_MILLISECONDS);
    assert_true(system_stats(*state).turns < turns + 20);
    relay_until(all, all->written, all->written);
    close_relay(all);
}

static void a_slow_reader_gets_everything_in_order(void **state)
{
    relay *all = open_proxied(*state, &bounded);
    while (all->taken < BULK_BYTES / 2) {
        write_some(all, BULK_BYTES / 2);
        turn(all);
        take_some(all, 3000);
    }
    assert_true(all->most_outbound <= BUFFER_BYTES + READ_BYTES);
    close_relay(all);
}

static void a_length_is_met_exactly_in_the_middle_of_bulk(void **state)
{
    const em_proxy_options options = {.size = sizeof options, .length_bytes = BULK_BYTES / 2 + 12345};
    relay *all = open_proxied(*state, &options);
    relay_until(all, BULK_BYTES, options.length_bytes);
    while (all->received + options.length_bytes < BULK_BYTES) {
        write_some(all, BULK_BYTES);
        turn(all);
    }
    assert_int_equal(all->completed, 1);
    assert_int_equal(all->relayed, options.length_bytes);
    take_some(all, READ_BYTES);
    assert_int_equal(all->taken, options.length_bytes);
    close_relay(all);
}

static void stopping_in_the_middle_of_bulk_loses_nothing(void **state)
{
    relay *all = open_proxied(*state, &bounded);
    relay_until(all, BULK_BYTES, BULK_BYTES / 3);
    fill(all);
    assert_int_equal(em_connection_stop_proxy(all->from), EM_OK);
    all->relayed = em_connection_get_proxied_bytes(all->from);
    while (all->taken < all->relayed || all->relayed + all->received < all->written) {
        turn(all);
        take_some(all, READ_BYTES);
    }
    assert_int_equal(all->taken, all->relayed);
    close_relay(all);
}

static void another_target_gets_what_follows(void **state)
{
    relay *all = open_proxied(*state, &bounded);
    relay *other = open_relay(*state, tcp_pair);
    fill(all);
    uint64_t relayed = em_connection_get_proxied_bytes(all->from);
    assert_int_equal(em_connection_start_proxy(all->from, other->to, NULL), EM_OK);
    other->taken = relayed;
    while (all->taken < relayed || other->taken < all->written) {
        turn(all);
        take_some(all, READ_BYTES);
        take_some(other, READ_BYTES);
    }
    assert_int_equal(all->taken, relayed);
    assert_int_equal(em_connection_get_proxied_bytes(all->from), all->written - relayed);
    em_connection_stop_proxy(all->from);
    close_relay(other);
    close_relay(all);
}

/* The program's bytes are marked by their length: they replace as many of the pattern. */
static void what_the_program_sends_in_the_middle_of_bulk_stays_in_its_place(void **state)
{
    static unsigned char words[10000], taken[READ_BYTES];
    relay *all = open_proxied(*state, &bounded);
    relay_until(all, BULK_BYTES / 3, BULK_BYTES / 3);
    fill(all);
    uint64_t relayed = em_connection_get_proxied_bytes(all->from);
    memset(words, '!', sizeof words);
    assert_int_equal(em_connection_send(all->to, words, sizeof words), EM_OK);
    relay_until(all, all->written, relayed - relayed % 2 - 1000);
    while (all->taken < relayed) {
        take_some(all, (size_t)(relayed - all->taken));
        turn(all);
    }
    size_t got = 0;
    while (got < sizeof words) {
        turn(all);
        got += receive_now(all->to_peer, taken + got, sizeof words - got, NULL);
    }
    assert_memory_equal(taken, words, sizeof words);
    relay_until(all, all->written, all->written);
    close_relay(all);
}

static void a_reset_of_the_target_in_the_middle_of_bulk_is_told_and_the_rest_received(void **state)
{
    relay *all = open_proxied(*state, &bounded);
    relay_until(all, BULK_BYTES, BULK_BYTES / 3);
    fill(all);
    close_with_reset(all->to_peer);
    all->to_peer = -1;
    while (all->told == 0 || all->relayed + all->received < all->written)
        turn(all);
    assert_int_equal(all->told, 1);
    assert_true(all->reasons[1] == EM_CONNECTION_RESET || all->reasons[1] == EM_BROKEN_PIPE);
    close_relay(all);
}

/* splice(2) raises SIGPIPE where send(2) need not. */
static void a_target_that_was_closed_raises_no_signal(void **state)
{
    for (unsigned i = 0; i < 5; i++) {
        relay *all = open_proxied(*state, NULL);
        relay_until(all, BULK_BYTES, BULK_BYTES / 3);
        close(all->to_peer);
        all->to_peer = -1;
        while (all->told == 0) {
            write_some(all, BULK_BYTES * UINT64_C(4));
            turn(all);
        }
        close_relay(all);
    }
}

static void the_end_comes_after_everything_although_the_target_is_slow(void **state)
{
    const em_proxy_options options = {
        .size = sizeof options, .buffer_bytes = BUFFER_BYTES, .at_end = EM_PROXY_CLOSE_WRITE};
    relay *all = open_proxied(*state, &options);
    relay_until(all, BULK_BYTES, BULK_BYTES / 3);
    fill(all);
    shutdown(all->from_peer, SHUT_WR);
    while (!all->peer_saw_end) {
        turn(all);
        take_some(all, 20000);
    }
    assert_int_equal(all->taken, all->written);
    close_relay(all);
}

static void what_arrived_before_a_reset_of_the_source_is_relayed(void **state)
{
    const em_proxy_options options = {.size = sizeof options, .at_end = EM_PROXY_CLOSE_AFTER_WRITING};
    relay *all = open_proxied(*state, &options);
    relay_until(all, BULK_BYTES / 2, BULK_BYTES / 2);
    write_some(all, all->written + 1000);
    close_with_reset(all->from_peer);
    all->from_peer = -1;
    while (!all->peer_saw_end) {
        turn(all);
        take_some(all, READ_BYTES);
    }
    assert_int_equal(all->reasons[0], EM_CONNECTION_RESET);
    assert_true(all->taken >= BULK_BYTES / 2);
    close_relay(all);
}

static void closing_the_target_after_writing_sends_what_waits(void **state)
{
    relay *all = open_proxied(*state, &bounded);
    fill(all);
    all->relayed = em_connection_get_proxied_bytes(all->from);
    uint64_t relayed = all->relayed;
    all->relayed = 0;
    assert_int_equal(em_connection_close_after_writing(all->to), EM_OK);
    while (!all->peer_saw_end || all->relayed + all->received < all->written) {
        turn(all);
        take_some(all, READ_BYTES);
    }
    assert_int_equal(all->taken, relayed);
    assert_int_equal(all->told, 1);
    close_relay(all);
}

static void closing_the_target_in_the_background_sends_what_waits(void **state)
{
    relay *all = open_proxied(*state, &bounded);
    fill(all);
    uint64_t relayed = em_connection_get_proxied_bytes(all->from);
    assert_int_equal(em_connection_close_in_background(all->to), EM_OK);
    while (!all->peer_saw_end) {
        turn(all);
        take_some(all, READ_BYTES);
    }
    assert_int_equal(all->taken, relayed);
    close_relay(all);
}

static void a_paused_target_keeps_what_waits(void **state)
{
    relay *all = open_proxied(*state, &bounded);
    fill(all);
    uint64_t relayed = em_connection_get_proxied_bytes(all->from);
    assert_int_equal(em_connection_pause(all->to), EM_OK);
    for (unsigned i = 0; i < 50; i++) {
        turn(all);
        take_some(all, READ_BYTES);
    }
    assert_true(all->taken < relayed);
    assert_int_equal(em_connection_resume(all->to), EM_OK);
    relay_until(all, all->written, all->written);
    close_relay(all);
}

static void a_source_that_is_detached_leaves_the_rest_in_its_socket(void **state)
{
    static unsigned char bytes[READ_BYTES];
    int descriptor;
    if (connections_are_filtered())
        system_skip("a filter keeps bytes that belong to its connection");
    relay *all = open_proxied(*state, &bounded);
    relay_until(all, BULK_BYTES, BULK_BYTES / 3);
    fill(all);
    all->relayed = em_connection_get_proxied_bytes(all->from);
    uint64_t relayed = all->relayed;
    assert_int_equal(em_connection_detach(all->from, &descriptor), EM_OK);
    uint64_t offset = all->relayed + all->received;
    while (offset < all->written) {
        size_t length = receive_now(descriptor, bytes, sizeof bytes, NULL);
        assert_true(pattern_matches(bytes, length, offset));
        offset += length;
    }
    while (all->taken < relayed) {
        turn(all);
        take_some(all, READ_BYTES);
    }
    close(descriptor);
    close_relay(all);
}

static void both_directions_carry_bulk_at_once(void **state)
{
    relay *all = open_proxied(*state, &bounded);
    relay back = {.loop = *state, .from_peer = all->to_peer, .to_peer = all->from_peer};
    assert_int_equal(em_connection_start_proxy(all->to, all->from, &bounded), EM_OK);
    while (all->taken < BULK_BYTES || back.taken < BULK_BYTES) {
        write_some(all, BULK_BYTES);
        write_some(&back, BULK_BYTES);
        turn(all);
        take_some(all, READ_BYTES);
        take_some(&back, READ_BYTES);
    }
    assert_int_equal(back.wrong, 0);
    close_relay(all);
}

static void a_target_with_a_write_timeout_that_never_reads_ends(void **state)
{
    relay *all = open_proxied(*state, &bounded);
    assert_int_equal(em_connection_set_write_timeout_ns(all->to, 20 * EM_MILLISECONDS), EM_OK);
    fill(all);
    while (all->told == 0)
        turn(all);
    assert_int_equal(all->reasons[1], EM_WRITE_TIMEOUT);
    close_relay(all);
}

static void a_loop_may_be_destroyed_in_the_middle_of_bulk(void **state)
{
    relay *all = open_proxied(*state, &bounded);
    fill(all);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    assert_null(all->from);
    assert_null(all->to);
    assert_int_equal(all->told, 0);
    close(all->from_peer);
    close(all->to_peer);
}

/* The child relays what its parent had in the pipe and in the kernel's buffers. */
static void go_on_in_child(void *user)
{
    relay *all = user;
    system_child_check(em_loop_take_over(all->loop) == EM_OK, "the child takes the loop over");
    while (all->to && em_connection_get_proxied_bytes(all->from) < all->written)
        system_child_check(em_loop_run_once(all->loop, 10 * EM_MILLISECONDS) == EM_OK, "it turns");
    while (em_connection_get_outbound_bytes(all->to) > 0)
        system_child_check(em_loop_run_once(all->loop, 10 * EM_MILLISECONDS) == EM_OK, "it sends");
    system_child_check(em_loop_destroy(all->loop) == EM_OK, "it ends");
}

static void a_child_that_takes_the_loop_over_relays_the_rest(void **state)
{
    relay *all = open_proxied(*state, &bounded);
    fill(all);
    pid_t child = system_fork(go_on_in_child, all);
    assert_int_equal(em_loop_hand_over(*state), EM_OK);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    while (all->taken < all->written) {
        take_some(all, READ_BYTES);
        assert_false(all->peer_saw_end && all->taken < all->written);
    }
    assert_int_equal(system_wait(child), 0);
    assert_int_equal(all->wrong, 0);
    close(all->from_peer);
    close(all->to_peer);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(bulk_arrives_whole_and_counted),
        SYSTEM_TEST(a_tail_of_any_length_arrives),
        SYSTEM_TEST(a_target_that_never_reads_bounds_what_waits),
        SYSTEM_TEST(a_slow_reader_gets_everything_in_order),
        SYSTEM_TEST(a_length_is_met_exactly_in_the_middle_of_bulk),
        SYSTEM_TEST(stopping_in_the_middle_of_bulk_loses_nothing),
        SYSTEM_TEST(another_target_gets_what_follows),
        SYSTEM_TEST(what_the_program_sends_in_the_middle_of_bulk_stays_in_its_place),
        SYSTEM_TEST(a_reset_of_the_target_in_the_middle_of_bulk_is_told_and_the_rest_received),
        SYSTEM_TEST(a_target_that_was_closed_raises_no_signal),
        SYSTEM_TEST(the_end_comes_after_everything_although_the_target_is_slow),
        SYSTEM_TEST(what_arrived_before_a_reset_of_the_source_is_relayed),
        SYSTEM_TEST(closing_the_target_after_writing_sends_what_waits),
        SYSTEM_TEST(closing_the_target_in_the_background_sends_what_waits),
        SYSTEM_TEST(a_paused_target_keeps_what_waits),
        SYSTEM_TEST(a_source_that_is_detached_leaves_the_rest_in_its_socket),
        SYSTEM_TEST(both_directions_carry_bulk_at_once),
        SYSTEM_TEST(a_target_with_a_write_timeout_that_never_reads_ends),
        SYSTEM_TEST(a_loop_may_be_destroyed_in_the_middle_of_bulk),
        SYSTEM_TEST(a_child_that_takes_the_loop_over_relays_the_rest),
    };
    return SYSTEM_RUN(tests);
}
