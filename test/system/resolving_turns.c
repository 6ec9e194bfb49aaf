/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * However many names are looked up at once, one turn of the loop does only so much for them: it sends a few questions,
 * and reports a few results. What is counted is work, not time.
 */
#include <stdio.h>

#include "support/system_names.h"
#include "support/unit.h"

enum { MOST_REPORTED = 64, MOST_SENT = 8, MOST_AT_ONCE = 128 };

typedef struct counts {
    unsigned ended;
    unsigned timed_out;
    unsigned most_in_a_turn;
} counts;

static void use_patiently(em_loop *loop, const name_server *server)
{
    const char *list[1];
    em_resolver_options options = system_ask(server, list);
    options.timeout_ns = 30 * EM_SECONDS;
    assert_int_equal(em_loop_set_resolver(loop, &options), EM_OK);
}

static void note(em_loop *loop, em_lookup lookup, em_status status, const em_address *addresses, size_t count,
                 void *user)
{
    (void)loop;
    (void)lookup;
    (void)addresses;
    (void)count;
    counts *all = user;
    all->ended++;
    all->timed_out += status == EM_RESOLVE_TIMEOUT;
}

static void begin_with(em_loop *loop, const char *name, uint64_t timeout_ns, counts *all)
{
    em_lookup_options options = {.size = sizeof options, .family = EM_ADDRESS_IPV4, .timeout_ns = timeout_ns};
    assert_int_equal(em_loop_resolve(loop, name, &options, note, all, NULL, NULL), EM_OK);
}

static void begin_numbered(em_loop *loop, unsigned number, uint64_t timeout_ns, counts *all)
{
    char name[32];
    snprintf(name, sizeof name, "silent-%u.test", number);
    begin_with(loop, name, timeout_ns, all);
}

static void run_until_ended(em_loop *loop, unsigned count, counts *all)
{
    while (all->ended < count) {
        unsigned before = all->ended;
        system_turn(loop);
        if (all->ended - before > all->most_in_a_turn)
            all->most_in_a_turn = all->ended - before;
    }
}

static void a_turn_reports_a_few_of_many_names_that_are_known(void **state)
{
    enum { MANY = 2000 };
    counts *all = system_memory(sizeof *all);
    for (unsigned i = 0; i < MANY; i++)
        begin_with(*state, "localhost", 0, all);
    run_until_ended(*state, MANY, all);
    assert_int_equal(all->most_in_a_turn, MOST_REPORTED);
    assert_int_equal(all->timed_out, 0);
}

static void a_turn_reports_a_few_of_many_names_in_the_cache(void **state)
{
    enum { MANY = 2000 };
    name_server *server = system_start_name_server(*state);
    use_patiently(*state, server);
    counts *first = system_memory(sizeof *first), *all = system_memory(sizeof *all);
    begin_with(*state, "good.test", 0, first);
    run_until_ended(*state, 1, first);
    for (unsigned i = 0; i < MANY; i++)
        begin_with(*state, "good.test", 0, all);
    run_until_ended(*state, MANY, all);
    assert_int_equal(all->most_in_a_turn, MOST_REPORTED);
    assert_int_equal(name_server_queries(server), 1);
    name_server_stop(server);
}

static void a_turn_ends_a_few_of_many_lookups_with_the_same_deadline(void **state)
{
    enum { MANY = 1000 };
    name_server *server = system_start_name_server(*state);
    counts *all = system_memory(sizeof *all);
    unsigned descriptors = system_descriptors();
    for (unsigned i = 0; i < MANY; i++)
        begin_numbered(*state, i, 50 * EM_MILLISECONDS, all);
    while (all->ended < MANY) {
        unsigned ended = all->ended, open = system_descriptors();
        system_turn(*state);
        assert_true(all->ended <= ended + MOST_REPORTED);
        assert_true(system_descriptors() + MOST_REPORTED >= open);
    }
    assert_int_equal(all->timed_out, MANY);
    system_turn(*state);
    assert_int_equal(system_descriptors(), descriptors);
    assert_int_equal(system_stats(*state).timers_pending, 0);
    name_server_stop(server);
}

/* No question is answered, so each keeps its socket. */
static void expect_few_questions_in_each_turn(em_loop *loop)
{
    unsigned first = system_descriptors(), before = first;
    while (before < first + MOST_AT_ONCE) {
        system_turn(loop);
        unsigned now = system_descriptors();
        assert_in_range(now, before, before + MOST_SENT);
        before = now;
    }
    system_turn(loop);
    assert_int_equal(system_descriptors(), first + MOST_AT_ONCE);
}

static void a_turn_asks_a_few_of_many_questions(void **state)
{
    enum { MANY = 1000 };
    name_server *server = system_start_name_server(*state);
    use_patiently(*state, server);
    counts *all = system_memory(sizeof *all);
    for (unsigned i = 0; i < MANY; i++)
        begin_numbered(*state, i, 0, all);
    expect_few_questions_in_each_turn(*state);
    assert_int_equal(all->ended, 0);
    name_server_stop(server);
}

static counts *of_timers;
static unsigned fired;

static void begin_one(em_loop *loop, em_timer timer, void *user)
{
    (void)timer;
    (void)user;
    begin_numbered(loop, fired++, 0, of_timers);
}

static void a_turn_asks_a_few_of_the_questions_that_many_timers_begin(void **state)
{
    enum { MANY = 1000 };
    name_server *server = system_start_name_server(*state);
    use_patiently(*state, server);
    of_timers = system_memory(sizeof *of_timers);
    fired = 0;
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(em_loop_add_timer(*state, 0, begin_one, NULL, NULL, NULL), EM_OK);
    expect_few_questions_in_each_turn(*state);
    assert_int_equal(fired, MANY);
    assert_int_equal(of_timers->ended, 0);
    name_server_stop(server);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_turn_reports_a_few_of_many_names_that_are_known),
        SYSTEM_TEST(a_turn_reports_a_few_of_many_names_in_the_cache),
        SYSTEM_TEST(a_turn_ends_a_few_of_many_lookups_with_the_same_deadline),
        SYSTEM_TEST(a_turn_asks_a_few_of_many_questions),
        SYSTEM_TEST(a_turn_asks_a_few_of_the_questions_that_many_timers_begin),
    };
    return SYSTEM_RUN(tests);
}
