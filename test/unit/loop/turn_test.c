/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The turn of the loop: ticks, posted calls, stopping, waiting, and what is refused within callbacks. Timers have a
 * file of their own.
 */
#include "support/simulated_loop.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "loop/loop_private.h"
#include "system/clock.h"

/* Writes down in which order calls were made. */
static char calls[64];

static void note_call(em_loop *loop, void *user)
{
    (void)loop;
    strncat(calls, user, sizeof calls - strlen(calls) - 1);
}

static int set_up(void **state)
{
    calls[0] = '\0';
    return set_up_loop(state);
}

static void ticks_run_once_in_the_order_queued(void **state)
{
    simulated_loop *fixture = *state;
    static const char *const names[] = {"a", "b", "c"};
    for (unsigned i = 0; i < 3; i++) {
        union {
            const char *constant;
            void *user;
        } name = {.constant = names[i]};
        assert_int_equal(em_loop_next_tick(fixture->loop, note_call, name.user, NULL), EM_OK);
    }
    assert_string_equal(calls, "");
    run_turns(fixture, 1);
    assert_string_equal(calls, "abc");
    run_turns(fixture, 2);
    assert_string_equal(calls, "abc");
    assert_int_equal(stats_of(fixture).ticks_run, 3);
}

static void tick_again(em_loop *loop, void *user)
{
    unsigned *left = user;
    if (--*left > 0)
        assert_int_equal(em_loop_next_tick(loop, tick_again, user, NULL), EM_OK);
}

static void a_tick_queued_by_a_tick_runs_in_the_following_turn(void **state)
{
    simulated_loop *fixture = *state;
    unsigned left = 3;
    assert_int_equal(em_loop_next_tick(fixture->loop, tick_again, &left, NULL), EM_OK);
    for (unsigned expected = 2; expected > 0; expected--) {
        run_turns(fixture, 1);
        assert_int_equal(left, expected);
    }
    run_turns(fixture, 1);
    assert_int_equal(left, 0);
}

static void input_is_served_between_ticks_that_queue_ticks(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    unsigned left = 100;
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    assert_int_equal(em_loop_next_tick(fixture->loop, tick_again, &left, NULL), EM_OK);
    feed_text(peer, "hello");
    run_turns(fixture, 2);
    assert_true(left > 90);
    assert_true(bytes_equal_text(&told.received, "hello"));
    recorder_free(&told);
}

static unsigned next_expected;

static void check_order(em_loop *loop, void *user)
{
    const unsigned *number = user;
    (void)loop;
    assert_int_equal(*number, next_expected++);
}

static void many_ticks_and_posts_keep_their_order(void **state)
{
    simulated_loop *fixture = *state;
    enum { CALLS = 20000 };
    static unsigned numbers[CALLS];
    for (unsigned round = 0; round < 2; round++) {
        next_expected = 0;
        for (unsigned i = 0; i < CALLS; i++) {
            numbers[i] = i;
            assert_int_equal((round ? em_loop_next_tick : em_loop_post)(fixture->loop, check_order, &numbers[i], NULL),
                             EM_OK);
        }
        run_turns(fixture, 1);
        assert_int_equal(next_expected, CALLS);
    }
}

static void posted_calls_run_in_order_before_ticks(void **state)
{
    simulated_loop *fixture = *state;
    char tick[] = "t", first[] = "1", second[] = "2";
    assert_int_equal(em_loop_next_tick(fixture->loop, note_call, tick, NULL), EM_OK);
    assert_int_equal(em_loop_post(fixture->loop, note_call, first, NULL), EM_OK);
    assert_int_equal(em_loop_post(fixture->loop, note_call, second, NULL), EM_OK);
    run_turns(fixture, 1);
    assert_string_equal(calls, "12t");
    assert_int_equal(stats_of(fixture).posts_run, 2);
}

static void post_again(em_loop *loop, void *user)
{
    unsigned *left = user;
    if (--*left > 0)
        assert_int_equal(em_loop_post(loop, post_again, user, NULL), EM_OK);
}

