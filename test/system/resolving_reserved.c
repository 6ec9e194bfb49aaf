/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Names that no name server is asked for, and names that only look as if they were. The name server is in a thread of
 * the test.
 */
#include <stdlib.h>

#include "support/system_names.h"
#include "support/unit.h"

static em_status query_at_once(em_loop *loop, const char *name)
{
    return em_loop_query(loop, name, EM_RECORD_TXT, NULL, (em_queried)(void (*)(void))abort, NULL, NULL, NULL);
}

static void names_under_invalid_and_onion_are_refused_for_queries(void **state)
{
    static const char *const names[] = {"invalid", "a.INVALID.", "onion", "a.b.Onion"};
    name_server *server = system_start_name_server(*state);
    for (size_t i = 0; i < COUNT(names); i++)
        assert_int_equal(query_at_once(*state, names[i]), EM_NAME_NOT_FOUND);
    assert_int_equal(system_query(*state, "good.onion.test", EM_RECORD_A)->status, EM_OK);
    assert_int_equal(name_server_queries(server), 1);
    name_server_stop(server);
}

static void a_query_for_localhost_is_answered_here(void **state)
{
    static const char *const names[] = {"localhost", "LocalHost.", "a.b.localhost"};
    name_server *server = system_start_name_server(*state);
    for (size_t i = 0; i < COUNT(names); i++) {
        char text[EM_ADDRESS_TEXT_BYTES];
        system_found *found = system_query(*state, names[i], EM_RECORD_A);
        assert_int_equal(found->record_count, 1);
        em_address_to_text(&found->record.address, text, sizeof text);
        assert_string_equal(text, "127.0.0.1:0");
        assert_string_equal(found->name, names[i]);
        found = system_query(*state, names[i], EM_RECORD_AAAA);
        assert_int_equal(found->record_count, 1);
        em_address_to_text(&found->record.address, text, sizeof text);
        assert_string_equal(text, "[::1]:0");
        found = system_query(*state, names[i], EM_RECORD_MX);
        assert_int_equal(found->status, EM_NO_RECORDS);
        assert_int_equal(found->response_code, 0);
    }
    assert_int_equal(name_server_queries(server), 0);
    name_server_stop(server);
}

/* The search list must not make names that are reserved. */
static void reserved_suffixes_are_not_sent(void **state)
{
    const char *list[1], *suffixes[] = {"localhost"}, *refused[] = {"tor.onion"};
    name_server *server = system_start_name_server(*state);
    em_resolver_options options = system_ask(server, list);
    options.use_search = EM_ON;
    options.search_count = 1;
    options.search = refused;
    assert_int_equal(em_loop_set_resolver(*state, &options), EM_INVALID_ARGUMENT);
    options.search = suffixes;
    assert_int_equal(em_loop_set_resolver(*state, &options), EM_OK);
    assert_int_equal(system_resolve(*state, "good")->address_count, 2);
    assert_int_equal(name_server_queries(server), 0);
    name_server_stop(server);
}

/* The test's server says "no such name". */
static void the_root_can_be_queried(void **state)
{
    name_server *server = system_start_name_server(*state);
    system_found *found = system_query(*state, ".", EM_RECORD_NS);
    assert_int_equal(found->status, EM_NAME_NOT_FOUND);
    assert_string_equal(found->name, ".");
    assert_int_equal(name_server_queries(server), 1);
    system_query(*state, ".", EM_RECORD_NS); /* from the cache */
    assert_int_equal(name_server_queries(server), 1);
    name_server_stop(server);
}

/* inet_aton(3) takes the refused ones for addresses, whatever a program that checks names takes them for. */
static void a_name_of_numbers_is_no_name(void **state)
{
    static const char *const refused[] = {"1",           "0x7f.1",        "127.0x1",     "127.0.0.0x1",
                                          "0177.0.0.01", "127.0.0.0X01.", "1.2.3.4.0x5", "4294967295"};
    static const char *const names[] = {"0xbad.test", "1.test", "0xdead.beef", "good.1", "0x7f.x", "1e3"};
    name_server *server = system_start_name_server(*state);
    for (size_t i = 0; i < COUNT(refused); i++)
        assert_int_equal(
            em_loop_resolve(*state, refused[i], NULL, (em_resolved)(void (*)(void))abort, NULL, NULL, NULL),
            EM_INVALID_ADDRESS);
    for (size_t i = 0; i < COUNT(refused); i++)
        assert_int_equal(
            em_loop_query(*state, refused[i], EM_RECORD_A, NULL, (em_queried)(void (*)(void))abort, NULL, NULL, NULL),
            EM_INVALID_ADDRESS);
    for (size_t i = 0; i < COUNT(names); i++)
        system_resolve(*state, names[i]);
    assert_int_equal(name_server_queries(server), 2 * COUNT(names));
    name_server_stop(server);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(names_under_invalid_and_onion_are_refused_for_queries),
        SYSTEM_TEST(a_query_for_localhost_is_answered_here),
        SYSTEM_TEST(reserved_suffixes_are_not_sent),
        SYSTEM_TEST(the_root_can_be_queried),
        SYSTEM_TEST(a_name_of_numbers_is_no_name),
    };
    return SYSTEM_RUN(tests);
}
