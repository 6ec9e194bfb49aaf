/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What happens to the user's pointer of a posted call, a tick or a timer that never runs: `dispose` is called with it,
 * once, and never beside the call itself.
 */
#include <eventmachine/timer.h>

#include "support/simulated_loop.h"

#include <string.h>

/* A pointer that is given along with calls and timers. */
typedef struct parcel {
    unsigned calls;
    unsigned disposals;
    em_loop *loop;
    em_timer timer;
    void (*then)(struct parcel *parcel); /* within the call */
    bool disposed_under_call;
} parcel;

/* The names of parcels in the order of their disposal. */
static char disposals[16];

static void deliver(em_loop *loop, void *user)
{
    parcel *delivered = user;
    unsigned before = delivered->disposals;
    delivered->calls++;
    delivered->loop = loop;
    if (delivered->then)
        delivered->then(delivered);
    delivered->disposed_under_call |= delivered->disposals > before;
}

static void deliver_in_time(em_loop *loop, em_timer timer, void *user)
{
    parcel *delivered = user;
    delivered->timer = timer;
    deliver(loop, user);
}

static void dispose(void *user)
{
    parcel *disposed = user;
    disposed->disposals++;
}

static void note_disposal(void *user)
{
    strncat(disposals, user, sizeof disposals - strlen(disposals) - 1);
}

/* Destroys the loop and makes another one for the tear-down. */
static void destroy(simulated_loop *fixture)
{
    simulated_loop_close(fixture);
    simulated_loop_open(fixture, NULL, NULL);
}

#define expect(parcel, expected_calls, expected_disposals)                                                             \
    do {                                                                                                               \
        assert_int_equal((parcel).calls, expected_calls);                                                              \
        assert_int_equal((parcel).disposals, expected_disposals);                                                      \
    } while (0)

static void a_call_that_is_made_is_not_disposed_of(void **state)
{
    simulated_loop *fixture = *state;
    parcel post = {.calls = 0}, tick = {.calls = 0};
    assert_int_equal(em_loop_post(fixture->loop, deliver, &post, dispose), EM_OK);
    assert_int_equal(em_loop_next_tick(fixture->loop, deliver, &tick, dispose), EM_OK);
    run_turns(fixture, 2);
    destroy(fixture);
    expect(post, 1, 0);
    expect(tick, 1, 0);
}

static void calls_left_when_the_loop_is_destroyed_are_disposed_of_in_order(void **state)
{
    simulated_loop *fixture = *state;
    char names[][2] = {"1", "2", "a", "b"};
    disposals[0] = '\0';
    assert_int_equal(em_loop_next_tick(fixture->loop, deliver, names[2], note_disposal), EM_OK);
    assert_int_equal(em_loop_post(fixture->loop, deliver, names[0], note_disposal), EM_OK);
    assert_int_equal(em_loop_post(fixture->loop, deliver, names[1], note_disposal), EM_OK);
    assert_int_equal(em_loop_next_tick(fixture->loop, deliver, names[3], note_disposal), EM_OK);
    assert_int_equal(em_loop_post(fixture->loop, deliver, NULL, NULL), EM_OK);
    destroy(fixture);
    assert_string_equal(disposals, "12ab");
}

static void a_one_shot_timer_is_disposed_of_unless_it_fires(void **state)
{
    simulated_loop *fixture = *state;
    parcel fired = {.calls = 0}, cancelled = {.calls = 0}, pending = {.calls = 0}, never = {.calls = 0};
    em_timer timer;
    em_loop *loop = fixture->loop;
    assert_int_equal(em_loop_add_timer(loop, 1, deliver_in_time, &fired, dispose, NULL), EM_OK);
    assert_int_equal(em_loop_add_timer(loop, 1, deliver_in_time, &cancelled, dispose, &timer), EM_OK);
    assert_int_equal(em_loop_add_timer(loop, EM_SECONDS, deliver_in_time, &pending, dispose, NULL), EM_OK);
    assert_int_equal(em_loop_add_timer(loop, EM_FOREVER, deliver_in_time, &never, dispose, NULL), EM_OK);
    assert_int_equal(em_loop_cancel_timer(loop, timer), EM_OK);
    expect(cancelled, 0, 1);
    assert_int_equal(em_loop_cancel_timer(loop, timer), EM_NOT_FOUND);
    run_for(fixture, EM_MILLISECONDS);
    destroy(fixture);
    expect(fired, 1, 0);
    expect(cancelled, 0, 1);
    expect(pending, 0, 1);
    expect(never, 0, 1);
}

