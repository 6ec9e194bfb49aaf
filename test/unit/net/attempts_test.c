/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connecting to several addresses at the same time, over the simulated backend. 192.0.2.N and 2001:db8::N are written
 * as N and -N.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/attempts.h"
#include "support/simulated_race.h"
#include "system/socket.h"

enum { MOST = SIMULATED_RACE_MOST };

static void begin(recorder *told, simulated_loop *fixture, const int *numbers, size_t count)
{
    recorder_init(told, fixture);
    assert_int_equal(simulated_race_begin(told, numbers, count, NULL), EM_OK);
    expect_events(told, "I");
    assert_int_equal(em_connection_get_state(told->connection), EM_STATE_CONNECTING);
    run_turns(fixture, 1);
}

/* The attempt that was started last is to this address. */
static simulated_peer *take(simulated_loop *fixture, int number)
{
    simulated_peer *peer = simulated_take_connect(fixture->backend);
    assert_non_null(peer);
    em_address address = simulated_race_address(number);
    assert_true(emi_addresses_are_equal(simulated_address_of(peer), &address));
    return peer;
}

static void expect_none(simulated_loop *fixture)
{
    assert_null(simulated_take_connect(fixture->backend));
}

static void expect_reason(recorder *told, em_status reason)
{
    run_turns(told->fixture, 3);
    expect_events(told, "IU");
    assert_int_equal(told->reason, reason);
    recorder_free(told);
}

static const int both[] = {-1, 1, -2, 2};

static void the_families_alternate_and_the_first_to_connect_wins(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    begin(&told, fixture, both, COUNT(both));
    assert_int_equal(em_connection_send_text(told.connection, "hello"), EM_OK);
    assert_int_equal(em_connection_get_descriptor(told.connection), -1);
    simulated_peer *first = take(fixture, -1);
    run_for(fixture, MS(249));
    expect_none(fixture);
    run_for(fixture, MS(1));
    simulated_peer *second = take(fixture, 1);
    run_for(fixture, MS(250));
    simulated_peer *third = take(fixture, -2);
    assert_false(simulated_saw_close(first)); /* starting another has not ended it */
    simulated_accept_connect(second);
    run_turns(fixture, 4);
    expect_events(&told, "IC");
    expect_sent(second, "hello");
    assert_true(simulated_saw_close(first) && simulated_saw_close(third));
    assert_int_equal(simulated_waiting(first) + simulated_waiting(third), 0);
    assert_int_equal(simulated_count_channels(fixture->backend), 1);
    em_address peer, expected = simulated_race_address(1);
    assert_int_equal(em_connection_get_peer_address(told.connection, &peer), EM_OK);
    assert_true(emi_addresses_are_equal(&peer, &expected));
    run_for(fixture, EM_SECONDS);
    expect_none(fixture);
    feed_text(second, "answer");
    run_turns(fixture, 2);
    assert_true(bytes_equal_text(&told.received, "answer"));
    recorder_free(&told);
}

static void an_earlier_attempt_may_still_win(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    begin(&told, fixture, both, COUNT(both));
    simulated_peer *first = take(fixture, -1);
    run_for(fixture, MS(260));
    take(fixture, 1);
    simulated_accept_connect(first);
    run_turns(fixture, 3);
    expect_events(&told, "IC");
    recorder_free(&told);
}

static void addresses_that_are_farther_away_than_the_delay_can_be_reached(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    begin(&told, fixture, both, 2);
    simulated_peer *first = take(fixture, -1);
    run_for(fixture, MS(250));
    take(fixture, 1);
    run_for(fixture, MS(50));
    simulated_accept_connect(first); /* after 300 ms */
    run_turns(fixture, 2);
    expect_events(&told, "IC");
    em_address peer, expected = simulated_race_address(-1);
    assert_int_equal(em_connection_get_peer_address(told.connection, &peer), EM_OK);
    assert_true(emi_addresses_are_equal(&peer, &expected));
    recorder_free(&told);
}

static void with_a_fast_first_address_nothing_else_is_tried(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    begin(&told, fixture, both, COUNT(both));
    simulated_accept_connect(take(fixture, -1));
    run_turns(fixture, 1);
    expect_events(&told, "IC");
    run_for(fixture, EM_SECONDS);
    expect_none(fixture);
    recorder_free(&told);
}

static void two_attempts_that_connect_in_one_turn_make_one_connection(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    begin(&told, fixture, both, COUNT(both));
    em_connection_send_text(told.connection, "once");
    simulated_peer *first = take(fixture, -1);
    run_for(fixture, MS(260));
    simulated_peer *second = take(fixture, 1);
    simulated_accept_connect(second);
    simulated_accept_connect(first);
    run_turns(fixture, 4);
    expect_events(&told, "IC");
    assert_int_equal(simulated_saw_close(first) + simulated_saw_close(second), 1);
    assert_int_equal(simulated_waiting(first) + simulated_waiting(second), 4);
    assert_int_equal(simulated_count_channels(fixture->backend), 1);
    recorder_free(&told);
}

