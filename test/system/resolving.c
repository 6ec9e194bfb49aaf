/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * em_loop_resolve: each look-up is answered once, or disposed of once.
 */
#include <string.h>

#include "support/system_test.h"

typedef struct answer {
    unsigned calls, disposals, count;
    em_status status;
    char first[EM_ADDRESS_TEXT_BYTES];
} answer;

static void done(em_loop *loop, em_status status, const em_address *addresses, unsigned count, void *user)
{
    answer *got = user;
    assert_non_null(loop);
    got->calls++;
    got->status = status;
    got->count = count;
    if (count > 0)
        em_address_to_text(&addresses[0], got->first, sizeof got->first);
}

static void dispose(void *user)
{
    ((answer *)user)->disposals++;
}

static void expect(em_loop *loop, const char *host, const char *first)
{
    answer *got = system_memory(sizeof *got);
    assert_int_equal(em_loop_resolve(loop, host, 53, done, got, dispose, NULL), EM_OK);
    assert_int_equal(got->calls, 0);
    while (got->calls == 0)
        system_turn(loop);
    assert_int_equal(got->status, EM_OK);
    assert_string_equal(got->first, first);
    assert_int_equal(got->disposals, 0);
}

static void literals_and_localhost_are_answered_in_a_later_turn(void **state)
{
    expect(*state, "192.0.2.1", "192.0.2.1:53");
    expect(*state, "2001:db8::1", "[2001:db8::1]:53");
    expect(*state, "localhost", "127.0.0.1:53");
}

static void what_is_wrong_without_a_look_up_is_returned(void **state)
{
    answer *got = system_memory(sizeof *got);
    em_lookup *lookup;
    assert_int_equal(em_loop_resolve(*state, "x.invalid", 1, done, got, dispose, &lookup), EM_NAME_NOT_FOUND);
    assert_null(lookup);
    assert_int_equal(em_loop_resolve(*state, "", 1, done, got, dispose, NULL), EM_INVALID_ADDRESS);
    assert_int_equal(em_loop_resolve(*state, "a b", 1, done, got, dispose, NULL), EM_INVALID_ADDRESS);
    assert_int_equal(em_loop_resolve(*state, "localhost", 65536, done, got, dispose, NULL), EM_INVALID_PORT);
    assert_int_equal(em_loop_resolve(*state, "localhost", 1, NULL, got, dispose, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_resolve(*state, NULL, 1, done, got, dispose, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_resolve(NULL, "localhost", 1, done, got, dispose, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_lookup_cancel(NULL), EM_INVALID_ARGUMENT);
    system_turn(*state);
    assert_int_equal(got->calls + got->disposals, 0);
}

static void a_look_up_that_is_cancelled_is_disposed_of_and_not_answered(void **state)
{
    static const char *const hosts[] = {"192.0.2.1", "localhost"};
    for (unsigned i = 0; i < 2; i++) {
        answer *got = system_memory(sizeof *got);
        em_lookup *lookup;
        assert_int_equal(em_loop_resolve(*state, hosts[i], 1, done, got, dispose, &lookup), EM_OK);
        assert_int_equal(em_lookup_cancel(lookup), EM_OK);
        assert_int_equal(got->disposals, 1);
        system_run_for(*state, 20 * EM_MILLISECONDS);
        assert_int_equal(got->calls, 0);
    }
}

static void a_look_up_ends_with_its_loop(void **state)
{
    answer *got = system_memory(sizeof *got);
    assert_int_equal(em_loop_resolve(*state, "192.0.2.1", 1, done, got, dispose, NULL), EM_OK);
    assert_int_equal(em_loop_resolve(*state, "localhost", 1, done, got, dispose, NULL), EM_OK);
    em_loop_destroy(*state);
    *state = NULL;
    assert_int_equal(got->calls, 0);
    assert_int_equal(got->disposals, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYSTEM_TEST(literals_and_localhost_are_answered_in_a_later_turn),
        SYSTEM_TEST(what_is_wrong_without_a_look_up_is_returned),
        SYSTEM_TEST(a_look_up_that_is_cancelled_is_disposed_of_and_not_answered),
        SYSTEM_TEST(a_look_up_ends_with_its_loop),
    };
    return SYSTEM_RUN(tests);
}
