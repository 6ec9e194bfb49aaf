/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The order of addresses: the examples of RFC 6724, section 10.2, as far as their rules apply.
 */
#include "system/address_order.h"

#include <string.h>

#include "support/unit.h"

typedef struct pair {
    const char *destination;
    const char *source; /* NULL: no route */
} pair;

static uint64_t rank_of(const pair *given)
{
    em_address destination, source;
    assert_int_equal(em_address_from_text(given->destination, 0, &destination), EM_OK);
    if (given->source)
        assert_int_equal(em_address_from_text(given->source, 0, &source), EM_OK);
    return emi_address_rank(&destination, given->source ? &source : NULL);
}

/* The first of each pair comes first. */
static const pair examples[][2] = {
    {{"2001:db8:1::1", "2001:db8:1::2"}, {"198.51.100.121", "169.254.13.78"}},
    {{"198.51.100.121", "198.51.100.117"}, {"2001:db8:1::1", "fe80::1"}},
    {{"2001:db8:1::1", "2001:db8:1::2"}, {"10.1.2.3", "10.1.2.4"}},
    {{"fe80::1", "fe80::2"}, {"2001:db8:1::1", "2001:db8:1::2"}},
    {{"2002:c633:6401::1", "2002:c633:6401::2"}, {"2001:db8:1::1", "2002:c633:6401::2"}},
    {{"2001:db8:1::1", "2001:db8:1::2"}, {"2002:c633:6401::1", "2002:c633:6401::2"}},
    {{"2001:db8:1::1", "2001:db8:1::2"}, {"2001:db8:ffff::1", "2001:db8:1::2"}},
    {{"192.0.2.1", "192.0.2.9"}, {"2001:db8:1::1", NULL}},
    {{"::1", "::1"}, {"127.0.0.1", "127.0.0.1"}},
    {{"192.0.2.1", "192.0.2.9"}, {"fd00::1", "fd00::2"}},
};

static void the_better_address_comes_first(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(examples); i++) {
        if (rank_of(&examples[i][0]) <= rank_of(&examples[i][1]))
            print_error("%s, %s\n", examples[i][0].destination, examples[i][1].destination);
        assert_true(rank_of(&examples[i][0]) > rank_of(&examples[i][1]));
    }
}

static void ipv4_addresses_stay_in_the_servers_order(void **state)
{
    (void)state;
    static const pair near = {"192.0.2.1", "192.0.2.2"}, far = {"203.0.113.1", "192.0.2.2"};
    assert_true(rank_of(&near) == rank_of(&far));
}

static void equal_addresses_stay_in_their_order(void **state)
{
    (void)state;
    em_address list[4];
    uint64_t ranks[] = {1, 2, 1, 2};
    for (int i = 0; i < 4; i++)
        assert_int_equal(em_address_from_text("192.0.2.1", i, &list[i]), EM_OK);
    emi_addresses_sort(list, ranks, 4);
    static const int ports[] = {1, 3, 0, 2};
    for (int i = 0; i < 4; i++)
        assert_int_equal(em_address_get_port(&list[i]), ports[i]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_better_address_comes_first),
        cmocka_unit_test(ipv4_addresses_stay_in_the_servers_order),
        cmocka_unit_test(equal_addresses_stay_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
