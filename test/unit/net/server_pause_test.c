/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Pausing a server, over the simulated backend. Clients that have to wait are never lost.
 */
#include "support/simulated_server.h"

static void a_paused_server_accepts_nobody_and_loses_nobody(void **state)
{
    simulated_server set;
    serve(&set, *state, 0);
    assert_int_equal(em_server_is_paused(set.server), 0);
    assert_int_equal(em_server_pause(set.server), EM_OK);
    assert_int_equal(em_server_is_paused(set.server), 1);
    connect_clients(&set, 5);
    run_a_few_turns(&set);
    expect_accepted(&set, 0, 0);
    assert_int_equal(em_server_resume(set.server), EM_OK);
    assert_int_equal(em_server_is_paused(set.server), 0);
    run_a_few_turns(&set);
    expect_accepted(&set, 5, 5);
    end_server(&set);
}

static void a_pause_within_post_init_takes_effect_before_the_next_client(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    for (unsigned i = 0; i < COUNT(hosts); i++) {
        simulated_server set;
        serve_at_host(&set, *state, hosts[i], 0);
        set.pause_at = 3;
        connect_clients(&set, 10);
        run_a_few_turns(&set);
        expect_accepted(&set, 3, 3);
        assert_int_equal(em_server_resume(set.server), EM_OK);
        run_a_few_turns(&set);
        expect_accepted(&set, 10, 10);
        end_server(&set);
    }
}

static void pause_and_resume(simulated_server *set, em_connection *connection)
{
    (void)connection;
    assert_int_equal(em_server_pause(set->server), EM_OK);
    assert_int_equal(em_server_resume(set->server), EM_OK);
}

static void a_pause_that_ends_within_the_same_callback_changes_nothing(void **state)
{
    simulated_server set;
    serve(&set, *state, 0);
    set.on_accept = pause_and_resume;
    connect_clients(&set, 5);
    run_turns(set.fixture, 1);
    expect_accepted(&set, 5, 5);
    end_server(&set);
}

static void pausing_and_resuming_out_of_turn_are_refused(void **state)
{
    simulated_server set;
    serve(&set, *state, 0);
    assert_int_equal(em_server_resume(set.server), EM_INVALID_STATE);
    assert_int_equal(em_server_pause(set.server), EM_OK);
    assert_int_equal(em_server_pause(set.server), EM_INVALID_STATE);
    assert_int_equal(em_server_resume(set.server), EM_OK);
    assert_int_equal(em_server_resume(set.server), EM_INVALID_STATE);
    assert_int_equal(em_server_pause(NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_server_resume(NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_server_is_paused(NULL), 0);
    end_server(&set);
}

static void a_paused_server_can_be_stopped(void **state)
{
    simulated_server set;
    serve(&set, *state, 0);
    assert_int_equal(em_server_pause(set.server), EM_OK);
    connect_clients(&set, 2);
    assert_int_equal(em_server_stop(set.server), EM_OK);
    run_a_few_turns(&set);
    assert_int_equal(set.accepted, 0);
    set.server = NULL;
    end_server(&set);
}

static void a_pause_outlasts_a_back_off(void **state)
{
    simulated_server set;
    serve(&set, *state, 0);
    simulated_fail_accepting(set.fixture->backend, em_server_get_descriptor(set.server), EM_NO_DESCRIPTORS);
    connect_clients(&set, 1);
    run_a_few_turns(&set);
    assert_int_equal(stats_of(set.fixture).accept_back_offs, 1);
    assert_int_equal(em_server_pause(set.server), EM_OK);
    run_for(set.fixture, 5 * EM_SECONDS);
    expect_accepted(&set, 0, 0);
    assert_int_equal(em_server_resume(set.server), EM_OK);
    run_a_few_turns(&set);
    expect_accepted(&set, 1, 1);
    end_server(&set);
}

static void a_back_off_outlasts_a_pause(void **state)
{
    simulated_server set;
    serve(&set, *state, 0);
    simulated_fail_accepting(set.fixture->backend, em_server_get_descriptor(set.server), EM_NO_DESCRIPTORS);
    connect_clients(&set, 1);
    run_a_few_turns(&set);
    assert_int_equal(em_server_pause(set.server), EM_OK);
    assert_int_equal(em_server_resume(set.server), EM_OK);
    run_a_few_turns(&set);
    expect_accepted(&set, 0, 0);
    run_for(set.fixture, EM_SECONDS);
    expect_accepted(&set, 1, 1);
    end_server(&set);
}

static void a_server_that_cannot_resume_tries_again(void **state)
{
    simulated_server set;
    serve(&set, *state, 0);
    assert_int_equal(em_server_pause(set.server), EM_OK);
    connect_clients(&set, 1);
    simulated_fail_next(set.fixture->backend, SIMULATED_START_RECEIVING, EM_NO_MEMORY);
    assert_int_equal(em_server_resume(set.server), EM_OK);
    run_a_few_turns(&set);
    expect_accepted(&set, 0, 0);
    assert_int_equal(stats_of(set.fixture).accept_back_offs, 1);
    run_for(set.fixture, EM_SECONDS);
    expect_accepted(&set, 1, 1);
    end_server(&set);
}

static void a_socket_that_will_never_accept_again_is_not_asked_after_a_pause(void **state)
{
    simulated_server set;
    serve(&set, *state, 0);
    simulated_fail_accepting(set.fixture->backend, em_server_get_descriptor(set.server), EM_INVALID_ARGUMENT);
    connect_clients(&set, 1);
    run_a_few_turns(&set);
    assert_int_equal(set.fixture->log_messages, 1);
    assert_int_equal(em_server_pause(set.server), EM_OK);
    assert_int_equal(em_server_resume(set.server), EM_OK);
    run_for(set.fixture, EM_SECONDS);
    expect_accepted(&set, 0, 0);
    assert_int_equal(set.fixture->log_messages, 1);
    end_server(&set);
}

#define SERVER_TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SERVER_TEST(a_paused_server_accepts_nobody_and_loses_nobody),
        SERVER_TEST(a_pause_within_post_init_takes_effect_before_the_next_client),
        SERVER_TEST(a_pause_that_ends_within_the_same_callback_changes_nothing),
        SERVER_TEST(pausing_and_resuming_out_of_turn_are_refused),
        SERVER_TEST(a_paused_server_can_be_stopped),
        SERVER_TEST(a_pause_outlasts_a_back_off),
        SERVER_TEST(a_back_off_outlasts_a_pause),
        SERVER_TEST(a_server_that_cannot_resume_tries_again),
        SERVER_TEST(a_socket_that_will_never_accept_again_is_not_asked_after_a_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
