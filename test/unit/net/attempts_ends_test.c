/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * How races of several addresses end, over the simulated backend: by every operation at every stage, with the loop,
 * without memory, and at random.
 */
#include <stdlib.h>

#include "net/attempts.h"
#include "support/simulated_race.h"
#include "system/socket.h"

enum { MOST = SIMULATED_RACE_MOST };

static const int both[] = {-1, 1, -2, 2};

typedef em_status (*operation)(em_connection *connection);

static em_status send_something(em_connection *connection)
{
    return em_connection_send_text(connection, "x");
}

static em_status set_option(em_connection *connection)
{
    return em_connection_set_keepalive(connection, EM_ON, 0, 0, 0);
}

static em_status detach(em_connection *connection)
{
    int descriptor;
    return em_connection_detach(connection, &descriptor) == EM_NOT_CONNECTED ? EM_OK : EM_SYSTEM_ERROR;
}

static em_status look_at_addresses(em_connection *connection)
{
    em_address address;
    return em_connection_get_local_address(connection, &address) == EM_NOT_CONNECTED &&
                   em_connection_get_peer_address(connection, &address) == EM_NOT_CONNECTED
               ? EM_OK
               : EM_SYSTEM_ERROR;
}

static void reach_stage(simulated_loop *fixture, unsigned stage)
{
    if (stage > 0)
        run_turns(fixture, 1);
    if (stage > 1)
        run_for(fixture, MS(500));
    if (stage > 2)
        simulated_refuse_connect(simulated_take_connect(fixture->backend), EM_CONNECTION_REFUSED);
}

/* In each state: before the first attempt, with one, with several, after some have failed. */
static void every_operation_is_safe_during_a_race(void **state)
{
    simulated_loop *fixture = *state;
    static const operation operations[] = {em_connection_close,
                                           em_connection_close_after_writing,
                                           em_connection_close_in_background,
                                           em_connection_close_write,
                                           em_connection_pause,
                                           em_connection_pause_receiving,
                                           send_something,
                                           em_connection_take_error,
                                           set_option,
                                           detach,
                                           look_at_addresses};
    for (size_t i = 0; i < COUNT(operations) * 4; i++) {
        recorder told;
        recorder_init(&told, fixture);
        assert_int_equal(simulated_race_begin(&told, both, COUNT(both), NULL), EM_OK);
        reach_stage(fixture, i % 4);
        assert_int_equal(operations[i / 4](told.connection), EM_OK);
        run_for(fixture, MS(300));
        for (simulated_peer *peer; (peer = simulated_take_connect(fixture->backend));)
            simulated_accept_connect(peer);
        run_turns(fixture, 3);
        expect_events(&told, i / 4 < 3 ? "IU" : "IC");
        assert_int_equal(simulated_count_channels(fixture->backend), i / 4 < 3 ? 0 : 1);
        recorder_free(&told);
    }
}

static void a_loop_can_be_destroyed_during_a_race(void **state)
{
    (void)state;
    for (unsigned stage = 0; stage < 4; stage++) {
        simulated_loop fixture;
        recorder told;
        simulated_loop_open(&fixture, &(simulated_options){.seed = stage}, NULL);
        recorder_init(&told, &fixture);
        assert_int_equal(simulated_race_begin(&told, both, COUNT(both), NULL), EM_OK);
        reach_stage(&fixture, stage);
        simulated_loop_close(&fixture);
        expect_events(&told, "IU");
        recorder_free(&told);
    }
}

/* Whatever allocation fails, the call fails and nothing has happened, or the connection has one end. */
static void without_memory_a_race_fails_or_goes_on(void **state)
{
    unsigned failures = 0;
    (void)state;
    for (unsigned nth = 1; nth < 40; nth++) {
        simulated_loop fixture;
        recorder told;
        simulated_loop_open(&fixture, NULL, NULL);
        recorder_init(&told, &fixture);
        failing_allocator_fail(&fixture.allocator, nth, EM_OFF);
        em_status status = simulated_race_begin(&told, both, COUNT(both), NULL);
        run_for(&fixture, MS(300));
        for (simulated_peer *peer; (peer = simulated_take_connect(fixture.backend));)
            simulated_accept_connect(peer);
        run_turns(&fixture, 3);
        failing_allocator_fail(&fixture.allocator, 0, EM_DEFAULT);
        failures += status != EM_OK;
        expect_events(&told, status != EM_OK ? "" : told.unbinds ? "IU" : "IC");
        recorder_free(&told);
        simulated_loop_close(&fixture);
    }
    assert_true(failures > 2);
}

