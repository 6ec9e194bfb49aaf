/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The timer queue compared with a model that is too simple to be wrong: an array that is searched for the earliest
 * timer. Millions of random steps: add, remove, let time pass, run what is due and, while it runs, remove and add
 * others.
 */
#include "base/timer_queue.h"
#include "support/unit.h"

enum { TIMERS = 48, STEPS = 300000 };

#define TICK_NS (UINT64_C(1) << EMI_TIMER_TICK_BITS)

typedef struct model {
    emi_timer_queue queue;
    emi_timer timers[TIMERS];
    bool pending[TIMERS];
    uint64_t serial;
    uint64_t now_ns;
    uint64_t seed;
} model;

/* Delays of every magnitude, many of them equal. */
static uint64_t random_delay(model *m)
{
    switch (random_below(&m->seed, 6)) {
    case 0:
        return 0;
    case 1:
        return random_below(&m->seed, 1000);
    case 2:
        return random_below(&m->seed, 8) * TICK_NS;
    case 3:
        return random_below(&m->seed, 200) * TICK_NS / 2;
    case 4:
        return next_random(&m->seed) >> (20 + random_below(&m->seed, 40));
    default:
        return random_below(&m->seed, 100000) * TICK_NS;
    }
}

static void add(model *m, unsigned i, uint64_t delay_ns)
{
    uint64_t due_ns = delay_ns > UINT64_MAX - m->now_ns ? UINT64_MAX : m->now_ns + delay_ns;
    m->timers[i].handle.signature = emi_next_serial(&m->serial);
    emi_timer_queue_add(&m->queue, &m->timers[i], due_ns);
    m->pending[i] = true;
}

static void remove_timer(model *m, unsigned i)
{
    emi_timer_queue_remove(&m->queue, &m->timers[i]);
    m->pending[i] = false;
}

static void add_or_remove(model *m)
{
    unsigned i = (unsigned)random_below(&m->seed, TIMERS);
    if (m->pending[i])
        remove_timer(m, i);
    else
        add(m, i, random_delay(m));
}

static int earliest(const model *m)
{
    int found = -1;
    for (int i = 0; i < TIMERS; i++) {
        if (!m->pending[i])
            continue;
        const emi_timer *a = &m->timers[i];
        const emi_timer *b = found < 0 ? NULL : &m->timers[found];
        if (!b || a->due_ns < b->due_ns || (a->due_ns == b->due_ns && a->handle.signature < b->handle.signature))
            found = i;
    }
    return found;
}

/* What runs may remove what is due after it, as callbacks do; what it adds waits for the next time. */
static void run_due(model *m)
{
    emi_list due;
    emi_list_init(&due);
    emi_timer_queue_expire(&m->queue, m->now_ns, &due);
    while (!emi_list_is_empty(&due)) {
        emi_timer *timer = EMI_CONTAINER(due.next, emi_timer, link);
        int expected = earliest(m);
        assert_ptr_equal(timer, &m->timers[expected]);
        assert_true(timer->due_ns <= m->now_ns);
        remove_timer(m, (unsigned)expected);
        if (random_below(&m->seed, 4) == 0) {
            unsigned other = (unsigned)random_below(&m->seed, TIMERS);
            if (m->pending[other])
                remove_timer(m, other);
        }
        if (random_below(&m->seed, 2) == 0)
            add(m, (unsigned)expected, 1 + random_delay(m));
    }
    int next = earliest(m);
    assert_true(next < 0 || m->timers[next].due_ns > m->now_ns);
}

static void check(model *m)
{
    unsigned count = 0;
    for (unsigned i = 0; i < TIMERS; i++) {
        count += m->pending[i];
        assert_int_equal(emi_timer_is_pending(&m->timers[i]), m->pending[i]);
    }
    assert_int_equal(m->queue.count, count);
    int next = earliest(m);
    uint64_t next_ns = emi_timer_queue_next_ns(&m->queue);
    if (next < 0)
        assert_int_equal(next_ns, UINT64_MAX);
    else
        assert_true(next_ns <= m->timers[next].due_ns);
}

/* Sleeps until the queue says, over and over: it must not sleep for ever nor make a step for nothing too often. */
static void follow_next(model *m)
{
    for (unsigned steps = 0; m->queue.count > 0; steps++) {
        assert_true(steps < TIMERS * EMI_TIMER_LEVELS * 4);
        uint64_t next_ns = emi_timer_queue_next_ns(&m->queue);
        if (next_ns > m->now_ns)
            m->now_ns = next_ns;
        emi_list due;
        emi_list_init(&due);
        emi_timer_queue_expire(&m->queue, m->now_ns, &due);
        for (emi_list *link; (link = emi_list_is_empty(&due) ? NULL : due.next);) {
            emi_timer *timer = EMI_CONTAINER(link, emi_timer, link);
            assert_ptr_equal(timer, &m->timers[earliest(m)]);
            remove_timer(m, (unsigned)(timer - m->timers));
        }
    }
}

static void run_model(uint64_t seed, uint64_t start_ns)
{
    static model m;
    m = (model){.seed = seed, .now_ns = start_ns};
    emi_timer_queue_init(&m.queue, start_ns);
    for (unsigned i = 0; i < TIMERS; i++)
        emi_timer_init(&m.timers[i]);
    for (unsigned step = 0; step < STEPS; step++) {
        add_or_remove(&m);
        if (random_below(&m.seed, 3) == 0) {
            uint64_t delay_ns = random_delay(&m);
            m.now_ns = delay_ns >= UINT64_MAX - m.now_ns ? UINT64_MAX - 1 : m.now_ns + delay_ns;
            run_due(&m);
        }
        check(&m);
    }
    follow_next(&m);
}

static void random_steps_agree_with_the_model_from_time_zero(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++)
        run_model(seed, 0);
}

static void random_steps_agree_with_the_model_from_any_time(void **state)
{
    (void)state;
    for (uint64_t seed = 11; seed <= 14; seed++)
        run_model(seed, UINT64_C(0x123456789ABCDE) << (seed - 11));
}

static void random_steps_agree_with_the_model_up_to_the_end_of_time(void **state)
{
    (void)state;
    run_model(21, UINT64_MAX - (UINT64_C(1) << 50));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_steps_agree_with_the_model_from_time_zero),
        cmocka_unit_test(random_steps_agree_with_the_model_from_any_time),
        cmocka_unit_test(random_steps_agree_with_the_model_up_to_the_end_of_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
