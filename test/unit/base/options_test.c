/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Option structs of programs that were built against older and newer headers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <eventmachine.h>

#include "base/options.h"

/* A field to come must not lie where programs built today have padding, which may hold anything. */
#define ENDS_WITHOUT_PADDING(type, last)                                                                               \
    _Static_assert(offsetof(type, last) + sizeof(((type *)0)->last) == sizeof(type), #type)
ENDS_WITHOUT_PADDING(em_loop_options, pool_idle_ns);
ENDS_WITHOUT_PADDING(em_stream_options, drain_timeout_ns);
ENDS_WITHOUT_PADDING(em_connect_options, tls);
ENDS_WITHOUT_PADDING(em_attach_options, nonblocking);
ENDS_WITHOUT_PADDING(em_descriptor_watch_options, notify_writable);
ENDS_WITHOUT_PADDING(em_server_options, stream);
ENDS_WITHOUT_PADDING(em_file_watch_options, reserved);
ENDS_WITHOUT_PADDING(em_signal_watch_options, user);

typedef struct present {
    size_t size;
    int first;
    int second;
} present;

typedef struct future {
    present known;
    unsigned char unknown[9];
} future;

static void no_options_are_all_defaults(void **state)
{
    (void)state;
    present own = {.first = 1, .second = 2};
    assert_int_equal(emi_read_options(&own, sizeof own, NULL), EM_OK);
    assert_int_equal(own.size, sizeof own);
    assert_int_equal(own.first, 0);
    assert_int_equal(own.second, 0);
}

static void a_shorter_struct_is_completed_with_zeros(void **state)
{
    (void)state;
    present given = {.size = offsetof(present, second), .first = 7, .second = 8};
    present own;
    assert_int_equal(emi_read_options(&own, sizeof own, &given), EM_OK);
    assert_int_equal(own.first, 7);
    assert_int_equal(own.second, 0);
}

static void a_longer_struct_whose_unknown_fields_are_zero_is_accepted(void **state)
{
    (void)state;
    future given = {.known = {.size = sizeof given, .first = 7, .second = 8}};
    present own;
    assert_int_equal(emi_read_options(&own, sizeof own, &given), EM_OK);
    assert_int_equal(own.first, 7);
    assert_int_equal(own.second, 8);
    assert_int_equal(own.size, sizeof own);
}

static void an_unknown_field_that_is_set_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof((future *)NULL)->unknown; i++) {
        future given = {.known = {.size = sizeof given, .first = 7}};
        given.unknown[i] = 1;
        present own;
        assert_int_equal(emi_read_options(&own, sizeof own, &given), EM_INVALID_ARGUMENT);
    }
}

static void a_size_that_has_no_room_for_itself_is_refused(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof size; size++) {
        present given = {.size = size};
        present own;
        assert_int_equal(emi_read_options(&own, sizeof own, &given), EM_INVALID_ARGUMENT);
    }
}

static void a_size_that_no_struct_can_have_is_refused(void **state)
{
    (void)state;
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX / 2, EMI_LARGEST_STRUCT_BYTES + 1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        present given = {.size = sizes[i]};
        present own;
        assert_int_equal(emi_read_options(&own, sizeof own, &given), EM_INVALID_ARGUMENT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_options_are_all_defaults),
        cmocka_unit_test(a_shorter_struct_is_completed_with_zeros),
        cmocka_unit_test(a_longer_struct_whose_unknown_fields_are_zero_is_accepted),
        cmocka_unit_test(an_unknown_field_that_is_set_is_refused),
        cmocka_unit_test(a_size_that_has_no_room_for_itself_is_refused),
        cmocka_unit_test(a_size_that_no_struct_can_have_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
