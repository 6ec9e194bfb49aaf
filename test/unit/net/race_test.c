/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The race of addresses (RFC 8305), rule by rule. Addresses are written as text, times in milliseconds.
 */
#include <stdio.h>
#include <string.h>

#include "net/race.h"
#include "system/socket.h"
#include "support/unit.h"

#define MS(number) ((uint64_t)(number)*EM_MILLISECONDS)

static const emi_race_settings usual = {.attempt_delay_ns = MS(250), .resolution_delay_ns = MS(50)};

static em_address address_of(const char *text)
{
    em_address address;
    assert_int_equal(em_address_from_text(text, 80, &address), EM_OK);
    return address;
}

/* The addresses are separated by blanks. */
static void resolved(emi_race *race, const char *texts, uint64_t now_ns)
{
    emi_addresses addresses = {.count = 0};
    char copy[1024];
    snprintf(copy, sizeof copy, "%s", texts);
    for (char *text = strtok(copy, " "); text; text = strtok(NULL, " "))
        addresses.list[addresses.count++] = address_of(text);
    emi_race_resolved(race, emi_race_family_of(&addresses.list[0]), EM_OK, &addresses, now_ns);
}

static void not_found(emi_race *race, emi_race_family family, uint64_t now_ns)
{
    emi_race_resolved(race, family, EM_NAME_NOT_FOUND, NULL, now_ns);
}

static void expect_start(emi_race *race, uint64_t now_ns, unsigned attempt, const char *text)
{
    emi_race_step step = emi_race_next(race, now_ns);
    assert_int_equal(step.action, EMI_RACE_START);
    assert_int_equal(step.attempt, attempt);
    em_address address = address_of(text);
    assert_true(emi_addresses_are_equal(emi_race_address(race, attempt), &address));
}

static void expect_wait(emi_race *race, uint64_t now_ns, uint64_t until_ns)
{
    emi_race_step step = emi_race_next(race, now_ns);
    assert_int_equal(step.action, EMI_RACE_WAIT);
    assert_int_equal(step.until_ns, until_ns);
}

static void expect_failure(emi_race *race, em_status reason)
{
    int system_error;
    assert_int_equal(emi_race_next(race, 0).action, EMI_RACE_FAILED);
    assert_int_equal(emi_race_reason(race, &system_error), reason);
}

static void families_alternate_and_keep_the_order_within_each(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    resolved(&race, "192.0.2.1 192.0.2.2 192.0.2.3", 0);
    resolved(&race, "2001:db8::1 2001:db8::2", 0);
    static const char *const order[] = {"2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "192.0.2.3"};
    for (unsigned i = 0; i < COUNT(order); i++) {
        expect_start(&race, MS(250 * i), i, order[i]);
        expect_wait(&race, MS(250 * i), i + 1 < COUNT(order) ? MS(250 * (i + 1)) : UINT64_MAX);
    }
    assert_int_equal(race.running, 5); /* starting one has ended none */
}

static void ipv4_waits_for_ipv6_but_not_longer_than_the_resolution_delay(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    expect_wait(&race, 0, UINT64_MAX);
    resolved(&race, "192.0.2.1", MS(10));
    expect_wait(&race, MS(10), MS(60));
    expect_wait(&race, MS(59), MS(60));
    expect_start(&race, MS(60), 0, "192.0.2.1");
    resolved(&race, "2001:db8::1", MS(100)); /* late, but not lost */
    expect_wait(&race, MS(100), MS(310));
    expect_start(&race, MS(310), 1, "2001:db8::1");
}

static void ipv6_that_comes_within_the_resolution_delay_is_first(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    resolved(&race, "192.0.2.1", 0);
    expect_wait(&race, 0, MS(50));
    resolved(&race, "2001:db8::1", MS(30));
    expect_start(&race, MS(30), 0, "2001:db8::1");
}

static void ipv6_does_not_wait_for_ipv4(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    resolved(&race, "2001:db8::1", 0);
    expect_start(&race, 0, 0, "2001:db8::1");
    expect_wait(&race, MS(400), UINT64_MAX);
}

static void a_name_without_ipv6_waits_for_nothing(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 2; order++) {
        emi_race race;
        emi_race_begin(&race, &usual);
        if (order == 0)
            not_found(&race, EMI_RACE_IPV6, 0);
        resolved(&race, "192.0.2.1", 0);
        if (order == 1)
            not_found(&race, EMI_RACE_IPV6, 0);
        expect_start(&race, 0, 0, "192.0.2.1");
    }
}

