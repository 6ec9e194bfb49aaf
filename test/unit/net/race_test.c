/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The race of addresses (RFC 8305), rule by rule. Addresses are written as text, times in milliseconds.
 */
#include <stdio.h>
#include <string.h>

#include "system/socket.h"
#include "support/race_steps.h"
#include "support/unit.h"

#define MS(number) ((uint64_t)(number)*EM_MILLISECONDS)

static const emi_race_settings usual = {.attempt_delay_ns = MS(250), .resolution_delay_ns = MS(50)};

static void families_alternate_and_keep_the_order_within_each(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    race_resolved(&race, "192.0.2.1 192.0.2.2 192.0.2.3", 0);
    race_resolved(&race, "2001:db8::1 2001:db8::2", 0);
    static const char *const order[] = {"2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "192.0.2.3"};
    for (unsigned i = 0; i < COUNT(order); i++) {
        race_expect_start(&race, MS(250 * i), i, order[i]);
        race_expect_wait(&race, MS(250 * i), i + 1 < COUNT(order) ? MS(250 * (i + 1)) : UINT64_MAX);
    }
    assert_int_equal(race.running, 5); /* starting one has ended none */
}

static void ipv4_waits_for_ipv6_but_not_longer_than_the_resolution_delay(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    race_expect_wait(&race, 0, UINT64_MAX);
    race_resolved(&race, "192.0.2.1", MS(10));
    race_expect_wait(&race, MS(10), MS(60));
    race_expect_wait(&race, MS(59), MS(60));
    race_expect_start(&race, MS(60), 0, "192.0.2.1");
    race_resolved(&race, "2001:db8::1", MS(100)); /* late, but not lost */
    race_expect_wait(&race, MS(100), MS(310));
    race_expect_start(&race, MS(310), 1, "2001:db8::1");
}

static void ipv6_that_comes_within_the_resolution_delay_is_first(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    race_resolved(&race, "192.0.2.1", 0);
    race_expect_wait(&race, 0, MS(50));
    race_resolved(&race, "2001:db8::1", MS(30));
    race_expect_start(&race, MS(30), 0, "2001:db8::1");
}

static void ipv6_does_not_wait_for_ipv4(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    race_resolved(&race, "2001:db8::1", 0);
    race_expect_start(&race, 0, 0, "2001:db8::1");
    race_expect_wait(&race, MS(400), UINT64_MAX);
}

static void a_name_without_ipv6_waits_for_nothing(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 2; order++) {
        emi_race race;
        emi_race_begin(&race, &usual);
        if (order == 0)
            race_not_found(&race, EMI_RACE_IPV6, 0);
        race_resolved(&race, "192.0.2.1", 0);
        if (order == 1)
            race_not_found(&race, EMI_RACE_IPV6, 0);
        race_expect_start(&race, 0, 0, "192.0.2.1");
    }
}

static void a_failure_starts_the_next_attempt_at_once(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    race_resolved(&race, "2001:db8::1 2001:db8::2", 0);
    race_resolved(&race, "192.0.2.1", 0);
    race_expect_start(&race, 0, 0, "2001:db8::1");
    emi_race_failed(&race, 0, EM_NETWORK_UNREACHABLE, MS(1));
    race_expect_start(&race, MS(1), 1, "192.0.2.1");
    race_expect_wait(&race, MS(1), MS(251));
    emi_race_failed(&race, 1, EM_CONNECTION_REFUSED, MS(2));
    race_expect_start(&race, MS(2), 2, "2001:db8::2");
}

