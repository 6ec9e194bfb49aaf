/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * How lookups end without an answer: cancelled in each state and in callbacks, with the loop, in forked children,
 * without memory. The name server runs in a thread of the test.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dns/resolver.h"
#include "loop/loop_private.h"
#include "support/counted_memory.h"
#include "support/failing_allocator.h"
#include "support/system_names.h"
#include "support/unit.h"

static void wait_for_queries(em_loop *loop, name_server *server, unsigned queries)
{
    while (name_server_queries(server) < queries)
        system_turn(loop);
}

static void a_lookup_can_be_cancelled_before_it_is_sent(void **state)
{
    name_server *server = system_start_name_server(*state);
    system_found *found = system_memory(sizeof *found);
    em_lookup lookup = system_begin_resolve(*state, "good.test", found);
    assert_int_equal(em_loop_cancel_lookup(*state, lookup), EM_OK);
    assert_int_equal(found->disposals, 1);
    assert_int_equal(em_loop_cancel_lookup(*state, lookup), EM_NOT_FOUND);
    system_resolve(*state, "good-2.test");
    assert_int_equal(found->calls, 0);
    assert_int_equal(name_server_queries(server), 2);
    name_server_stop(server);
}

static void a_lookup_can_be_cancelled_while_the_server_is_silent(void **state)
{
    name_server *server = system_start_name_server(*state);
    unsigned descriptors = system_descriptors();
    system_found *found = system_memory(sizeof *found);
    em_lookup lookup = system_begin_resolve(*state, "silent.test", found);
    wait_for_queries(*state, server, 2);
    assert_int_equal(em_loop_cancel_lookup(*state, lookup), EM_OK);
    system_turn(*state);
    assert_int_equal(system_descriptors(), descriptors);
    assert_int_equal(system_stats(*state).timers_pending, 0);
    assert_int_equal(found->calls, 0);
    name_server_stop(server);
}

static void a_lookup_that_is_known_can_be_cancelled_before_it_is_reported(void **state)
{
    name_server *server = system_start_name_server(*state);
    system_resolve(*state, "good.test");
    system_found *found = system_memory(sizeof *found);
    em_lookup cached = system_begin_resolve(*state, "good.test", found);
    em_lookup local = system_begin_resolve(*state, "localhost", found);
    assert_int_equal(em_loop_cancel_lookup(*state, cached), EM_OK);
    assert_int_equal(em_loop_cancel_lookup(*state, local), EM_OK);
    system_turn(*state);
    assert_int_equal(found->calls, 0);
    assert_int_equal(found->disposals, 2);
    name_server_stop(server);
}

static void one_of_two_that_want_the_same_name_can_be_cancelled(void **state)
{
    name_server *server = system_start_name_server(*state);
    system_found *one = system_memory(sizeof *one), *other = system_memory(sizeof *other);
    em_lookup lookup = system_begin_query(*state, "good.test", EM_RECORD_A, one);
    system_begin_query(*state, "good.test", EM_RECORD_A, other);
    assert_int_equal(em_loop_cancel_lookup(*state, lookup), EM_OK);
    system_wait_for(*state, other);
    assert_int_equal(other->status, EM_OK);
    assert_int_equal(one->calls, 0);
    name_server_stop(server);
}

/* In callbacks */

static system_found *second;
static em_lookup second_lookup;

static void cancel_second(system_found *found)
{
    em_status status = em_loop_cancel_lookup(found->loop, second_lookup);
    assert_true(status == EM_OK || second->calls == 1);
}

static void begin_second(system_found *found)
{
    second_lookup = system_begin_resolve(found->loop, "good.test", second);
}

static void set_resolver(system_found *found)
{
    assert_int_equal(em_loop_set_resolver(found->loop, NULL), EM_OK);
}

static void refuse_to_be_destroyed(system_found *found)
{
    assert_int_equal(em_loop_destroy(found->loop), EM_INVALID_STATE);
}

static void everything_is_allowed_in_a_callback(void **state)
{
    name_server *server = system_start_name_server(*state);
    second = system_memory(sizeof *second);
    system_found *first = system_memory(3 * sizeof *first);
    first[0].then = cancel_second;
    system_begin_resolve(*state, "good.test", &first[0]);
    second_lookup = system_begin_resolve(*state, "good.test", second);
    system_wait_for(*state, &first[0]);
    system_turn(*state);
    assert_int_equal(second->calls + second->disposals, 1);
    first[1].then = begin_second;
    memset(second, 0, sizeof *second);
    system_begin_query(*state, "good.test", EM_RECORD_TXT, &first[1]);
    system_wait_for(*state, second);
    first[2].then = refuse_to_be_destroyed;
    system_begin_query(*state, "good.test", EM_RECORD_TXT, &first[2]);
    system_wait_for(*state, &first[2]);
    memset(first, 0, sizeof *first);
    first[0].then = set_resolver;
    system_begin_query(*state, "good-3.test", EM_RECORD_TXT, &first[0]);
    system_wait_for(*state, &first[0]);
    name_server_stop(server);
}

