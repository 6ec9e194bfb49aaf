/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Watches of descriptors, over the simulated backend.
 */
#include "support/simulated_loop.h"

#include <unistd.h>

typedef struct watched {
    simulated_loop *fixture;
    em_descriptor_watch *watch; /* NULL after unbind */
    int ends[2];
    unsigned readable, writable, unbinds;
    em_status reason;
    void (*on_readable)(struct watched *watched);
} watched;

static watched *of(em_descriptor_watch *watch)
{
    return em_descriptor_watch_get_user(watch);
}

static void readable(em_descriptor_watch *watch)
{
    watched *user = of(watch);
    assert_int_equal(user->unbinds, 0);
    user->readable++;
    if (user->on_readable)
        user->on_readable(user);
}

static void writable(em_descriptor_watch *watch)
{
    assert_int_equal(of(watch)->unbinds, 0);
    of(watch)->writable++;
}

static void unbind(em_descriptor_watch *watch, em_status reason)
{
    watched *user = of(watch);
    assert_int_equal(em_descriptor_watch_detach(watch), EM_CLOSED);
    assert_int_equal(em_descriptor_watch_set_notify_readable(watch, EM_ON), EM_CLOSED);
    assert_int_equal(em_descriptor_watch_get_descriptor(watch), -1);
    assert_int_equal(em_descriptor_watch_is_notify_readable(watch), 0);
    user->unbinds++;
    user->reason = reason;
    user->watch = NULL;
}

static const em_descriptor_watch_handler handler = {
    .notify_readable = readable, .notify_writable = writable, .unbind = unbind};

static void watch_pipe(watched *user, simulated_loop *fixture, em_switch notify_readable, em_switch notify_writable)
{
    *user = (watched){.fixture = fixture};
    assert_int_equal(pipe(user->ends), 0);
    em_descriptor_watch_options options = {
        .size = sizeof options, .user = user, .notify_readable = notify_readable, .notify_writable = notify_writable};
    assert_int_equal(em_loop_watch_descriptor(fixture->loop, user->ends[0], &handler, &options, &user->watch), EM_OK);
}

static void make_ready(const watched *user, unsigned interests)
{
    simulated_make_ready(user->fixture->backend, user->ends[0], interests);
}

static void close_pipe(const watched *user)
{
    close(user->ends[0]);
    close(user->ends[1]);
}

static void end_watch(watched *user)
{
    assert_int_equal(em_descriptor_watch_detach(user->watch), EM_OK);
    run_turns(user->fixture, 2);
    assert_int_equal(user->unbinds, 1);
    close_pipe(user);
}

static void a_watch_reports_what_it_is_asked_to_and_nothing_else(void **state)
{
    watched user;
    watch_pipe(&user, *state, EM_DEFAULT, EM_OFF);
    make_ready(&user, EMI_READABLE | EMI_WRITABLE);
    run_turns(*state, 3);
    assert_int_equal(user.readable + user.writable, 0);
    assert_int_equal(em_descriptor_watch_set_notify_readable(user.watch, EM_ON), EM_OK);
    assert_int_equal(em_descriptor_watch_is_notify_readable(user.watch), 1);
    assert_int_equal(em_descriptor_watch_is_notify_writable(user.watch), 0);
    run_turns(*state, 5);
    assert_int_equal(user.readable, 5);
    assert_int_equal(user.writable, 0);
    assert_int_equal(em_descriptor_watch_set_notify_writable(user.watch, EM_ON), EM_OK);
    run_turns(*state, 5);
    assert_int_equal(user.readable, 10);
    assert_int_equal(user.writable, 5);
    assert_int_equal(em_descriptor_watch_set_notify_readable(user.watch, EM_OFF), EM_OK);
    run_turns(*state, 5);
    assert_int_equal(user.readable, 10);
    assert_int_equal(user.writable, 10);
    end_watch(&user);
    assert_int_equal(user.reason, EM_OK);
}

static void both_notifications_can_be_on_from_the_beginning(void **state)
{
    watched user;
    watch_pipe(&user, *state, EM_ON, EM_ON);
    make_ready(&user, EMI_READABLE | EMI_WRITABLE);
    run_turns(*state, 1);
    assert_int_equal(user.readable, 1);
    assert_int_equal(user.writable, 1);
    end_watch(&user);
}