/* Random races */

typedef struct outcome {
    uint64_t due_ns;
    simulated_peer *peer;
    bool accepts;
} outcome;

typedef struct random_race {
    simulated_loop fixture;
    recorder told;
    outcome outcomes[MOST];
    unsigned count;
    uint64_t seed;
} random_race;

/* Decides what becomes of each new attempt: refused, accepted, or silent. */
static void decide(random_race *race)
{
    for (simulated_peer *peer; (peer = simulated_take_connect(race->fixture.backend));) {
        uint64_t kind = random_below(&race->seed, 8);
        uint64_t delay_ns = random_below(&race->seed, 4) * MS(125);
        race->outcomes[race->count++] = (outcome){
            .due_ns = kind > 5 ? UINT64_MAX : em_loop_get_time_ns(race->fixture.loop) + delay_ns,
            .peer = peer,
            .accepts = kind == 0,
        };
    }
}

static void answer_those_that_are_due(random_race *race)
{
    for (unsigned i = 0; i < race->count; i++) {
        outcome *each = &race->outcomes[i];
        if (each->due_ns > em_loop_get_time_ns(race->fixture.loop))
            continue;
        each->due_ns = UINT64_MAX;
        if (each->accepts)
            simulated_accept_connect(each->peer);
        else
            simulated_refuse_connect(each->peer, EM_CONNECTION_REFUSED);
    }
}

static void check_open(random_race *race)
{
    em_address address;
    assert_int_equal(em_connection_get_peer_address(race->told.connection, &address), EM_OK);
    unsigned open = 0;
    for (unsigned i = 0; i < race->count; i++) {
        simulated_peer *peer = race->outcomes[i].peer;
        bool is_winner = !simulated_saw_close(peer);
        open += is_winner;
        assert_int_equal(simulated_waiting(peer), is_winner ? 4 : 0);
        if (is_winner)
            assert_true(emi_addresses_are_equal(simulated_address_of(peer), &address));
    }
    assert_int_equal(open, 1);
}

static void run_race(uint64_t seed, unsigned *won)
{
    random_race race = {.seed = seed};
    int numbers[MOST];
    size_t count = 1 + (size_t)random_below(&race.seed, MOST);
    for (size_t i = 0; i < count; i++)
        numbers[i] = (random_below(&race.seed, 2) ? 1 : -1) * (int)(1 + random_below(&race.seed, 20));
    simulated_loop_open(&race.fixture, &(simulated_options){.seed = seed}, NULL);
    recorder_init(&race.told, &race.fixture);
    assert_int_equal(simulated_race_begin(&race.told, numbers, count, NULL), EM_OK);
    em_connection_send_text(race.told.connection, "once");
    while (race.told.event_count < 2) {
        decide(&race);
        answer_those_that_are_due(&race);
        assert_int_equal(em_loop_run_once(race.fixture.loop, MS(20)), EM_OK);
    }
    run_for(&race.fixture, MS(10));
    assert_true(race.count <= EMI_MOST_ATTEMPTS);
    bool is_open = race.told.unbinds == 0;
    expect_events(&race.told, is_open ? "IC" : "IU");
    assert_int_equal(simulated_count_channels(race.fixture.backend), is_open);
    if (is_open)
        check_open(&race);
    *won += is_open;
    recorder_free(&race.told);
    simulated_loop_close(&race.fixture);
}

static void random_races_have_one_end_and_leave_nothing_behind(void **state)
{
    enum { RACES = 1500 };
    unsigned won = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= RACES; seed++)
        run_race(seed, &won);
    assert_in_range(won, RACES / 10, RACES - RACES / 10);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_operation_is_safe_during_a_race, set_up_loop, tear_down_loop),
        cmocka_unit_test(a_loop_can_be_destroyed_during_a_race),
        cmocka_unit_test(without_memory_a_race_fails_or_goes_on),
        cmocka_unit_test(random_races_have_one_end_and_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