/* Families */

typedef struct families {
    unsigned calls;
    unsigned last;
    em_status ipv4;
    em_status ipv6;
    emi_lookup *lookup;
    bool cancels;
} families;

static void note_family(void *user, em_address_family family, em_status status, const emi_addresses *addresses,
                        bool is_last)
{
    families *found = user;
    found->calls++;
    found->last += is_last;
    *(family == EM_ADDRESS_IPV6 ? &found->ipv6 : &found->ipv4) = status;
    assert_int_equal(status == EM_OK, addresses->count > 0);
    for (unsigned i = 0; i < addresses->count; i++) {
        assert_int_equal(em_address_get_family(&addresses->list[i]), family);
        assert_int_equal(em_address_get_port(&addresses->list[i]), 80);
    }
    if (found->cancels && !is_last)
        emi_resolve_cancel(found->lookup);
}

static void each_family_is_reported_when_it_is_known(void **state)
{
    name_server *server = system_start_name_server(*state);
    families found = {.calls = 0};
    assert_int_equal(emi_resolve_families(*state, "four.test", 80, note_family, &found, &found.lookup), EM_OK);
    assert_int_equal(found.calls, 0);
    while (found.last == 0)
        system_turn(*state);
    assert_int_equal(found.calls, 2);
    assert_int_equal(found.ipv4, EM_OK);
    assert_int_equal(found.ipv6, EM_NO_RECORDS);
    /* Now it is in the cache. */
    memset(&found, 0, sizeof found);
    assert_int_equal(emi_resolve_families(*state, "four.test", 80, note_family, &found, &found.lookup), EM_OK);
    system_turn(*state);
    assert_int_equal(found.calls, 2);
    name_server_stop(server);
}

static void a_lookup_by_families_can_be_cancelled_by_the_first(void **state)
{
    name_server *server = system_start_name_server(*state);
    families found = {.cancels = true};
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(emi_resolve_families(*state, "good.test", 80, note_family, &found, &found.lookup), EM_OK);
        while (found.calls == i)
            system_turn(*state);
        system_turn(*state);
        assert_int_equal(found.calls, i + 1);
    }
    name_server_stop(server);
}

/* "Connection refused" would seem to come from the peer. */
static void a_dead_name_server_is_not_taken_for_a_peer_that_refuses(void **state)
{
    name_server *server = system_start_name_server(*state);
    name_server_stop(server);
    families found = {.calls = 0};
    assert_int_equal(emi_resolve_families(*state, "good.test", 80, note_family, &found, &found.lookup), EM_OK);
    while (found.last == 0)
        system_turn(*state);
    assert_int_equal(found.ipv4, EM_RESOLVER_FAILED);
    assert_int_equal(found.ipv6, EM_RESOLVER_FAILED);
}

/* The loop */

static void lookups_end_with_the_loop(void **state)
{
    name_server *server = system_start_name_server(*state);
    system_found *found = system_memory(4 * sizeof *found);
    system_begin_resolve(*state, "silent.test", &found[0]);
    wait_for_queries(*state, server, 2);
    system_begin_resolve(*state, "good.test", &found[1]);
    system_begin_resolve(*state, "localhost", &found[2]);
    system_begin_query(*state, "silent.test", EM_RECORD_A, &found[3]);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(found[i].calls, 0);
        assert_int_equal(found[i].disposals, 1);
    }
    name_server_stop(server);
}

static void wait_for_child(pid_t child)
{
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result));
    assert_int_equal(WEXITSTATUS(result), 0);
}

