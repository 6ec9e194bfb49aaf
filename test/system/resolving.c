/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Lookups that ask a name server. The server runs in a thread of the test, and answers well, badly or not at all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/system_names.h"
#include "support/unit.h"

static void a_name_has_the_addresses_that_the_server_says(void **state)
{
    name_server *server = system_start_name_server(*state);
    system_found *found = system_resolve(*state, "good.test");
    assert_int_equal(found->status, EM_OK);
    assert_int_equal(found->address_count, 2);
    bool ipv6_first = found->texts[0][0] == '[';
    assert_string_equal(found->texts[ipv6_first ? 1 : 0], "192.0.2.1:0");
    assert_string_equal(found->texts[ipv6_first ? 0 : 1], "[2001:db8::1]:0");
    name_server_stop(server);
}

/* Of each behaviour of the server: the status, and the first IPv4 address. */
static void each_failure_of_a_server_has_its_status(void **state)
{
    static const struct expected {
        const char *name;
        em_status status;
        const char *address;
    } expected[] = {
        {"four.test", EM_OK, "192.0.2.1:0"},
        {"unknown.test", EM_NAME_NOT_FOUND, NULL},
        {"nothing.test", EM_NO_RECORDS, NULL},
        {"failing.test", EM_RESOLVER_FAILED, NULL},
        {"refused.test", EM_RESOLVER_FAILED, NULL},
        {"notimp.test", EM_OK, "192.0.2.1:0"},
        {"formerr.test", EM_OK, "192.0.2.1:0"},
        {"silent.test", EM_RESOLVE_TIMEOUT, NULL},
        {"truncated.test", EM_OK, "192.0.2.1:0"},
        {"cut.test", EM_ANSWER_TRUNCATED, NULL},
        {"wrongid.test", EM_OK, "192.0.2.1:0"},
        {"wrongquestion.test", EM_OK, "192.0.2.1:0"},
        {"elsewhere.test", EM_OK, "192.0.2.1:0"},
        {"malformed.test", EM_OK, "192.0.2.1:0"},
        {"itself.test", EM_RESOLVER_FAILED, NULL},
        {"alias.test", EM_OK, "192.0.2.7:0"},
        {"capitals.test", EM_OK, "192.0.2.1:0"},
        {"cutovertcp.test", EM_ANSWER_TRUNCATED, NULL},
        {"long.test", EM_OK, "192.0.2.1:0"},
        {"hundredth.test", EM_OK, "192.0.2.1:0"},
        {"formerrwithedns.test", EM_OK, "192.0.2.1:0"},
    };
    name_server *server = system_start_name_server(*state);
    for (size_t i = 0; i < COUNT(expected); i++) {
        system_found *found = system_query(*state, expected[i].name, EM_RECORD_A);
        if (found->status != expected[i].status)
            print_error("%s: %s\n", expected[i].name, em_status_get_name(found->status));
        assert_int_equal(found->status, expected[i].status);
        assert_int_equal(found->record_count, expected[i].address ? 1 : 0);
        char text[EM_ADDRESS_TEXT_BYTES];
        em_address_to_text(&found->record.address, text, sizeof text);
        if (expected[i].address)
            assert_string_equal(text, expected[i].address);
    }
    name_server_stop(server);
}

static void the_names_of_an_answer_are_the_users_and_the_canonical_one(void **state)
{
    name_server *server = system_start_name_server(*state);
    system_found *found = system_query(*state, "Alias.Test", EM_RECORD_A);
    assert_string_equal(found->name, "Alias.Test");
    assert_string_equal(found->canonical_name, "Two.test");
    found = system_query(*state, "aLIAS.test", EM_RECORD_A);
    assert_string_equal(found->name, "aLIAS.test");
    assert_int_equal(name_server_queries(server), 1);
    name_server_stop(server);
}

static void an_answer_has_the_response_code(void **state)
{
    name_server *server = system_start_name_server(*state);
    assert_int_equal(system_query(*state, "good.test", EM_RECORD_A)->response_code, 0);
    assert_int_equal(system_query(*state, "failing.test", EM_RECORD_A)->response_code, 2);
    assert_int_equal(system_query(*state, "unknown.test", EM_RECORD_A)->response_code, 3);
    assert_int_equal(system_query(*state, "refused.test", EM_RECORD_A)->response_code, 5);
    assert_int_equal(system_query(*state, "silent.test", EM_RECORD_A)->response_code, -1);
    name_server_stop(server);
}

