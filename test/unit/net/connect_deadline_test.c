/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * One deadline for connecting and the handshake of a filter, as TLS is one (timeout_includes_tls).
 */
#include "support/filtered.h"
#include "support/simulated_race.h"

#include <string.h>

static const em_connect_options one_second = {
    .size = sizeof one_second, .connect_timeout_ns = EM_SECONDS, .timeout_includes_tls = EM_ON};
static const test_filter_options handshake = {.handshake_bytes = 4};

static void begin(filtered *own, simulated_loop *fixture, const em_connect_options *options)
{
    memset(own, 0, sizeof *own);
    recorder_init(&own->told, fixture);
    assert_int_equal(begin_connecting(&own->told, options), EM_OK);
}

static void establish_after(filtered *own, uint64_t ns)
{
    simulated_loop *fixture = own->told.fixture;
    run_for(fixture, ns);
    own->peer = simulated_take_connect(fixture->backend);
    simulated_accept_connect(own->peer);
    run_turns(fixture, 1);
}

static void install_handshake(recorder *told)
{
    filtered *own = told->user;
    filtered_install(own, &handshake, 0);
}

/* Open until just before this time, and ended after it. */
static void expect_end_after(filtered *own, uint64_t ns)
{
    run_for(own->told.fixture, ns - EM_MILLISECONDS);
    assert_int_equal(own->told.unbinds, 0);
    run_for(own->told.fixture, 2 * EM_MILLISECONDS);
    assert_int_equal(own->told.unbinds, 1);
    assert_int_equal(own->told.reason, EM_TLS_HANDSHAKE_TIMEOUT);
    filtered_free(own);
}

static void a_silent_peer_of_a_handshake_gets_what_connecting_has_left(void **state)
{
    filtered own;
    begin(&own, *state, &one_second);
    filtered_install(&own, &handshake, 0);
    establish_after(&own, 400 * EM_MILLISECONDS);
    expect_end_after(&own, 600 * EM_MILLISECONDS);
}

static void a_handshake_begun_in_connection_completed_is_covered(void **state)
{
    filtered own;
    begin(&own, *state, &one_second);
    own.told.on_completed = install_handshake;
    own.told.user = &own;
    establish_after(&own, 400 * EM_MILLISECONDS);
    expect_end_after(&own, 600 * EM_MILLISECONDS);
}

static void a_handshake_timeout_that_is_shorter_counts(void **state)
{
    filtered own;
    begin(&own, *state, &one_second);
    filtered_install(&own, &handshake, 100 * EM_MILLISECONDS);
    establish_after(&own, 400 * EM_MILLISECONDS);
    expect_end_after(&own, 100 * EM_MILLISECONDS);
}

static void an_endless_handshake_timeout_is_limited_as_well(void **state)
{
    filtered own;
    begin(&own, *state, &one_second);
    filtered_install(&own, &handshake, EM_FOREVER);
    establish_after(&own, 400 * EM_MILLISECONDS);
    expect_end_after(&own, 600 * EM_MILLISECONDS);
}

static void a_handshake_that_begins_later_has_its_own_time(void **state)
{
    filtered own;
    begin(&own, *state, &one_second);
    establish_after(&own, 400 * EM_MILLISECONDS);
    run_for(*state, 10 * EM_SECONDS);
    filtered_install(&own, &handshake, 2 * EM_SECONDS);
    expect_end_after(&own, 2 * EM_SECONDS);
}

static void without_the_option_the_handshake_has_its_own_time(void **state)
{
    filtered own;
    em_connect_options options = one_second;
    options.timeout_includes_tls = EM_DEFAULT;
    begin(&own, *state, &options);
    filtered_install(&own, &handshake, 2 * EM_SECONDS);
    establish_after(&own, 400 * EM_MILLISECONDS);
    expect_end_after(&own, 2 * EM_SECONDS);
}

static void a_finished_handshake_has_no_deadline(void **state)
{
    filtered own;
    begin(&own, *state, &one_second);
    filtered_install(&own, &handshake, 0);
    establish_after(&own, 400 * EM_MILLISECONDS);
    filtered_feed_handshake(&own, 4);
    run_for(*state, 60 * EM_SECONDS);
    assert_int_equal(own.told.unbinds, 0);
    filtered_free(&own);
}

/* The first address refuses, the second one is silent, the third one accepts. */
static void a_handshake_gets_what_a_race_has_left(void **state)
{
    static const int numbers[] = {1, 2, 3};
    simulated_loop *fixture = *state;
    filtered own;
    memset(&own, 0, sizeof own);
    recorder_init(&own.told, fixture);
    assert_int_equal(simulated_race_begin(&own.told, numbers, COUNT(numbers), &one_second), EM_OK);
    filtered_install(&own, &handshake, 0);
    run_turns(fixture, 1);
    simulated_refuse_connect(simulated_take_connect(fixture->backend), EM_CONNECTION_REFUSED);
    run_turns(fixture, 1);
    assert_non_null(simulated_take_connect(fixture->backend));
    run_for(fixture, 250 * EM_MILLISECONDS);
    establish_after(&own, 150 * EM_MILLISECONDS);
    expect_end_after(&own, 600 * EM_MILLISECONDS);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)
    static const struct CMUnitTest tests[] = {
        TEST(a_silent_peer_of_a_handshake_gets_what_connecting_has_left),
        TEST(a_handshake_begun_in_connection_completed_is_covered),
        TEST(a_handshake_timeout_that_is_shorter_counts),
        TEST(an_endless_handshake_timeout_is_limited_as_well),
        TEST(a_handshake_that_begins_later_has_its_own_time),
        TEST(without_the_option_the_handshake_has_its_own_time),
        TEST(a_finished_handshake_has_no_deadline),
        TEST(a_handshake_gets_what_a_race_has_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