static void a_call_posted_by_a_posted_call_runs_in_the_following_turn_without_a_wait(void **state)
{
    simulated_loop *fixture = *state;
    unsigned left = 3;
    assert_int_equal(em_loop_post(fixture->loop, post_again, &left, NULL), EM_OK);
    run_turns(fixture, 1);
    assert_int_equal(left, 2);
    uint64_t begin_ns = emi_clock_now_ns();
    assert_int_equal(em_loop_run_once(fixture->loop, EM_FOREVER), EM_OK);
    assert_int_equal(left, 1);
    assert_int_equal(emi_clock_now_ns(), begin_ns);
    run_turns(fixture, 1);
    assert_int_equal(left, 0);
}

static void stop(em_loop *loop, void *user)
{
    unsigned *count = user;
    ++*count;
    assert_int_equal(em_loop_stop(loop), EM_OK);
    assert_int_equal(em_loop_is_stopping(loop), 1);
}

static void stop_ends_the_run_and_the_loop_can_run_again(void **state)
{
    simulated_loop *fixture = *state;
    unsigned stops = 0;
    for (unsigned round = 1; round <= 3; round++) {
        assert_int_equal(em_loop_next_tick(fixture->loop, stop, &stops, NULL), EM_OK);
        assert_int_equal(em_loop_run(fixture->loop), EM_OK);
        assert_int_equal(stops, round);
        assert_int_equal(em_loop_is_stopping(fixture->loop), 0);
    }
}

static void a_stop_before_the_run_ends_it_after_one_turn(void **state)
{
    simulated_loop *fixture = *state;
    char name[] = "x";
    assert_int_equal(em_loop_stop(fixture->loop), EM_OK);
    assert_int_equal(em_loop_next_tick(fixture->loop, note_call, name, NULL), EM_OK);
    uint64_t turns = stats_of(fixture).turns;
    assert_int_equal(em_loop_run(fixture->loop), EM_OK);
    assert_int_equal(stats_of(fixture).turns, turns + 1);
    assert_string_equal(calls, "x");
}

static void misuse(em_loop *loop, void *user)
{
    unsigned *refused = user;
    *refused += em_loop_run(loop) == EM_INVALID_STATE;
    *refused += em_loop_run_once(loop, 0) == EM_INVALID_STATE;
    *refused += em_loop_destroy(loop) == EM_INVALID_STATE;
    assert_int_equal(em_loop_stop(loop), EM_OK);
}

static void misuse_from_timer(em_loop *loop, em_timer timer, void *user)
{
    (void)timer;
    misuse(loop, user);
}

static void running_and_destroying_within_a_callback_is_refused_and_harmless(void **state)
{
    simulated_loop *fixture = *state;
    unsigned refused = 0;
    assert_int_equal(em_loop_next_tick(fixture->loop, misuse, &refused, NULL), EM_OK);
    assert_int_equal(em_loop_post(fixture->loop, misuse, &refused, NULL), EM_OK);
    assert_int_equal(em_loop_add_timer(fixture->loop, 0, misuse_from_timer, &refused, NULL, NULL), EM_OK);
    assert_int_equal(em_loop_run(fixture->loop), EM_OK);
    assert_int_equal(refused, 9);
    run_turns(fixture, 1);
}

static void misuse_from_unbind(recorder *told)
{
    misuse(told->fixture->loop, told->user);
}

static void destroying_within_an_unbind_that_destroy_calls_is_refused(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    unsigned refused = 0;
    recorder_init(&told, fixture);
    told.user = &refused;
    told.on_unbind = misuse_from_unbind;
    open_accepted(&told, &recording, NULL);
    simulated_loop_close(fixture);
    assert_int_equal(refused, 3);
    expect_events(&told, "IU");
    simulated_loop_open(fixture, NULL, NULL);
}

