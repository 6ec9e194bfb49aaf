/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Every allocation of a proxy fails in turn: the call fails and changes nothing, or an end of the proxy ends once with
 * EM_NO_MEMORY, and no memory leaks.
 */
#include "support/simulated_pair.h"

enum { MOST_ALLOCATIONS = 50, LARGE_BYTES = 100000 };

/* Everything that needs memory: starting, a full outbox, bytes that are put back, the surplus. */
static void live(simulated_pair *pair, simulated_loop *fixture)
{
    static const char large[LARGE_BYTES];
    const em_proxy_options options = {.size = sizeof options, .buffer_bytes = 1000, .length_bytes = LARGE_BYTES - 10};
    em_connection *from = pair->from.connection;
    em_status status = em_connection_start_proxy(from, pair->to.connection, &options);
    if (status != EM_OK) {
        assert_int_equal(status, EM_NO_MEMORY);
        assert_null(em_connection_get_proxy_target(from));
        return;
    }
    simulated_set_window(pair->to_peer, 0);
    simulated_feed(pair->from_peer, large, sizeof large);
    run_turns(fixture, 3);
    simulated_set_window(pair->to_peer, LARGE_BYTES);
    run_turns(fixture, 10);
    if (!pair->to.connection || !pair->from.connection)
        return;
    assert_int_equal(em_connection_get_proxied_bytes(from), LARGE_BYTES - 10);
    assert_int_equal(bytes_length(&pair->from.received), 10);
}

static void expect_a_good_end_or_none(const recorder *told)
{
    if (told->unbinds > 0)
        assert_int_equal(told->reason, EM_NO_MEMORY);
}

/* Returns whether there were fewer allocations than n. */
static bool fail_nth(unsigned long n, em_switch all_later_ones)
{
    const em_loop_options options = {.size = sizeof options, .outbox_limit_bytes = 20000};
    simulated_loop fixture;
    simulated_pair pair;
    simulated_loop_open(&fixture, NULL, &options);
    pair_open(&pair, &fixture, &recording, NULL);
    unsigned long before = atomic_load(&fixture.allocator.failures);
    failing_allocator_fail(&fixture.allocator, n, all_later_ones);
    live(&pair, &fixture);
    bool failed = atomic_load(&fixture.allocator.failures) > before;
    failing_allocator_fail(&fixture.allocator, 0, EM_DEFAULT);
    run_turns(&fixture, 3);
    expect_a_good_end_or_none(&pair.from);
    expect_a_good_end_or_none(&pair.to);
    assert_true(failed || pair.from.unbinds + pair.to.unbinds == 0);
    pair_free(&pair);
    simulated_loop_close(&fixture);
    return !failed;
}

static void a_proxy_survives_the_failure_of_every_allocation(void **state)
{
    (void)state;
    deadline_start(60);
    for (unsigned later = EM_ON; later <= EM_OFF; later++) {
        unsigned long n = 1;
        while (!fail_nth(n, (em_switch)later))
            assert_true(++n < MOST_ALLOCATIONS);
        assert_true(n > 5);
    }
    deadline_stop();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_proxy_survives_the_failure_of_every_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
