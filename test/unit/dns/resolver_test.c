/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the system is asked for a name, and what is made of the result. This program has a getaddrinfo(3) of its own,
 * which plays a machine without IPv6 addresses but for ::1; names that need no lookup must not get as far as that.
 */
#include "dns/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "support/unit.h"

/* A name and what the system finds; an empty text stands for the error. */
typedef struct entry {
    const char *name;
    const char *configured[2]; /* with AI_ADDRCONFIG */
    const char *all[2];        /* without it */
    int configured_error;
    int all_error;
} entry;

static const entry entries[] = {
    {.name = "far.test", .configured = {"192.0.2.1"}, .all = {"192.0.2.1", "2001:db8::1"}},
    {.name = "hidden.test", .configured_error = EAI_NONAME, .all = {"::1"}},
    {.name = "offline.test", .configured_error = EAI_AGAIN, .all = {"fd00::99"}},
    {.name = "mapped.test", .configured = {"127.0.0.1"}, .all = {"::1"}},
    {.name = "both.test", .configured = {"127.0.0.2"}, .all = {"::1", "127.0.0.2"}},
    {.name = "half.test", .configured = {"127.0.0.2"}, .all_error = EAI_AGAIN},
    {.name = "unknown.test", .configured_error = EAI_NONAME, .all_error = EAI_AGAIN},
    {.name = "mail.test", .configured_error = EAI_NODATA, .all_error = EAI_NODATA},
    {.name = "memory.test", .configured_error = EAI_MEMORY, .all = {"::1"}},
};

static unsigned questions;

/* A socket address and its place in the list, in one piece of memory. */
typedef struct result {
    struct addrinfo info;
    em_address address;
} result;

static struct addrinfo *new_result(const char *text, int port, struct addrinfo *next)
{
    result *made = calloc(1, sizeof *made);
    assert_non_null(made);
    assert_int_equal(em_address_from_text(text, port, &made->address), EM_OK);
    made->info.ai_addr = (struct sockaddr *)(void *)made->address.storage.bytes;
    made->info.ai_addrlen = made->address.length;
    made->info.ai_next = next;
    return &made->info;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    questions++;
    for (size_t i = 0; i < COUNT(entries); i++) {
        if (strcmp(entries[i].name, name) != 0)
            continue;
        bool configured = hints->ai_flags & AI_ADDRCONFIG;
        const char *const *texts = configured ? entries[i].configured : entries[i].all;
        *found = NULL;
        for (unsigned n = 2; n-- > 0;)
            if (texts[n])
                *found = new_result(texts[n], atoi(service), *found);
        return configured ? entries[i].configured_error : entries[i].all_error;
    }
    return EAI_FAIL;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list) {
        struct addrinfo *next = list->ai_next;
        free(EMI_CONTAINER(list, result, info));
        list = next;
    }
}

static void expect(const char *name, const char *first, const char *second, unsigned asked)
{
    emi_addresses addresses;
    questions = 0;
    assert_int_equal(emi_resolve_blocking(name, 80, &addresses), EM_OK);
    assert_int_equal(questions, asked);
    unsigned count = second ? 2 : 1;
    assert_int_equal(addresses.count, count);
    const char *const expected[] = {first, second};
    for (unsigned i = 0; i < count; i++) {
        char text[EM_ADDRESS_TEXT_BYTES];
        em_address_to_text(&addresses.list[i], text, sizeof text);
        assert_string_equal(text, expected[i]);
    }
}

static void expect_failure(const char *name, em_status status, unsigned asked)
{
    emi_addresses addresses;
    questions = 0;
    assert_int_equal(emi_resolve_blocking(name, 80, &addresses), status);
    assert_int_equal(questions, asked);
}

static void addresses_on_the_internet_are_those_of_families_that_this_machine_has(void **state)
{
    (void)state;
    expect("far.test", "192.0.2.1:80", NULL, 1);
}