static void a_wait_takes_exactly_as_long_as_its_timeout(void **state)
{
    simulated_loop *fixture = *state;
    static const uint64_t timeouts_ns[] = {0, 1, 1000, 5 * EM_SECONDS};
    for (size_t i = 0; i < COUNT(timeouts_ns); i++) {
        uint64_t begin_ns = emi_clock_now_ns();
        assert_int_equal(em_loop_run_once(fixture->loop, timeouts_ns[i]), EM_OK);
        assert_int_equal(emi_clock_now_ns() - begin_ns, timeouts_ns[i]);
        assert_int_equal(em_loop_get_time_ns(fixture->loop), emi_clock_now_ns());
    }
}

static void the_timeout_in_milliseconds_is_rounded_up_and_never_overflows(void **state)
{
    simulated_loop *fixture = *state;
    static const struct {
        uint64_t delay_ns;
        int expected;
    } cases[] = {{0, 0}, {1, 1}, {EM_MILLISECONDS, 1}, {EM_MILLISECONDS + 1, 2}, {EM_FOREVER / 2, INT_MAX}};
    assert_int_equal(em_loop_get_timeout_ms(NULL), -1);
    assert_int_equal(em_loop_get_timeout_ms(fixture->loop), -1);
    for (size_t i = 0; i < COUNT(cases); i++) {
        em_timer timer;
        em_loop_add_timer(fixture->loop, cases[i].delay_ns, misuse_from_timer, NULL, NULL, &timer);
        assert_int_equal(em_loop_get_timeout_ms(fixture->loop), cases[i].expected);
        assert_int_equal(em_loop_cancel_timer(fixture->loop, timer), EM_OK);
    }
}

static void the_timeout_is_how_long_the_loop_may_wait(void **state)
{
    simulated_loop *fixture = *state;
    char name[] = "x";
    em_timer timer;
    assert_int_equal(em_loop_get_timeout_ns(fixture->loop), EM_FOREVER);
    assert_int_equal(em_loop_get_timeout_ns(NULL), EM_FOREVER);
    assert_int_equal(em_loop_add_timer(fixture->loop, 5 * EM_SECONDS, misuse_from_timer, NULL, NULL, &timer), EM_OK);
    assert_int_equal(em_loop_get_timeout_ns(fixture->loop), 5 * EM_SECONDS);
    test_clock_advance(EM_SECONDS);
    assert_int_equal(em_loop_get_timeout_ns(fixture->loop), 4 * EM_SECONDS);
    test_clock_advance(9 * EM_SECONDS);
    assert_int_equal(em_loop_get_timeout_ns(fixture->loop), 0);
    assert_int_equal(em_loop_cancel_timer(fixture->loop, timer), EM_OK);
    assert_int_equal(em_loop_get_timeout_ns(fixture->loop), EM_FOREVER);
    assert_int_equal(em_loop_next_tick(fixture->loop, note_call, name, NULL), EM_OK);
    assert_int_equal(em_loop_get_timeout_ns(fixture->loop), 0);
    run_turns(fixture, 1);
    assert_int_equal(em_loop_get_timeout_ns(fixture->loop), EM_FOREVER);
    assert_int_equal(em_loop_post(fixture->loop, note_call, name, NULL), EM_OK);
    assert_int_equal(em_loop_get_timeout_ns(fixture->loop), 0);
    run_turns(fixture, 1);
    assert_int_equal(em_loop_stop(fixture->loop), EM_OK);
    assert_int_equal(em_loop_get_timeout_ns(fixture->loop), 0);
}

static void counters_report_what_happened(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    feed_text(peer, "12345");
    em_connection_send_text(told.connection, "123");
    run_turns(fixture, 2);
    em_loop_stats stats = stats_of(fixture);
    assert_int_equal(stats.connections_accepted, 1);
    assert_int_equal(stats.connections_open, 1);
    assert_int_equal(stats.bytes_received, 5);
    assert_int_equal(stats.bytes_sent, 3);
    assert_int_equal(stats.servers_open, 0);
    em_connection_send_text(told.connection, "1234");
    assert_int_equal(stats_of(fixture).outbox_bytes, 4);
    em_connection_close(told.connection);
    run_turns(fixture, 1);
    stats = stats_of(fixture);
    assert_int_equal(stats.connections_closed, 1);
    assert_int_equal(stats.connections_open, 0);
    assert_int_equal(stats.outbox_bytes, 0);
    uint64_t turns = stats.turns;
    run_turns(fixture, 3);
    assert_int_equal(stats_of(fixture).turns, turns + 3);
    assert_int_equal(em_loop_get_stats(fixture->loop, &stats, 0), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_get_stats(fixture->loop, &stats, SIZE_MAX), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_get_stats(NULL, &stats, sizeof stats), EM_INVALID_ARGUMENT);
    recorder_free(&told);
}