static void a_periodic_timer_is_disposed_of_however_often_it_has_fired(void **state)
{
    simulated_loop *fixture = *state;
    parcel cancelled = {.calls = 0}, pending = {.calls = 0};
    em_timer timer;
    em_loop *loop = fixture->loop;
    assert_int_equal(em_loop_add_periodic_timer(loop, 1000, deliver_in_time, &cancelled, dispose, &timer), EM_OK);
    assert_int_equal(em_loop_add_periodic_timer(loop, 1000, deliver_in_time, &pending, dispose, NULL), EM_OK);
    run_for(fixture, 3000);
    assert_int_equal(em_loop_cancel_timer(loop, timer), EM_OK);
    expect(cancelled, 3, 1);
    expect(pending, 3, 0);
    destroy(fixture);
    expect(cancelled, 3, 1);
    expect(pending, 3, 1);
}

static void cancel(parcel *running)
{
    assert_int_equal(em_loop_cancel_timer(running->loop, running->timer), EM_OK);
    assert_int_equal(em_loop_cancel_timer(running->loop, running->timer), EM_NOT_FOUND);
}

static void a_timer_cancelled_within_its_callback_is_disposed_of_after_it(void **state)
{
    simulated_loop *fixture = *state;
    parcel timer = {.then = cancel};
    assert_int_equal(em_loop_add_periodic_timer(fixture->loop, 1000, deliver_in_time, &timer, dispose, NULL), EM_OK);
    run_for(fixture, 3000);
    expect(timer, 1, 1);
    assert_false(timer.disposed_under_call);
    destroy(fixture);
    expect(timer, 1, 1);
}

/* Takes the place of the timer that it cancels. */
static void cancel_and_add(parcel *running)
{
    static parcel other;
    cancel(running);
    other = (parcel){.calls = 0};
    assert_int_equal(em_loop_add_timer(running->loop, 1, deliver_in_time, &other, dispose, &other.timer), EM_OK);
    assert_int_equal(em_loop_cancel_timer(running->loop, other.timer), EM_OK);
    expect(other, 0, 1);
}

static void another_timer_in_the_place_of_the_cancelled_one_is_disposed_of_separately(void **state)
{
    simulated_loop *fixture = *state;
    parcel timer = {.then = cancel_and_add};
    assert_int_equal(em_loop_add_periodic_timer(fixture->loop, 1000, deliver_in_time, &timer, dispose, NULL), EM_OK);
    run_for(fixture, 3000);
    expect(timer, 1, 1);
    assert_false(timer.disposed_under_call);
}

static void a_one_shot_timer_cancelled_within_its_callback_is_not_disposed_of(void **state)
{
    simulated_loop *fixture = *state;
    parcel timer = {.then = cancel};
    assert_int_equal(em_loop_add_timer(fixture->loop, 1, deliver_in_time, &timer, dispose, NULL), EM_OK);
    run_for(fixture, EM_MILLISECONDS);
    destroy(fixture);
    expect(timer, 1, 0);
}

static void rearm(parcel *running)
{
    running->then = NULL;
    assert_int_equal(em_loop_rearm_timer(running->loop, running->timer, 1000), EM_OK);
}

static void rearm_and_cancel(parcel *running)
{
    rearm(running);
    cancel(running);
}

