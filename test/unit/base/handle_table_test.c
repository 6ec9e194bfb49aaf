/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Numbers for handles, and the index table below them.
 */
#include "base/handle_table.h"
#include "base/index_table.h"
#include "support/unit.h"

#include <stdlib.h>

enum { HANDLES = 300 };

typedef struct table_fixture {
    failing_allocator allocator;
    emi_handle_table table;
    uint64_t serial;
    emi_handle handles[HANDLES];
} table_fixture;

static int set_up(void **state)
{
    static table_fixture fixture;
    fixture = (table_fixture){.serial = 0};
    failing_allocator_init(&fixture.allocator);
    emi_handle_table_init(&fixture.table, &fixture.allocator.allocator, &fixture.serial);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    table_fixture *fixture = *state;
    emi_handle_table_clear(&fixture->table);
    return atomic_load(&fixture->allocator.live) == 0 ? 0 : -1;
}

static void a_number_finds_its_object_until_it_is_removed(void **state)
{
    table_fixture *fixture = *state;
    emi_handle *handle = &fixture->handles[0];
    assert_int_equal(emi_handle_table_add(&fixture->table, handle), EM_OK);
    em_signature signature = handle->signature;
    assert_true(signature > 0);
    assert_ptr_equal(emi_handle_table_find(&fixture->table, signature), handle);
    emi_handle_table_remove(&fixture->table, handle);
    assert_int_equal(handle->signature, 0);
    assert_null(emi_handle_table_find(&fixture->table, signature));
    emi_handle_table_remove(&fixture->table, handle);
    assert_null(emi_handle_table_find(&fixture->table, signature));
}

static void numbers_never_given_find_nothing(void **state)
{
    table_fixture *fixture = *state;
    static const em_signature strangers[] = {0, 1, UINT64_MAX, UINT64_C(1) << 28, (UINT64_C(1) << 28) | 5, 12345678901};
    for (size_t i = 0; i < COUNT(strangers); i++)
        assert_null(emi_handle_table_find(&fixture->table, strangers[i]));
    assert_int_equal(emi_handle_table_add(&fixture->table, &fixture->handles[0]), EM_OK);
    for (size_t i = 0; i < COUNT(strangers); i++)
        if (strangers[i] != fixture->handles[0].signature)
            assert_null(emi_handle_table_find(&fixture->table, strangers[i]));
}

static void a_stale_number_does_not_find_the_object_that_took_its_place(void **state)
{
    table_fixture *fixture = *state;
    em_signature stale[100];
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(emi_handle_table_add(&fixture->table, &fixture->handles[i]), EM_OK);
        stale[i] = fixture->handles[i].signature;
        for (unsigned earlier = 0; earlier < i; earlier++) {
            assert_int_not_equal(stale[earlier], stale[i]);
            assert_null(emi_handle_table_find(&fixture->table, stale[earlier]));
        }
        emi_handle_table_remove(&fixture->table, &fixture->handles[i]);
    }
}

static void numbers_made_later_are_larger_across_tables_that_share_the_serial(void **state)
{
    table_fixture *fixture = *state;
    emi_handle_table other;
    emi_handle_table_init(&other, &fixture->allocator.allocator, &fixture->serial);
    em_signature last = 0;
    for (unsigned i = 0; i < HANDLES; i++) {
        assert_int_equal(emi_handle_table_add(i % 2 ? &other : &fixture->table, &fixture->handles[i]), EM_OK);
        assert_true(fixture->handles[i].signature > last);
        last = fixture->handles[i].signature;
        assert_true(emi_next_serial(&fixture->serial) > last);
    }
    emi_handle_table_clear(&other);
}

static void without_memory_nothing_is_added(void **state)
{
    table_fixture *fixture = *state;
    unsigned added = 0;
    failing_allocator_fail(&fixture->allocator, 2, EM_ON);
    while (emi_handle_table_add(&fixture->table, &fixture->handles[added]) == EM_OK)
        added++;
    assert_true(added > 0 && added < HANDLES);
    assert_int_equal(fixture->handles[added].signature, 0);
    for (unsigned i = 0; i < added; i++)
        assert_ptr_equal(emi_handle_table_find(&fixture->table, fixture->handles[i].signature), &fixture->handles[i]);
    failing_allocator_fail(&fixture->allocator, 0, EM_DEFAULT);
    assert_int_equal(emi_handle_table_add(&fixture->table, &fixture->handles[added]), EM_OK);
}

static void random_steps_agree_with_a_list(void **state)
{
    table_fixture *fixture = *state;
    uint64_t seed = 3;
    em_signature stale = 0;
    for (unsigned step = 0; step < 200000; step++) {
        emi_handle *handle = &fixture->handles[random_below(&seed, HANDLES)];
        if (handle->signature) {
            assert_ptr_equal(emi_handle_table_find(&fixture->table, handle->signature), handle);
            stale = handle->signature;
            emi_handle_table_remove(&fixture->table, handle);
        } else {
            assert_int_equal(emi_handle_table_add(&fixture->table, handle), EM_OK);
        }
        assert_null(emi_handle_table_find(&fixture->table, stale));
    }
    unsigned listed = 0;
    unsigned found = 0;
    for (unsigned i = 0; i < HANDLES; i++)
        listed += fixture->handles[i].signature != 0;
    for (uint32_t i = 0; i < emi_handle_table_used(&fixture->table); i++)
        found += emi_handle_table_at(&fixture->table, i) != NULL;
    assert_int_equal(found, listed);
    assert_true(emi_handle_table_used(&fixture->table) <= HANDLES);
}

static void an_index_table_gives_no_more_indices_than_its_limit(void **state)
{
    table_fixture *fixture = *state;
    emi_index_table table;
    int objects[100];
    uint32_t index;
    emi_index_table_init(&table, &fixture->allocator.allocator, 100);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(emi_index_table_add(&table, &objects[i], &index), EM_OK);
        assert_int_equal(index, i);
    }
    assert_int_equal(emi_index_table_add(&table, &objects[0], &index), EM_LIMIT);
    emi_index_table_remove(&table, 42);
    assert_null(emi_index_table_at(&table, 42));
    assert_int_equal(emi_index_table_add(&table, &objects[0], &index), EM_OK);
    assert_int_equal(index, 42);
    assert_ptr_equal(emi_index_table_at(&table, 42), &objects[0]);
    assert_null(emi_index_table_at(&table, 100));
    assert_null(emi_index_table_at(&table, UINT32_MAX));
    emi_index_table_clear(&table);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_number_finds_its_object_until_it_is_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(numbers_never_given_find_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stale_number_does_not_find_the_object_that_took_its_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(numbers_made_later_are_larger_across_tables_that_share_the_serial, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(without_memory_nothing_is_added, set_up, tear_down),
        cmocka_unit_test_setup_teardown(random_steps_agree_with_a_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_index_table_gives_no_more_indices_than_its_limit, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
