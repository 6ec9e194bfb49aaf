/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connections by name: lookup, race and connection together. The name server runs in a thread of the test.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "support/system_names.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/unit.h"

static char reason_text[512];

/* Nothing times out in any test. */
static name_server *start(em_loop *loop)
{
    system_need_transport(loop);
    name_server *server = name_server_start(0);
    const char *list[1];
    em_resolver_options options = system_ask(server, list);
    options.timeout_ns = 30 * EM_SECONDS;
    assert_int_equal(em_loop_set_resolver(loop, &options), EM_OK);
    return server;
}

static void run_until_completed(em_loop *loop, const system_record *record)
{
    while (record->completed == 0)
        system_turn(loop);
}

static em_connection *dial(em_loop *loop, const char *name, int port, system_record *record)
{
    em_connection *made;
    em_connect_options options = {.size = sizeof options, .user = record};
    assert_int_equal(em_loop_connect(loop, name, port, &system_recorder, &options, &made), EM_OK);
    return made;
}

static void end_and_expect_nothing_left(em_loop *loop, em_connection *connection, const system_record *record)
{
    assert_int_equal(em_connection_close(connection), EM_OK);
    while (record->unbind == 0)
        system_turn(loop);
    system_turn(loop);
    assert_int_equal(record->unbind, 1);
    assert_int_equal(system_stats(loop).timers_pending, 0);
}

/* The server's silence about IPv6 would last for minutes. The question is taken back when the race is won. */
static void a_name_server_that_is_silent_about_ipv6_does_not_hold_up_ipv4(void **state)
{
    name_server *server = start(*state);
    system_record *record = system_new_record(SYSTEM_NONE);
    int port = system_serve(*state, &system_echo, system_new_record(SYSTEM_NONE));
    em_connection *client = dial(*state, "heresilent.test", port, record);
    run_until_completed(*state, record);
    end_and_expect_nothing_left(*state, client, record);
    name_server_stop(server);
}

static void what_is_sent_while_the_name_is_looked_up_arrives_in_order(void **state)
{
    name_server *server = start(*state);
    system_record *record = system_new_record(SYSTEM_NONE);
    system_record *served = system_new_record(SYSTEM_UNBIND);
    em_connection *client = dial(*state, "here.test", system_serve(*state, &system_recorder, served), record);
    assert_int_equal(em_connection_send_text(client, "early "), EM_OK);
    assert_int_equal(em_connection_send_text(client, "bird"), EM_OK);
    assert_int_equal(em_connection_close_after_writing(client), EM_OK);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_string_equal(served->text, "early bird");
    name_server_stop(server);
}

static void note_reason(em_connection *connection, em_status status)
{
    (void)status;
    em_reason reason = {.size = sizeof reason};
    assert_int_equal(em_connection_get_reason(connection, &reason), EM_OK);
    snprintf(reason_text, sizeof reason_text, "%s", reason.text);
    em_loop_stop(em_connection_get_loop(connection));
}

static const em_handler reason_noter = {.unbind = note_reason};

static const char *reason_of(em_loop *loop, const char *name, int port)
{
    assert_int_equal(em_loop_connect(loop, name, port, &reason_noter, NULL, NULL), EM_OK);
    assert_int_equal(em_loop_run(loop), EM_OK);
    return reason_text;
}

static void an_address_that_the_server_names_twice_is_tried_once(void **state)
{
    char expected[128];
    name_server *server = start(*state);
    int port = system_closed_port();
    snprintf(expected, sizeof expected, "connect to heretwice.test (127.0.0.1:%d): Connection refused", port);
    assert_string_equal(reason_of(*state, "heretwice.test", port), expected);
    name_server_stop(server);
}

static void the_reason_names_the_family_that_could_not_be_looked_up(void **state)
{
    name_server *server = start(*state);
    const char *text = reason_of(*state, "herefailing.test", system_closed_port());
    assert_non_null(strstr(text, "127.0.0.1"));
    assert_non_null(strstr(text, "; IPv6 addresses: "));
    name_server_stop(server);
}

static void a_name_without_addresses_ends_at_once_with_a_reason_of_its_own(void **state)
{
    name_server *server = start(*state);
    system_record *record = system_new_record(SYSTEM_UNBIND);
    dial(*state, "nothing.test", 80, record);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(record->completed, 0);
    assert_int_equal(record->reason, EM_NO_RECORDS);
    name_server_stop(server);
}

#define DEADLINE_NS (200 * EM_MILLISECONDS)

static uint64_t measure_silent_name_server(em_loop *loop)
{
    system_record *record = system_new_record(SYSTEM_UNBIND);
    em_connect_options options = {.size = sizeof options, .user = record, .connect_timeout_ns = DEADLINE_NS};
    uint64_t begun_ns = system_now_ns();
    assert_int_equal(em_loop_connect(loop, "silent.test", 80, &system_recorder, &options, NULL), EM_OK);
    assert_int_equal(em_loop_run(loop), EM_OK);
    assert_int_equal(record->reason, EM_RESOLVE_TIMEOUT);
    uint64_t took_ns = em_loop_get_time_ns(loop) - begun_ns;
    assert_true(took_ns >= DEADLINE_NS);
    return took_ns;
}