static void names_are_found_whose_family_the_machine_has_no_address_of(void **state)
{
    (void)state;
    expect("hidden.test", "[::1]:80", NULL, 2);
    expect("offline.test", "[fd00::99]:80", NULL, 2);
}

static void names_of_this_machine_keep_both_families(void **state)
{
    (void)state;
    expect("mapped.test", "[::1]:80", NULL, 2);
    expect("both.test", "[::1]:80", "127.0.0.2:80", 2);
}

static void the_first_result_stands_if_the_second_lookup_finds_nothing(void **state)
{
    (void)state;
    expect("half.test", "127.0.0.2:80", NULL, 2);
    expect_failure("unknown.test", EM_NAME_NOT_FOUND, 2);
    expect_failure("memory.test", EM_NO_MEMORY, 1);
    expect_failure("mail.test", EM_NO_RECORDS, 2);
}

static void names_under_localhost_are_not_looked_up(void **state)
{
    (void)state;
    static const char *const names[] = {"localhost", "LOCALHOST", "localhost.", "foo.localhost", "a.b.LocalHost."};
    for (size_t i = 0; i < COUNT(names); i++) {
        emi_addresses addresses;
        expect(names[i], "127.0.0.1:80", "[::1]:80", 0);
        assert_int_equal(emi_resolve_known(names[i], 80, &addresses), EM_OK);
        assert_int_equal(addresses.count, 2);
    }
    emi_addresses addresses;
    assert_int_equal(emi_resolve_known("notlocalhost", 80, &addresses), EM_IN_PROGRESS);
    assert_int_equal(emi_resolve_known("localhost.test", 80, &addresses), EM_IN_PROGRESS);
}

static void malformed_names_are_not_looked_up(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",      ".",   "..",        "a b",       " a",   "a\n",        "a\tb",         "a:80",  ":",     "[::1]",
        "::1::", "1.2", "1.2.3.4.5", "300.1.1.1", "a..b", ".localhost", "a..localhost", ".test", "a\x7f", "localhost..",
    };
    for (size_t i = 0; i < COUNT(names); i++) {
        emi_addresses addresses;
        expect_failure(names[i], EM_INVALID_ADDRESS, 0);
        assert_int_equal(emi_resolve_known(names[i], 80, &addresses), EM_INVALID_ADDRESS);
    }
    expect_failure("invalid", EM_NAME_NOT_FOUND, 0);
    expect_failure("a.InValid.", EM_NAME_NOT_FOUND, 0);
}

/* RFC 1035, section 2.3.4: 253 bytes and a dot, labels of up to 63 bytes. */
static void names_of_any_length_are_safe(void **state)
{
    (void)state;
    char name[600];
    for (size_t length = 1; length < sizeof name; length++) {
        for (size_t i = 0; i < length; i++)
            name[i] = i % 50 == 49 ? '.' : 'a';
        name[length - 1] = 'a';
        name[length] = '\0';
        bool fits = length <= 253;
        expect_failure(name, fits ? EM_RESOLVER_FAILED : EM_INVALID_ADDRESS, fits ? 2 : 0);
        name[length - 1] = '.';
        if (length > 1 && name[length - 2] != '.')
            expect_failure(name, length <= 254 ? EM_RESOLVER_FAILED : EM_INVALID_ADDRESS, length <= 254 ? 2 : 0);
    }
    memset(name, 'a', 64);
    name[64] = '\0';
    expect_failure(name, EM_INVALID_ADDRESS, 0);
    name[63] = '\0';
    expect_failure(name, EM_RESOLVER_FAILED, 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_on_the_internet_are_those_of_families_that_this_machine_has),
        cmocka_unit_test(names_are_found_whose_family_the_machine_has_no_address_of),
        cmocka_unit_test(names_of_this_machine_keep_both_families),
        cmocka_unit_test(the_first_result_stands_if_the_second_lookup_finds_nothing),
        cmocka_unit_test(names_under_localhost_are_not_looked_up),
        cmocka_unit_test(malformed_names_are_not_looked_up),
        cmocka_unit_test(names_of_any_length_are_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
