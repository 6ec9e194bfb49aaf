/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Several name servers: which one is asked, and what happens when one fails, is silent, does not listen or is started
 * again.
 */
#include <stdio.h>

#include "dns/resolver_private.h"
#include "support/system_names.h"
#include "support/unit.h"

/* The first is refused, the second is silent: found after one timeout, and at once the next time. */
static void the_next_server_is_asked_and_remembered(void **state)
{
    system_need_transport(*state);
    name_server *refused = name_server_start(0), *silent = name_server_start(0),
                *good = system_start_name_server(*state);
    char refused_address[32];
    snprintf(refused_address, sizeof refused_address, "%s", name_server_address(refused));
    name_server_stop(refused);
    name_server_be_silent(silent);
    const char *list[] = {refused_address, name_server_address(silent), name_server_address(good)};
    em_resolver_options options = system_ask(good, (const char *[1]){NULL});
    options.servers = list;
    options.server_count = 3;
    assert_int_equal(em_loop_set_resolver(*state, &options), EM_OK);
    assert_int_equal(system_query(*state, "good.test", EM_RECORD_A)->status, EM_OK);
    assert_int_equal(name_server_queries(silent), 1);
    assert_int_equal(system_query(*state, "good-2.test", EM_RECORD_A)->status, EM_OK);
    assert_int_equal(name_server_queries(silent), 1);
    name_server_stop(silent);
    name_server_stop(good);
}

/* The configuration is changed, as if the time had passed. */
static void a_silent_server_comes_first_again_after_half_a_minute(void **state)
{
    system_need_transport(*state);
    name_server *silent = name_server_start(0), *good = system_start_name_server(*state);
    const char *list[] = {name_server_address(silent), name_server_address(good)};
    em_resolver_options options = system_ask(good, (const char *[1]){NULL});
    options.servers = list;
    options.server_count = 2;
    assert_int_equal(em_loop_set_resolver(*state, &options), EM_OK);
    assert_int_equal(system_query(*state, "silent.test", EM_RECORD_A)->status, EM_RESOLVE_TIMEOUT);
    emi_resolver *resolver;
    assert_int_equal(emi_resolver_of(*state, &resolver), EM_OK);
    uint64_t *avoid_until_ns = resolver->config->avoid_until_ns;
    uint64_t now_ns = em_loop_get_time_ns(*state);
    assert_true(avoid_until_ns[0] > now_ns && avoid_until_ns[0] <= now_ns + 30 * EM_SECONDS);
    avoid_until_ns[1] = 0;
    unsigned queries = name_server_queries(silent);
    assert_int_equal(system_query(*state, "good.test", EM_RECORD_A)->status, EM_OK);
    assert_int_equal(name_server_queries(silent), queries);
    avoid_until_ns[0] = now_ns;
    assert_int_equal(system_query(*state, "good-2.test", EM_RECORD_A)->status, EM_OK);
    assert_int_equal(name_server_queries(silent), queries + 1);
    assert_int_equal(avoid_until_ns[0], 0);
    name_server_stop(silent);
    name_server_stop(good);
}

static void if_one_server_fails_the_next_is_asked(void **state)
{
    system_need_transport(*state);
    name_server *first = name_server_start(0), *second = system_start_name_server(*state);
    const char *list[] = {name_server_address(first), name_server_address(second)};
    em_resolver_options options = system_ask(second, (const char *[1]){NULL});
    options.servers = list;
    options.server_count = 2;
    assert_int_equal(em_loop_set_resolver(*state, &options), EM_OK);
    static const char *const failures[] = {"failing.test", "refused.test"};
    static const char *const final[] = {"unknown.test", "nothing.test"};
    for (size_t i = 0; i < COUNT(failures); i++) {
        unsigned queries = name_server_queries(second);
        system_query(*state, failures[i], EM_RECORD_A);
        assert_true(name_server_queries(second) > queries);
    }
    for (size_t i = 0; i < COUNT(final); i++) {
        unsigned queries = name_server_queries(second);
        system_query(*state, final[i], EM_RECORD_A);
        assert_int_equal(name_server_queries(second), queries);
    }
    name_server_stop(first);
    name_server_stop(second);
}

static void where_no_server_listens_the_lookup_is_refused(void **state)
{
    name_server *server = system_start_name_server(*state);
    name_server_stop(server);
    assert_int_equal(system_query(*state, "good.test", EM_RECORD_A)->status, EM_CONNECTION_REFUSED);
}

/* Their sockets are closed and their numbers used again all the time, while another server is asked. */
static void thousands_of_refused_queries_disturb_no_others(void **state)
{
    enum { MANY = 3000 };
    name_server *good = system_start_name_server(*state);
    const char *list[1];
    em_resolver_options options = system_ask(good, list);
    list[0] = "127.0.0.1:1"; /* no port that a query may have */
    const em_lookup_options elsewhere = {.size = sizeof elsewhere, .family = EM_ADDRESS_IPV4, .resolver = &options};
    unsigned descriptors = system_descriptors();
    em_status *statuses = system_memory(MANY * sizeof *statuses);
    for (size_t i = 0; i < MANY; i++) {
        char name[32];
        snprintf(name, sizeof name, "good-%zu.test", i);
        statuses[i] = EM_IN_PROGRESS;
        assert_int_equal(
            em_loop_resolve(*state, name, i % 2 ? NULL : &elsewhere, system_note_status, &statuses[i], NULL, NULL),
            EM_OK);
    }
    for (size_t i = 0; i < MANY; i++) {
        while (statuses[i] == EM_IN_PROGRESS)
            system_turn(*state);
        assert_int_equal(statuses[i], i % 2 ? EM_OK : EM_CONNECTION_REFUSED);
    }
    for (unsigned turns = 0; turns < 100 && system_descriptors() > descriptors; turns++)
        em_loop_run_once(*state, 0); /* a few sockets that were kept for further questions are closed in each turn */
    assert_int_equal(system_descriptors(), descriptors);
    name_server_stop(good);
}

static void a_server_that_is_started_again_is_found(void **state)
{
    static const em_switch transports[] = {EM_OFF, EM_ON};
    system_need_transport(*state);
    for (size_t i = 0; i < COUNT(transports); i++) {
        name_server *server = name_server_start(0);
        const char *list[1];
        em_resolver_options options = system_ask(server, list);
        options.use_tcp = transports[i];
        assert_int_equal(em_loop_set_resolver(*state, &options), EM_OK);
        assert_int_equal(system_query(*state, "good-1.test", EM_RECORD_A)->status, EM_OK);
        int port = name_server_port(server);
        name_server_stop(server);
        assert_int_equal(system_query(*state, "good-2.test", EM_RECORD_A)->status, EM_CONNECTION_REFUSED);
        server = name_server_start(port);
        assert_int_equal(system_query(*state, "good-2.test", EM_RECORD_A)->status, EM_OK);
        name_server_stop(server);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(the_next_server_is_asked_and_remembered),
        SYSTEM_TEST(a_silent_server_comes_first_again_after_half_a_minute),
        SYSTEM_TEST(if_one_server_fails_the_next_is_asked),
        SYSTEM_TEST(where_no_server_listens_the_lookup_is_refused),
        SYSTEM_TEST(thousands_of_refused_queries_disturb_no_others),
        SYSTEM_TEST(a_server_that_is_started_again_is_found),
    };
    return SYSTEM_RUN(tests);
}
