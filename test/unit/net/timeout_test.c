/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Timeouts of connections over the simulated backend, to the nanosecond, with the clock stopped.
 */
#include "support/simulated_loop.h"
#include "system/clock.h"

#define S EM_SECONDS

static void inactivity_ends_exactly_so_long_after_the_last_bytes_received(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    em_stream_options stream = {.size = sizeof stream, .inactivity_timeout_ns = 10 * S};
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, &stream);
    for (unsigned i = 0; i < 3; i++) {
        run_for(fixture, 9 * S);
        feed_text(peer, "x");
        run_turns(fixture, 1);
    }
    assert_int_equal(em_connection_get_idle_ns(told.connection), 0);
    run_for(fixture, 10 * S - 1);
    assert_int_equal(told.unbinds, 0);
    assert_int_equal(em_connection_get_idle_ns(told.connection), 10 * S - 1);
    run_for(fixture, 1);
    assert_int_equal(told.unbinds, 1);
    assert_int_equal(told.reason, EM_INACTIVITY_TIMEOUT);
    recorder_free(&told);
}

static void sending_counts_as_activity_when_the_system_takes_the_bytes(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    assert_int_equal(em_connection_set_inactivity_timeout_ns(told.connection, 10 * S), EM_OK);
    assert_int_equal(em_connection_get_inactivity_timeout_ns(told.connection), 10 * S);
    simulated_set_window(peer, 1);
    em_connection_send_text(told.connection, "123");
    run_turns(fixture, 1);
    run_for(fixture, 9 * S);
    simulated_take(peer, NULL, 1);
    run_turns(fixture, 1);
    run_for(fixture, 10 * S - 1);
    assert_int_equal(told.unbinds, 0);
    run_for(fixture, 1);
    assert_int_equal(told.reason, EM_INACTIVITY_TIMEOUT);
    assert_int_equal(told.unbinds, 1);
    recorder_free(&told);
}

static void timeouts_can_be_switched_off_and_shortened(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    open_accepted(&told, &recording, NULL);
    em_connection_set_inactivity_timeout_ns(told.connection, S);
    em_connection_set_inactivity_timeout_ns(told.connection, 0);
    run_for(fixture, 100 * S);
    assert_int_equal(told.unbinds, 0);
    em_connection_set_inactivity_timeout_ns(told.connection, 200 * S);
    run_turns(fixture, 1);
    em_connection_set_inactivity_timeout_ns(told.connection, 150 * S);
    run_for(fixture, 150 * S - em_connection_get_idle_ns(told.connection) - 1);
    assert_int_equal(told.unbinds, 0);
    run_for(fixture, 1);
    assert_int_equal(told.unbinds, 1);
    recorder_free(&told);
}

static void a_timeout_shorter_than_the_present_silence_ends_at_once(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    open_accepted(&told, &recording, NULL);
    run_for(fixture, 10 * S);
    em_connection_set_inactivity_timeout_ns(told.connection, 5 * S);
    run_turns(fixture, 1);
    assert_int_equal(told.reason, EM_INACTIVITY_TIMEOUT);
    assert_int_equal(told.unbinds, 1);
    recorder_free(&told);
}

static void a_busy_connection_does_not_touch_the_timers(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    em_stream_options stream = {.size = sizeof stream, .inactivity_timeout_ns = 100 * S};
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, &stream);
    for (unsigned i = 0; i < 99; i++) {
        feed_text(peer, "x");
        run_for(fixture, S / 2);
    }
    assert_int_equal(stats_of(fixture).timers_fired, 0);
    recorder_free(&told);
}

static void a_stalled_peer_ends_the_connection_after_the_write_timeout(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    em_stream_options stream = {.size = sizeof stream, .write_timeout_ns = 5 * S};
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, &stream);
    run_for(fixture, 100 * S);
    simulated_set_window(peer, 1);
    em_connection_send_text(told.connection, "123");
    run_turns(fixture, 1);
    run_for(fixture, 4 * S);
    simulated_take(peer, NULL, 1);
    run_turns(fixture, 1);
    run_for(fixture, 5 * S - 1);
    assert_int_equal(told.unbinds, 0);
    run_for(fixture, 1);
    assert_int_equal(told.unbinds, 1);
    assert_int_equal(told.reason, EM_WRITE_TIMEOUT);
    recorder_free(&told);
}

static void with_nothing_to_send_the_write_timeout_never_comes(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    em_stream_options stream = {.size = sizeof stream, .write_timeout_ns = 5 * S};
    recorder_init(&told, fixture);
    open_accepted(&told, &recording, &stream);
    em_connection_send_text(told.connection, "123");
    run_for(fixture, 1000 * S);
    em_connection_send_text(told.connection, "456");
    run_for(fixture, 1000 * S);
    assert_int_equal(told.unbinds, 0);
    recorder_free(&told);
}

static void the_write_timeout_is_measured_from_when_it_was_set(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    simulated_set_window(peer, 1);
    em_connection_send_text(told.connection, "123");
    run_for(fixture, 100 * S);
    em_connection_set_write_timeout_ns(told.connection, 5 * S);
    assert_int_equal(em_connection_get_write_timeout_ns(told.connection), 5 * S);
    run_for(fixture, 5 * S - 1);
    assert_int_equal(told.unbinds, 0);
    run_for(fixture, 1);
    assert_int_equal(told.reason, EM_WRITE_TIMEOUT);
    recorder_free(&told);
}