static void the_first_that_is_connected_wins_and_the_others_are_cancelled(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    race_resolved(&race, "2001:db8::1 2001:db8::2", 0);
    race_resolved(&race, "192.0.2.1 192.0.2.2", 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(emi_race_next(&race, MS(250 * i)).action, EMI_RACE_START);
    emi_race_connected(&race, 1);
    emi_race_connected(&race, 2); /* in the same turn */
    emi_race_step step = emi_race_next(&race, MS(600));
    assert_int_equal(step.action, EMI_RACE_CANCEL);
    assert_int_equal(step.attempt, 0);
    step = emi_race_next(&race, MS(600));
    assert_int_equal(step.action, EMI_RACE_WON);
    assert_int_equal(step.attempt, 1);
    assert_int_equal(race.running, 0);
}

static const emi_race_settings secure = {.attempt_delay_ns = MS(250), .resolution_delay_ns = MS(50), .needs_tls = true};

static void the_first_that_is_secured_wins_not_the_first_that_is_connected(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &secure);
    race_resolved(&race, "2001:db8::1 2001:db8::2", 0);
    race_not_found(&race, EMI_RACE_IPV4, 0);
    race_expect_start(&race, 0, 0, "2001:db8::1");
    emi_race_connected(&race, 0);
    assert_true(emi_race_is_securing(&race, 0));
    race_expect_wait(&race, MS(10), MS(250)); /* the delay goes on counting */
    race_expect_start(&race, MS(250), 1, "2001:db8::2");
    emi_race_connected(&race, 1);
    race_expect_wait(&race, MS(260), UINT64_MAX);
    emi_race_secured(&race, 1);
    emi_race_secured(&race, 0); /* in the same turn */
    emi_race_step step = emi_race_next(&race, MS(270));
    assert_int_equal(step.action, EMI_RACE_WON);
    assert_int_equal(step.attempt, 1);
    assert_int_equal(race.attempts[0].state, EMI_ATTEMPT_CANCELLED);
    assert_int_equal(race.running, 0);
}

static void those_being_secured_are_cancelled_after_a_win(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &secure);
    race_resolved(&race, "2001:db8::1 2001:db8::2 2001:db8::3", 0);
    race_not_found(&race, EMI_RACE_IPV4, 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(emi_race_next(&race, MS(250 * i)).action, EMI_RACE_START);
    emi_race_connected(&race, 0);
    emi_race_connected(&race, 1);
    emi_race_secured(&race, 1);
    for (unsigned i = 0; i < 3; i += 2) {
        emi_race_step step = emi_race_next(&race, MS(600));
        assert_int_equal(step.action, EMI_RACE_CANCEL);
        assert_int_equal(step.attempt, i);
    }
    assert_int_equal(emi_race_next(&race, MS(600)).action, EMI_RACE_WON);
}

static void a_handshake_that_fails_starts_the_next_attempt_at_once(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &secure);
    race_resolved(&race, "192.0.2.1 192.0.2.2", 0);
    race_not_found(&race, EMI_RACE_IPV6, 0);
    race_expect_start(&race, 0, 0, "192.0.2.1");
    emi_race_connected(&race, 0);
    emi_race_failed(&race, 0, EM_TLS_WRONG_NAME, MS(20));
    race_expect_start(&race, MS(20), 1, "192.0.2.2");
    emi_race_failed(&race, 1, EM_CONNECTION_REFUSED, MS(30));
    race_expect_failure(&race, EM_TLS_WRONG_NAME);
}

static void each_address_is_tried_once_although_it_was_found_twice(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    race_resolved(&race, "192.0.2.1 192.0.2.1 192.0.2.1", 0);
    race_not_found(&race, EMI_RACE_IPV6, 0);
    race_expect_start(&race, 0, 0, "192.0.2.1");
    emi_race_failed(&race, 0, EM_CONNECTION_REFUSED, 0);
    race_expect_failure(&race, EM_CONNECTION_REFUSED);
}

static void no_more_than_sixteen_addresses_are_tried_and_both_families_are(void **state)
{
    (void)state;
    emi_race race;
    emi_addresses six = {.count = 0}, four = {.count = 0};
    for (unsigned i = 0; i < EMI_MOST_ADDRESSES; i++) {
        char text[64];
        snprintf(text, sizeof text, "2001:db8::%u", i + 1);
        six.list[six.count++] = race_address_of(text);
        snprintf(text, sizeof text, "192.0.2.%u", i + 1);
        four.list[four.count++] = race_address_of(text);
    }
    emi_race_begin(&race, &usual);
    emi_race_resolved(&race, EMI_RACE_IPV6, EM_OK, &six, 0);
    emi_race_resolved(&race, EMI_RACE_IPV4, EM_OK, &four, 0);
    for (unsigned i = 0; i < EMI_MOST_ATTEMPTS; i++) {
        assert_int_equal(emi_race_next(&race, 0).action, EMI_RACE_START);
        emi_race_failed(&race, i, EM_CONNECTION_REFUSED, 0);
    }
    assert_int_equal(race.lists[EMI_RACE_IPV6].next, 8);
    assert_int_equal(race.lists[EMI_RACE_IPV4].next, 8);
    race_expect_failure(&race, EM_CONNECTION_REFUSED);
}

