/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Users and groups by name and by number.
 */
#include "system/owners.h"

#include "support/unit.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

static void names_are_found(void **state)
{
    (void)state;
    int64_t number = 7;
    const struct passwd *user = getpwuid(0);
    assert_non_null(user);
    assert_int_equal(emi_find_user(user->pw_name, &number), EM_OK);
    assert_int_equal(number, 0);
    const struct group *group = getgrgid(0);
    assert_non_null(group);
    number = 7;
    assert_int_equal(emi_find_group(group->gr_name, &number), EM_OK);
    assert_int_equal(number, 0);
}

static void decimal_numbers_stand_for_themselves(void **state)
{
    (void)state;
    int64_t number;
    assert_int_equal(emi_find_user("4000000001", &number), EM_OK);
    assert_int_equal(number, 4000000001);
    assert_int_equal(emi_find_group("0", &number), EM_OK);
    assert_int_equal(number, 0);
    assert_int_equal(emi_find_group("4294967294", &number), EM_OK);
    assert_int_equal(number, 4294967294);
}

static void nothing_given_leaves_the_owner(void **state)
{
    (void)state;
    int64_t number = 7;
    assert_int_equal(emi_find_user(NULL, &number), EM_OK);
    assert_int_equal(number, EMI_KEEP_OWNER);
    number = 7;
    assert_int_equal(emi_find_group(NULL, &number), EM_OK);
    assert_int_equal(number, EMI_KEEP_OWNER);
}

static void what_is_neither_a_name_nor_a_number_is_not_found(void **state)
{
    (void)state;
    static const char *const unknown[] = {"no such user",           "-1", "+1", " 1", "1 ", "0x10", "1.5", "4294967295",
                                          "99999999999999999999999"};
    for (size_t i = 0; i < COUNT(unknown); i++) {
        int64_t number = 7;
        assert_int_equal(emi_find_user(unknown[i], &number), EM_NOT_FOUND);
        assert_int_equal(number, EMI_KEEP_OWNER);
        assert_int_equal(emi_find_group(unknown[i], &number), EM_NOT_FOUND);
    }
}

static void an_empty_name_is_refused(void **state)
{
    (void)state;
    int64_t number;
    assert_int_equal(emi_find_user("", &number), EM_INVALID_ARGUMENT);
    assert_int_equal(emi_find_group("", &number), EM_INVALID_ARGUMENT);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found),
        cmocka_unit_test(decimal_numbers_stand_for_themselves),
        cmocka_unit_test(nothing_given_leaves_the_owner),
        cmocka_unit_test(what_is_neither_a_name_nor_a_number_is_not_found),
        cmocka_unit_test(an_empty_name_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