static void a_failure_starts_the_next_attempt_without_waiting(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    begin(&told, fixture, both, COUNT(both));
    simulated_refuse_connect(take(fixture, -1), EM_CONNECTION_REFUSED);
    run_turns(fixture, 1);
    simulated_refuse_connect(take(fixture, 1), EM_HOST_UNREACHABLE);
    run_turns(fixture, 1);
    simulated_accept_connect(take(fixture, -2));
    run_turns(fixture, 2);
    expect_events(&told, "IC");
    recorder_free(&told);
}

/* As ENETUNREACH of connect(2), or EADDRNOTAVAIL. */
static void what_the_system_knows_at_once_costs_no_time(void **state)
{
    static const simulated_operation operations[] = {SIMULATED_CONNECT, SIMULATED_ATTACH};
    for (size_t i = 0; i < COUNT(operations); i++) {
        simulated_loop *fixture = *state;
        recorder told;
        recorder_init(&told, fixture);
        simulated_fail_next(fixture->backend, operations[i], EM_NETWORK_UNREACHABLE);
        assert_int_equal(simulated_race_begin(&told, both, COUNT(both), NULL), EM_OK);
        run_turns(fixture, 1);
        simulated_accept_connect(take(fixture, 1));
        run_turns(fixture, 2);
        expect_events(&told, "IC");
        recorder_free(&told);
    }
}

static void a_race_that_fails_at_once_is_reported_later(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    simulated_fail_next(fixture->backend, SIMULATED_CONNECT, EM_NETWORK_UNREACHABLE);
    assert_int_equal(simulated_race_begin(&told, both, 1, NULL), EM_OK);
    expect_events(&told, "I");
    expect_reason(&told, EM_NETWORK_UNREACHABLE);
}

static char reason_text[2048];

static void note_text(recorder *told)
{
    em_reason reason = {.size = sizeof reason};
    assert_int_equal(em_connection_get_reason(told->connection, &reason), EM_OK);
    snprintf(reason_text, sizeof reason_text, "%s", reason.text);
}

static void the_reason_is_the_most_telling_failure_and_its_text_has_all(void **state)
{
    simulated_loop *fixture = *state;
    static const em_status ends[] = {EM_NETWORK_UNREACHABLE, EM_CONNECTION_REFUSED, EM_NETWORK_UNREACHABLE,
                                     EM_CONNECTION_REFUSED};
    recorder told;
    begin(&told, fixture, both, COUNT(both));
    told.on_unbind = note_text;
    for (size_t i = 0; i < COUNT(ends); i++) {
        simulated_refuse_connect(take(fixture, both[i]), ends[i]);
        run_turns(fixture, 1);
    }
    expect_reason(&told, EM_CONNECTION_REFUSED);
    assert_string_equal(reason_text, "connect to 192.0.2.1:80, 192.0.2.2:80: Connection refused; [2001:db8::1]:80, "
                                     "[2001:db8::2]:80: Network is unreachable");
}

static void a_timeout_names_those_that_were_silent_and_those_that_were_not(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    begin(&told, fixture, both, 3);
    told.on_unbind = note_text;
    take(fixture, -1);
    run_for(fixture, MS(250));
    simulated_refuse_connect(take(fixture, 1), EM_CONNECTION_REFUSED);
    run_for(fixture, 30 * EM_SECONDS);
    expect_events(&told, "IU");
    assert_int_equal(told.reason, EM_CONNECT_TIMEOUT);
    assert_string_equal(reason_text, "connect to [2001:db8::1]:80, [2001:db8::2]:80: timed out while connecting; "
                                     "192.0.2.1:80: Connection refused");
    recorder_free(&told);
}

static void the_longest_text_fits(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    em_connect_options options = {.size = sizeof options};
    em_address addresses[EMI_MOST_ATTEMPTS];
    recorder_init(&told, fixture);
    told.on_unbind = note_text;
    options.user = &told;
    for (int i = 0; i < EMI_MOST_ATTEMPTS; i++) {
        char text[64];
        snprintf(text, sizeof text, "2001:db8:ffff:ffff:ffff:ffff:ffff:%x", 0xff00 + i);
        assert_int_equal(em_address_from_text(text, 65535, &addresses[i]), EM_OK);
    }
    em_connection *connection;
    assert_int_equal(
        em_loop_connect_addresses(fixture->loop, addresses, EMI_MOST_ATTEMPTS, &recording, &options, &connection),
        EM_OK);
    for (int i = 0; i < EMI_MOST_ATTEMPTS; i++) {
        run_turns(fixture, 1);
        simulated_refuse_connect(simulated_take_connect(fixture->backend), (em_status)(EM_ADDRESS_IN_USE - i % 8));
    }
    run_turns(fixture, 2);
    assert_int_equal(told.unbinds, 1);
    assert_non_null(strstr(reason_text, "ff0f]:65535"));
    assert_true(strlen(reason_text) < sizeof reason_text - 1);
    recorder_free(&told);
}