static void the_address_that_worked_last_is_tried_first(void **state)
{
    (void)state;
    emi_race race;
    em_address first_choice = race_address_of("192.0.2.2");
    emi_race_begin(&race, &usual);
    race_resolved(&race, "192.0.2.1 192.0.2.2", 0);
    emi_race_try_first(&race, &first_choice);
    race_expect_start(&race, 0, 0, "192.0.2.2"); /* without waiting for IPv6 */
    race_resolved(&race, "2001:db8::1", MS(1));
    race_expect_start(&race, MS(250), 1, "2001:db8::1");
    race_expect_start(&race, MS(500), 2, "192.0.2.1");
}

static void an_address_that_worked_but_is_not_found_any_more_is_not_tried(void **state)
{
    (void)state;
    emi_race race;
    em_address first_choice = race_address_of("192.0.2.9");
    emi_race_begin(&race, &usual);
    race_resolved(&race, "192.0.2.1", 0);
    emi_race_try_first(&race, &first_choice);
    race_expect_wait(&race, 0, MS(50));
    race_not_found(&race, EMI_RACE_IPV6, MS(1));
    race_expect_start(&race, MS(1), 0, "192.0.2.1");
    emi_race_failed(&race, 0, EM_CONNECTION_REFUSED, MS(1));
    race_expect_failure(&race, EM_CONNECTION_REFUSED);
}

static void a_preference_replaces_that_of_rfc_6724(void **state)
{
    (void)state;
    emi_race race;
    emi_race_settings settings = usual;
    settings.preferred = EM_ADDRESS_IPV4;
    emi_race_begin(&race, &settings);
    race_resolved(&race, "2001:db8::1", 0);
    race_expect_wait(&race, 0, MS(50));
    race_resolved(&race, "192.0.2.1", MS(10));
    race_expect_start(&race, MS(10), 0, "192.0.2.1");
}

static void a_family_without_a_local_address_is_left_out(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    emi_race_exclude(&race, EMI_RACE_IPV6);
    race_resolved(&race, "192.0.2.1", 0);
    race_expect_start(&race, 0, 0, "192.0.2.1"); /* nobody waits for IPv6 */
    race_resolved(&race, "2001:db8::1", 0);
    emi_race_failed(&race, 0, EM_CONNECTION_REFUSED, 0);
    race_expect_failure(&race, EM_CONNECTION_REFUSED);
    emi_race_begin(&race, &usual);
    emi_race_exclude(&race, EMI_RACE_IPV4);
    race_resolved(&race, "192.0.2.1", 0);
    race_not_found(&race, EMI_RACE_IPV6, 0);
    race_expect_failure(&race, EM_ADDRESS_FAMILY);
}

static void nothing_is_started_while_the_race_is_held(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    emi_race_hold(&race, true);
    race_resolved(&race, "2001:db8::1", 0);
    race_expect_wait(&race, MS(1000), UINT64_MAX);
    emi_race_hold(&race, false);
    race_expect_start(&race, MS(1000), 0, "2001:db8::1");
}

