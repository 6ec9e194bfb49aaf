/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The intrusive list.
 */
#include "base/list.h"
#include "support/unit.h"

typedef struct item {
    int number;
    emi_list link;
} item;

static void fill(emi_list *list, item *items, int count, int first)
{
    emi_list_init(list);
    for (int i = 0; i < count; i++) {
        items[i].number = first + i;
        emi_list_init(&items[i].link);
        emi_list_append(list, &items[i].link);
    }
}

static void expect(emi_list *list, const int *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        emi_list *link = emi_list_take_first(list);
        assert_non_null(link);
        assert_int_equal(EMI_CONTAINER(link, item, link)->number, numbers[i]);
        assert_false(emi_list_is_linked(link));
    }
    assert_true(emi_list_is_empty(list));
    assert_null(emi_list_take_first(list));
}

static void links_come_out_in_the_order_appended(void **state)
{
    (void)state;
    emi_list list;
    item items[3];
    fill(&list, items, 3, 1);
    assert_false(emi_list_is_empty(&list));
    expect(&list, (const int[]){1, 2, 3}, 3);
}

static void any_link_can_be_taken_out_and_twice_is_harmless(void **state)
{
    (void)state;
    for (int removed = 0; removed < 4; removed++) {
        emi_list list;
        item items[4];
        int left[3];
        fill(&list, items, 4, 0);
        emi_list_remove(&items[removed].link);
        assert_false(emi_list_is_linked(&items[removed].link));
        emi_list_remove(&items[removed].link);
        for (int i = 0, at = 0; i < 4; i++)
            if (i != removed)
                left[at++] = i;
        expect(&list, left, 3);
    }
}

static void a_link_taken_out_can_be_appended_again(void **state)
{
    (void)state;
    emi_list list;
    item items[3];
    fill(&list, items, 3, 1);
    emi_list_remove(&items[0].link);
    emi_list_append(&list, &items[0].link);
    assert_true(emi_list_is_linked(&items[0].link));
    expect(&list, (const int[]){2, 3, 1}, 3);
}

static void moving_appends_all_and_leaves_nothing(void **state)
{
    (void)state;
    emi_list from;
    emi_list to;
    item first[2];
    item second[2];
    fill(&to, first, 2, 1);
    fill(&from, second, 2, 3);
    emi_list_move_all(&to, &from);
    assert_true(emi_list_is_empty(&from));
    expect(&to, (const int[]){1, 2, 3, 4}, 4);
    emi_list_move_all(&to, &from);
    assert_true(emi_list_is_empty(&to));
    fill(&from, second, 2, 3);
    emi_list_move_all(&to, &from);
    expect(&to, (const int[]){3, 4}, 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_come_out_in_the_order_appended),
        cmocka_unit_test(any_link_can_be_taken_out_and_twice_is_harmless),
        cmocka_unit_test(a_link_taken_out_can_be_appended_again),
        cmocka_unit_test(moving_appends_all_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
