/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Adopting a socket and giving one back, over the simulated backend.
 */
#include "support/simulated_loop.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static em_status attach(recorder *told, int descriptor, const em_stream_options *stream)
{
    em_attach_options options = {.size = sizeof options, .user = told, .stream = stream};
    return em_loop_attach(told->fixture->loop, descriptor, &recording, &options, NULL);
}

static bool is_open(int descriptor)
{
    return fcntl(descriptor, F_GETFD) >= 0;
}

static void an_attached_socket_is_a_connection_before_the_call_returns(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    simulated_peer *peer;
    recorder_init(&told, fixture);
    em_attach_options options = {.size = sizeof options, .user = &told};
    em_connection *connection;
    int descriptor = simulated_open_stream(fixture->backend, &peer);
    assert_int_equal(em_loop_attach(fixture->loop, descriptor, &recording, &options, &connection), EM_OK);
    expect_events(&told, "I");
    assert_ptr_equal(told.connection, connection);
    assert_int_equal(em_connection_get_state(connection), EM_STATE_OPEN);
    assert_int_equal(em_connection_get_descriptor(connection), descriptor);
    assert_int_equal(stats_of(fixture).connections_opened, 1);
    feed_text(peer, "request");
    em_connection_send_text(connection, "reply");
    run_turns(fixture, 2);
    expect_events(&told, "ID");
    expect_sent(peer, "reply");
    em_connection_close(connection);
    run_turns(fixture, 2);
    expect_events(&told, "IDU");
    assert_true(simulated_saw_close(peer));
    recorder_free(&told);
}