static void counters_fit_older_and_newer_callers(void **state)
{
    simulated_loop *fixture = *state;
    struct newer {
        em_loop_stats known;
        uint64_t unknown;
    } newer;
    run_turns(fixture, 5);
    memset(&newer, 0xFF, sizeof newer);
    assert_int_equal(em_loop_get_stats(fixture->loop, &newer.known, sizeof newer), EM_OK);
    assert_int_equal(newer.known.turns, 5);
    assert_int_equal(newer.unknown, 0);
    memset(&newer, 0xFF, sizeof newer);
    assert_int_equal(em_loop_get_stats(fixture->loop, &newer.known, sizeof newer.known.turns), EM_OK);
    assert_int_equal(newer.known.turns, 5);
    assert_int_equal(newer.known.waits, UINT64_MAX);
}

static void if_waiting_fails_the_run_returns_the_reason_which_is_logged_once(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    open_accepted(&told, &recording, NULL);
    simulated_break(fixture->backend, EM_BAD_DESCRIPTOR);
    em_connection_close(told.connection);
    assert_int_equal(em_loop_run(fixture->loop), EM_BAD_DESCRIPTOR);
    assert_int_equal(told.unbinds, 1); /* the turn went to its end */
    assert_int_equal(fixture->log_messages, 1);
    assert_int_equal(em_loop_run(fixture->loop), EM_BAD_DESCRIPTOR);
    assert_int_equal(em_loop_run_once(fixture->loop, EM_FOREVER), EM_BAD_DESCRIPTOR);
    assert_int_equal(fixture->log_messages, 1);
    recorder_free(&told);
}

static void null_arguments_are_refused(void **state)
{
    simulated_loop *fixture = *state;
    assert_int_equal(em_loop_run(NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_run_once(NULL, 0), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_stop(NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_wake(NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_post(NULL, note_call, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_post(fixture->loop, NULL, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_next_tick(NULL, note_call, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_next_tick(fixture->loop, NULL, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_destroy(NULL), EM_OK);
    assert_int_equal(em_loop_is_stopping(NULL), 0);
    em_loop_set_user(fixture->loop, calls);
    assert_ptr_equal(em_loop_get_user(fixture->loop), calls);
}

#define LOOP_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down_loop)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LOOP_TEST(ticks_run_once_in_the_order_queued),
        LOOP_TEST(a_tick_queued_by_a_tick_runs_in_the_following_turn),
        LOOP_TEST(input_is_served_between_ticks_that_queue_ticks),
        LOOP_TEST(many_ticks_and_posts_keep_their_order),
        LOOP_TEST(posted_calls_run_in_order_before_ticks),
        LOOP_TEST(a_call_posted_by_a_posted_call_runs_in_the_following_turn_without_a_wait),
        LOOP_TEST(stop_ends_the_run_and_the_loop_can_run_again),
        LOOP_TEST(a_stop_before_the_run_ends_it_after_one_turn),
        LOOP_TEST(running_and_destroying_within_a_callback_is_refused_and_harmless),
        LOOP_TEST(destroying_within_an_unbind_that_destroy_calls_is_refused),
        LOOP_TEST(a_wait_takes_exactly_as_long_as_its_timeout),
        LOOP_TEST(the_timeout_in_milliseconds_is_rounded_up_and_never_overflows),
        LOOP_TEST(the_timeout_is_how_long_the_loop_may_wait),
        LOOP_TEST(counters_report_what_happened),
        LOOP_TEST(counters_fit_older_and_newer_callers),
        LOOP_TEST(if_waiting_fails_the_run_returns_the_reason_which_is_logged_once),
        LOOP_TEST(null_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
