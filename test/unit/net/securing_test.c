/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Races of addresses that TLS decides, rule by rule, over the simulated backend. 192.0.2.N and 2001:db8::N are written
 * as N and -N.
 */
#include "base/features.h"
#include "support/simulated_tls.h"

#if EMI_HAVE_OPENSSL

#include "net/attempts.h"

static const int both[] = {-1, 1, -2, 2};

static void the_winner_gets_what_was_sent_early_and_the_client_what_came_behind_the_handshake(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    assert_int_equal(simulated_tls_begin(&told, fixture, both, COUNT(both)), EM_OK);
    em_connection_send_text(told.connection, "once");
    run_turns(fixture, 1);
    tls_server servers[2] = {{.has_acted = false}};
    simulated_tls_accept(&servers[0], simulated_take_connect(fixture->backend), SILENT);
    run_for(fixture, MS(249));
    assert_null(simulated_take_connect(fixture->backend));
    assert_int_equal(em_connection_get_state(told.connection), EM_STATE_CONNECTING);
    assert_int_equal(em_connection_start_tls(told.connection, NULL), EM_INVALID_STATE);
    run_for(fixture, MS(1));
    simulated_tls_accept(&servers[1], simulated_take_connect(fixture->backend), GOOD);
    simulated_tls_play(&told, servers, 2, 3);
    expect_events(&told, "ICH");
    assert_int_equal(tls_end_send(&servers[1].end, "hello", 5), EM_OK);
    simulated_tls_play(&told, servers, 2, 4);
    expect_events(&told, "ICHD");
    for (unsigned i = 0; i < 3; i++)
        simulated_tls_go_on(&servers[1]);
    assert_true(bytes_equal_text(&servers[1].end.received, "once"));
    assert_true(bytes_equal_text(&told.received, "hello"));
    assert_true(simulated_saw_close(servers[0].peer));
    assert_int_equal(simulated_count_channels(fixture->backend), 1);
    recorder_free(&told);
    simulated_tls_close(&servers[1]);
}

/* In TLS 1.2 the server ends the handshake, so its data may arrive in one piece with its last message. */
static void bytes_that_arrive_together_with_the_last_message_are_not_lost(void **state)
{
    static const em_tls_version versions[] = {EM_TLS_1_2, EM_TLS_1_3};
    for (unsigned i = 0; i < COUNT(versions) * 2; i++) {
        simulated_loop *fixture = *state;
        const em_tls_context_options given = {
            .size = sizeof given, .ca_pem = tls_test_credentials()->authority_pem, .max_version = versions[i / 2]};
        em_tls_context *context = tls_context_make(&given);
        const em_tls_options tls = {.size = sizeof tls, .context = context, .hostname = "example.com"};
        const em_connect_options options = {.size = sizeof options, .tls = &tls};
        bool is_paused = i % 2 > 0;
        recorder told;
        tls_server good;
        recorder_init(&told, fixture);
        assert_int_equal(simulated_race_begin(&told, both, 1, &options), EM_OK);
        em_tls_context_release(context);
        if (is_paused)
            assert_int_equal(em_connection_pause(told.connection), EM_OK);
        run_turns(fixture, 1);
        simulated_tls_accept(&good, simulated_take_connect(fixture->backend), GOOD);
        while (!good.end.filter->is_ready) {
            unsigned char wire[4096];
            run_turns(fixture, 1);
            tls_end_receive(&good.end, wire, simulated_take(good.peer, wire, sizeof wire));
            if (good.end.filter->is_ready)
                assert_int_equal(tls_end_send(&good.end, "hello", 5), EM_OK);
            simulated_feed(good.peer, wire, tls_end_take_wire(&good.end, wire, sizeof wire));
        }
        run_turns(fixture, 3);
        expect_events(&told, is_paused ? "ICH" : "ICHD");
        if (is_paused)
            assert_int_equal(em_connection_resume(told.connection), EM_OK);
        run_turns(fixture, 3);
        assert_true(bytes_equal_text(&told.received, "hello"));
        recorder_free(&told);
        simulated_tls_close(&good);
    }
}

static void a_handshake_that_fails_in_any_way_starts_the_next_attempt_at_once(void **state)
{
    static const manner manners[] = {WRONG_NAME, NOT_TLS, ENDS, RESETS};
    for (size_t i = 0; i < COUNT(manners); i++) {
        simulated_loop *fixture = *state;
        recorder told;
        assert_int_equal(simulated_tls_begin(&told, fixture, both, 2), EM_OK);
        run_turns(fixture, 1);
        tls_server servers[2] = {{.has_acted = false}};
        simulated_tls_accept(&servers[0], simulated_take_connect(fixture->backend), manners[i]);
        simulated_peer *next = NULL;
        for (unsigned turns = 0; turns < 20 && !next; turns++) {
            simulated_tls_go_on(&servers[0]);
            run_turns(fixture, 1);
            next = simulated_take_connect(fixture->backend);
        }
        assert_non_null(next);
        simulated_tls_accept(&servers[1], next, GOOD);
        simulated_tls_play(&told, servers, 2, 3);
        expect_events(&told, "ICH");
        recorder_free(&told);
        simulated_tls_close(&servers[0]);
        simulated_tls_close(&servers[1]);
    }
}

