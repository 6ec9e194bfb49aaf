/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * How races that TLS decides end, over the simulated backend: by every operation at every stage, with the loop, without
 * memory, and at random, with bytes that come and go in pieces.
 */
#include "base/features.h"
#include "support/simulated_tls.h"

#if EMI_HAVE_OPENSSL

#include "net/attempts.h"

enum { MOST = EMI_MOST_ATTEMPTS };

static const int both[] = {-1, 1, -2, 2};

/* Stages: not accepted; accepted; in the middle of the handshake; beside one that has failed. */
static unsigned reach_stage(recorder *told, unsigned stage, tls_server *servers)
{
    simulated_loop *fixture = told->fixture;
    run_turns(fixture, 1);
    if (stage == 0)
        return 0;
    simulated_tls_accept(&servers[0], simulated_take_connect(fixture->backend), stage == 3 ? WRONG_NAME : GOOD);
    run_turns(fixture, 1);
    if (stage == 1)
        return 1;
    run_turns(fixture, 1);
    simulated_tls_go_on(&servers[0]);
    if (stage == 2)
        return 1;
    for (simulated_peer *next = NULL; !next; next = simulated_take_connect(fixture->backend)) {
        simulated_tls_go_on(&servers[0]);
        run_turns(fixture, 1);
    }
    return 1;
}

static em_status send_something(em_connection *connection)
{
    return em_connection_send_text(connection, "x");
}

static em_status start_tls(em_connection *connection)
{
    return em_connection_start_tls(connection, NULL) == EM_INVALID_STATE ? EM_OK : EM_SYSTEM_ERROR;
}

static em_status ask_for_tls(em_connection *connection)
{
    em_tls_info info;
    return em_connection_get_tls_info(connection, &info, sizeof info) == EM_INVALID_STATE ? EM_OK : EM_SYSTEM_ERROR;
}

static em_status detach(em_connection *connection)
{
    int descriptor;
    return em_connection_detach(connection, &descriptor) == EM_NOT_CONNECTED ? EM_OK : EM_SYSTEM_ERROR;
}

static void every_operation_is_safe_at_every_stage(void **state)
{
    em_status (*const operations[])(em_connection *) = {em_connection_close,
                                                        em_connection_close_in_background,
                                                        em_connection_close_after_writing,
                                                        em_connection_close_write,
                                                        em_connection_pause,
                                                        em_connection_pause_receiving,
                                                        send_something,
                                                        start_tls,
                                                        ask_for_tls,
                                                        detach};
    for (unsigned i = 0; i < COUNT(operations) * 4; i++) {
        simulated_loop *fixture = *state;
        recorder told;
        tls_server servers[MOST];
        assert_int_equal(simulated_tls_begin(&told, fixture, both, COUNT(both)), EM_OK);
        unsigned count = reach_stage(&told, i % 4, servers);
        assert_int_equal(operations[i / 4](told.connection), EM_OK);
        bool closes = i / 4 < 3;
        for (unsigned turns = 0; turns < 100 && told.event_count < (closes ? 2 : 3); turns++) {
            run_for(fixture, MS(20));
            for (simulated_peer *peer; (peer = simulated_take_connect(fixture->backend));)
                simulated_tls_accept(&servers[count++], peer, GOOD);
            for (unsigned n = 0; n < count; n++)
                simulated_tls_go_on(&servers[n]);
        }
        expect_events(&told, closes ? "IU" : "ICH");
        run_turns(fixture, 3);
        assert_int_equal(simulated_count_channels(fixture->backend), closes ? 0 : 1);
        recorder_free(&told);
        for (unsigned n = 0; n < count; n++)
            simulated_tls_close(&servers[n]);
    }
}

static void a_loop_can_be_destroyed_at_every_stage(void **state)
{
    (void)state;
    for (unsigned stage = 0; stage < 4; stage++) {
        simulated_loop fixture;
        recorder told;
        tls_server servers[MOST];
        simulated_loop_open(&fixture, NULL, NULL);
        assert_int_equal(simulated_tls_begin(&told, &fixture, both, COUNT(both)), EM_OK);
        unsigned count = reach_stage(&told, stage, servers);
        simulated_loop_close(&fixture);
        expect_events(&told, "IU");
        recorder_free(&told);
        for (unsigned n = 0; n < count; n++)
            simulated_tls_close(&servers[n]);
    }
}

