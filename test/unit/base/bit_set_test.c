/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sets of small numbers.
 */
#include "base/bit_set.h"

#include "support/failing_allocator.h"
#include "support/unit.h"

enum { NUMBERS = 5000 };

static void it_has_what_was_added_and_not_removed(void **state)
{
    (void)state;
    failing_allocator allocator;
    emi_memory memory;
    emi_bit_set set = {.words = NULL};
    failing_allocator_init(&allocator);
    emi_memory_init(&memory, &allocator.allocator);
    for (unsigned i = 0; i < NUMBERS; i += 3) {
        assert_false(emi_bit_set_has(&set, i));
        assert_int_equal(emi_bit_set_reserve(&set, &memory, i), EM_OK);
        assert_false(emi_bit_set_has(&set, i));
        emi_bit_set_add(&set, i);
    }
    for (unsigned i = 0; i < NUMBERS; i += 6)
        emi_bit_set_remove(&set, i);
    for (unsigned i = 0; i < NUMBERS; i++)
        assert_int_equal(emi_bit_set_has(&set, i), i % 6 == 3);
    assert_false(emi_bit_set_has(&set, UINT32_MAX));
    emi_bit_set_clear(&set, &memory);
    assert_false(emi_bit_set_has(&set, 3));
    assert_int_equal(atomic_load(&allocator.live), 0);
}

static void without_memory_it_stays_as_it_is(void **state)
{
    (void)state;
    failing_allocator allocator;
    emi_memory memory;
    emi_bit_set set = {.words = NULL};
    failing_allocator_init(&allocator);
    emi_memory_init(&memory, &allocator.allocator);
    assert_int_equal(emi_bit_set_reserve(&set, &memory, 1), EM_OK);
    emi_bit_set_add(&set, 1);
    failing_allocator_fail(&allocator, 1, EM_ON);
    assert_int_equal(emi_bit_set_reserve(&set, &memory, 1000000), EM_NO_MEMORY);
    assert_true(emi_bit_set_has(&set, 1));
    assert_false(emi_bit_set_has(&set, 1000000));
    emi_bit_set_clear(&set, &memory);
    assert_int_equal(atomic_load(&allocator.live), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_has_what_was_added_and_not_removed),
        cmocka_unit_test(without_memory_it_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
