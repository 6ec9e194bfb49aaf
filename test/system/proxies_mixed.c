/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Proxies with other things around them, over real sockets: TLS on both sides, a filter or a file behind what waits in
 * the target, and no pipes to be had.
 */
#include <sys/resource.h>
#include <unistd.h>

#include "base/features.h"
#include "net/net_private.h"
#include "support/bytes.h"
#include "support/filtered_connections.h"
#include "support/system_relay.h"
#include "support/system_test.h"
#include "support/system_tls.h"
#include "support/test_filter.h"

enum { MESSAGE_BYTES = 700000, MOST_OPEN = 4096 };

/* What waits leaves before the filter's first byte, as after starting TLS. This one changes nothing. */
static void what_waits_in_the_target_leaves_before_a_filter_begins(void **state)
{
    const test_filter_options transparent = {.is_transparent = true};
    if (connections_are_filtered())
        system_skip("there is a filter already");
    system_relay *all = system_open_proxied(*state, &system_relay_bounded);
    system_relay_fill(all);
    test_filter *filter = test_filter_create(&transparent, NULL);
    assert_int_equal(emi_gate_open(all->to, &filter->filter, 0), EM_OK);
    system_relay_until(all, all->written, all->written);
    system_close_relay(all);
}

static void what_the_program_sends_large_stays_behind_what_waits(void **state)
{
    static unsigned char large[MESSAGE_BYTES];
    system_relay *all = system_open_proxied(*state, &system_relay_bounded);
    system_relay_fill(all);
    assert_int_equal(em_connection_stop_proxy(all->from), EM_OK);
    uint64_t relayed = em_connection_get_proxied_bytes(all->from);
    all->relayed = relayed;
    pattern_fill(large, sizeof large, relayed);
    assert_int_equal(em_connection_send(all->to, large, sizeof large), EM_OK);
    while (all->taken < relayed + sizeof large) {
        system_relay_turn(all);
        system_relay_take(all, RELAY_READ_BYTES);
    }
    system_close_relay(all);
}

/* Bytes are copied instead. */
static void without_descriptors_for_pipes_bulk_is_relayed_as_well(void **state)
{
    static int open_ones[MOST_OPEN];
    unsigned count = 0;
    system_relay *all = system_open_proxied(*state, NULL);
    struct rlimit before, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = MOST_OPEN / 2;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (count < MOST_OPEN && (open_ones[count] = dup(all->from_peer)) >= 0)
        count++;
    system_relay_until(all, RELAY_BULK_BYTES, RELAY_BULK_BYTES);
    while (count > 0)
        close(open_ones[--count]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    system_close_relay(all);
}

#if EMI_HAVE_OPENSSL

/* client ══TLS══ server ──proxy── client ══TLS══ server, which echoes. */
static void tls_on_both_sides(void **state)
{
    static unsigned char message[MESSAGE_BYTES];
    system_tls_pair *near = system_tls_new_pair(*state);
    system_tls_pair *far = system_tls_new_pair(*state);
    system_tls_begin(near, &system_tls_handler);
    system_tls_begin(far, &system_tls_handler);
    system_tls_await_ready(near);
    system_tls_await_ready(far);
    assert_int_equal(em_connection_start_proxy(near->server.connection, far->client.connection, NULL), EM_OK);
    assert_int_equal(em_connection_start_proxy(far->client.connection, near->server.connection, NULL), EM_OK);
    pattern_fill(message, sizeof message, 0);
    assert_true(em_connection_send(near->client.connection, message, sizeof message) >= 0);
    system_tls_await_bytes(near, &near->client, sizeof message);
    assert_true(pattern_matches(bytes_at(&near->client.received), sizeof message, 0));
    assert_int_equal(em_connection_get_proxied_bytes(near->server.connection), sizeof message);
    assert_int_equal(em_connection_get_proxied_bytes(far->client.connection), sizeof message);
    system_tls_finish(near);
    system_tls_finish(far);
}

#endif

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(what_waits_in_the_target_leaves_before_a_filter_begins),
        SYSTEM_TEST(what_the_program_sends_large_stays_behind_what_waits),
        SYSTEM_TEST(without_descriptors_for_pipes_bulk_is_relayed_as_well),
#if EMI_HAVE_OPENSSL
        SYSTEM_TEST(tls_on_both_sides),
#endif
    };
    return SYSTEM_RUN(tests);
}
