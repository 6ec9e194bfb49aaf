/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What may end or interrupt a proxy in the middle of bulk, over real sockets: ends and resets of either side, pauses,
 * timeouts, detaching, a fork, the end of the loop.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "support/bytes.h"
#include "support/filtered_connections.h"
#include "support/sockets.h"
#include "support/system_peer.h"
#include "support/system_relay.h"
#include "support/system_test.h"

static void a_reset_of_the_target_in_the_middle_of_bulk_is_told_and_the_rest_received(void **state)
{
    system_relay *all = system_open_proxied(*state, &system_relay_bounded);
    system_relay_until(all, RELAY_BULK_BYTES, RELAY_BULK_BYTES / 3);
    system_relay_fill(all);
    close_with_reset(all->to_peer);
    all->to_peer = -1;
    while (all->told == 0 || all->relayed + all->received < all->written)
        system_relay_turn(all);
    assert_int_equal(all->told, 1);
    assert_true(all->reasons[1] == EM_CONNECTION_RESET || all->reasons[1] == EM_BROKEN_PIPE);
    system_close_relay(all);
}

/* splice(2) raises SIGPIPE where send(2) need not. */
static void a_target_that_was_closed_raises_no_signal(void **state)
{
    for (unsigned i = 0; i < 5; i++) {
        system_relay *all = system_open_proxied(*state, NULL);
        system_relay_until(all, RELAY_BULK_BYTES, RELAY_BULK_BYTES / 3);
        close(all->to_peer);
        all->to_peer = -1;
        while (all->told == 0) {
            system_relay_write(all, RELAY_BULK_BYTES * UINT64_C(4));
            system_relay_turn(all);
        }
        system_close_relay(all);
    }
}

static void the_end_comes_after_everything_although_the_target_is_slow(void **state)
{
    const em_proxy_options options = {
        .size = sizeof options, .buffer_bytes = RELAY_BUFFER_BYTES, .at_end = EM_PROXY_CLOSE_WRITE};
    system_relay *all = system_open_proxied(*state, &options);
    system_relay_until(all, RELAY_BULK_BYTES, RELAY_BULK_BYTES / 3);
    system_relay_fill(all);
    shutdown(all->from_peer, SHUT_WR);
    while (!all->peer_saw_end) {
        system_relay_turn(all);
        system_relay_take(all, 20000);
    }
    assert_int_equal(all->taken, all->written);
    system_close_relay(all);
}

static void what_arrived_before_a_reset_of_the_source_is_relayed(void **state)
{
    const em_proxy_options options = {.size = sizeof options, .at_end = EM_PROXY_CLOSE_AFTER_WRITING};
    system_relay *all = system_open_proxied(*state, &options);
    system_relay_until(all, RELAY_BULK_BYTES / 2, RELAY_BULK_BYTES / 2);
    system_relay_write(all, all->written + 1000);
    close_with_reset(all->from_peer);
    all->from_peer = -1;
    while (!all->peer_saw_end) {
        system_relay_turn(all);
        system_relay_take(all, RELAY_READ_BYTES);
    }
    assert_int_equal(all->reasons[0], EM_CONNECTION_RESET);
    assert_true(all->taken >= RELAY_BULK_BYTES / 2);
    system_close_relay(all);
}

static void closing_the_target_after_writing_sends_what_waits(void **state)
{
    system_relay *all = system_open_proxied(*state, &system_relay_bounded);
    system_relay_fill(all);
    all->relayed = em_connection_get_proxied_bytes(all->from);
    uint64_t relayed = all->relayed;
    all->relayed = 0;
    assert_int_equal(em_connection_close_after_writing(all->to), EM_OK);
    while (!all->peer_saw_end || all->relayed + all->received < all->written) {
        system_relay_turn(all);
        system_relay_take(all, RELAY_READ_BYTES);
    }
    assert_int_equal(all->taken, relayed);
    assert_int_equal(all->told, 1);
    system_close_relay(all);
}

static void closing_the_target_in_the_background_sends_what_waits(void **state)
{
    system_relay *all = system_open_proxied(*state, &system_relay_bounded);
    system_relay_fill(all);
    uint64_t relayed = em_connection_get_proxied_bytes(all->from);
    assert_int_equal(em_connection_close_in_background(all->to), EM_OK);
    while (!all->peer_saw_end) {
        system_relay_turn(all);
        system_relay_take(all, RELAY_READ_BYTES);
    }
    assert_int_equal(all->taken, relayed);
    system_close_relay(all);
}