/* Whatever allocation fails, the call fails and nothing has happened, or the connection has one end. */
static void without_memory_it_fails_or_goes_on(void **state)
{
    unsigned refused = 0, ended = 0;
    bool has_failed = true;
    (void)state;
    for (unsigned nth = 1; nth < 200 && has_failed; nth++) {
        simulated_loop fixture;
        recorder told;
        tls_server servers[MOST];
        unsigned count = 0;
        simulated_loop_open(&fixture, NULL, NULL);
        failing_allocator_fail(&fixture.allocator, nth, EM_OFF);
        em_status status = simulated_tls_begin(&told, &fixture, both, 2);
        for (unsigned turns = 0; turns < 60 && status == EM_OK && told.event_count < 3 && !told.unbinds; turns++) {
            run_for(&fixture, MS(10));
            for (simulated_peer *peer; (peer = simulated_take_connect(fixture.backend));)
                simulated_tls_accept(&servers[count++], peer, GOOD);
            for (unsigned n = 0; n < count; n++)
                simulated_tls_go_on(&servers[n]);
        }
        has_failed = atomic_load(&fixture.allocator.failures) > 0;
        failing_allocator_fail(&fixture.allocator, 0, EM_DEFAULT);
        refused += status != EM_OK;
        ended += told.unbinds;
        assert_true(status == EM_OK || status == EM_NO_MEMORY);
        assert_true(told.unbinds == 0 || told.reason == EM_NO_MEMORY);
        recorder_free(&told);
        simulated_loop_close(&fixture);
        for (unsigned n = 0; n < count; n++)
            simulated_tls_close(&servers[n]);
    }
    assert_true(!has_failed && refused > 3 && ended > 0);
}

/* Random races */

typedef struct random_race {
    simulated_loop fixture;
    recorder told;
    tls_server servers[MOST];
    uint64_t due_ns[MOST]; /* when it accepts */
    bool refuses[MOST];
    unsigned count;
    uint64_t seed;
} random_race;

static void decide(random_race *race)
{
    for (simulated_peer *peer; (peer = simulated_take_connect(race->fixture.backend)); race->count++) {
        uint64_t kind = random_below(&race->seed, MANNERS + 2);
        unsigned n = race->count;
        race->servers[n] = (tls_server){.peer = peer, .manner = kind < MANNERS ? (manner)kind : GOOD};
        race->refuses[n] = kind == MANNERS;
        race->due_ns[n] = em_loop_get_time_ns(race->fixture.loop) + random_below(&race->seed, 4) * MS(125);
    }
}

static void act(random_race *race)
{
    for (unsigned n = 0; n < race->count; n++) {
        tls_server *each = &race->servers[n];
        if (race->due_ns[n] == UINT64_MAX) {
            if (random_below(&race->seed, 2) == 0)
                simulated_tls_go_on(each);
        } else if (race->due_ns[n] <= em_loop_get_time_ns(race->fixture.loop)) {
            race->due_ns[n] = UINT64_MAX;
            if (race->refuses[n])
                simulated_refuse_connect(each->peer, EM_CONNECTION_REFUSED);
            else if (!simulated_saw_close(each->peer))
                simulated_tls_accept(each, each->peer, each->manner);
        }
    }
}

/* Of all servers only the winner has got anything but a handshake. */
static void check_servers(const random_race *race, bool is_open)
{
    unsigned winners = 0;
    for (unsigned n = 0; n < race->count; n++) {
        const tls_server *each = &race->servers[n];
        bool has_all = each->has_tls && bytes_equal_text(&each->end.received, "once");
        assert_true(has_all || !each->has_tls || bytes_length(&each->end.received) == 0);
        assert_int_equal(has_all, is_open && !simulated_saw_close(each->peer));
        assert_true(!has_all || each->manner == GOOD);
        winners += has_all;
    }
    assert_int_equal(winners, is_open);
}

static void run_race(uint64_t seed, unsigned *won)
{
    random_race race = {.seed = seed};
    int numbers[MOST];
    size_t count = 1 + (size_t)random_below(&race.seed, 6);
    for (size_t i = 0; i < count; i++)
        numbers[i] = (random_below(&race.seed, 2) ? 1 : -1) * (int)(1 + i);
    simulated_loop_open(&race.fixture, &(simulated_options){.seed = seed}, NULL);
    assert_int_equal(simulated_tls_begin(&race.told, &race.fixture, numbers, count), EM_OK);
    em_connection_send_text(race.told.connection, "once");
    while (race.told.event_count < 2) {
        decide(&race);
        act(&race);
        assert_int_equal(em_loop_run_once(race.fixture.loop, MS(20)), EM_OK);
    }
    bool is_open = race.told.unbinds == 0;
    for (unsigned i = 0; i < 100; i++) {
        act(&race);
        assert_int_equal(em_loop_run_once(race.fixture.loop, MS(1)), EM_OK);
    }
    expect_events(&race.told, is_open ? "ICH" : "IU");
    assert_int_equal(simulated_count_channels(race.fixture.backend), is_open);
    check_servers(&race, is_open);
    *won += is_open;
    recorder_free(&race.told);
    simulated_loop_close(&race.fixture);
    for (unsigned n = 0; n < race.count; n++)
        simulated_tls_close(&race.servers[n]);
}

static void random_races_have_one_end_and_one_server_gets_the_data(void **state)
{
    enum { RACES = 1000 };
    unsigned won = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= RACES; seed++)
        run_race(seed, &won);
    assert_in_range(won, RACES / 10, RACES - RACES / 10);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up_loop, tear_down_loop)
    static const struct CMUnitTest tests[] = {
        TEST(every_operation_is_safe_at_every_stage),
        cmocka_unit_test(a_loop_can_be_destroyed_at_every_stage),
        cmocka_unit_test(without_memory_it_fails_or_goes_on),
        cmocka_unit_test(random_races_have_one_end_and_one_server_gets_the_data),
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