static void a_failure_starts_the_next_attempt_at_once(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    resolved(&race, "2001:db8::1 2001:db8::2", 0);
    resolved(&race, "192.0.2.1", 0);
    expect_start(&race, 0, 0, "2001:db8::1");
    emi_race_failed(&race, 0, EM_NETWORK_UNREACHABLE, MS(1));
    expect_start(&race, MS(1), 1, "192.0.2.1");
    expect_wait(&race, MS(1), MS(251));
    emi_race_failed(&race, 1, EM_CONNECTION_REFUSED, MS(2));
    expect_start(&race, MS(2), 2, "2001:db8::2");
}

static void the_first_that_is_connected_wins_and_the_others_are_cancelled(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    resolved(&race, "2001:db8::1 2001:db8::2", 0);
    resolved(&race, "192.0.2.1 192.0.2.2", 0);
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
    resolved(&race, "2001:db8::1 2001:db8::2", 0);
    not_found(&race, EMI_RACE_IPV4, 0);
    expect_start(&race, 0, 0, "2001:db8::1");
    emi_race_connected(&race, 0);
    assert_true(emi_race_is_securing(&race, 0));
    expect_wait(&race, MS(10), MS(250)); /* the delay goes on counting */
    expect_start(&race, MS(250), 1, "2001:db8::2");
    emi_race_connected(&race, 1);
    expect_wait(&race, MS(260), UINT64_MAX);
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
    resolved(&race, "2001:db8::1 2001:db8::2 2001:db8::3", 0);
    not_found(&race, EMI_RACE_IPV4, 0);
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
    resolved(&race, "192.0.2.1 192.0.2.2", 0);
    not_found(&race, EMI_RACE_IPV6, 0);
    expect_start(&race, 0, 0, "192.0.2.1");
    emi_race_connected(&race, 0);
    emi_race_failed(&race, 0, EM_TLS_WRONG_NAME, MS(20));
    expect_start(&race, MS(20), 1, "192.0.2.2");
    emi_race_failed(&race, 1, EM_CONNECTION_REFUSED, MS(30));
    expect_failure(&race, EM_TLS_WRONG_NAME);
}

static void each_address_is_tried_once_although_it_was_found_twice(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    resolved(&race, "192.0.2.1 192.0.2.1 192.0.2.1", 0);
    not_found(&race, EMI_RACE_IPV6, 0);
    expect_start(&race, 0, 0, "192.0.2.1");
    emi_race_failed(&race, 0, EM_CONNECTION_REFUSED, 0);
    expect_failure(&race, EM_CONNECTION_REFUSED);
}