static void the_handshake_s_own_timeout_is_counted_from_when_it_begins(void **state)
{
    simulated_loop *fixture = *state;
    const em_tls_options tls = {.size = sizeof tls,
                                .context = simulated_tls_client(),
                                .hostname = "example.com",
                                .handshake_timeout_ns = EM_SECONDS};
    const em_connect_options options = {.size = sizeof options, .tls = &tls};
    recorder told;
    recorder_init(&told, fixture);
    assert_int_equal(simulated_race_begin(&told, both, 1, &options), EM_OK);
    run_turns(fixture, 1);
    simulated_peer *peer = simulated_take_connect(fixture->backend);
    run_for(fixture, 3 * EM_SECONDS);
    simulated_accept_connect(peer);
    run_turns(fixture, 2);
    run_for(fixture, EM_SECONDS - MS(10));
    expect_events(&told, "I");
    run_for(fixture, MS(20));
    expect_events(&told, "IU");
    assert_int_equal(told.reason, EM_TLS_HANDSHAKE_TIMEOUT);
    recorder_free(&told);
}

static void a_loop_that_was_late_does_not_blame_the_peer(void **state)
{
    simulated_loop *fixture = *state;
    recorder told;
    assert_int_equal(simulated_tls_begin(&told, fixture, both, 1), EM_OK);
    run_turns(fixture, 1);
    tls_server good;
    simulated_tls_accept(&good, simulated_take_connect(fixture->backend), GOOD);
    run_turns(fixture, 2);
    test_clock_advance(11 * EM_SECONDS); /* more than a handshake has */
    simulated_tls_play(&told, &good, 1, 3);
    expect_events(&told, "ICH");
    recorder_free(&told);
    simulated_tls_close(&good);
}

/* Without TLS that would be a reason for more time, because the rest takes none. */
static void a_connection_that_is_accepted_when_the_time_is_over_is_too_late(void **state)
{
    simulated_loop *fixture = *state;
    const em_tls_options tls = {.size = sizeof tls, .context = simulated_tls_client(), .hostname = "example.com"};
    const em_connect_options options = {.size = sizeof options, .tls = &tls, .connect_timeout_ns = EM_SECONDS};
    recorder told;
    recorder_init(&told, fixture);
    assert_int_equal(simulated_race_begin(&told, both, 1, &options), EM_OK);
    run_turns(fixture, 1);
    run_for(fixture, EM_SECONDS - 1);
    simulated_accept_connect(simulated_take_connect(fixture->backend));
    test_clock_advance(1);
    run_turns(fixture, 2);
    expect_events(&told, "IU");
    assert_int_equal(told.reason, EM_CONNECT_TIMEOUT);
    recorder_free(&told);
}

/* Of the tests' certificate. */
static void the_default_of_the_host_name_is_the_address_that_is_given(void **state)
{
    static const char *const hosts[] = {"192.0.2.1", "::1", "192.0.2.2", "fe80::1%1"};
    for (size_t i = 0; i < COUNT(hosts); i++) {
        simulated_loop *fixture = *state;
        recorder told;
        tls_server good;
        const em_tls_options tls = {.size = sizeof tls, .context = simulated_tls_client()};
        const em_connect_options options = {.size = sizeof options, .tls = &tls, .user = &told};
        em_connection *connection;
        recorder_init(&told, fixture);
        assert_int_equal(em_loop_connect(fixture->loop, hosts[i], 443, &recording, &options, &connection), EM_OK);
        run_turns(fixture, 1);
        simulated_tls_accept(&good, simulated_take_connect(fixture->backend), GOOD);
        simulated_tls_play(&told, &good, 1, i < 2 ? 3 : 2);
        expect_events(&told, i < 2 ? "ICH" : "IU");
        assert_true(i < 2 || told.reason == EM_TLS_WRONG_NAME);
        recorder_free(&told);
        simulated_tls_close(&good);
    }
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)
    static const struct CMUnitTest tests[] = {
        TEST(the_winner_gets_what_was_sent_early_and_the_client_what_came_behind_the_handshake),
        TEST(bytes_that_arrive_together_with_the_last_message_are_not_lost),
        TEST(a_handshake_that_fails_in_any_way_starts_the_next_attempt_at_once),
        TEST(the_handshake_s_own_timeout_is_counted_from_when_it_begins),
        TEST(a_loop_that_was_late_does_not_blame_the_peer),
        TEST(a_connection_that_is_accepted_when_the_time_is_over_is_too_late),
        TEST(the_default_of_the_host_name_is_the_address_that_is_given),
    };
    return cmocka_run_group_tests(tests, simulated_tls_set_up, simulated_tls_tear_down);
}

#else

int main(void)
{
    print_message("skipped: built without OpenSSL\n");
    return 0;
}

#endif
