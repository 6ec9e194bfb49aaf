/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The life of connections and of the loop: numbers that go stale, counters, and what destroying a loop does to all that
 * lives.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { MANY = 100 };

static void stale_numbers_find_nothing_though_others_took_the_place(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    em_signature numbers[MANY];
    int port = system_serve(*state, &system_recorder, served);
    for (unsigned i = 0; i < MANY; i++) {
        int client = system_connect(port);
        while (served->post_init <= i)
            system_turn(*state);
        numbers[i] = em_connection_get_signature(served->connection);
        assert_true(numbers[i] > 0);
        assert_ptr_equal(em_loop_find_connection(*state, numbers[i]), served->connection);
        assert_null(em_loop_find_server(*state, numbers[i]));
        close(client);
        while (served->unbind <= i)
            system_turn(*state);
        for (unsigned earlier = 0; earlier <= i; earlier++) {
            assert_null(em_loop_find_connection(*state, numbers[earlier]));
            assert_true(earlier == i || numbers[earlier] != numbers[i]);
        }
    }
}

static void find_itself(em_connection *connection, em_status reason)
{
    (void)reason;
    em_loop *loop = em_connection_get_loop(connection);
    unsigned *unbound = em_connection_get_user(connection);
    assert_ptr_equal(em_loop_find_connection(loop, em_connection_get_signature(connection)), connection);
    assert_true(em_connection_get_state(connection) >= EM_STATE_RELEASING);
    assert_int_equal(em_connection_get_outbound_bytes(connection), 0);
    ++*unbound;
}

static void a_connection_is_found_until_its_unbind_returns(void **state)
{
    static const em_handler finding = {.unbind = find_itself};
    unsigned *unbound = system_memory(sizeof *unbound);
    em_connection *client = system_dial(*state, system_serve(*state, &finding, unbound), &finding, unbound);
    em_connection_send_text(client, "dropped");
    em_connection_close(client);
    while (!*unbound)
        system_turn(*state);
    assert_int_equal(*unbound, 1);
}

static void the_counters_tell_what_happened(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_record *record = system_new_record(SYSTEM_DATA);
    em_server *server;
    int port = system_serve_with(*state, &system_echo, (em_server_options){.user = served}, &server);
    em_connection *client = system_dial(*state, port, &system_recorder, record);
    em_connection_send_text(client, "twelve bytes");
    assert_int_equal(em_connection_get_outbound_bytes(client), 12);
    assert_int_equal(system_stats(*state).outbox_bytes, 12);
    assert_int_equal(em_loop_run(*state), EM_OK);
    em_loop_stats stats = system_stats(*state);
    assert_int_equal(stats.bytes_sent, 24);
    assert_int_equal(stats.bytes_received, 24);
    assert_int_equal(stats.outbox_bytes, 0);
    assert_int_equal(stats.connections_opened, 1);
    assert_int_equal(stats.connections_accepted, 1);
    assert_int_equal(stats.connections_open, 2);
    assert_int_equal(stats.connections_closed, 0);
    assert_int_equal(stats.servers_open, 1);
    assert_true(stats.turns > 0);
    uint64_t received;
    uint64_t sent;
    em_connection_get_byte_counts(client, &received, &sent);
    assert_int_equal(received, 12);
    assert_int_equal(sent, 12);
    em_connection_close(client);
    while (!served->unbind || !record->unbind)
        system_turn(*state);
    em_server_stop(server);
    system_turn(*state);
    stats = system_stats(*state);
    assert_int_equal(stats.connections_open, 0);
    assert_int_equal(stats.connections_closed, 2);
    assert_int_equal(stats.servers_open, 0);
}

static void counters_fit_into_a_smaller_and_a_larger_struct(void **state)
{
    struct larger {
        em_loop_stats stats;
        uint64_t unknown;
    } larger = {.unknown = 1};
    uint64_t smaller[2] = {0, 77};
    system_turn(*state);
    assert_int_equal(em_loop_get_stats(*state, &larger.stats, sizeof larger), EM_OK);
    assert_int_equal(larger.unknown, 0);
    assert_int_equal(em_loop_get_stats(*state, (em_loop_stats *)(void *)smaller, sizeof smaller[0]), EM_OK);
    assert_int_equal(smaller[0], larger.stats.turns);
    assert_int_equal(smaller[1], 77);
    assert_int_equal(em_loop_get_stats(*state, NULL, sizeof larger), EM_INVALID_ARGUMENT);
}

static void forgotten(em_loop *loop, void *user)
{
    (void)loop;
    (void)user;
    fail_msg("a call that should be forgotten");
}

static void forgotten_timer(em_loop *loop, em_timer timer, void *user)
{
    (void)timer;
    forgotten(loop, user);
}

