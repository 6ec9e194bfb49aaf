/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A hostile name server, see test/support/name_server_hostile.c: each lookup ends once, with the right result or a
 * failure, and leaves nothing behind.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/system_names.h"
#include "support/unit.h"

static const struct expected {
    const char *name;
    em_status status;
    size_t records;
} expected[] = {
    {"thrice.test", EM_OK, 1},
    {"sixteenaliases.test", EM_OK, 1},
    {"seventeenaliases.test", EM_RESOLVER_FAILED, 0},
    {"full.test", EM_OK, 1},
    {"beside.test", EM_NO_RECORDS, 0},
    {"negativettl.test", EM_OK, 1},
    {"bytewise.test", EM_OK, 1},
    {"thousands.test", EM_OK, 256},
    {"othersfirst.test", EM_OK, 1},
    {"othersonly.test", EM_ANSWER_TRUNCATED, 0},
    {"empty.test", EM_ANSWER_TRUNCATED, 0},
};

static void a_hostile_server_cannot_deceive(void **state)
{
    name_server *server = system_start_name_server(*state);
    unsigned descriptors = system_descriptors();
    for (size_t i = 0; i < COUNT(expected); i++) {
        system_found *found = system_query(*state, expected[i].name, EM_RECORD_A);
        if (found->status != expected[i].status || found->record_count != expected[i].records)
            print_error("%s: %s, %zu\n", expected[i].name, em_status_get_name(found->status), found->record_count);
        assert_int_equal(found->status, expected[i].status);
        assert_int_equal(found->record_count, expected[i].records);
        char text[EM_ADDRESS_TEXT_BYTES];
        em_address_to_text(&found->record.address, text, sizeof text);
        if (found->record_count > 0)
            assert_string_equal(text, "192.0.2.1:0");
    }
    system_turn(*state);
    assert_true(system_descriptors() <= descriptors + 1); /* the server may have one of its own */
    assert_int_equal(system_stats(*state).timers_pending, 0);
    name_server_stop(server);
}

static void a_reply_to_another_question_is_no_reply(void **state)
{
    name_server *server = system_start_name_server(*state);
    const system_found *found = system_query(*state, "otherquestion.test", EM_RECORD_A);
    assert_int_equal(found->status, EM_RESOLVE_TIMEOUT);
    assert_int_equal(found->response_code, -1);
    assert_int_equal(name_server_queries(server), 2); /* over UDP only */
    name_server_stop(server);
}

static void a_time_to_live_that_is_negative_is_none(void **state)
{
    name_server *server = system_start_name_server(*state);
    assert_int_equal(system_query(*state, "negativettl.test", EM_RECORD_A)->record.ttl_seconds, 0);
    assert_int_equal(system_query(*state, "negativettl.test", EM_RECORD_A)->status, EM_OK);
    assert_int_equal(name_server_queries(server), 2);
    name_server_stop(server);
}

/* Whatever the server does, and whenever: every lookup that is cancelled at a random moment is disposed of once, and
 * every other one is called back once. Callbacks cancel others, begin new ones, and set the resolver again. */

enum { MANY = 400 };

typedef struct chaos {
    em_loop *loop;
    name_server *server;
    struct one {
        struct chaos *all;
        em_lookup lookup;
        unsigned ends;
    } list[MANY];
    unsigned begun;
    unsigned ended;
    unsigned random;
} chaos;

static unsigned below(chaos *all, unsigned limit)
{
    all->random = all->random * 1103515245U + 12345U;
    return (all->random >> 16) % limit;
}

static void act(chaos *all);

static void end(struct one *of)
{
    of->ends++;
    of->all->ended++;
    act(of->all);
}

static void note_addresses(em_loop *loop, em_lookup lookup, em_status status, const em_address *addresses, size_t count,
                           void *user)
{
    (void)loop;
    (void)lookup;
    (void)addresses;
    assert_int_equal(status == EM_OK, count > 0);
    end(user);
}

static void note_answer(em_loop *loop, em_lookup lookup, em_status status, const em_answer *answer, void *user)
{
    (void)loop;
    (void)lookup;
    assert_int_equal(status == EM_OK, answer->record_count > 0);
    end(user);
}

static void note_disposal(void *user)
{
    end(user);
}

static void begin_one(chaos *all)
{
    if (all->begun == MANY)
        return;
    struct one *made = &all->list[all->begun++];
    made->all = all;
    char name[64];
    static const char *const others[] = {"good",      "unknown", "silent",      "cut",        "refused",
                                         "localhost", "formerr", "halffailing", "herefailing"};
    unsigned kind = below(all, COUNT(expected) + COUNT(others));
    if (kind < COUNT(expected))
        snprintf(name, sizeof name, "%s", expected[kind].name);
    else
        snprintf(name, sizeof name, "%s%s", others[kind - COUNT(expected)], below(all, 2) ? ".test" : "");
    const em_lookup_options options = {.size = sizeof options, .timeout_ns = below(all, 3) ? 0 : 30000000};
    em_status status =
        below(all, 2)
            ? em_loop_resolve(all->loop, name, &options, note_addresses, made, note_disposal, &made->lookup)
            : em_loop_query(all->loop, name, EM_RECORD_A, &options, note_answer, made, note_disposal, &made->lookup);
    assert_int_equal(status, EM_OK);
}

static void cancel_one(chaos *all)
{
    if (all->begun == 0)
        return;
    struct one *chosen = &all->list[below(all, all->begun)];
    em_status status = em_loop_cancel_lookup(all->loop, chosen->lookup);
    assert_true(status == EM_OK || status == EM_NOT_FOUND);
}

/* With a search list, by which the two families of a name wait for each other. */
static void use_server(chaos *all)
{
    static const char *const suffixes[] = {"one.test", "two.test", "three.test"};
    const char *list[1];
    em_resolver_options options = system_ask(all->server, list);
    options.use_search = EM_DEFAULT;
    options.search = suffixes;
    options.search_count = COUNT(suffixes);
    assert_int_equal(em_loop_set_resolver(all->loop, &options), EM_OK);
}

static void act(chaos *all)
{
    switch (below(all, 16)) {
    case 0:
        use_server(all);
        break;
    case 1:
    case 2:
        cancel_one(all);
        break;
    default:
        begin_one(all);
        break;
    }
}

static void everything_at_any_time_ends_each_look_up_once(void **state)
{
    name_server *server = system_start_name_server(*state);
    for (unsigned seed = 1; seed <= 3; seed++) {
        chaos *all = system_memory(sizeof *all);
        all->loop = *state;
        all->server = server;
        all->random = seed;
        use_server(all);
        for (unsigned i = 0; i < 30; i++)
            begin_one(all);
        while (all->ended < all->begun) {
            system_turn(*state);
            if (below(all, 2))
                act(all);
        }
        for (unsigned i = 0; i < all->begun; i++)
            assert_int_equal(all->list[i].ends, 1);
    }
    name_server_stop(server);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_hostile_server_cannot_deceive),
        SYSTEM_TEST(a_reply_to_another_question_is_no_reply),
        SYSTEM_TEST(a_time_to_live_that_is_negative_is_none),
        SYSTEM_TEST(everything_at_any_time_ends_each_look_up_once),
    };
    return SYSTEM_RUN(tests);
}