static void a_child_that_takes_over_gets_its_own_answers(void **state)
{
    name_server *server = system_start_name_server(*state);
    system_found *found = system_memory(sizeof *found);
    system_begin_query(*state, "silent.test", EM_RECORD_A, found);
    system_found *good = system_memory(sizeof *good);
    wait_for_queries(*state, server, 1);
    system_begin_query(*state, "good.test", EM_RECORD_A, good);
    pid_t child = fork();
    if (child == 0) {
        /* The cmocka of the parent must not see a failure. */
        bool fine = em_loop_take_over(*state) == EM_OK;
        for (unsigned turns = 0; fine && (good->calls == 0 || found->calls == 0) && turns < 1000; turns++)
            em_loop_run_once(*state, 10000000);
        fine = fine && good->status == EM_OK && found->status == EM_RESOLVE_TIMEOUT;
        fine = fine && em_loop_destroy(*state) == EM_OK;
        _exit(fine ? 0 : 1);
    }
    wait_for_child(child);
    system_wait_for(*state, good);
    assert_int_equal(good->status, EM_OK);
    system_wait_for(*state, found);
    name_server_stop(server);
}

static void find_all(em_loop *loop, const em_status *statuses, unsigned count)
{
    for (unsigned i = 0; i < count;)
        if (statuses[i] != EM_IN_PROGRESS)
            i++;
        else
            em_loop_run_once(loop, 10000000);
}

static unsigned count_found(const em_status *statuses, unsigned count)
{
    unsigned found = 0;
    for (unsigned i = 0; i < count; i++)
        found += statuses[i] == EM_OK;
    return found;
}

/* Some sockets have just been answered then, and wait for their next question. */
static void children_forked_amid_many_lookups_find_all_of_them_as_their_parent_does(void **state)
{
    enum { MANY = 400, CHILDREN = 4 };
    char name[32];
    name_server *server = system_start_name_server(*state);
    const char *list[1];
    em_resolver_options patient = system_ask(server, list);
    patient.timeout_ns = 30 * EM_SECONDS;
    assert_int_equal(em_loop_set_resolver(*state, &patient), EM_OK);
    em_status *statuses = system_memory(MANY * sizeof *statuses);
    for (unsigned i = 0; i < MANY; i++) {
        statuses[i] = EM_IN_PROGRESS;
        snprintf(name, sizeof name, "good-%u.test", i);
        assert_int_equal(em_loop_resolve(*state, name, NULL, system_note_status, &statuses[i], NULL, NULL), EM_OK);
    }
    for (unsigned children = 0; children < CHILDREN; children++) {
        while (count_found(statuses, MANY) < MANY / CHILDREN * children + 1)
            system_turn(*state);
        pid_t child = fork();
        if (child == 0) {
            bool fine = em_loop_take_over(*state) == EM_OK;
            if (fine)
                find_all(*state, statuses, MANY);
            _exit(fine && count_found(statuses, MANY) == MANY && em_loop_destroy(*state) == EM_OK ? 0 : 1);
        }
        wait_for_child(child);
    }
    find_all(*state, statuses, MANY);
    assert_int_equal(count_found(statuses, MANY), MANY);
    name_server_stop(server);
}

static void a_child_that_does_not_take_over_disturbs_nothing(void **state)
{
    name_server *server = system_start_name_server(*state);
    system_found *found = system_memory(2 * sizeof *found);
    system_begin_query(*state, "silent.test", EM_RECORD_A, &found[0]);
    wait_for_queries(*state, server, 1);
    pid_t child = fork();
    if (child == 0)
        _exit(em_loop_destroy(*state) == EM_OK && found[0].disposals == 1 ? 0 : 1);
    wait_for_child(child);
    system_begin_query(*state, "good.test", EM_RECORD_A, &found[1]);
    system_wait_for(*state, &found[1]);
    assert_int_equal(found[1].status, EM_OK);
    system_wait_for(*state, &found[0]);
    assert_int_equal(found[0].status, EM_RESOLVE_TIMEOUT);
    name_server_stop(server);
}

/* Memory */

static void ask_without_memory(name_server *server, failing_allocator *allocator, unsigned long nth)
{
    em_loop *loop = system_create_loop((em_loop_options){.allocator = &allocator->allocator});
    const char *list[1];
    em_resolver_options options = system_ask(server, list);
    failing_allocator_fail(allocator, nth, EM_DEFAULT);
    em_status status = em_loop_set_resolver(loop, &options);
    assert_true(status == EM_OK || status == EM_NO_MEMORY);
    em_status result = EM_IN_PROGRESS;
    if (status == EM_OK)
        status = em_loop_resolve(loop, "good.test", NULL, system_note_status, &result, NULL, NULL);
    assert_true(status == EM_OK || status == EM_NO_MEMORY);
    while (status == EM_OK && result == EM_IN_PROGRESS)
        system_turn(loop);
    assert_true(status != EM_OK || result == EM_OK || result == EM_NO_MEMORY);
    failing_allocator_fail(allocator, 0, EM_DEFAULT);
    assert_int_equal(em_loop_destroy(loop), EM_OK);
    assert_int_equal(atomic_load(&allocator->live), 0);
}