static void no_more_than_sixteen_addresses_are_tried_and_both_families_are(void **state)
{
    (void)state;
    emi_race race;
    emi_addresses six = {.count = 0}, four = {.count = 0};
    for (unsigned i = 0; i < EMI_MOST_ADDRESSES; i++) {
        char text[64];
        snprintf(text, sizeof text, "2001:db8::%u", i + 1);
        six.list[six.count++] = address_of(text);
        snprintf(text, sizeof text, "192.0.2.%u", i + 1);
        four.list[four.count++] = address_of(text);
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
    expect_failure(&race, EM_CONNECTION_REFUSED);
}

static void the_address_that_worked_last_is_tried_first(void **state)
{
    (void)state;
    emi_race race;
    em_address first_choice = address_of("192.0.2.2");
    emi_race_begin(&race, &usual);
    resolved(&race, "192.0.2.1 192.0.2.2", 0);
    emi_race_try_first(&race, &first_choice);
    expect_start(&race, 0, 0, "192.0.2.2"); /* without waiting for IPv6 */
    resolved(&race, "2001:db8::1", MS(1));
    expect_start(&race, MS(250), 1, "2001:db8::1");
    expect_start(&race, MS(500), 2, "192.0.2.1");
}

static void an_address_that_worked_but_is_not_found_any_more_is_not_tried(void **state)
{
    (void)state;
    emi_race race;
    em_address first_choice = address_of("192.0.2.9");
    emi_race_begin(&race, &usual);
    resolved(&race, "192.0.2.1", 0);
    emi_race_try_first(&race, &first_choice);
    expect_wait(&race, 0, MS(50));
    not_found(&race, EMI_RACE_IPV6, MS(1));
    expect_start(&race, MS(1), 0, "192.0.2.1");
    emi_race_failed(&race, 0, EM_CONNECTION_REFUSED, MS(1));
    expect_failure(&race, EM_CONNECTION_REFUSED);
}

static void a_preference_replaces_that_of_rfc_6724(void **state)
{
    (void)state;
    emi_race race;
    emi_race_settings settings = usual;
    settings.preferred = EM_ADDRESS_IPV4;
    emi_race_begin(&race, &settings);
    resolved(&race, "2001:db8::1", 0);
    expect_wait(&race, 0, MS(50));
    resolved(&race, "192.0.2.1", MS(10));
    expect_start(&race, MS(10), 0, "192.0.2.1");
}

static void a_family_without_a_local_address_is_left_out(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    emi_race_exclude(&race, EMI_RACE_IPV6);
    resolved(&race, "192.0.2.1", 0);
    expect_start(&race, 0, 0, "192.0.2.1"); /* nobody waits for IPv6 */
    resolved(&race, "2001:db8::1", 0);
    emi_race_failed(&race, 0, EM_CONNECTION_REFUSED, 0);
    expect_failure(&race, EM_CONNECTION_REFUSED);
    emi_race_begin(&race, &usual);
    emi_race_exclude(&race, EMI_RACE_IPV4);
    resolved(&race, "192.0.2.1", 0);
    not_found(&race, EMI_RACE_IPV6, 0);
    expect_failure(&race, EM_ADDRESS_FAMILY);
}

static void why_an_excluded_family_leaves_nothing_does_not_depend_on_the_order_of_answers(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    emi_race_exclude(&race, EMI_RACE_IPV4);
    not_found(&race, EMI_RACE_IPV6, 0);
    expect_wait(&race, 0, UINT64_MAX);
    resolved(&race, "192.0.2.1", 0);
    expect_failure(&race, EM_ADDRESS_FAMILY);
    emi_race_begin(&race, &usual);
    emi_race_exclude(&race, EMI_RACE_IPV4);
    not_found(&race, EMI_RACE_IPV6, 0);
    not_found(&race, EMI_RACE_IPV4, 0);
    expect_failure(&race, EM_NAME_NOT_FOUND);
}

static void nothing_is_started_while_the_race_is_held(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    emi_race_hold(&race, true);
    resolved(&race, "2001:db8::1", 0);
    expect_wait(&race, MS(1000), UINT64_MAX);
    emi_race_hold(&race, false);
    expect_start(&race, MS(1000), 0, "2001:db8::1");
}

static void a_name_that_is_not_found_fails_although_the_race_is_held(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    emi_race_hold(&race, true);
    not_found(&race, EMI_RACE_IPV6, 0);
    not_found(&race, EMI_RACE_IPV4, 0);
    expect_failure(&race, EM_NAME_NOT_FOUND);
}

/* The most telling one of several: what this machine lacks, then what the peer says, then what the network says. */
static void the_most_telling_failure_is_the_reason(void **state)
{
    (void)state;
    static const struct {
        em_status first, second, reason;
    } cases[] = {
        {EM_CONNECTION_REFUSED, EM_HOST_UNREACHABLE, EM_CONNECTION_REFUSED},
        {EM_NETWORK_UNREACHABLE, EM_CONNECTION_REFUSED, EM_CONNECTION_REFUSED},
        {EM_NETWORK_UNREACHABLE, EM_HOST_UNREACHABLE, EM_HOST_UNREACHABLE},
        {EM_CONNECTION_REFUSED, EM_NO_DESCRIPTORS, EM_NO_DESCRIPTORS},
        {EM_ADDRESS_NOT_AVAILABLE, EM_NETWORK_UNREACHABLE, EM_NETWORK_UNREACHABLE},
        {EM_PROTOCOL_ERROR, EM_HOST_UNREACHABLE, EM_PROTOCOL_ERROR},
        {EM_CONNECTION_REFUSED, EM_TLS_HANDSHAKE_TIMEOUT, EM_TLS_HANDSHAKE_TIMEOUT},
        {EM_TLS_TRUNCATED, EM_CONNECTION_RESET, EM_TLS_TRUNCATED},
        {EM_TLS_ALERT, EM_TLS_FAILED, EM_TLS_ALERT},
        {EM_TLS_WRONG_NAME, EM_TLS_ALERT, EM_TLS_WRONG_NAME},
        {EM_TLS_REJECTED, EM_NO_MEMORY, EM_NO_MEMORY},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        emi_race race;
        emi_race_begin(&race, &usual);
        resolved(&race, "192.0.2.1 192.0.2.2", 0);
        not_found(&race, EMI_RACE_IPV6, 0);
        expect_start(&race, 0, 0, "192.0.2.1");
        emi_race_failed(&race, 0, cases[i].first, 0);
        expect_start(&race, 0, 1, "192.0.2.2");
        emi_race_failed(&race, 1, cases[i].second, 0);
        expect_failure(&race, cases[i].reason);
    }
}

static void a_family_whose_lookup_failed_tells_more_than_one_without_addresses(void **state)
{
    (void)state;
    static const em_status failures[] = {EM_RESOLVER_FAILED, EM_RESOLVE_TIMEOUT, EM_NO_DESCRIPTORS, EM_NO_MEMORY,
                                         EM_NETWORK_UNREACHABLE};
    static const em_status nothing[] = {EM_NAME_NOT_FOUND, EM_NO_RECORDS};
    for (size_t i = 0; i < COUNT(failures) * COUNT(nothing); i++) {
        emi_race race;
        em_status failure = failures[i / COUNT(nothing)];
        emi_race_begin(&race, &usual);
        emi_race_resolved(&race, EMI_RACE_IPV6, failure, NULL, 0);
        expect_wait(&race, 0, UINT64_MAX);
        emi_race_resolved(&race, EMI_RACE_IPV4, nothing[i % COUNT(nothing)], NULL, 0);
        expect_failure(&race, failure);
    }
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
        resolved(&race, cases[i].four, 0);
        resolved(&race, cases[i].six, 0);
        expect_start(&race, 0, 0, cases[i].is_ipv4_first ? cases[i].four : cases[i].six);
    }
}