static void one_deadline_covers_all_addresses(void **state)
{
    simulated_loop *fixture = *state;
    em_connect_options options = {.size = sizeof options, .connect_timeout_ns = EM_SECONDS};
    recorder told;
    recorder_init(&told, fixture);
    assert_int_equal(simulated_race_begin(&told, both, COUNT(both), &options), EM_OK);
    run_for(fixture, EM_SECONDS - 1);
    expect_events(&told, "I");
    run_for(fixture, 1);
    expect_events(&told, "IU");
    assert_int_equal(told.reason, EM_CONNECT_TIMEOUT);
    assert_int_equal(simulated_count_channels(fixture->backend), 0);
    recorder_free(&told);
}

/* The deadline waits for the attempt that the system has decided about, and not for those after it. */
static void an_address_that_refuses_at_the_deadline_does_not_move_it(void **state)
{
    simulated_loop *fixture = *state;
    em_connect_options options = {.size = sizeof options, .connect_timeout_ns = EM_SECONDS};
    recorder told;
    recorder_init(&told, fixture);
    assert_int_equal(simulated_race_begin(&told, both, COUNT(both), &options), EM_OK);
    run_turns(fixture, 1);
    simulated_peer *first = take(fixture, -1);
    run_for(fixture, EM_SECONDS - MS(1));
    simulated_refuse_connect(first, EM_CONNECTION_REFUSED);
    test_clock_advance(MS(1));
    run_for(fixture, MS(20));
    expect_events(&told, "IU");
    assert_int_equal(told.reason, EM_CONNECT_TIMEOUT);
    recorder_free(&told);
}

static void the_delay_between_attempts_can_be_set(void **state)
{
    simulated_loop *fixture = *state;
    em_connect_options options = {.size = sizeof options, .attempt_delay_ns = MS(10), .short_attempt_delay = EM_ON};
    recorder told;
    recorder_init(&told, fixture);
    assert_int_equal(simulated_race_begin(&told, both, COUNT(both), &options), EM_OK);
    run_turns(fixture, 1);
    take(fixture, -1);
    run_for(fixture, MS(10) - 1);
    expect_none(fixture);
    run_for(fixture, 1);
    take(fixture, 1);
    recorder_free(&told);
}

static void the_family_that_comes_first_can_be_chosen(void **state)
{
    simulated_loop *fixture = *state;
    em_connect_options options = {.size = sizeof options, .preferred_family = EM_ADDRESS_IPV4};
    recorder told;
    recorder_init(&told, fixture);
    assert_int_equal(simulated_race_begin(&told, both, COUNT(both), &options), EM_OK);
    run_turns(fixture, 1);
    take(fixture, 1);
    recorder_free(&told);
}