static void a_paused_target_keeps_what_waits(void **state)
{
    system_relay *all = system_open_proxied(*state, &system_relay_bounded);
    system_relay_fill(all);
    uint64_t relayed = em_connection_get_proxied_bytes(all->from);
    assert_int_equal(em_connection_pause(all->to), EM_OK);
    for (unsigned i = 0; i < 50; i++) {
        system_relay_turn(all);
        system_relay_take(all, RELAY_READ_BYTES);
    }
    assert_true(all->taken < relayed);
    assert_int_equal(em_connection_resume(all->to), EM_OK);
    system_relay_until(all, all->written, all->written);
    system_close_relay(all);
}

static void a_source_that_is_detached_leaves_the_rest_in_its_socket(void **state)
{
    static unsigned char bytes[RELAY_READ_BYTES];
    int descriptor;
    if (connections_are_filtered())
        system_skip("a filter keeps bytes that belong to its connection");
    system_relay *all = system_open_proxied(*state, &system_relay_bounded);
    system_relay_until(all, RELAY_BULK_BYTES, RELAY_BULK_BYTES / 3);
    system_relay_fill(all);
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
        system_relay_turn(all);
        system_relay_take(all, RELAY_READ_BYTES);
    }
    close(descriptor);
    system_close_relay(all);
}

static void both_directions_carry_bulk_at_once(void **state)
{
    system_relay *all = system_open_proxied(*state, &system_relay_bounded);
    system_relay back = {.loop = *state, .from_peer = all->to_peer, .to_peer = all->from_peer};
    assert_int_equal(em_connection_start_proxy(all->to, all->from, &system_relay_bounded), EM_OK);
    while (all->taken < RELAY_BULK_BYTES || back.taken < RELAY_BULK_BYTES) {
        system_relay_write(all, RELAY_BULK_BYTES);
        system_relay_write(&back, RELAY_BULK_BYTES);
        system_relay_turn(all);
        system_relay_take(all, RELAY_READ_BYTES);
        system_relay_take(&back, RELAY_READ_BYTES);
    }
    assert_int_equal(back.wrong, 0);
    system_close_relay(all);
}

static void a_target_with_a_write_timeout_that_never_reads_ends(void **state)
{
    system_relay *all = system_open_proxied(*state, &system_relay_bounded);
    assert_int_equal(em_connection_set_write_timeout_ns(all->to, 20 * EM_MILLISECONDS), EM_OK);
    system_relay_fill(all);
    while (all->told == 0)
        system_relay_turn(all);
    assert_int_equal(all->reasons[1], EM_WRITE_TIMEOUT);
    system_close_relay(all);
}

static void a_loop_may_be_destroyed_in_the_middle_of_bulk(void **state)
{
    system_relay *all = system_open_proxied(*state, &system_relay_bounded);
    system_relay_fill(all);
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
    system_relay *all = user;
    system_child_check(em_loop_take_over(all->loop) == EM_OK, "the child takes the loop over");
    while (all->to && em_connection_get_proxied_bytes(all->from) < all->written)
        system_child_check(em_loop_run_once(all->loop, 10 * EM_MILLISECONDS) == EM_OK, "it turns");
    while (em_connection_get_outbound_bytes(all->to) > 0)
        system_child_check(em_loop_run_once(all->loop, 10 * EM_MILLISECONDS) == EM_OK, "it sends");
    system_child_check(em_loop_destroy(all->loop) == EM_OK, "it ends");
}

static void a_child_that_takes_the_loop_over_relays_the_rest(void **state)
{
    system_relay *all = system_open_proxied(*state, &system_relay_bounded);
    system_relay_fill(all);
    pid_t child = system_fork(go_on_in_child, all);
    assert_int_equal(em_loop_hand_over(*state), EM_OK);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    while (all->taken < all->written) {
        system_relay_take(all, RELAY_READ_BYTES);
        assert_false(all->peer_saw_end && all->taken < all->written);
    }
    assert_int_equal(system_wait(child), 0);
    assert_int_equal(all->wrong, 0);
    close(all->from_peer);
    close(all->to_peer);
}

/* Both ends; what `drained` of the target closes, and what comes after that. */
typedef struct closing_pair {
    em_connection *from, *to;
    unsigned drained, ends, unbound;
} closing_pair;