static void bad_arguments_of_attaching_are_refused(void **state)
{
    simulated_loop *fixture = *state;
    simulated_peer *peer;
    em_connection *connection = (em_connection *)fixture; /* to be overwritten */
    int descriptor = simulated_open_stream(fixture->backend, &peer);
    em_stream_options bad_marks = {.size = sizeof bad_marks, .high_water_bytes = 1, .low_water_bytes = 2};
    em_attach_options options = {.size = sizeof options, .stream = &bad_marks};
    em_handler from_the_future = {.reserved = {(void (*)(void))run_turns}};
    assert_int_equal(em_loop_attach(NULL, descriptor, &recording, NULL, &connection), EM_INVALID_ARGUMENT);
    assert_null(connection);
    assert_int_equal(em_loop_attach(fixture->loop, descriptor, NULL, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_attach(fixture->loop, descriptor, &from_the_future, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_attach(fixture->loop, descriptor, &recording, &options, NULL), EM_INVALID_ARGUMENT);
    options = (em_attach_options){.size = 1};
    assert_int_equal(em_loop_attach(fixture->loop, descriptor, &recording, &options, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_attach(fixture->loop, -1, &recording, NULL, NULL), EM_BAD_DESCRIPTOR);
    assert_true(is_open(descriptor));
}

static void expect_untouched(simulated_loop *fixture, int descriptor, int flags)
{
    run_turns(fixture, 2);
    assert_int_equal(fcntl(descriptor, F_GETFL), flags);
    assert_int_equal(fcntl(descriptor, F_GETFD), 0);
    assert_int_equal(stats_of(fixture).connections_open, 0);
    assert_int_equal(stats_of(fixture).connections_opened, 0);
}

static void an_attaching_that_fails_leaves_the_socket_as_it_was(void **state)
{
    static const simulated_operation failing[] = {SIMULATED_ATTACH, SIMULATED_START_RECEIVING};
    simulated_loop *fixture = *state;
    em_stream_options stream = {.size = sizeof stream, .inactivity_timeout_ns = EM_SECONDS, .high_water_bytes = 100};
    simulated_peer *peer;
    int descriptor = simulated_open_stream(fixture->backend, &peer);
    int flags = fcntl(descriptor, F_GETFL) & ~O_NONBLOCK;
    fcntl(descriptor, F_SETFL, flags);
    fcntl(descriptor, F_SETFD, 0);
    recorder told;
    recorder_init(&told, fixture);
    for (size_t i = 0; i < COUNT(failing); i++) {
        simulated_fail_next(fixture->backend, failing[i], EM_NO_DESCRIPTORS);
        assert_int_equal(attach(&told, descriptor, &stream), EM_NO_DESCRIPTORS);
        expect_untouched(fixture, descriptor, flags);
    }
    em_status status = EM_NO_MEMORY;
    for (unsigned long request = 1; status != EM_OK; request++) {
        failing_allocator_fail(&fixture->allocator, request, EM_OFF);
        status = attach(&told, descriptor, &stream);
        failing_allocator_fail(&fixture->allocator, 0, EM_DEFAULT);
        if (status == EM_OK)
            break;
        assert_int_equal(status, EM_NO_MEMORY);
        expect_untouched(fixture, descriptor, flags);
        assert_int_equal(told.event_count, 0);
    }
    assert_int_equal(fcntl(descriptor, F_GETFL), flags | O_NONBLOCK);
    recorder_free(&told);
}

static unsigned releases;

static void count_release(void *user, const void *data)
{
    (void)user;
    (void)data;
    releases++;
}

static void a_detached_socket_is_the_callers_and_unbind_follows(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    int descriptor;
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    int expected = em_connection_get_descriptor(told.connection);
    releases = 0;
    em_connection_send_borrowed(told.connection, "dropped", 7, count_release, NULL);
    feed_text(peer, "for the caller to read");
    assert_int_equal(em_connection_detach(told.connection, &descriptor), EM_OK);
    assert_int_equal(descriptor, expected);
    assert_int_equal(em_connection_get_descriptor(told.connection), -1);
    assert_int_equal(em_connection_get_state(told.connection), EM_STATE_RELEASING);
    assert_int_equal(em_connection_send_text(told.connection, "x"), EM_CLOSED);
    assert_int_equal(em_connection_close(told.connection), EM_CLOSED);
    int again;
    assert_int_equal(em_connection_detach(told.connection, &again), EM_CLOSED);
    assert_int_equal(again, -1);
    expect_events(&told, "I");
    run_turns(fixture, 1);
    expect_events(&told, "IU");
    assert_int_equal(told.reason, EM_OK);
    assert_int_equal(told.last_state, EM_STATE_RELEASING);
    run_turns(fixture, 2);
    assert_int_equal(releases, 1);
    assert_int_equal(stats_of(fixture).connections_open, 0);
    assert_true(is_open(descriptor));
    close(descriptor);
    recorder_free(&told);
}

static void detach_now(recorder *told)
{
    int *descriptor = told->user;
    assert_int_equal(em_connection_detach(told->connection, descriptor), EM_OK);
    assert_true(is_open(*descriptor));
}

static void refuse_to_detach(recorder *told)
{
    int descriptor;
    assert_int_equal(em_connection_detach(told->connection, &descriptor), EM_CLOSED);
    assert_int_equal(descriptor, -1);
}

static void a_connection_may_be_detached_within_every_callback_but_unbind(void **state)
{
    static const struct {
        size_t hook;
        const char *events;
    } callbacks[] = {
        {offsetof(recorder, on_init), "IU"},      {offsetof(recorder, on_completed), "ICU"},
        {offsetof(recorder, on_data), "ICDU"},    {offsetof(recorder, on_end), "ICDEU"},
        {offsetof(recorder, on_drained), "ICRU"},
    };
    simulated_loop *fixture = *state;
    for (size_t i = 0; i < COUNT(callbacks); i++) {
        int descriptor = -1;
        recorder told;
        recorder_init(&told, fixture);
        told.user = &descriptor;
        told.on_unbind = refuse_to_detach;
        *(recorder_hook *)((char *)&told + callbacks[i].hook) = detach_now;
        simulated_peer *peer;
        if (callbacks[i].hook == offsetof(recorder, on_init)) {
            assert_int_equal(attach(&told, simulated_open_stream(fixture->backend, &peer), NULL), EM_OK);
        } else {
            assert_int_equal(begin_connecting(&told, NULL), EM_OK);
            peer = simulated_take_connect(fixture->backend);
            simulated_accept_connect(peer);
        }
        if (callbacks[i].hook == offsetof(recorder, on_drained)) {
            em_connection_set_water_marks(told.connection, 1, 1);
            em_connection_send_text(told.connection, "much");
        } else {
            feed_text(peer, "x");
            simulated_end(peer);
        }
        run_turns(fixture, 4);
        expect_events(&told, callbacks[i].events);
        assert_int_equal(told.reason, EM_OK);
        assert_true(is_open(descriptor));
        close(descriptor);
        recorder_free(&told);
    }
}

static void what_the_library_has_read_is_delivered_before_the_socket_is_given_back(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    int descriptor;
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    assert_int_equal(em_connection_pause(told.connection), EM_OK);
    feed_text(peer, "read|not read");
    simulated_hold(peer, 5);
    assert_int_equal(em_connection_detach(told.connection, &descriptor), EM_OK);
    assert_true(bytes_equal_text(&told.received, "read|"));
    run_turns(fixture, 2);
    expect_events(&told, "IDU");
    close(descriptor);
    recorder_free(&told);
}

static void close_now(recorder *told)
{
    assert_int_equal(em_connection_close(told->connection), EM_OK);
}

static void a_connection_that_is_closed_by_what_it_had_read_is_not_detached(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    int descriptor;
    recorder_init(&told, fixture);
    told.on_data = close_now;
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    feed_text(peer, "quit");
    simulated_hold(peer, 4);
    assert_int_equal(em_connection_detach(told.connection, &descriptor), EM_CLOSED);
    assert_int_equal(descriptor, -1);
    run_turns(fixture, 2);
    expect_events(&told, "IDU");
    recorder_free(&told);
}

static void a_connection_that_has_failed_is_not_detached_and_goes_on_to_its_end(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    int descriptor;
    recorder_init(&told, fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    simulated_fail_next(fixture->backend, SIMULATED_DELIVER_HELD, EM_CONNECTION_RESET);
    assert_int_equal(em_connection_detach(told.connection, &descriptor), EM_CONNECTION_RESET);
    assert_int_equal(descriptor, -1);
    expect_events(&told, "I");
    simulated_reset(peer);
    run_turns(fixture, 2);
    expect_events(&told, "IU");
    recorder_free(&told);
}

static void a_connection_that_is_not_established_cannot_be_detached(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    int descriptor = 0;
    recorder_init(&told, fixture);
    assert_int_equal(begin_connecting(&told, NULL), EM_OK);
    assert_int_equal(em_connection_detach(told.connection, &descriptor), EM_NOT_CONNECTED);
    assert_int_equal(descriptor, -1);
    assert_int_equal(em_connection_detach(told.connection, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_detach(NULL, &descriptor), EM_INVALID_ARGUMENT);
    recorder_free(&told);
}

static void a_detached_socket_may_be_attached_again_at_once(void **state)
{
    simulated_loop *fixture = *state;
    recorder first, second;
    simulated_peer *peer;
    int descriptor;
    recorder_init(&first, fixture);
    recorder_init(&second, fixture);
    assert_int_equal(attach(&first, simulated_open_stream(fixture->backend, &peer), NULL), EM_OK);
    assert_int_equal(em_connection_detach(first.connection, &descriptor), EM_OK);
    assert_int_equal(attach(&second, descriptor, NULL), EM_OK);
    run_turns(fixture, 3);
    expect_events(&first, "IU");
    expect_events(&second, "I");
    assert_true(is_open(descriptor));
    recorder_free(&first);
    recorder_free(&second);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)
    static const struct CMUnitTest tests[] = {
        TEST(an_attached_socket_is_a_connection_before_the_call_returns),
        TEST(bad_arguments_of_attaching_are_refused),
        TEST(an_attaching_that_fails_leaves_the_socket_as_it_was),
        TEST(a_detached_socket_is_the_callers_and_unbind_follows),
        TEST(a_connection_may_be_detached_within_every_callback_but_unbind),
        TEST(what_the_library_has_read_is_delivered_before_the_socket_is_given_back),
        TEST(a_connection_that_is_closed_by_what_it_had_read_is_not_detached),
        TEST(a_connection_that_has_failed_is_not_detached_and_goes_on_to_its_end),
        TEST(a_connection_that_is_not_established_cannot_be_detached),
        TEST(a_detached_socket_may_be_attached_again_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