static void delays_without_end_do_not_overflow(void **state)
{
    (void)state;
    emi_race race;
    emi_race_settings settings = {.attempt_delay_ns = EM_FOREVER, .resolution_delay_ns = EM_FOREVER};
    emi_race_begin(&race, &settings);
    resolved(&race, "192.0.2.1 192.0.2.2", MS(1));
    expect_wait(&race, MS(2), UINT64_MAX);
    not_found(&race, EMI_RACE_IPV6, MS(3));
    expect_start(&race, MS(3), 0, "192.0.2.1");
    expect_wait(&race, MS(4), UINT64_MAX);
    emi_race_failed(&race, 0, EM_CONNECTION_REFUSED, MS(5));
    expect_start(&race, MS(5), 1, "192.0.2.2");
}

static void an_address_that_there_was_no_descriptor_for_is_tried_later(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    resolved(&race, "192.0.2.1 192.0.2.2", 0);
    resolved(&race, "2001:db8::1", 0);
    expect_start(&race, 0, 0, "2001:db8::1");
    expect_start(&race, MS(250), 1, "192.0.2.1");
    emi_race_put_back(&race, 1, EM_NO_DESCRIPTORS, MS(250));
    assert_int_equal(race.shortage, EM_NO_DESCRIPTORS);
    expect_wait(&race, MS(250), MS(500));
    expect_start(&race, MS(500), 1, "192.0.2.1");
    assert_int_equal(race.shortage, EM_OK);
    expect_start(&race, MS(750), 2, "192.0.2.2");
    emi_race_put_back(&race, 2, EM_NO_DESCRIPTORS, MS(750));
    emi_race_failed(&race, 0, EM_CONNECTION_REFUSED, MS(800)); /* which has given a descriptor back */
    expect_start(&race, MS(800), 2, "192.0.2.2");
}

static void without_a_descriptor_for_any_attempt_the_race_fails(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    resolved(&race, "192.0.2.1 192.0.2.2", 0);
    not_found(&race, EMI_RACE_IPV6, 0);
    for (unsigned i = 0; i < 2; i++) {
        expect_start(&race, 0, i, i == 0 ? "192.0.2.1" : "192.0.2.2");
        emi_race_put_back(&race, i, EM_NO_DESCRIPTORS, 0);
    }
    expect_failure(&race, EM_NO_DESCRIPTORS);
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
        cmocka_unit_test(why_an_excluded_family_leaves_nothing_does_not_depend_on_the_order_of_answers),
        cmocka_unit_test(nothing_is_started_while_the_race_is_held),
        cmocka_unit_test(a_name_that_is_not_found_fails_although_the_race_is_held),
        cmocka_unit_test(the_most_telling_failure_is_the_reason),
        cmocka_unit_test(a_family_whose_lookup_failed_tells_more_than_one_without_addresses),
        cmocka_unit_test(families_are_compared_by_the_policy_of_rfc_6724),
        cmocka_unit_test(delays_without_end_do_not_overflow),
        cmocka_unit_test(an_address_that_there_was_no_descriptor_for_is_tried_later),
        cmocka_unit_test(without_a_descriptor_for_any_attempt_the_race_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