static void records_of_each_type_are_read(void **state)
{
    name_server *server = system_start_name_server(*state);
    system_found *found = system_query(*state, "good.test", EM_RECORD_MX);
    assert_int_equal(found->record.priority, 10);
    assert_string_equal(found->target, "mail.good.test");
    found = system_query(*state, "good.test", EM_RECORD_SRV);
    assert_int_equal(found->record.priority, 1);
    assert_int_equal(found->record.weight, 2);
    assert_int_equal(found->record.port, 80);
    assert_string_equal(found->target, "www.test");
    found = system_query(*state, "good.test", EM_RECORD_TXT);
    assert_string_equal(found->fields, "hello||me");
    found = system_query(*state, "good.test", EM_RECORD_HTTPS);
    assert_int_equal(found->record.priority, 1);
    assert_int_equal(found->record.port, 8443);
    assert_int_equal(found->record.field_count, 2);
    found = system_query(*state, "good.test", EM_RECORD_PTR);
    assert_string_equal(found->target, "a\\.b\\001.test");
    found = system_query(*state, "alias.test", EM_RECORD_CNAME);
    assert_string_equal(found->target, "one.test");
    assert_int_equal(found->record.ttl_seconds, 30);
    name_server_stop(server);
}

static void the_name_of_an_address_is_asked_for_under_arpa(void **state)
{
    (void)state;
    em_address address;
    char name[80];
    assert_int_equal(em_address_from_text("192.0.2.1", 80, &address), EM_OK);
    assert_int_equal(em_address_to_reverse_name(&address, name, sizeof name), EM_OK);
    assert_string_equal(name, "1.2.0.192.in-addr.arpa");
    assert_int_equal(em_address_from_text("2001:db8::1", 80, &address), EM_OK);
    assert_int_equal(em_address_to_reverse_name(&address, name, sizeof name), EM_OK);
    assert_string_equal(name, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

static void at_most_sixteen_addresses_of_a_family_are_reported(void **state)
{
    name_server *server = system_start_name_server(*state);
    assert_int_equal(system_resolve(*state, "many.test")->address_count, 16);
    name_server_stop(server);
}

static void an_answer_is_kept_for_its_time_to_live(void **state)
{
    static const char *const kept[] = {"good.test", "unknown.test", "nothing.test", "GOOD.test."};
    static const char *const asked_again[] = {"briefly.test", "failing.test"};
    name_server *server = system_start_name_server(*state);
    for (size_t i = 0; i < COUNT(kept); i++) {
        system_query(*state, kept[i], EM_RECORD_A);
        unsigned queries = name_server_queries(server);
        system_query(*state, kept[i], EM_RECORD_A);
        assert_int_equal(name_server_queries(server), queries);
    }
    for (size_t i = 0; i < COUNT(asked_again); i++) {
        system_query(*state, asked_again[i], EM_RECORD_A);
        unsigned queries = name_server_queries(server);
        system_query(*state, asked_again[i], EM_RECORD_A);
        assert_true(name_server_queries(server) > queries);
    }
    name_server_stop(server);
}

static void a_name_that_many_want_is_asked_for_once(void **state)
{
    enum { MANY = 50 };
    name_server *server = system_start_name_server(*state);
    system_found *found = system_memory(MANY * sizeof *found);
    for (size_t i = 0; i < MANY; i++)
        system_begin_query(*state, "briefly.test", EM_RECORD_A, &found[i]);
    for (size_t i = 0; i < MANY; i++) {
        system_wait_for(*state, &found[i]);
        assert_int_equal(found[i].status, EM_OK);
    }
    assert_int_equal(name_server_queries(server), 1);
    name_server_stop(server);
}

static void each_query_has_a_port_and_an_id_of_its_own(void **state)
{
    enum { MANY = 300 };
    name_server *server = system_start_name_server(*state);
    system_found *found = system_memory(MANY * sizeof *found);
    for (size_t i = 0; i < MANY; i++) {
        char name[32];
        snprintf(name, sizeof name, "good-%zu.test", i);
        system_begin_query(*state, name, EM_RECORD_A, &found[i]);
    }
    for (size_t i = 0; i < MANY; i++)
        system_wait_for(*state, &found[i]);
    assert_int_equal(name_server_queries(server), MANY);
    /* Some may be equal by chance. */
    assert_true(name_server_ports(server) > MANY * 8 / 10);
    assert_true(name_server_ids(server) > MANY * 9 / 10);
    name_server_stop(server);
}

/* Nothing is asked again, however slow the machine is. */
static void find_many_at_once(em_loop *loop, const name_server *server, const char *label, unsigned many)
{
    const char *list[1];
    em_resolver_options patient = system_ask(server, list);
    patient.timeout_ns = 30 * EM_SECONDS;
    assert_int_equal(em_loop_set_resolver(loop, &patient), EM_OK);
    em_status *statuses = system_memory(many * sizeof *statuses);
    const em_lookup_options options = {.size = sizeof options, .family = EM_ADDRESS_IPV4};
    for (unsigned i = 0; i < many; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s-%u.test", label, i);
        statuses[i] = EM_IN_PROGRESS;
        assert_int_equal(em_loop_resolve(loop, name, &options, system_note_status, &statuses[i], NULL, NULL), EM_OK);
    }
    for (unsigned i = 0; i < many; i++) {
        while (statuses[i] == EM_IN_PROGRESS)
            system_turn(loop);
        assert_int_equal(statuses[i], EM_OK);
    }
}

static void ten_thousand_names_at_once_are_all_found(void **state)
{
    name_server *server = system_start_name_server(*state);
    find_many_at_once(*state, server, "good", 10000);
    assert_true(system_descriptors() < 200);
    name_server_stop(server);
}

/* Sockets are used for one query after the other. The second reply may wait in a socket that is used again. */
static void a_second_reply_is_not_taken_for_one_to_the_next_query(void **state)
{
    name_server *server = system_start_name_server(*state);
    find_many_at_once(*state, server, "twice", 2000);
    assert_int_equal(name_server_queries(server), 2000);
    name_server_stop(server);
}

static void silent_names_do_not_hold_up_a_good_one(void **state)
{
    enum { SILENT = 60 };
    name_server *server = system_start_name_server(*state);
    system_found *silent = system_memory(SILENT * sizeof *silent);
    for (size_t i = 0; i < SILENT; i++) {
        char name[32];
        snprintf(name, sizeof name, "silent-%zu.test", i);
        system_begin_query(*state, name, EM_RECORD_A, &silent[i]);
    }
    assert_int_equal(system_query(*state, "good.test", EM_RECORD_A)->status, EM_OK);
    for (size_t i = 0; i < SILENT; i++)
        assert_int_equal(silent[i].calls, 0);
    name_server_stop(server);
}

/* The resolver alone would wait for more than a minute. */
static void a_deadline_ends_a_lookup(void **state)
{
    name_server *server = system_start_name_server(*state);
    const char *list[1];
    em_resolver_options patient = system_ask(server, list);
    patient.timeout_ns = UINT64_C(30000000000);
    em_lookup_options options = {.size = sizeof options, .timeout_ns = 10000000, .resolver = &patient};
    em_status status = EM_IN_PROGRESS;
    assert_int_equal(em_loop_resolve(*state, "silent.test", &options, system_note_status, &status, NULL, NULL), EM_OK);
    while (status == EM_IN_PROGRESS)
        system_turn(*state);
    assert_int_equal(status, EM_RESOLVE_TIMEOUT);
    assert_int_equal(system_stats(*state).timers_pending, 0);
    name_server_stop(server);
}

static void bad_options_of_a_lookup_are_refused(void **state)
{
    em_resolver_options bad = {.size = sizeof bad, .ndots = 99};
    em_status status;
    const em_lookup_options refused[] = {
        {.size = 0},
        {.size = sizeof *refused, .port = -1},
        {.size = sizeof *refused, .port = 65536},
        {.size = sizeof *refused, .family = EM_ADDRESS_UNIX},
        {.size = sizeof *refused, .resolver = &bad},
    };
    for (size_t i = 0; i < COUNT(refused); i++)
        assert_true(em_loop_resolve(*state, "x.test", &refused[i], system_note_status, &status, NULL, NULL) < 0);
    assert_int_equal(em_loop_resolve(NULL, "x.test", NULL, system_note_status, &status, NULL, NULL),
                     EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_resolve(*state, NULL, NULL, system_note_status, &status, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_resolve(*state, "x.test", NULL, NULL, &status, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_cancel_lookup(NULL, 1), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_cancel_lookup(*state, 1), EM_NOT_FOUND);
}

static void nothing_is_left_to_do_after_the_last_answer(void **state)
{
    name_server *server = system_start_name_server(*state);
    unsigned descriptors = system_descriptors();
    system_query(*state, "good.test", EM_RECORD_A);
    system_turn(*state);
    assert_int_equal(system_descriptors(), descriptors);
    assert_int_equal(system_stats(*state).timers_pending, 0);
    assert_true(em_loop_get_timeout_ns(*state) == EM_FOREVER);
    name_server_stop(server);
}

static void malformed_and_reserved_names_fail_at_once(void **state)
{
    static const struct refused {
        const char *name;
        em_status status;
    } refused[] = {
        {"", EM_INVALID_ADDRESS},        {"a..b", EM_INVALID_ADDRESS},        {"1.2.3.4.5", EM_INVALID_ADDRESS},
        {"127.1", EM_INVALID_ADDRESS},   {"0x7f000001", EM_INVALID_ADDRESS},  {"010.0.0.1", EM_INVALID_ADDRESS},
        {"a b", EM_INVALID_ADDRESS},     {"x.invalid", EM_NAME_NOT_FOUND},    {"x.onion", EM_NAME_NOT_FOUND},
        {"x.ONION.", EM_NAME_NOT_FOUND}, {"::1%nowhere", EM_INVALID_ADDRESS}, {".", EM_INVALID_ADDRESS},
        {"127.0x1", EM_INVALID_ADDRESS}, {"0177.0.0X1", EM_INVALID_ADDRESS},  {"127.0x1.", EM_INVALID_ADDRESS},
        {"1.0x", EM_INVALID_ADDRESS},    {"*", EM_INVALID_ADDRESS},
    };
    system_found found = {.calls = 0};
    for (size_t i = 0; i < COUNT(refused); i++) {
        em_status status =
            em_loop_resolve(*state, refused[i].name, NULL, (em_resolved)(void (*)(void))abort, &found, NULL, NULL);
        if (status != refused[i].status)
            print_error("%s: %s\n", refused[i].name, em_status_get_name(status));
        assert_int_equal(status, refused[i].status);
    }
    assert_int_equal(system_resolve(*state, "127.0.0.1")->address_count, 1);
    assert_string_equal(system_resolve(*state, "::1")->texts[0], "[::1]:0");
}

/* Each has a label that is no number. */
static void names_that_look_like_numbers_at_the_beginning_are_names(void **state)
{
    static const char *const names[] = {"0xdead.example", "0xab.cd", "1.2.3.4x", "3com.example", "0x.example", "a.1"};
    for (size_t i = 0; i < COUNT(names); i++) {
        em_lookup lookup;
        assert_int_equal(
            em_loop_resolve(*state, names[i], NULL, (em_resolved)(void (*)(void))abort, NULL, NULL, &lookup), EM_OK);
        assert_int_equal(em_loop_cancel_lookup(*state, lookup), EM_OK);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_name_has_the_addresses_that_the_server_says),
        SYSTEM_TEST(each_failure_of_a_server_has_its_status),
        SYSTEM_TEST(the_names_of_an_answer_are_the_users_and_the_canonical_one),
        SYSTEM_TEST(an_answer_has_the_response_code),
        SYSTEM_TEST(records_of_each_type_are_read),
        SYSTEM_TEST(the_name_of_an_address_is_asked_for_under_arpa),
        SYSTEM_TEST(at_most_sixteen_addresses_of_a_family_are_reported),
        SYSTEM_TEST(an_answer_is_kept_for_its_time_to_live),
        SYSTEM_TEST(a_name_that_many_want_is_asked_for_once),
        SYSTEM_TEST(each_query_has_a_port_and_an_id_of_its_own),
        SYSTEM_TEST(ten_thousand_names_at_once_are_all_found),
        SYSTEM_TEST(a_second_reply_is_not_taken_for_one_to_the_next_query),
        SYSTEM_TEST(silent_names_do_not_hold_up_a_good_one),
        SYSTEM_TEST(a_deadline_ends_a_lookup),
        SYSTEM_TEST(bad_options_of_a_lookup_are_refused),
        SYSTEM_TEST(nothing_is_left_to_do_after_the_last_answer),
        SYSTEM_TEST(malformed_and_reserved_names_fail_at_once),
        SYSTEM_TEST(names_that_look_like_numbers_at_the_beginning_are_names),
    };
    return SYSTEM_RUN(tests);
}