static void a_silent_name_server_ends_the_connection_at_its_deadline(void **state)
{
    name_server *server = start(*state);
    system_expect_at_best(DEADLINE_NS + 100 * EM_MILLISECONDS, measure_silent_name_server, *state);
    name_server_stop(server);
}

/* The name's time to live is 0, so a second lookup would send another query. There is none. */
static void what_was_checked_is_what_is_connected_to(void **state)
{
    name_server *server = start(*state);
    system_record *record = system_new_record(SYSTEM_NONE);
    int port = system_serve(*state, &system_echo, system_new_record(SYSTEM_NONE));
    const system_found *found = system_resolve(*state, "here.test");
    assert_int_equal(found->address_count, 1);
    unsigned queries = name_server_queries(server);
    em_address checked, peer;
    assert_int_equal(em_address_from_text("127.0.0.1", port, &checked), EM_OK);
    em_connection *client;
    em_connect_options options = {.size = sizeof options, .user = record};
    assert_int_equal(em_loop_connect_addresses(*state, &checked, 1, &system_recorder, &options, &client), EM_OK);
    run_until_completed(*state, record);
    assert_int_equal(em_connection_get_peer_address(client, &peer), EM_OK);
    assert_memory_equal(peer.storage.bytes, checked.storage.bytes, checked.length);
    assert_int_equal(name_server_queries(server), queries);
    name_server_stop(server);
}

/* In each state: before the query is sent, before it is answered, while connecting, in connection_completed. */
static void a_connection_by_name_can_be_closed_at_any_time(void **state)
{
    name_server *server = start(*state);
    int port = system_serve(*state, &system_echo, system_new_record(SYSTEM_NONE));
    for (unsigned turns = 0; turns < 12; turns++) {
        system_record *record = system_new_record(SYSTEM_NONE);
        em_connection *client = dial(*state, turns % 2 ? "here.test" : "heresilent.test", port, record);
        for (unsigned i = 0; i < turns && record->completed == 0; i++)
            assert_true(em_loop_run_once(*state, 5 * EM_MILLISECONDS) >= 0);
        end_and_expect_nothing_left(*state, client, record);
    }
    name_server_stop(server);
}

/* Loops of several threads at the same time: each has a resolver of its own, destroyed with lookups in progress. */

enum { THREADS = 4, LOOPS = 8, NAMES = 20 };

static void ignore(em_loop *loop, em_lookup lookup, em_status status, const em_address *addresses, size_t count,
                   void *user)
{
    (void)loop;
    (void)lookup;
    (void)addresses;
    (void)count;
    *(unsigned *)user += status == EM_OK;
}

static unsigned use_a_loop(const name_server *server, unsigned wanted)
{
    unsigned found = 0;
    em_loop *loop = NULL;
    const em_loop_options of_loop = {.size = sizeof of_loop, .backend = system_backend()};
    const char *list[1];
    em_resolver_options options = system_ask(server, list);
    options.timeout_ns = 30 * EM_SECONDS;
    bool is_good = em_loop_create(&of_loop, &loop) == EM_OK && em_loop_set_resolver(loop, &options) == EM_OK;
    for (unsigned i = 0; is_good && i < NAMES; i++) {
        char name[32];
        snprintf(name, sizeof name, "good-%u.test", i);
        is_good = em_loop_resolve(loop, name, NULL, ignore, &found, NULL, NULL) == EM_OK;
    }
    while (is_good && found < wanted)
        is_good = em_loop_run_once(loop, 5 * EM_MILLISECONDS) >= 0;
    return em_loop_destroy(loop) == EM_OK && is_good;
}

static void *use_loops(void *server)
{
    for (unsigned i = 0; i < LOOPS; i++)
        if (!use_a_loop(server, i % 2 ? NAMES : NAMES / 2))
            return server;
    return NULL;
}

static void loops_of_several_threads_resolve_and_end_independently(void **state)
{
    name_server *server = start(*state);
    pthread_t threads[THREADS];
    void *result;
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_loops, server), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    name_server_stop(server);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_name_server_that_is_silent_about_ipv6_does_not_hold_up_ipv4),
        SYSTEM_TEST(what_is_sent_while_the_name_is_looked_up_arrives_in_order),
        SYSTEM_TEST(an_address_that_the_server_names_twice_is_tried_once),
        SYSTEM_TEST(the_reason_names_the_family_that_could_not_be_looked_up),
        SYSTEM_TEST(a_name_without_addresses_ends_at_once_with_a_reason_of_its_own),
        SYSTEM_TEST(a_silent_name_server_ends_the_connection_at_its_deadline),
        SYSTEM_TEST(what_was_checked_is_what_is_connected_to),
        SYSTEM_TEST(a_connection_by_name_can_be_closed_at_any_time),
        SYSTEM_TEST(loops_of_several_threads_resolve_and_end_independently),
    };
    return SYSTEM_RUN(tests);
}
