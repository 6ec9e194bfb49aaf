/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Proxies over real sockets: bulk, which moves through pipes within the kernel. What was relayed and what the source
 * has received must be the whole stream, in order.
 */
#include <string.h>

#include "support/bytes.h"
#include "support/sockets.h"
#include "support/system_relay.h"
#include "support/system_test.h"

static void bulk_arrives_whole_and_counted(void **state)
{
    void (*const pairs[])(int sockets[2]) = {tcp_pair, unix_pair};
    for (unsigned i = 0; i < 2; i++) {
        system_relay *all = system_open_relay(*state, pairs[i]);
        system_relay_start(all, NULL);
        system_relay_until(all, RELAY_BULK_BYTES, RELAY_BULK_BYTES);
        assert_int_equal(em_connection_get_proxied_bytes(all->from), RELAY_BULK_BYTES);
        uint64_t received, sent;
        em_connection_get_byte_counts(all->from, &received, NULL);
        em_connection_get_byte_counts(all->to, NULL, &sent);
        assert_int_equal(received, RELAY_BULK_BYTES);
        assert_int_equal(sent, RELAY_BULK_BYTES);
        assert_int_equal(em_connection_get_outbound_bytes(all->to), 0);
        system_close_relay(all);
    }
}

static void a_tail_of_any_length_arrives(void **state)
{
    system_relay *all = system_open_proxied(*state, NULL);
    uint64_t end = RELAY_BULK_BYTES / 4;
    system_relay_until(all, end, end);
    for (unsigned tail = 1; tail < 3000; tail = tail * 3 + 1) {
        end += tail;
        system_relay_until(all, end, end);
        end += RELAY_READ_BYTES * UINT64_C(8) + tail;
        system_relay_until(all, end, end);
    }
    system_close_relay(all);
}

static void a_target_that_never_reads_bounds_what_waits(void **state)
{
    system_relay *all = system_open_proxied(*state, &system_relay_bounded);
    system_relay_fill(all);
    assert_in_range(all->most_outbound, 1, RELAY_BUFFER_BYTES + RELAY_READ_BYTES);
    uint64_t turns = system_stats(*state).turns;
    system_run_for(*state, 50 * EM_MILLISECONDS);
    assert_true(system_stats(*state).turns < turns + 20);
    system_relay_until(all, all->written, all->written);
    system_close_relay(all);
}

static void a_slow_reader_gets_everything_in_order(void **state)
{
    system_relay *all = system_open_proxied(*state, &system_relay_bounded);
    while (all->taken < RELAY_BULK_BYTES / 2) {
        system_relay_write(all, RELAY_BULK_BYTES / 2);
        system_relay_turn(all);
        system_relay_take(all, 3000);
    }
    assert_true(all->most_outbound <= RELAY_BUFFER_BYTES + RELAY_READ_BYTES);
    system_close_relay(all);
}

static void a_length_is_met_exactly_in_the_middle_of_bulk(void **state)
{
    const em_proxy_options options = {.size = sizeof options, .length_bytes = RELAY_BULK_BYTES / 2 + 12345};
    system_relay *all = system_open_proxied(*state, &options);
    system_relay_until(all, RELAY_BULK_BYTES, options.length_bytes);
    while (all->received + options.length_bytes < RELAY_BULK_BYTES) {
        system_relay_write(all, RELAY_BULK_BYTES);
        system_relay_turn(all);
    }
    assert_int_equal(all->completed, 1);
    assert_int_equal(all->relayed, options.length_bytes);
    system_relay_take(all, RELAY_READ_BYTES);
    assert_int_equal(all->taken, options.length_bytes);
    system_close_relay(all);
}

static void stopping_in_the_middle_of_bulk_loses_nothing(void **state)
{
    system_relay *all = system_open_proxied(*state, &system_relay_bounded);
    system_relay_until(all, RELAY_BULK_BYTES, RELAY_BULK_BYTES / 3);
    system_relay_fill(all);
    assert_int_equal(em_connection_stop_proxy(all->from), EM_OK);
    all->relayed = em_connection_get_proxied_bytes(all->from);
    while (all->taken < all->relayed || all->relayed + all->received < all->written) {
        system_relay_turn(all);
        system_relay_take(all, RELAY_READ_BYTES);
    }
    assert_int_equal(all->taken, all->relayed);
    system_close_relay(all);
}

static void another_target_gets_what_follows(void **state)
{
    system_relay *all = system_open_proxied(*state, &system_relay_bounded);
    system_relay *other = system_open_relay(*state, tcp_pair);
    system_relay_fill(all);
    uint64_t relayed = em_connection_get_proxied_bytes(all->from);
    assert_int_equal(em_connection_start_proxy(all->from, other->to, NULL), EM_OK);
    other->taken = relayed;
    while (all->taken < relayed || other->taken < all->written) {
        system_relay_turn(all);
        system_relay_take(all, RELAY_READ_BYTES);
        system_relay_take(other, RELAY_READ_BYTES);
    }
    assert_int_equal(all->taken, relayed);
    assert_int_equal(em_connection_get_proxied_bytes(all->from), all->written - relayed);
    em_connection_stop_proxy(all->from);
    system_close_relay(other);
    system_close_relay(all);
}

/* The program's bytes are marked by their length: they replace as many of the pattern. */
static void what_the_program_sends_in_the_middle_of_bulk_stays_in_its_place(void **state)
{
    static unsigned char words[10000], taken[RELAY_READ_BYTES];
    system_relay *all = system_open_proxied(*state, &system_relay_bounded);
    system_relay_until(all, RELAY_BULK_BYTES / 3, RELAY_BULK_BYTES / 3);
    system_relay_fill(all);
    uint64_t relayed = em_connection_get_proxied_bytes(all->from);
    memset(words, '!', sizeof words);
    assert_int_equal(em_connection_send(all->to, words, sizeof words), EM_OK);
    system_relay_until(all, all->written, relayed - relayed % 2 - 1000);
    while (all->taken < relayed) {
        system_relay_take(all, (size_t)(relayed - all->taken));
        system_relay_turn(all);
    }
    size_t got = 0;
    while (got < sizeof words) {
        system_relay_turn(all);
        got += receive_now(all->to_peer, taken + got, sizeof words - got, NULL);
    }
    assert_memory_equal(taken, words, sizeof words);
    system_relay_until(all, all->written, all->written);
    system_close_relay(all);
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
    };
    return SYSTEM_RUN(tests);
}
