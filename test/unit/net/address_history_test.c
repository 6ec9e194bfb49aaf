/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The history of addresses that worked.
 */
#include <stdio.h>

#include <eventmachine/timer.h>

#include "net/address_history.h"
#include "system/socket.h"
#include "support/unit.h"

typedef struct fixture {
    failing_allocator allocator;
    emi_address_history *history;
} fixture;

static int set_up(void **state)
{
    static fixture own;
    own = (fixture){.history = NULL};
    failing_allocator_init(&own.allocator);
    *state = &own;
    return 0;
}

static int tear_down(void **state)
{
    fixture *own = *state;
    emi_address_history_destroy(own->history, &own->allocator.allocator);
    return (int)atomic_load(&own->allocator.live);
}

static void note(fixture *own, const char *host, const char *text, int port, uint64_t now_ns)
{
    em_address address;
    assert_int_equal(em_address_from_text(text, port, &address), EM_OK);
    emi_address_history_note(&own->history, &own->allocator.allocator, host, &address, now_ns);
}

static bool has(const fixture *own, const char *host, const char *text, int port, uint64_t now_ns)
{
    em_address found, address;
    assert_int_equal(em_address_from_text(text, port, &address), EM_OK);
    return emi_address_history_find(own->history, host, port, now_ns, &found) &&
           emi_addresses_are_equal(&found, &address);
}

static void an_address_is_known_by_host_and_port(void **state)
{
    fixture *own = *state;
    em_address found;
    assert_false(emi_address_history_find(own->history, "a.test", 80, 0, &found));
    note(own, "a.test", "192.0.2.1", 80, 0);
    note(own, "a.test", "192.0.2.2", 443, 0);
    assert_true(has(own, "a.test", "192.0.2.1", 80, 1));
    assert_true(has(own, "A.Test", "192.0.2.1", 80, 1));
    assert_true(has(own, "a.test", "192.0.2.2", 443, 1));
    assert_false(emi_address_history_find(own->history, "b.test", 80, 1, &found));
}

static void the_last_address_replaces_the_one_before(void **state)
{
    fixture *own = *state;
    note(own, "a.test", "192.0.2.1", 80, 0);
    note(own, "a.test", "2001:db8::1", 80, 1);
    assert_true(has(own, "a.test", "2001:db8::1", 80, 1));
}

static void an_address_is_forgotten_after_ten_minutes(void **state)
{
    fixture *own = *state;
    em_address found;
    note(own, "a.test", "192.0.2.1", 80, 5);
    assert_true(emi_address_history_find(own->history, "a.test", 80, 600 * EM_SECONDS, &found));
    assert_false(emi_address_history_find(own->history, "a.test", 80, 600 * EM_SECONDS + 5, &found));
    assert_false(emi_address_history_find(NULL, "a.test", 80, 6, &found));
}

static void any_number_of_hosts_takes_the_same_memory_and_the_oldest_are_dropped(void **state)
{
    fixture *own = *state;
    char host[32];
    note(own, "first.test", "192.0.2.1", 80, 0);
    long live = atomic_load(&own->allocator.live);
    for (unsigned i = 1; i <= 10000; i++) {
        snprintf(host, sizeof host, "h%u.test", i);
        note(own, host, "192.0.2.1", 80, i);
        assert_true(has(own, host, "192.0.2.1", 80, i));
    }
    assert_int_equal(atomic_load(&own->allocator.live), live);
    assert_false(has(own, "first.test", "192.0.2.1", 80, 10000));
}

static void without_memory_nothing_is_noted(void **state)
{
    fixture *own = *state;
    failing_allocator_fail(&own->allocator, 1, EM_ON);
    note(own, "a.test", "192.0.2.1", 80, 0);
    failing_allocator_fail(&own->allocator, 0, EM_DEFAULT);
    assert_null(own->history);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(an_address_is_known_by_host_and_port),
        TEST(the_last_address_replaces_the_one_before),
        TEST(an_address_is_forgotten_after_ten_minutes),
        TEST(any_number_of_hosts_takes_the_same_memory_and_the_oldest_are_dropped),
        TEST(without_memory_nothing_is_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