static void destroying_a_loop_unbinds_every_connection_once(void **state)
{
    static const char block[4 * 1024 * 1024];
    system_record *served = system_new_record(SYSTEM_NONE);
    system_record *record = system_new_record(SYSTEM_NONE);
    int port = system_serve(*state, &system_recorder, served);
    int listener_port;
    int listener = system_listen(4, &listener_port);
    for (unsigned i = 0; i < MANY; i++)
        system_dial(*state, port, &system_recorder, record);
    while (served->post_init < MANY || record->completed < MANY)
        system_turn(*state);
    em_connection_send_borrowed(record->connection, block, sizeof block, NULL, NULL); /* busy, */
    em_connection_pause(served->connection);                                          /* paused, */
    system_dial(*state, listener_port, &system_recorder, record);                     /* connecting, */
    em_connection_close_after_writing(system_dial(*state, port, &system_recorder, record));
    int pending = system_connect(port); /* not accepted yet */
    em_loop_next_tick(*state, forgotten, NULL, NULL);
    em_loop_post(*state, forgotten, NULL, NULL);
    em_loop_add_timer(*state, 0, forgotten_timer, NULL, NULL, NULL);
    em_loop_add_periodic_timer(*state, 1, forgotten_timer, NULL, NULL, NULL);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    assert_int_equal(record->unbind, MANY + 2);
    assert_int_equal(served->unbind, served->post_init);
    assert_int_equal(record->reason, EM_OK);
    close(pending);
    close(listener);
}

static void count_disposal(void *user)
{
    unsigned *disposals = user;
    ++*disposals;
}

static void destroying_a_loop_disposes_of_every_call_and_timer_that_never_ran(void **state)
{
    unsigned *disposals = system_memory(sizeof *disposals);
    em_loop_next_tick(*state, forgotten, disposals, count_disposal);
    em_loop_post(*state, forgotten, disposals, count_disposal);
    em_loop_add_timer(*state, 0, forgotten_timer, disposals, count_disposal, NULL);
    em_loop_add_periodic_timer(*state, 1, forgotten_timer, disposals, count_disposal, NULL);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    assert_int_equal(*disposals, 4);
}

/* In unbind while the loop is being destroyed. */
static void try_everything(em_connection *connection, em_status reason)
{
    (void)reason;
    em_loop *loop = em_connection_get_loop(connection);
    unsigned *unbound = em_connection_get_user(connection);
    assert_int_equal(em_loop_destroy(loop), EM_INVALID_STATE);
    assert_int_equal(em_loop_run(loop), EM_INVALID_STATE);
    assert_int_equal(em_loop_connect(loop, "127.0.0.1", 80, &system_recorder, NULL, NULL), EM_INVALID_STATE);
    assert_int_equal(em_loop_start_server(loop, "127.0.0.1", 0, &system_recorder, NULL, NULL), EM_INVALID_STATE);
    assert_int_equal(em_connection_send_text(connection, "late"), EM_CLOSED);
    em_loop_next_tick(loop, forgotten, NULL, NULL);
    em_loop_post(loop, forgotten, NULL, NULL);
    em_loop_add_timer(loop, 0, forgotten_timer, NULL, NULL, NULL);
    ++*unbound;
}

static void unbind_during_destruction_cannot_start_anything_anew(void **state)
{
    static const em_handler trying = {.unbind = try_everything};
    unsigned *unbound = system_memory(sizeof *unbound);
    system_record *served = system_new_record(SYSTEM_NONE);
    int port = system_serve(*state, &system_recorder, served);
    system_dial(*state, port, &trying, unbound);
    system_dial(*state, port, &trying, unbound);
    while (served->post_init < 2)
        system_turn(*state);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    assert_int_equal(*unbound, 2);
}

static void a_loop_that_never_ran_can_be_destroyed(void **state)
{
    system_record *record = system_new_record(SYSTEM_NONE);
    system_dial(*state, system_closed_port(), &system_recorder, record);
    system_serve(*state, &system_recorder, record);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    assert_int_equal(record->unbind, 1);
    assert_int_equal(em_loop_destroy(NULL), EM_OK);
}

static void a_stop_before_the_run_ends_it_after_one_turn(void **state)
{
    assert_int_equal(em_loop_stop(*state), EM_OK);
    assert_int_equal(em_loop_is_stopping(*state), 1);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(em_loop_is_stopping(*state), 0);
    assert_int_equal(system_stats(*state).turns, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(stale_numbers_find_nothing_though_others_took_the_place),
        SYSTEM_TEST(a_connection_is_found_until_its_unbind_returns),
        SYSTEM_TEST(the_counters_tell_what_happened),
        SYSTEM_TEST(counters_fit_into_a_smaller_and_a_larger_struct),
        SYSTEM_TEST(destroying_a_loop_unbinds_every_connection_once),
        SYSTEM_TEST(destroying_a_loop_disposes_of_every_call_and_timer_that_never_ran),
        SYSTEM_TEST(unbind_during_destruction_cannot_start_anything_anew),
        SYSTEM_TEST(a_loop_that_never_ran_can_be_destroyed),
        SYSTEM_TEST(a_stop_before_the_run_ends_it_after_one_turn),
    };
    return SYSTEM_RUN(tests);
}