static void a_rearmed_timer_goes_on_and_is_disposed_of_unless_it_fires_again(void **state)
{
    simulated_loop *fixture = *state;
    parcel fired = {.then = rearm}, cancelled = {.then = rearm_and_cancel}, pending = {.then = rearm};
    em_loop *loop = fixture->loop;
    assert_int_equal(em_loop_add_timer(loop, 1, deliver_in_time, &fired, dispose, NULL), EM_OK);
    assert_int_equal(em_loop_add_timer(loop, 1, deliver_in_time, &cancelled, dispose, NULL), EM_OK);
    run_for(fixture, 5000);
    assert_int_equal(em_loop_add_timer(loop, 1, deliver_in_time, &pending, dispose, NULL), EM_OK);
    run_for(fixture, 1);
    run_turns(fixture, 1);
    destroy(fixture);
    expect(fired, 2, 0);
    expect(cancelled, 1, 1);
    assert_false(cancelled.disposed_under_call);
    expect(pending, 1, 1);
}

static void what_is_refused_is_not_disposed_of(void **state)
{
    simulated_loop *fixture = *state;
    parcel refused = {.calls = 0};
    em_timer timer;
    assert_int_equal(em_loop_post(fixture->loop, NULL, &refused, dispose), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_next_tick(NULL, deliver, &refused, dispose), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_add_timer(fixture->loop, 1, NULL, &refused, dispose, &timer), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_add_periodic_timer(fixture->loop, 0, deliver_in_time, &refused, dispose, &timer),
                     EM_INVALID_ARGUMENT);
    failing_allocator_fail(&fixture->allocator, 1, EM_OFF);
    assert_int_equal(em_loop_post(fixture->loop, deliver, &refused, dispose), EM_NO_MEMORY);
    failing_allocator_fail(&fixture->allocator, 1, EM_OFF);
    assert_int_equal(em_loop_next_tick(fixture->loop, deliver, &refused, dispose), EM_NO_MEMORY);
    failing_allocator_fail(&fixture->allocator, 1, EM_OFF);
    assert_int_equal(em_loop_add_timer(fixture->loop, 1, deliver_in_time, &refused, dispose, &timer), EM_NO_MEMORY);
    assert_int_equal(em_loop_hand_over(fixture->loop), EM_OK);
    assert_int_equal(em_loop_post(fixture->loop, deliver, &refused, dispose), EM_FORKED);
    destroy(fixture);
    expect(refused, 0, 0);
}

static em_loop *ending_loop;
static em_timer timers[3];

/* A dispose that asks the loop for everything, and cancels the timers that are left. */
static void use_the_loop(void *user)
{
    parcel *disposed = user, refused = {.calls = 0};
    em_loop *loop = ending_loop;
    em_timer timer;
    disposed->disposals++;
    assert_int_equal(em_loop_post(loop, deliver, &refused, dispose), EM_INVALID_STATE);
    assert_int_equal(em_loop_next_tick(loop, deliver, &refused, dispose), EM_INVALID_STATE);
    assert_int_equal(em_loop_add_timer(loop, 1, deliver_in_time, &refused, dispose, &timer), EM_INVALID_STATE);
    assert_int_equal(timer, 0);
    assert_int_equal(em_loop_add_periodic_timer(loop, 1, deliver_in_time, &refused, dispose, NULL), EM_INVALID_STATE);
    assert_int_equal(em_loop_connect(loop, "127.0.0.1", 1, &recording, NULL, NULL), EM_INVALID_STATE);
    assert_int_equal(em_loop_run_once(loop, 0), EM_INVALID_STATE);
    assert_int_equal(em_loop_destroy(loop), EM_INVALID_STATE);
    assert_null(em_loop_find_connection(loop, 1));
    assert_int_equal(em_loop_wake(loop), EM_OK);
    assert_int_equal(em_loop_stop(loop), EM_OK);
    assert_string_equal(em_loop_get_backend(loop), "simulated");
    em_loop_get_timeout_ns(loop);
    em_loop_rearm_timer(loop, timers[2], 1);
    em_loop_cancel_timer(loop, timers[1]);
    expect(refused, 0, 0);
}

