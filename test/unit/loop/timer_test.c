/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Timers of the loop, to the nanosecond, with the clock stopped.
 */
#include <eventmachine/timer.h>

#include "support/simulated_loop.h"
#include "system/clock.h"

#define MS EM_MILLISECONDS

/* A timer that writes down when it fired and may do something more. */
typedef struct ticker {
    simulated_loop *fixture;
    em_timer timer;
    unsigned fired;
    uint64_t fired_ns[64];
    void (*then)(struct ticker *ticker);
    struct ticker *other;
    uint64_t delay_ns;
} ticker;

static void fire(em_loop *loop, em_timer timer, void *user)
{
    ticker *fired = user;
    assert_ptr_equal(loop, fired->fixture->loop);
    assert_int_equal(timer, fired->timer);
    fired->fired_ns[fired->fired++ % 64] = em_loop_get_time_ns(loop);
    if (fired->then)
        fired->then(fired);
}

static void add(ticker *added, simulated_loop *fixture, uint64_t delay_ns)
{
    added->fixture = fixture;
    assert_int_equal(em_loop_add_timer(fixture->loop, delay_ns, fire, added, NULL, &added->timer), EM_OK);
    assert_true(added->timer > 0);
}

static void add_periodic(ticker *added, simulated_loop *fixture, uint64_t period_ns)
{
    added->fixture = fixture;
    assert_int_equal(em_loop_add_periodic_timer(fixture->loop, period_ns, fire, added, NULL, &added->timer), EM_OK);
}

static void a_timer_fires_once_at_its_time_exactly(void **state)
{
    simulated_loop *fixture = *state;
    static const uint64_t delays_ns[] = {1, 999, MS, 1234567, EM_SECONDS, 3600 * EM_SECONDS};
    for (size_t i = 0; i < COUNT(delays_ns); i++) {
        ticker timer = {.fired = 0};
        uint64_t begin_ns = emi_clock_now_ns();
        add(&timer, fixture, delays_ns[i]);
        run_for(fixture, delays_ns[i] + EM_SECONDS);
        assert_int_equal(timer.fired, 1);
        assert_int_equal(timer.fired_ns[0], begin_ns + delays_ns[i]);
        assert_int_equal(em_loop_cancel_timer(fixture->loop, timer.timer), EM_NOT_FOUND);
    }
}

static void expect_other_fired(ticker *timer)
{
    assert_true(!timer->other || timer->other->fired == 1);
}

static void timers_due_together_fire_in_the_order_added(void **state)
{
    simulated_loop *fixture = *state;
    ticker timers[50] = {{.fired = 0}};
    for (unsigned i = 0; i < 50; i++) {
        timers[i].then = expect_other_fired;
        timers[i].other = i > 0 ? &timers[i - 1] : NULL;
        add(&timers[i], fixture, 10 * MS);
    }
    test_clock_advance(EM_SECONDS);
    run_turns(fixture, 1);
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(timers[i].fired, 1);
    assert_int_equal(stats_of(fixture).timers_fired, 50);
    assert_int_equal(stats_of(fixture).timers_pending, 0);
}

static void earlier_timers_fire_before_later_ones_whatever_the_order_added(void **state)
{
    simulated_loop *fixture = *state;
    ticker timers[20] = {{.fired = 0}};
    for (unsigned i = 20; i-- > 0;) {
        timers[i].then = expect_other_fired;
        timers[i].other = i > 0 ? &timers[i - 1] : NULL;
        add(&timers[i], fixture, UINT64_C(100) * (i + 1));
    }
    test_clock_advance(EM_SECONDS);
    run_turns(fixture, 1);
    assert_int_equal(stats_of(fixture).timers_fired, 20);
}

static void add_another(ticker *timer)
{
    add(timer->other, timer->fixture, timer->delay_ns);
}

static void a_timer_added_within_a_timer_fires_in_the_next_turn(void **state)
{
    simulated_loop *fixture = *state;
    ticker second = {.fired = 0};
    ticker first = {.then = add_another, .other = &second, .delay_ns = 0};
    add(&first, fixture, 0);
    run_turns(fixture, 1);
    assert_int_equal(first.fired, 1);
    assert_int_equal(second.fired, 0);
    run_turns(fixture, 1);
    assert_int_equal(second.fired, 1);
}

static void a_periodic_timer_does_not_drift(void **state)
{
    simulated_loop *fixture = *state;
    ticker timer = {.fired = 0};
    uint64_t begin_ns = emi_clock_now_ns();
    add_periodic(&timer, fixture, 10 * MS);
    /* Late by another amount each time, but never by a whole period. */
    for (unsigned i = 1; i <= 20; i++) {
        test_clock_advance(i % 2 ? 15 * MS : 5 * MS);
        run_turns(fixture, 1);
    }
    assert_int_equal(timer.fired, 20);
    assert_int_equal(em_loop_get_timeout_ns(fixture->loop), begin_ns + 210 * MS - emi_clock_now_ns());
}