static void bad_lists_and_options_are_refused_and_nothing_is_called(void **state)
{
    simulated_loop *fixture = *state;
    em_loop *loop = fixture->loop;
    em_connection *connection = (em_connection *)(void *)fixture;
    em_address good = simulated_race_address(1), none = {.length = 0}, path, portless;
    assert_int_equal(em_address_from_path("/run/x", &path), EM_OK);
    assert_int_equal(em_address_from_text("192.0.2.1", 0, &portless), EM_OK);
    assert_int_equal(em_loop_connect_addresses(loop, NULL, 1, &recording, NULL, &connection), EM_INVALID_ARGUMENT);
    assert_null(connection);
    assert_int_equal(em_loop_connect_addresses(loop, &good, 0, &recording, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_connect_addresses(NULL, &good, 1, &recording, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_connect_addresses(loop, &good, 1, NULL, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_connect_addresses(loop, &none, 1, &recording, NULL, NULL), EM_INVALID_ADDRESS);
    assert_int_equal(em_loop_connect_addresses(loop, &path, 1, &recording, NULL, NULL), EM_INVALID_ADDRESS);
    assert_int_equal(em_loop_connect_addresses(loop, &portless, 1, &recording, NULL, NULL), EM_INVALID_PORT);
    em_connect_options bad[] = {
        {.size = sizeof bad[0], .attempt_delay_ns = MS(100) - 1},
        {.size = sizeof bad[0], .attempt_delay_ns = MS(10) - 1, .short_attempt_delay = EM_ON},
        {.size = sizeof bad[0], .preferred_family = EM_ADDRESS_UNIX},
        {.size = sizeof bad[0], .short_attempt_delay = (em_switch)7},
        {.size = sizeof bad[0], .timeout_includes_tls = (em_switch)7},
        {.size = sizeof bad[0], .reserved = 1},
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(em_loop_connect_addresses(loop, &good, 1, &recording, &bad[i], NULL), EM_INVALID_ARGUMENT);
    assert_non_null(strstr(em_status_get_detail(EM_INVALID_ARGUMENT), "em_connect_options"));
    assert_int_equal(stats_of(fixture).connections_open, 0);
}

static void each_address_is_tried_once_and_no_more_than_sixteen(void **state)
{
    simulated_loop *fixture = *state;
    static const int same[] = {1, 1, 1};
    int many[MOST];
    recorder told;
    begin(&told, fixture, same, COUNT(same));
    simulated_refuse_connect(take(fixture, 1), EM_CONNECTION_REFUSED);
    expect_reason(&told, EM_CONNECTION_REFUSED);
    for (int i = 0; i < MOST; i++)
        many[i] = i % 2 ? -1 - i : 1 + i;
    begin(&told, fixture, many, MOST);
    unsigned tried = 0;
    for (simulated_peer *peer; (peer = simulated_take_connect(fixture->backend)); tried++) {
        simulated_refuse_connect(peer, EM_CONNECTION_REFUSED);
        run_turns(fixture, 1);
    }
    assert_int_equal(tried, EMI_MOST_ATTEMPTS);
    expect_reason(&told, EM_CONNECTION_REFUSED);
}

/* Those after sixteen duplicates are tried, and what is in the unused bytes of a sockaddr_in makes no difference. */
static void duplicates_do_not_hide_the_addresses_behind_them(void **state)
{
    simulated_loop *fixture = *state;
    em_address addresses[EMI_MOST_ADDRESSES + 2];
    recorder told;
    em_connect_options options = {.size = sizeof options, .user = &told};
    recorder_init(&told, fixture);
    for (unsigned i = 0; i <= EMI_MOST_ADDRESSES; i++) {
        addresses[i] = simulated_race_address(1);
        addresses[i].storage.bytes[15] = (uint8_t)i;
    }
    addresses[EMI_MOST_ADDRESSES + 1] = simulated_race_address(2);
    em_connection *connection;
    assert_int_equal(
        em_loop_connect_addresses(fixture->loop, addresses, COUNT(addresses), &recording, &options, &connection),
        EM_OK);
    run_turns(fixture, 1);
    simulated_refuse_connect(simulated_take_connect(fixture->backend), EM_CONNECTION_REFUSED);
    run_turns(fixture, 1);
    simulated_accept_connect(take(fixture, 2));
    run_turns(fixture, 2);
    expect_events(&told, "IC");
    recorder_free(&told);
}

static void a_late_loop_starts_no_attempt_that_is_not_needed(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    begin(&told, fixture, both, COUNT(both));
    simulated_accept_connect(take(fixture, -1));
    test_clock_advance(EM_SECONDS); /* a long callback, say */
    run_turns(fixture, 2);
    expect_events(&told, "IC");
    expect_none(fixture);
    recorder_free(&told);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)
    static const struct CMUnitTest tests[] = {
        TEST(the_families_alternate_and_the_first_to_connect_wins),
        TEST(an_earlier_attempt_may_still_win),
        TEST(addresses_that_are_farther_away_than_the_delay_can_be_reached),
        TEST(with_a_fast_first_address_nothing_else_is_tried),
        TEST(two_attempts_that_connect_in_one_turn_make_one_connection),
        TEST(a_failure_starts_the_next_attempt_without_waiting),
        TEST(what_the_system_knows_at_once_costs_no_time),
        TEST(a_race_that_fails_at_once_is_reported_later),
        TEST(the_reason_is_the_most_telling_failure_and_its_text_has_all),
        TEST(a_timeout_names_those_that_were_silent_and_those_that_were_not),
        TEST(the_longest_text_fits),
        TEST(one_deadline_covers_all_addresses),
        TEST(an_address_that_refuses_at_the_deadline_does_not_move_it),
        TEST(the_delay_between_attempts_can_be_set),
        TEST(the_family_that_comes_first_can_be_chosen),
        TEST(bad_lists_and_options_are_refused_and_nothing_is_called),
        TEST(each_address_is_tried_once_and_no_more_than_sixteen),
        TEST(duplicates_do_not_hide_the_addresses_behind_them),
        TEST(a_late_loop_starts_no_attempt_that_is_not_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