static void stop_writable(watched *user)
{
    assert_int_equal(em_descriptor_watch_set_notify_writable(user->watch, EM_OFF), EM_OK);
}

static void detach(watched *user)
{
    assert_int_equal(em_descriptor_watch_detach(user->watch), EM_OK);
}

static void notify_readable_may_switch_off_notify_writable_of_the_same_turn(void **state)
{
    watched user;
    watch_pipe(&user, *state, EM_ON, EM_ON);
    user.on_readable = stop_writable;
    make_ready(&user, EMI_READABLE | EMI_WRITABLE);
    run_turns(*state, 3);
    assert_int_equal(user.readable, 3);
    assert_int_equal(user.writable, 0);
    end_watch(&user);
}

static void a_watch_can_be_detached_within_its_callback(void **state)
{
    watched user;
    watch_pipe(&user, *state, EM_ON, EM_ON);
    user.on_readable = detach;
    make_ready(&user, EMI_READABLE | EMI_WRITABLE);
    run_turns(*state, 3);
    assert_int_equal(user.readable, 1);
    assert_int_equal(user.writable, 0);
    assert_int_equal(user.unbinds, 1);
    assert_int_equal(user.reason, EM_OK);
    close_pipe(&user);
}

static void a_watch_is_found_by_its_signature_until_unbind_has_returned(void **state)
{
    simulated_loop *fixture = *state;
    watched user;
    watch_pipe(&user, fixture, EM_ON, EM_OFF);
    em_signature signature = em_descriptor_watch_get_signature(user.watch);
    assert_true(signature > 0);
    assert_ptr_equal(em_loop_find_descriptor_watch(fixture->loop, signature), user.watch);
    assert_null(em_loop_find_connection(fixture->loop, signature));
    assert_ptr_equal(em_descriptor_watch_get_loop(user.watch), fixture->loop);
    assert_int_equal(em_descriptor_watch_get_descriptor(user.watch), user.ends[0]);
    assert_int_equal(em_descriptor_watch_detach(user.watch), EM_OK);
    assert_ptr_equal(em_loop_find_descriptor_watch(fixture->loop, signature), user.watch);
    assert_int_equal(em_descriptor_watch_get_idle_ns(user.watch), 0);
    run_turns(fixture, 2);
    assert_null(em_loop_find_descriptor_watch(fixture->loop, signature));
    close_pipe(&user);
}

static void destroying_the_loop_unbinds_its_watches(void **state)
{
    simulated_loop own;
    watched user;
    (void)state;
    simulated_loop_open(&own, NULL, NULL);
    watch_pipe(&user, &own, EM_ON, EM_OFF);
    simulated_loop_close(&own);
    assert_int_equal(user.unbinds, 1);
    assert_int_equal(user.reason, EM_OK);
    close_pipe(&user);
}

