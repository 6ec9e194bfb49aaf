/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Which failure a race of addresses reports.
 */
#include "support/race_steps.h"
#include "support/unit.h"

#define MS(number) ((uint64_t)(number)*EM_MILLISECONDS)

static const emi_race_settings usual = {.attempt_delay_ns = MS(250), .resolution_delay_ns = MS(50)};

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
        race_resolved(&race, "192.0.2.1 192.0.2.2", 0);
        race_not_found(&race, EMI_RACE_IPV6, 0);
        race_expect_start(&race, 0, 0, "192.0.2.1");
        emi_race_failed(&race, 0, cases[i].first, 0);
        race_expect_start(&race, 0, 1, "192.0.2.2");
        emi_race_failed(&race, 1, cases[i].second, 0);
        race_expect_failure(&race, cases[i].reason);
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
        race_expect_wait(&race, 0, UINT64_MAX);
        emi_race_resolved(&race, EMI_RACE_IPV4, nothing[i % COUNT(nothing)], NULL, 0);
        race_expect_failure(&race, failure);
    }
}

static void why_an_excluded_family_leaves_nothing_does_not_depend_on_the_order_of_answers(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    emi_race_exclude(&race, EMI_RACE_IPV4);
    race_not_found(&race, EMI_RACE_IPV6, 0);
    race_expect_wait(&race, 0, UINT64_MAX);
    race_resolved(&race, "192.0.2.1", 0);
    race_expect_failure(&race, EM_ADDRESS_FAMILY);
    emi_race_begin(&race, &usual);
    emi_race_exclude(&race, EMI_RACE_IPV4);
    race_not_found(&race, EMI_RACE_IPV6, 0);
    race_not_found(&race, EMI_RACE_IPV4, 0);
    race_expect_failure(&race, EM_NAME_NOT_FOUND);
}

static void without_a_descriptor_for_any_attempt_the_race_fails(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    race_resolved(&race, "192.0.2.1 192.0.2.2", 0);
    race_not_found(&race, EMI_RACE_IPV6, 0);
    for (unsigned i = 0; i < 2; i++) {
        race_expect_start(&race, 0, i, i == 0 ? "192.0.2.1" : "192.0.2.2");
        emi_race_put_back(&race, i, EM_NO_DESCRIPTORS, 0);
    }
    race_expect_failure(&race, EM_NO_DESCRIPTORS);
}

static void a_name_that_is_not_found_fails_although_the_race_is_held(void **state)
{
    (void)state;
    emi_race race;
    emi_race_begin(&race, &usual);
    emi_race_hold(&race, true);
    race_not_found(&race, EMI_RACE_IPV6, 0);
    race_not_found(&race, EMI_RACE_IPV4, 0);
    race_expect_failure(&race, EM_NAME_NOT_FOUND);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_telling_failure_is_the_reason),
        cmocka_unit_test(a_family_whose_lookup_failed_tells_more_than_one_without_addresses),
        cmocka_unit_test(why_an_excluded_family_leaves_nothing_does_not_depend_on_the_order_of_answers),
        cmocka_unit_test(without_a_descriptor_for_any_attempt_the_race_fails),
        cmocka_unit_test(a_name_that_is_not_found_fails_although_the_race_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
