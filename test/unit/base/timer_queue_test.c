/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The timer queue: order, ends of the clock's range, removal at every moment. The comparison with a model is in
 * timer_queue_model_test.c.
 */
#include "base/timer_queue.h"
#include "support/unit.h"

#define TICK_NS (UINT64_C(1) << EMI_TIMER_TICK_BITS)

typedef struct queue_fixture {
    emi_timer_queue queue;
    uint64_t serial;
    uint64_t now_ns;
    emi_list due;
} queue_fixture;

static void open_at(queue_fixture *fixture, uint64_t now_ns)
{
    *fixture = (queue_fixture){.now_ns = now_ns};
    emi_timer_queue_init(&fixture->queue, now_ns);
    emi_list_init(&fixture->due);
}

static void add(queue_fixture *fixture, emi_timer *timer, uint64_t due_ns)
{
    emi_timer_init(timer);
    assert_false(emi_timer_is_pending(timer));
    timer->handle.signature = emi_next_serial(&fixture->serial);
    emi_timer_queue_add(&fixture->queue, timer, due_ns);
    assert_true(emi_timer_is_pending(timer));
}

/* Takes the next of those due; NULL: none. */
static emi_timer *take(queue_fixture *fixture)
{
    if (emi_list_is_empty(&fixture->due))
        return NULL;
    emi_timer *timer = EMI_CONTAINER(fixture->due.next, emi_timer, link);
    emi_timer_queue_remove(&fixture->queue, timer);
    assert_false(emi_timer_is_pending(timer));
    return timer;
}

static void expire(queue_fixture *fixture, uint64_t now_ns)
{
    fixture->now_ns = now_ns;
    emi_timer_queue_expire(&fixture->queue, now_ns, &fixture->due);
}

static void a_timer_is_due_at_its_time_and_not_a_nanosecond_before(void **state)
{
    (void)state;
    static const uint64_t delays_ns[] = {0,
                                         1,
                                         999,
                                         TICK_NS - 1,
                                         TICK_NS,
                                         TICK_NS + 1,
                                         TICK_NS * 63,
                                         TICK_NS * 64,
                                         TICK_NS * 65,
                                         TICK_NS << 6,
                                         TICK_NS << 12,
                                         TICK_NS << 30};
    for (size_t i = 0; i < COUNT(delays_ns); i++) {
        for (uint64_t start_ns = 0; start_ns < 3 * TICK_NS; start_ns += TICK_NS - 1) {
            queue_fixture fixture;
            emi_timer timer;
            open_at(&fixture, start_ns);
            add(&fixture, &timer, start_ns + delays_ns[i]);
            assert_int_equal(fixture.queue.count, 1);
            if (delays_ns[i] > 0) {
                expire(&fixture, start_ns + delays_ns[i] - 1);
                assert_null(take(&fixture));
            }
            assert_true(emi_timer_queue_next_ns(&fixture.queue) <= start_ns + delays_ns[i]);
            expire(&fixture, start_ns + delays_ns[i]);
            assert_ptr_equal(take(&fixture), &timer);
            assert_int_equal(fixture.queue.count, 0);
            assert_int_equal(emi_timer_queue_next_ns(&fixture.queue), UINT64_MAX);
        }
    }
}

static void timers_due_at_once_run_in_the_order_added(void **state)
{
    (void)state;
    enum { TIMERS = 1000 };
    static emi_timer timers[TIMERS];
    static const uint64_t delays_ns[] = {0, 5, TICK_NS * 3, TICK_NS * 100, TICK_NS * 5000};
    for (size_t i = 0; i < COUNT(delays_ns); i++) {
        queue_fixture fixture;
        open_at(&fixture, 12345);
        for (unsigned j = 0; j < TIMERS; j++)
            add(&fixture, &timers[j], 12345 + delays_ns[i]);
        expire(&fixture, 12345 + delays_ns[i]);
        for (unsigned j = 0; j < TIMERS; j++)
            assert_ptr_equal(take(&fixture), &timers[j]);
        assert_null(take(&fixture));
    }
}

static void timers_run_in_the_order_of_their_times_within_one_tick(void **state)
{
    (void)state;
    queue_fixture fixture;
    emi_timer timers[4];
    open_at(&fixture, 0);
    add(&fixture, &timers[0], TICK_NS * 10 + 30);
    add(&fixture, &timers[1], TICK_NS * 10 + 10);
    add(&fixture, &timers[2], TICK_NS * 10 + 20);
    add(&fixture, &timers[3], TICK_NS * 9);
    expire(&fixture, TICK_NS * 20);
    assert_ptr_equal(take(&fixture), &timers[3]);
    assert_ptr_equal(take(&fixture), &timers[1]);
    assert_ptr_equal(take(&fixture), &timers[2]);
    assert_ptr_equal(take(&fixture), &timers[0]);
}

