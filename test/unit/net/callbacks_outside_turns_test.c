/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Callbacks that a function calls while the loop does not run, over the simulated backend: within them the loop is in
 * use, so it can be neither destroyed nor run.
 */
#include "support/simulated_loop.h"

#include <string.h>

static unsigned refusals;

static void expect_refusals(em_loop *loop)
{
    assert_int_equal(em_loop_destroy(loop), EM_INVALID_STATE);
    assert_int_equal(em_loop_run(loop), EM_INVALID_STATE);
    assert_int_equal(em_loop_run_once(loop, 0), EM_INVALID_STATE);
    refusals++;
}

static void use_in_hook(recorder *told)
{
    expect_refusals(told->fixture->loop);
}

static void use_in_dispose(void *user)
{
    expect_refusals(user);
}

static void use_in_release(void *user, const void *data)
{
    (void)data;
    expect_refusals(user);
}

static void never(em_loop *loop, em_timer timer, void *user)
{
    (void)loop;
    (void)timer;
    (void)user;
}

static int set_up(void **state)
{
    refusals = 0;
    return set_up_loop(state);
}

static void in_post_init_within_connect_the_loop_is_in_use(void **state)
{
    recorder told;
    recorder_init(&told, *state);
    told.on_init = use_in_hook;
    assert_int_equal(begin_connecting(&told, NULL), EM_OK);
    assert_int_equal(refusals, 1);
    recorder_free(&told);
}

static void in_post_init_within_attach_the_loop_is_in_use(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    simulated_peer *peer;
    recorder_init(&told, fixture);
    told.on_init = use_in_hook;
    em_attach_options options = {.size = sizeof options, .user = &told};
    int descriptor = simulated_open_stream(fixture->backend, &peer);
    assert_int_equal(em_loop_attach(fixture->loop, descriptor, &recording, &options, NULL), EM_OK);
    assert_int_equal(refusals, 1);
    recorder_free(&told);
}

static void in_dispose_within_cancelling_a_timer_the_loop_is_in_use(void **state)
{
    em_loop *loop = ((simulated_loop *)*state)->loop;
    em_timer timer;
    assert_int_equal(em_loop_add_timer(loop, EM_FOREVER, never, loop, use_in_dispose, &timer), EM_OK);
    assert_int_equal(em_loop_cancel_timer(loop, timer), EM_OK);
    assert_int_equal(refusals, 1);
}

static void in_release_within_a_refused_send_the_loop_is_in_use(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    open_accepted(&told, &recording, NULL);
    assert_int_equal(em_connection_close(told.connection), EM_OK);
    assert_int_equal(em_connection_send_borrowed(told.connection, "late", 4, use_in_release, fixture->loop), EM_CLOSED);
    assert_int_equal(refusals, 1);
    recorder_free(&told);
}

static void after_such_a_callback_the_loop_runs(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    recorder_init(&told, fixture);
    told.on_init = use_in_hook;
    assert_int_equal(begin_connecting(&told, NULL), EM_OK);
    assert_int_equal(em_loop_run_once(fixture->loop, 0), EM_OK);
    recorder_free(&told);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down_loop)
    static const struct CMUnitTest tests[] = {
        TEST(in_post_init_within_connect_the_loop_is_in_use),
        TEST(in_post_init_within_attach_the_loop_is_in_use),
        TEST(in_dispose_within_cancelling_a_timer_the_loop_is_in_use),
        TEST(in_release_within_a_refused_send_the_loop_is_in_use),
        TEST(after_such_a_callback_the_loop_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