static void a_timer_fires_once_for_all_missed_periods(void **state)
{
    simulated_loop *fixture = *state;
    ticker timer = {.fired = 0};
    uint64_t begin_ns = emi_clock_now_ns();
    add_periodic(&timer, fixture, 10 * MS);
    test_clock_advance(1005 * MS);
    run_turns(fixture, 3);
    assert_int_equal(timer.fired, 1);
    run_for(fixture, 5 * MS);
    assert_int_equal(timer.fired, 2);
    assert_int_equal(timer.fired_ns[1], begin_ns + 1010 * MS);
}

static void cancel_itself(ticker *timer)
{
    assert_int_equal(em_loop_cancel_timer(timer->fixture->loop, timer->timer), EM_OK);
    assert_int_equal(em_loop_cancel_timer(timer->fixture->loop, timer->timer), EM_NOT_FOUND);
    assert_int_equal(em_loop_rearm_timer(timer->fixture->loop, timer->timer, 1), EM_NOT_FOUND);
}

static void timers_can_be_cancelled_within_their_own_callback(void **state)
{
    simulated_loop *fixture = *state;
    ticker once = {.then = cancel_itself};
    ticker periodic = {.then = cancel_itself};
    add(&once, fixture, MS);
    add_periodic(&periodic, fixture, MS);
    run_for(fixture, 10 * MS);
    assert_int_equal(once.fired, 1);
    assert_int_equal(periodic.fired, 1);
    assert_int_equal(stats_of(fixture).timers_pending, 0);
}

static void cancel_other(ticker *timer)
{
    assert_int_equal(em_loop_cancel_timer(timer->fixture->loop, timer->other->timer), EM_OK);
}

static void a_timer_due_in_the_same_turn_can_be_cancelled_by_one_before_it(void **state)
{
    simulated_loop *fixture = *state;
    ticker second = {.fired = 0};
    ticker first = {.then = cancel_other, .other = &second};
    add(&first, fixture, MS);
    add(&second, fixture, MS);
    run_for(fixture, 10 * MS);
    assert_int_equal(first.fired, 1);
    assert_int_equal(second.fired, 0);
}

static void cancel_itself_and_add_another(ticker *timer)
{
    assert_int_equal(em_loop_cancel_timer(timer->fixture->loop, timer->timer), EM_OK);
    add(timer->other, timer->fixture, MS);
    assert_int_not_equal(timer->other->timer, timer->timer);
    assert_int_equal(em_loop_cancel_timer(timer->fixture->loop, timer->timer), EM_NOT_FOUND);
}

static void a_new_timer_in_the_place_of_the_running_one_has_another_number(void **state)
{
    simulated_loop *fixture = *state;
    ticker second = {.fired = 0};
    ticker first = {.then = cancel_itself_and_add_another, .other = &second};
    add(&first, fixture, MS);
    run_for(fixture, 10 * MS);
    assert_int_equal(first.fired, 1);
    assert_int_equal(second.fired, 1);
}

static void rearm_itself(ticker *timer)
{
    if (timer->fired < 5)
        assert_int_equal(em_loop_rearm_timer(timer->fixture->loop, timer->timer, 7 * MS), EM_OK);
}

static void a_one_shot_timer_can_be_rearmed_within_its_callback(void **state)
{
    simulated_loop *fixture = *state;
    ticker timer = {.then = rearm_itself};
    uint64_t begin_ns = emi_clock_now_ns();
    add(&timer, fixture, MS);
    run_for(fixture, EM_SECONDS);
    assert_int_equal(timer.fired, 5);
    assert_int_equal(timer.fired_ns[4], begin_ns + 29 * MS);
    assert_int_equal(em_loop_rearm_timer(fixture->loop, timer.timer, MS), EM_NOT_FOUND);
}

static void rearming_moves_a_pending_timer_either_way(void **state)
{
    simulated_loop *fixture = *state;
    ticker sooner = {.fired = 0};
    ticker later = {.fired = 0};
    uint64_t begin_ns = emi_clock_now_ns();
    add(&sooner, fixture, EM_SECONDS);
    add(&later, fixture, MS);
    assert_int_equal(em_loop_rearm_timer(fixture->loop, sooner.timer, 2 * MS), EM_OK);
    assert_int_equal(em_loop_rearm_timer(fixture->loop, later.timer, 2 * EM_SECONDS), EM_OK);
    assert_int_equal(stats_of(fixture).timers_pending, 2);
    run_for(fixture, 5 * EM_SECONDS);
    assert_int_equal(sooner.fired_ns[0], begin_ns + 2 * MS);
    assert_int_equal(later.fired_ns[0], begin_ns + 2 * EM_SECONDS);
    assert_int_equal(sooner.fired + later.fired, 2);
}