static void bad_arguments_are_refused(void **state)
{
    simulated_loop *fixture = *state;
    em_descriptor_watch *watch = (em_descriptor_watch *)fixture; /* to be overwritten */
    em_descriptor_watch_handler from_the_future = {.reserved = {(void (*)(void))run_turns}};
    em_descriptor_watch_options options = {.size = sizeof options, .notify_readable = (em_switch)3};
    assert_int_equal(em_loop_watch_descriptor(NULL, 0, &handler, NULL, &watch), EM_INVALID_ARGUMENT);
    assert_null(watch);
    assert_int_equal(em_loop_watch_descriptor(fixture->loop, 0, NULL, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_watch_descriptor(fixture->loop, 0, &from_the_future, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_watch_descriptor(fixture->loop, 0, &handler, &options, NULL), EM_INVALID_ARGUMENT);
    options = (em_descriptor_watch_options){.size = 1};
    assert_int_equal(em_loop_watch_descriptor(fixture->loop, 0, &handler, &options, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_watch_descriptor(fixture->loop, -1, &handler, NULL, NULL), EM_BAD_DESCRIPTOR);
    assert_int_equal(em_descriptor_watch_set_notify_readable(NULL, EM_ON), EM_INVALID_ARGUMENT);
    assert_int_equal(em_descriptor_watch_detach(NULL), EM_INVALID_ARGUMENT);
    assert_null(em_descriptor_watch_get_loop(NULL));
    assert_null(em_descriptor_watch_get_user(NULL));
    assert_int_equal(em_descriptor_watch_get_descriptor(NULL), -1);
    assert_int_equal(em_descriptor_watch_get_signature(NULL), 0);
    assert_int_equal(em_descriptor_watch_is_notify_writable(NULL), 0);
    assert_null(em_loop_find_descriptor_watch(NULL, 1));
    watched user;
    watch_pipe(&user, fixture, EM_OFF, EM_OFF);
    assert_int_equal(em_descriptor_watch_set_notify_readable(user.watch, EM_DEFAULT), EM_INVALID_ARGUMENT);
    em_descriptor_watch_set_user(NULL, &user);
    end_watch(&user);
}

static void a_watch_that_cannot_be_made_leaves_nothing_behind(void **state)
{
    static const simulated_operation failing[] = {SIMULATED_ATTACH, SIMULATED_POLL};
    simulated_loop *fixture = *state;
    em_descriptor_watch_options options = {.size = sizeof options, .notify_readable = EM_ON};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    for (size_t i = 0; i < 2; i++) {
        simulated_fail_next(fixture->backend, failing[i], EM_NO_DESCRIPTORS);
        assert_int_equal(em_loop_watch_descriptor(fixture->loop, ends[0], &handler, &options, NULL), EM_NO_DESCRIPTORS);
        run_turns(fixture, 2);
        assert_int_equal(simulated_count_channels(fixture->backend), 0);
    }
    close(ends[0]);
    close(ends[1]);
}

static void without_memory_a_watch_fails_and_can_be_tried_again(void **state)
{
    simulated_loop *fixture = *state;
    watched user = {.fixture = fixture};
    em_descriptor_watch_options options = {.size = sizeof options, .user = &user, .notify_readable = EM_ON};
    em_status status = EM_NO_MEMORY;
    assert_int_equal(pipe(user.ends), 0);
    for (unsigned long request = 1; status != EM_OK; request++) {
        failing_allocator_fail(&fixture->allocator, request, EM_OFF);
        status = em_loop_watch_descriptor(fixture->loop, user.ends[0], &handler, &options, &user.watch);
        failing_allocator_fail(&fixture->allocator, 0, EM_DEFAULT);
        assert_true(status == EM_OK || status == EM_NO_MEMORY);
        assert_int_equal(request > 1 || status == EM_NO_MEMORY, 1);
    }
    make_ready(&user, EMI_READABLE);
    run_turns(fixture, 2);
    assert_int_equal(user.readable, 2);
    end_watch(&user);
}

static void callbacks_may_be_missing(void **state)
{
    static const em_descriptor_watch_handler none;
    simulated_loop *fixture = *state;
    em_descriptor_watch_options options = {.size = sizeof options, .notify_readable = EM_ON, .notify_writable = EM_ON};
    em_descriptor_watch *watch;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(em_loop_watch_descriptor(fixture->loop, ends[0], &none, &options, &watch), EM_OK);
    simulated_make_ready(fixture->backend, ends[0], EMI_READABLE | EMI_WRITABLE);
    run_turns(fixture, 2);
    assert_int_equal(em_descriptor_watch_detach(watch), EM_OK);
    run_turns(fixture, 2);
    close(ends[0]);
    close(ends[1]);
}

#define LOOP_TEST(test) cmocka_unit_test_setup_teardown(test, set_up_loop, tear_down_loop)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LOOP_TEST(a_watch_reports_what_it_is_asked_to_and_nothing_else),
        LOOP_TEST(both_notifications_can_be_on_from_the_beginning),
        LOOP_TEST(notify_readable_may_switch_off_notify_writable_of_the_same_turn),
        LOOP_TEST(a_watch_can_be_detached_within_its_callback),
        LOOP_TEST(a_watch_is_found_by_its_signature_until_unbind_has_returned),
        LOOP_TEST(destroying_the_loop_unbinds_its_watches),
        LOOP_TEST(bad_arguments_are_refused),
        LOOP_TEST(a_watch_that_cannot_be_made_leaves_nothing_behind),
        LOOP_TEST(without_memory_a_watch_fails_and_can_be_tried_again),
        LOOP_TEST(callbacks_may_be_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