/* What was queued while connecting could not be taken before; that does not count. */
static void the_write_timeout_begins_when_the_connection_stands(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    em_stream_options stream = {.size = sizeof stream, .write_timeout_ns = 5 * S};
    em_connect_options options = {.size = sizeof options, .stream = &stream};
    recorder_init(&told, fixture);
    assert_int_equal(begin_connecting(&told, &options), EM_OK);
    em_connection_send_text(told.connection, "123");
    run_for(fixture, 10 * S);
    simulated_peer *peer = simulated_take_connect(fixture->backend);
    simulated_set_window(peer, 0);
    simulated_accept_connect(peer);
    run_turns(fixture, 2);
    expect_events(&told, "IC");
    run_for(fixture, 5 * S - 1);
    assert_int_equal(told.unbinds, 0);
    run_for(fixture, 1);
    assert_int_equal(told.reason, EM_WRITE_TIMEOUT);
    recorder_free(&told);
}

static void pausing_does_not_stop_timeouts(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    em_stream_options stream = {.size = sizeof stream, .inactivity_timeout_ns = 5 * S};
    recorder_init(&told, fixture);
    open_accepted(&told, &recording, &stream);
    em_connection_pause(told.connection);
    run_for(fixture, 5 * S);
    assert_int_equal(told.reason, EM_INACTIVITY_TIMEOUT);
    assert_int_equal(told.unbinds, 1);
    recorder_free(&told);
}

static void connecting_takes_no_longer_than_its_timeout(void **state)
{
    simulated_loop *fixture = *state;
    static const uint64_t timeouts_ns[] = {0, 3 * S}; /* 0: the default, 20 seconds */
    for (size_t i = 0; i < COUNT(timeouts_ns); i++) {
        recorder told;
        em_connect_options options = {.size = sizeof options, .connect_timeout_ns = timeouts_ns[i]};
        uint64_t expected_ns = timeouts_ns[i] ? timeouts_ns[i] : 20 * S;
        recorder_init(&told, fixture);
        assert_int_equal(begin_connecting(&told, &options), EM_OK);
        assert_int_equal(em_connection_get_connect_timeout_ns(told.connection), expected_ns);
        run_for(fixture, expected_ns - 1);
        expect_events(&told, "I");
        run_for(fixture, 1);
        expect_events(&told, "IU");
        assert_int_equal(told.reason, EM_CONNECT_TIMEOUT);
        recorder_free(&told);
    }
}

static void the_connect_timeout_can_be_changed_and_has_no_effect_once_established(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    em_connect_options options = {.size = sizeof options, .connect_timeout_ns = EM_FOREVER};
    recorder_init(&told, fixture);
    assert_int_equal(begin_connecting(&told, &options), EM_OK);
    run_for(fixture, 3600 * S);
    assert_int_equal(em_connection_set_connect_timeout_ns(told.connection, 0), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_set_connect_timeout_ns(told.connection, 3601 * S), EM_OK);
    run_for(fixture, S - 1);
    expect_events(&told, "I");
    simulated_accept_connect(simulated_take_connect(fixture->backend));
    run_turns(fixture, 2);
    run_for(fixture, 100 * S);
    expect_events(&told, "IC");
    recorder_free(&told);
}

static void inactivity_is_measured_from_when_the_connection_stands(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    em_stream_options stream = {.size = sizeof stream, .inactivity_timeout_ns = 5 * S};
    em_connect_options options = {.size = sizeof options, .stream = &stream};
    recorder_init(&told, fixture);
    assert_int_equal(begin_connecting(&told, &options), EM_OK);
    run_for(fixture, 10 * S);
    simulated_accept_connect(simulated_take_connect(fixture->backend));
    run_turns(fixture, 2);
    run_for(fixture, 5 * S - 1);
    expect_events(&told, "IC");
    run_for(fixture, 1);
    expect_events(&told, "ICU");
    recorder_free(&told);
}

#define TIMEOUT_TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TIMEOUT_TEST(inactivity_ends_exactly_so_long_after_the_last_bytes_received),
        TIMEOUT_TEST(sending_counts_as_activity_when_the_system_takes_the_bytes),
        TIMEOUT_TEST(timeouts_can_be_switched_off_and_shortened),
        TIMEOUT_TEST(a_timeout_shorter_than_the_present_silence_ends_at_once),
        TIMEOUT_TEST(a_busy_connection_does_not_touch_the_timers),
        TIMEOUT_TEST(a_stalled_peer_ends_the_connection_after_the_write_timeout),
        TIMEOUT_TEST(with_nothing_to_send_the_write_timeout_never_comes),
        TIMEOUT_TEST(the_write_timeout_is_measured_from_when_it_was_set),
        TIMEOUT_TEST(the_write_timeout_begins_when_the_connection_stands),
        TIMEOUT_TEST(pausing_does_not_stop_timeouts),
        TIMEOUT_TEST(connecting_takes_no_longer_than_its_timeout),
        TIMEOUT_TEST(the_connect_timeout_can_be_changed_and_has_no_effect_once_established),
        TIMEOUT_TEST(inactivity_is_measured_from_when_the_connection_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