static void a_rearmed_periodic_timer_goes_on_with_its_period(void **state)
{
    simulated_loop *fixture = *state;
    ticker timer = {.fired = 0};
    uint64_t begin_ns = emi_clock_now_ns();
    add_periodic(&timer, fixture, 10 * MS);
    assert_int_equal(em_loop_rearm_timer(fixture->loop, timer.timer, 3 * MS), EM_OK);
    run_for(fixture, 30 * MS);
    assert_int_equal(timer.fired, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(timer.fired_ns[i], begin_ns + 3 * MS + UINT64_C(10) * i * MS);
}

static void a_delay_beyond_the_clock_means_never(void **state)
{
    simulated_loop *fixture = *state;
    ticker never[3] = {{.fired = 0}};
    add(&never[0], fixture, UINT64_MAX);
    add(&never[1], fixture, UINT64_MAX - em_loop_get_time_ns(fixture->loop));
    add_periodic(&never[2], fixture, UINT64_MAX);
    run_for(fixture, UINT64_C(1) << 60);
    assert_int_equal(never[0].fired + never[1].fired + never[2].fired, 0);
    assert_int_equal(stats_of(fixture).timers_pending, 3);
    assert_int_equal(em_loop_cancel_timer(fixture->loop, never[0].timer), EM_OK);
}

static void stale_and_invalid_timer_numbers_are_harmless(void **state)
{
    simulated_loop *fixture = *state;
    static const em_timer strangers[] = {0, 1, 5, UINT64_MAX, UINT64_C(1) << 28, 123456789012345};
    for (size_t i = 0; i < COUNT(strangers); i++) {
        assert_int_equal(em_loop_cancel_timer(fixture->loop, strangers[i]), EM_NOT_FOUND);
        assert_int_equal(em_loop_rearm_timer(fixture->loop, strangers[i], 1), EM_NOT_FOUND);
    }
    em_timer timer = 5;
    assert_int_equal(em_loop_add_timer(fixture->loop, 1, NULL, NULL, NULL, &timer), EM_INVALID_ARGUMENT);
    assert_int_equal(timer, 0);
    assert_int_equal(em_loop_add_timer(NULL, 1, fire, NULL, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_add_periodic_timer(fixture->loop, 0, fire, NULL, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_cancel_timer(NULL, 1), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_rearm_timer(NULL, 1, 1), EM_INVALID_ARGUMENT);
}

static void a_hundred_thousand_timers_fire_except_those_cancelled(void **state)
{
    simulated_loop *fixture = *state;
    enum { TIMERS = 100000 };
    static ticker timers[TIMERS];
    uint64_t seed = 5;
    unsigned cancelled = 0;
    uint64_t begin_ns = emi_clock_now_ns();
    for (unsigned i = 0; i < TIMERS; i++) {
        timers[i] = (ticker){.delay_ns = random_below(&seed, 10 * (uint64_t)100000000)};
        add(&timers[i], fixture, timers[i].delay_ns);
    }
    for (unsigned i = 0; i < TIMERS; i += 3, cancelled++)
        assert_int_equal(em_loop_cancel_timer(fixture->loop, timers[i].timer), EM_OK);
    for (unsigned i = 0; i < 200; i++) {
        test_clock_advance(5 * MS);
        run_turns(fixture, 1);
        for (unsigned j = 0; j < TIMERS; j += 17) {
            bool due = j % 3 != 0 && begin_ns + timers[j].delay_ns <= emi_clock_now_ns();
            assert_int_equal(timers[j].fired, due);
        }
    }
    assert_int_equal(stats_of(fixture).timers_fired, TIMERS - cancelled);
}

#define TIMER_TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TIMER_TEST(a_timer_fires_once_at_its_time_exactly),
        TIMER_TEST(timers_due_together_fire_in_the_order_added),
        TIMER_TEST(earlier_timers_fire_before_later_ones_whatever_the_order_added),
        TIMER_TEST(a_timer_added_within_a_timer_fires_in_the_next_turn),
        TIMER_TEST(a_periodic_timer_does_not_drift),
        TIMER_TEST(a_timer_fires_once_for_all_missed_periods),
        TIMER_TEST(timers_can_be_cancelled_within_their_own_callback),
        TIMER_TEST(a_timer_due_in_the_same_turn_can_be_cancelled_by_one_before_it),
        TIMER_TEST(a_new_timer_in_the_place_of_the_running_one_has_another_number),
        TIMER_TEST(a_one_shot_timer_can_be_rearmed_within_its_callback),
        TIMER_TEST(rearming_moves_a_pending_timer_either_way),
        TIMER_TEST(a_rearmed_periodic_timer_goes_on_with_its_period),
        TIMER_TEST(a_delay_beyond_the_clock_means_never),
        TIMER_TEST(stale_and_invalid_timer_numbers_are_harmless),
        TIMER_TEST(a_hundred_thousand_timers_fire_except_those_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