static void a_lookup_without_memory_fails_or_succeeds_and_loses_nothing(void **state)
{
    name_server *server = system_start_name_server(*state);
    failing_allocator allocator;
    failing_allocator_init(&allocator);
    for (unsigned long nth = 1; nth < 60; nth++)
        ask_without_memory(server, &allocator, nth);
    name_server_stop(server);
}

static void nothing_grows_however_many_names_fail(void **state)
{
    enum { MANY = 1500 };
    system_need_transport(*state);
    name_server *server = name_server_start(0);
    em_loop *loop = system_create_loop((em_loop_options){.allocator = counted_memory_allocator()});
    const char *list[1];
    em_resolver_options options = system_ask(server, list);
    options.cache_entry_count = 16;
    assert_int_equal(em_loop_set_resolver(loop, &options), EM_OK);
    counted_memory before = {.bytes = 0};
    for (unsigned i = 0; i < MANY; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s-%u.test", i % 2 ? "unknown" : "failing", i);
        em_status result = EM_IN_PROGRESS;
        assert_int_equal(em_loop_resolve(loop, name, NULL, system_note_status, &result, NULL, NULL), EM_OK);
        while (result == EM_IN_PROGRESS)
            system_turn(loop);
        if (i == MANY / 2)
            before = counted_memory_get();
    }
    counted_memory after = counted_memory_get();
    assert_true(after.bytes <= before.bytes + 1024);
    assert_int_equal(em_loop_destroy(loop), EM_OK);
    name_server_stop(server);
}

/* Long names, many records: what the header says of the memory holds for all. */
static void the_cache_takes_no_more_memory_than_it_may(void **state)
{
    enum { ENTRIES = 300, MANY = 1000, BYTES = ENTRIES * 1024 };
    static const struct kind {
        const char *label;
        int digits;
    } kinds[] = {{"good", 1}, {"many", 1}, {"good", 60}};
    system_need_transport(*state);
    name_server *server = name_server_start(0);
    em_loop *loop = system_create_loop((em_loop_options){.allocator = counted_memory_allocator()});
    const char *list[1];
    em_resolver_options options = system_ask(server, list);
    options.cache_entry_count = ENTRIES;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        assert_int_equal(em_loop_set_resolver(loop, &options), EM_OK);
        size_t before = counted_memory_get().bytes;
        for (size_t n = 0; n < MANY; n++) {
            char name[256];
            int digits = kinds[i].digits;
            snprintf(name, sizeof name, "%s.%0*zu.%0*d.%0*d", kinds[i].label, digits, n, digits, 1, digits, 2);
            em_status result = EM_IN_PROGRESS;
            assert_int_equal(em_loop_resolve(loop, name, NULL, system_note_status, &result, NULL, NULL), EM_OK);
            while (result == EM_IN_PROGRESS)
                system_turn(loop);
            assert_int_equal(result, EM_OK);
        }
        assert_in_range(counted_memory_get().bytes, before + BYTES / 2, before + BYTES + 16384);
    }
    assert_int_equal(em_loop_destroy(loop), EM_OK);
    name_server_stop(server);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_lookup_can_be_cancelled_before_it_is_sent),
        SYSTEM_TEST(a_lookup_can_be_cancelled_while_the_server_is_silent),
        SYSTEM_TEST(a_lookup_that_is_known_can_be_cancelled_before_it_is_reported),
        SYSTEM_TEST(one_of_two_that_want_the_same_name_can_be_cancelled),
        SYSTEM_TEST(everything_is_allowed_in_a_callback),
        SYSTEM_TEST(each_family_is_reported_when_it_is_known),
        SYSTEM_TEST(a_lookup_by_families_can_be_cancelled_by_the_first),
        SYSTEM_TEST(a_dead_name_server_is_not_taken_for_a_peer_that_refuses),
        SYSTEM_TEST(lookups_end_with_the_loop),
        SYSTEM_TEST(a_child_that_takes_over_gets_its_own_answers),
        SYSTEM_TEST(children_forked_amid_many_lookups_find_all_of_them_as_their_parent_does),
        SYSTEM_TEST(a_child_that_does_not_take_over_disturbs_nothing),
        SYSTEM_TEST(a_lookup_without_memory_fails_or_succeeds_and_loses_nothing),
        SYSTEM_TEST(nothing_grows_however_many_names_fail),
        SYSTEM_TEST(the_cache_takes_no_more_memory_than_it_may),
    };
    return SYSTEM_RUN(tests);
}