static void families_are_compared_by_the_policy_of_rfc_6724(void **state)
{
    (void)state;
    static const struct {
        const char *six, *four;
        bool is_ipv4_first;
    } cases[] = {
        {"2001:db8::1", "192.0.2.1", false}, {"fd00::1", "192.0.2.1", true},  {"2002::1", "192.0.2.1", true},
        {"2001::1", "192.0.2.1", true},      {"fec0::1", "192.0.2.1", true},  {"3ffe::1", "192.0.2.1", true},
        {"::1", "192.0.2.1", false},         {"::1", "127.0.0.1", true},      {"2001:db8::1", "127.0.0.1", true},
        {"fe80::1", "192.0.2.1", false},     {"2003::1", "192.0.2.1", false}, {"::5", "192.0.2.1", true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        emi_race race;
        emi_race_begin(&race, &usual);
        race_resolved(&race, cases[i].four, 0);
        race_resolved(&race, cases[i].six, 0);
        race_expect_start(&race, 0, 0, cases[i].is_ipv4_first ? cases[i].four : cases[i].six);
    }
}

static void delays_without_end_do_not_overflow(void **state)
{
    (void)state;
    emi_race race;
    emi_race_settings settings = {.attempt_delay_ns = EM_FOREVER, .resolution_delay_ns = EM_FOREVER};
    emi_race_begin(&race, &settings);
    race_resolved(&race, "192.0.2.1 192.0.2.2", MS(1));
    race_expect_wait(&race, MS(2), UINT64_MAX);
    race_not_found(&race, EMI_RACE_IPV6, MS(3));
    race_expect_start(&race, MS(3), 0, "192.0.2.1");
    race_expect_wait(&race, MS(4), UINT64_MAX);
    emi_race_failed(&race, 0, EM_CONNECTION_REFUSED, MS(5));
    race_expect_start(&race, MS(5), 1, "192.0.2.2");
}

static void an_address_that_there_was_no_descriptor_for_is_tried_later(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    race_resolved(&race, "192.0.2.1 192.0.2.2", 0);
    race_resolved(&race, "2001:db8::1", 0);
    race_expect_start(&race, 0, 0, "2001:db8::1");
    race_expect_start(&race, MS(250), 1, "192.0.2.1");
    emi_race_put_back(&race, 1, EM_NO_DESCRIPTORS, MS(250));
    assert_int_equal(race.shortage, EM_NO_DESCRIPTORS);
    race_expect_wait(&race, MS(250), MS(500));
    race_expect_start(&race, MS(500), 1, "192.0.2.1");
    assert_int_equal(race.shortage, EM_OK);
    race_expect_start(&race, MS(750), 2, "192.0.2.2");
    emi_race_put_back(&race, 2, EM_NO_DESCRIPTORS, MS(750));
    emi_race_failed(&race, 0, EM_CONNECTION_REFUSED, MS(800)); /* which has given a descriptor back */
    race_expect_start(&race, MS(800), 2, "192.0.2.2");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_alternate_and_keep_the_order_within_each),
        cmocka_unit_test(ipv4_waits_for_ipv6_but_not_longer_than_the_resolution_delay),
        cmocka_unit_test(ipv6_that_comes_within_the_resolution_delay_is_first),
        cmocka_unit_test(ipv6_does_not_wait_for_ipv4),
        cmocka_unit_test(a_name_without_ipv6_waits_for_nothing),
        cmocka_unit_test(a_failure_starts_the_next_attempt_at_once),
        cmocka_unit_test(the_first_that_is_connected_wins_and_the_others_are_cancelled),
        cmocka_unit_test(the_first_that_is_secured_wins_not_the_first_that_is_connected),
        cmocka_unit_test(those_being_secured_are_cancelled_after_a_win),
        cmocka_unit_test(a_handshake_that_fails_starts_the_next_attempt_at_once),
        cmocka_unit_test(each_address_is_tried_once_although_it_was_found_twice),
        cmocka_unit_test(no_more_than_sixteen_addresses_are_tried_and_both_families_are),
        cmocka_unit_test(the_address_that_worked_last_is_tried_first),
        cmocka_unit_test(an_address_that_worked_but_is_not_found_any_more_is_not_tried),
        cmocka_unit_test(a_preference_replaces_that_of_rfc_6724),
        cmocka_unit_test(a_family_without_a_local_address_is_left_out),
        cmocka_unit_test(nothing_is_started_while_the_race_is_held),
        cmocka_unit_test(families_are_compared_by_the_policy_of_rfc_6724),
        cmocka_unit_test(delays_without_end_do_not_overflow),
        cmocka_unit_test(an_address_that_there_was_no_descriptor_for_is_tried_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