static void dispose_may_use_the_loop_being_destroyed_but_cannot_add_anything(void **state)
{
    simulated_loop *fixture = *state;
    parcel parcels[5] = {{.calls = 0}};
    recorder told;
    ending_loop = fixture->loop;
    recorder_init(&told, fixture);
    open_accepted(&told, &recording, NULL);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(
            em_loop_add_timer(ending_loop, EM_SECONDS, deliver_in_time, &parcels[i], use_the_loop, &timers[i]), EM_OK);
    assert_int_equal(em_loop_post(ending_loop, deliver, &parcels[3], use_the_loop), EM_OK);
    assert_int_equal(em_loop_next_tick(ending_loop, deliver, &parcels[4], use_the_loop), EM_OK);
    destroy(fixture);
    for (unsigned i = 0; i < 5; i++)
        expect(parcels[i], 0, 1);
    assert_int_equal(told.unbinds, 1);
}

static parcel late;

static void use_everything(recorder *told)
{
    em_loop *loop = told->fixture->loop;
    assert_int_equal(em_loop_post(loop, deliver, &late, dispose), EM_OK);
    assert_int_equal(em_loop_next_tick(loop, deliver, &late, dispose), EM_OK);
    assert_int_equal(em_loop_add_timer(loop, 1, deliver_in_time, &late, dispose, NULL), EM_OK);
}

static void what_is_posted_and_added_in_the_last_unbinds_is_disposed_of(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    told.on_unbind = use_everything;
    late = (parcel){.calls = 0};
    open_accepted(&told, &recording, NULL);
    destroy(fixture);
    expect(late, 0, 3);
}

/* Disposes of the others as it is disposed of itself, in the middle of a turn. */
static void cancel_the_rest(void *user)
{
    dispose(user);
    for (size_t i = 0; i < COUNT(timers); i++)
        em_loop_cancel_timer(ending_loop, timers[i]);
}

static void cancel_the_second(parcel *running)
{
    assert_int_equal(em_loop_cancel_timer(running->loop, timers[1]), EM_OK);
    expect(*running, 1, 0);
}

static void dispose_may_cancel_the_running_timer_whose_dispose_waits_for_its_callback(void **state)
{
    simulated_loop *fixture = *state;
    parcel parcels[3] = {{.calls = 0}};
    em_loop *loop = ending_loop = fixture->loop;
    for (unsigned i = 0; i < COUNT(timers); i++)
        assert_int_equal(
            em_loop_add_periodic_timer(loop, 1000, deliver_in_time, &parcels[i], cancel_the_rest, &timers[i]), EM_OK);
    parcels[0].then = cancel_the_second;
    run_for(fixture, 1000);
    expect(parcels[0], 1, 1);
    assert_false(parcels[0].disposed_under_call);
    expect(parcels[1], 0, 1);
    expect(parcels[2], 0, 1);
}

static void many_timers_with_and_without_dispose_are_told_apart(void **state)
{
    simulated_loop *fixture = *state;
    enum { MANY = 5000 };
    static parcel parcels[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        em_timer timer;
        em_dispose disposing = i % 3 ? dispose : NULL;
        parcels[i] = (parcel){.calls = 0};
        assert_int_equal(em_loop_add_timer(fixture->loop, i, deliver_in_time, &parcels[i], disposing, &timer), EM_OK);
        if (i % 7 == 0)
            assert_int_equal(em_loop_cancel_timer(fixture->loop, timer), EM_OK);
    }
    destroy(fixture);
    for (unsigned i = 0; i < MANY; i++)
        expect(parcels[i], 0, i % 3 != 0);
}

/* em_loop_post or em_loop_next_tick. */
typedef em_status (*queue_call)(em_loop *loop, em_call call, void *user, em_dispose dispose);

enum { MANY_CALLS = 1000 };

/* Every second call has a `dispose`, the first of them late. Memory fails at each call for which it is asked for. */
static void queue_many(simulated_loop *fixture, queue_call queue, parcel *parcels)
{
    unsigned refused = 0;
    for (unsigned i = 0; i < MANY_CALLS; i++) {
        em_dispose disposing = i > 100 && i % 2 ? dispose : NULL;
        parcels[i] = (parcel){.calls = 0};
        failing_allocator_fail(&fixture->allocator, 1, EM_OFF);
        em_status status = queue(fixture->loop, deliver, &parcels[i], disposing);
        failing_allocator_fail(&fixture->allocator, 0, EM_OFF);
        if (status == EM_OK)
            continue;
        assert_int_equal(status, EM_NO_MEMORY);
        /* With room for the calls themselves, but not for what disposes of them. */
        failing_allocator_fail(&fixture->allocator, 2, EM_OFF);
        status = queue(fixture->loop, deliver, &parcels[i], disposing);
        failing_allocator_fail(&fixture->allocator, 0, EM_OFF);
        if (status != EM_OK)
            assert_int_equal(queue(fixture->loop, deliver, &parcels[i], disposing), EM_OK);
        refused++;
    }
    assert_in_range(refused, 1, 20);
}