static void close_source(em_connection *connection)
{
    closing_pair *pair = em_connection_get_user(connection);
    if (pair->drained++ == 0)
        em_connection_close(pair->from);
}

static void count_end(em_connection *connection)
{
    closing_pair *pair = em_connection_get_user(connection);
    pair->ends += connection == pair->from;
}

static void count_unbind(em_connection *connection, em_status reason)
{
    closing_pair *pair = em_connection_get_user(connection);
    (void)reason;
    pair->unbound++;
}

/* To pass the end on may call `drained` of the target, here because the water marks were raised. */
static void a_source_that_is_closed_while_its_end_is_passed_on_gets_unbind_only(void **state)
{
    static const em_handler handler = {.receive_end = count_end, .drained = close_source, .unbind = count_unbind};
    closing_pair pair = {.drained = 0};
    const em_attach_options user = {.size = sizeof user, .user = &pair};
    const em_proxy_options options = {.size = sizeof options, .at_end = EM_PROXY_CLOSE_WRITE};
    int from[2], to[2];
    unix_pair(from);
    unix_pair(to);
    assert_int_equal(em_loop_attach(*state, from[0], &handler, &user, &pair.from), EM_OK);
    assert_int_equal(em_loop_attach(*state, to[0], &handler, &user, &pair.to), EM_OK);
    assert_int_equal(em_connection_start_proxy(pair.from, pair.to, &options), EM_OK);
    assert_int_equal(em_connection_set_water_marks(pair.to, 0, 1), EM_OK);
    assert_int_equal(em_connection_pause(pair.to), EM_OK);
    assert_int_equal(em_connection_send_text(pair.to, "hello"), EM_UNDER_PRESSURE);
    assert_int_equal(em_connection_set_water_marks(pair.to, 100, 200), EM_OK);
    close(from[1]);
    while (pair.unbound == 0)
        system_turn(*state);
    assert_int_equal(pair.drained, 1);
    assert_int_equal(pair.ends, 0);
    em_connection_close(pair.to);
    while (pair.unbound < 2)
        system_turn(*state);
    close(to[1]);
}

/* Both have the loop, and the parent one of its pipes, which is not in use. */
typedef struct two_processes {
    em_loop *loop;
    int told[2], done[2]; /* pipes: the child's bytes wait; the parent has relayed */
} two_processes;

static void relay_in_child(void *user)
{
    two_processes *both = user;
    char byte = 0;
    system_child_check(em_loop_take_over(both->loop) == EM_OK, "the child takes the loop over");
    system_relay *all = system_open_proxied(both->loop, &system_relay_bounded);
    system_relay_fill(all);
    system_child_check(write(both->told[1], &byte, 1) == 1, "it tells its parent");
    close(both->done[1]);
    system_child_check(read(both->done[0], &byte, 1) == 0, "its parent is done");
    system_relay_until(all, all->written, all->written);
    system_child_check(all->wrong == 0, "its bytes arrive");
    system_close_relay(all);
    system_child_check(em_loop_destroy(both->loop) == EM_OK, "it ends");
}

static void a_child_that_takes_the_loop_over_shares_no_pipe_with_its_parent(void **state)
{
    two_processes both = {.loop = *state};
    char byte;
    system_relay *all = system_open_proxied(*state, &system_relay_bounded);
    system_relay_until(all, RELAY_BULK_BYTES, RELAY_BULK_BYTES);
    assert_int_equal(pipe(both.told), 0);
    assert_int_equal(pipe(both.done), 0);
    pid_t child = system_fork(relay_in_child, &both);
    assert_int_equal(read(both.told[0], &byte, 1), 1);
    system_relay_until(all, RELAY_BULK_BYTES * 2, RELAY_BULK_BYTES * 2);
    system_close_relay(all);
    for (unsigned i = 0; i < 2; i++) {
        close(both.told[i]);
        close(both.done[i]);
    }
    assert_int_equal(system_wait(child), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
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
        SYSTEM_TEST(a_source_that_is_closed_while_its_end_is_passed_on_gets_unbind_only),
        SYSTEM_TEST(a_child_that_takes_the_loop_over_relays_the_rest),
        SYSTEM_TEST(a_child_that_takes_the_loop_over_shares_no_pipe_with_its_parent),
    };
    return SYSTEM_RUN(tests);
}