static void a_timer_due_at_the_end_of_time_works_like_any_other(void **state)
{
    (void)state;
    queue_fixture fixture;
    emi_timer never;
    emi_timer soon;
    open_at(&fixture, UINT64_MAX - 10 * TICK_NS);
    add(&fixture, &never, UINT64_MAX);
    add(&fixture, &soon, UINT64_MAX - TICK_NS);
    expire(&fixture, UINT64_MAX - TICK_NS);
    assert_ptr_equal(take(&fixture), &soon);
    expire(&fixture, UINT64_MAX - 1);
    assert_null(take(&fixture));
    expire(&fixture, UINT64_MAX);
    assert_ptr_equal(take(&fixture), &never);
}

static void overdue_timers_run_at_the_next_expiry(void **state)
{
    (void)state;
    queue_fixture fixture;
    emi_timer timer;
    open_at(&fixture, TICK_NS * 1000);
    add(&fixture, &timer, 1);
    assert_true(emi_timer_queue_next_ns(&fixture.queue) <= 1);
    expire(&fixture, TICK_NS * 1000);
    assert_ptr_equal(take(&fixture), &timer);
}

static void a_jump_over_years_finds_everything_in_order(void **state)
{
    (void)state;
    queue_fixture fixture;
    emi_timer timers[40];
    open_at(&fixture, 0);
    for (unsigned i = 0; i < 40; i++)
        add(&fixture, &timers[39 - i], UINT64_C(1) << (62 - i));
    expire(&fixture, UINT64_C(1) << 63);
    for (unsigned i = 0; i < 40; i++)
        assert_ptr_equal(take(&fixture), &timers[i]);
    assert_int_equal(fixture.queue.count, 0);
}

static void timers_can_be_removed_wherever_they_stand(void **state)
{
    (void)state;
    for (unsigned removed = 0; removed < 5; removed++) {
        queue_fixture fixture;
        emi_timer timers[5];
        open_at(&fixture, 0);
        add(&fixture, &timers[0], 1);                  /* heap */
        add(&fixture, &timers[1], 2);                  /* heap, below the root */
        add(&fixture, &timers[2], TICK_NS * 5);        /* first level */
        add(&fixture, &timers[3], TICK_NS * 64 * 5);   /* second level */
        add(&fixture, &timers[4], TICK_NS * 4096 * 5); /* third level */
        emi_timer_queue_remove(&fixture.queue, &timers[removed]);
        assert_false(emi_timer_is_pending(&timers[removed]));
        assert_int_equal(fixture.queue.count, 4);
        expire(&fixture, UINT64_C(1) << 60);
        for (unsigned i = 0; i < 5; i++)
            if (i != removed)
                assert_ptr_equal(take(&fixture), &timers[i]);
        assert_null(take(&fixture));
    }
}

static void timers_that_were_found_due_can_still_be_removed(void **state)
{
    (void)state;
    queue_fixture fixture;
    emi_timer timers[3];
    open_at(&fixture, 0);
    for (unsigned i = 0; i < 3; i++)
        add(&fixture, &timers[i], 10 + i);
    expire(&fixture, 20);
    assert_ptr_equal(take(&fixture), &timers[0]);
    emi_timer_queue_remove(&fixture.queue, &timers[2]);
    assert_ptr_equal(take(&fixture), &timers[1]);
    assert_null(take(&fixture));
    assert_int_equal(fixture.queue.count, 0);
}

static void a_timer_can_be_used_again_at_once(void **state)
{
    (void)state;
    queue_fixture fixture;
    emi_timer timer;
    open_at(&fixture, 0);
    add(&fixture, &timer, TICK_NS);
    for (uint64_t now_ns = TICK_NS; now_ns < 300 * TICK_NS; now_ns += TICK_NS) {
        expire(&fixture, now_ns);
        assert_ptr_equal(take(&fixture), &timer);
        emi_timer_queue_add(&fixture.queue, &timer, now_ns + TICK_NS);
    }
    assert_int_equal(fixture.queue.count, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timer_is_due_at_its_time_and_not_a_nanosecond_before),
        cmocka_unit_test(timers_due_at_once_run_in_the_order_added),
        cmocka_unit_test(timers_run_in_the_order_of_their_times_within_one_tick),
        cmocka_unit_test(a_timer_due_at_the_end_of_time_works_like_any_other),
        cmocka_unit_test(overdue_timers_run_at_the_next_expiry),
        cmocka_unit_test(a_jump_over_years_finds_everything_in_order),
        cmocka_unit_test(timers_can_be_removed_wherever_they_stand),
        cmocka_unit_test(timers_that_were_found_due_can_still_be_removed),
        cmocka_unit_test(a_timer_can_be_used_again_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