static void many_calls_with_and_without_dispose_are_told_apart_whatever_memory_was_short(void **state)
{
    static const queue_call queues[] = {em_loop_post, em_loop_next_tick};
    static parcel parcels[COUNT(queues)][MANY_CALLS];
    simulated_loop *fixture = *state;
    for (unsigned q = 0; q < COUNT(queues); q++)
        queue_many(fixture, queues[q], parcels[q]);
    destroy(fixture);
    for (unsigned q = 0; q < COUNT(queues); q++)
        for (unsigned i = 0; i < MANY_CALLS; i++)
            expect(parcels[q][i], 0, i > 100 && i % 2);
}

static void calls_queued_while_memory_was_short_are_made_once(void **state)
{
    static const queue_call queues[] = {em_loop_post, em_loop_next_tick};
    static parcel parcels[MANY_CALLS];
    simulated_loop *fixture = *state;
    for (unsigned q = 0; q < COUNT(queues); q++) {
        queue_many(fixture, queues[q], parcels);
        run_turns(fixture, 1);
        for (unsigned i = 0; i < MANY_CALLS; i++)
            expect(parcels[i], 1, 0);
    }
}

/* In a place whose last call had one. */
static void a_call_without_dispose_is_not_disposed_of_by_the_one_before_it(void **state)
{
    simulated_loop *fixture = *state;
    parcel first = {.calls = 0}, second = {.calls = 0};
    for (unsigned turn = 0; turn < 2; turn++) { /* the loop has two queues of ticks */
        assert_int_equal(em_loop_next_tick(fixture->loop, deliver, &first, dispose), EM_OK);
        run_turns(fixture, 1);
    }
    assert_int_equal(em_loop_next_tick(fixture->loop, deliver, &second, NULL), EM_OK);
    destroy(fixture);
    expect(first, 2, 0);
    expect(second, 0, 0);
}

#define DISPOSE_TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        DISPOSE_TEST(a_call_that_is_made_is_not_disposed_of),
        DISPOSE_TEST(calls_left_when_the_loop_is_destroyed_are_disposed_of_in_order),
        DISPOSE_TEST(a_one_shot_timer_is_disposed_of_unless_it_fires),
        DISPOSE_TEST(a_periodic_timer_is_disposed_of_however_often_it_has_fired),
        DISPOSE_TEST(a_timer_cancelled_within_its_callback_is_disposed_of_after_it),
        DISPOSE_TEST(another_timer_in_the_place_of_the_cancelled_one_is_disposed_of_separately),
        DISPOSE_TEST(a_one_shot_timer_cancelled_within_its_callback_is_not_disposed_of),
        DISPOSE_TEST(a_rearmed_timer_goes_on_and_is_disposed_of_unless_it_fires_again),
        DISPOSE_TEST(what_is_refused_is_not_disposed_of),
        DISPOSE_TEST(dispose_may_use_the_loop_being_destroyed_but_cannot_add_anything),
        DISPOSE_TEST(what_is_posted_and_added_in_the_last_unbinds_is_disposed_of),
        DISPOSE_TEST(dispose_may_cancel_the_running_timer_whose_dispose_waits_for_its_callback),
        DISPOSE_TEST(many_timers_with_and_without_dispose_are_told_apart),
        DISPOSE_TEST(many_calls_with_and_without_dispose_are_told_apart_whatever_memory_was_short),
        DISPOSE_TEST(calls_queued_while_memory_was_short_are_made_once),
        DISPOSE_TEST(a_call_without_dispose_is_not_disposed_of_by_the_one_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
