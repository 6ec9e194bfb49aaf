/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Statuses: names, texts, numbers; memory; the version.
 */
#include <eventmachine/connect.h>
#include <eventmachine/server.h>
#include <eventmachine/status.h>
#include <eventmachine/version.h>

#include "base/memory.h"
#include "base/status_detail.h"
#include "support/unit.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct listed_status {
    em_status status;
    int number;
    const char *name;
} statuses[] = {
#define LISTED(name, number, text) {name, number, #name},
    EM_STATUS_LIST(LISTED)
#undef LISTED
};

static void every_status_has_a_unique_name_and_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(statuses); i++) {
        assert_string_equal(em_status_get_name(statuses[i].status), statuses[i].name);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(statuses[i].number, statuses[j].number);
            assert_string_not_equal(em_status_get_text(statuses[i].status), em_status_get_text(statuses[j].status));
        }
    }
}

static void texts_are_sentences_without_capital_and_full_stop(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(statuses); i++) {
        const char *text = em_status_get_text(statuses[i].status);
        assert_true(strlen(text) > 3);
        assert_false(isupper((unsigned char)text[0]));
        assert_int_not_equal(text[strlen(text) - 1], '.');
    }
}

static void only_success_and_advice_are_not_negative(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(statuses); i++) {
        bool accepted = statuses[i].status == EM_OK || statuses[i].status == EM_UNDER_PRESSURE;
        assert_int_equal(statuses[i].status >= 0, accepted);
    }
}

static void an_unknown_number_has_a_name_and_a_text_too(void **state)
{
    (void)state;
    static const int strangers[] = {2, -99, -1000, 12345};
    for (size_t i = 0; i < COUNT(strangers); i++) {
        assert_string_equal(em_status_get_name((em_status)strangers[i]), "unknown");
        assert_string_equal(em_status_get_text((em_status)strangers[i]), "unknown status");
    }
}

static void the_detail_of_a_status_is_that_of_the_latest_failure(void **state)
{
    (void)state;
    assert_string_equal(em_status_get_detail(EM_TLS_BAD_KEY), em_status_get_text(EM_TLS_BAD_KEY));
    emi_set_status_detail(EM_TLS_BAD_KEY, "cannot read key.pem");
    assert_string_equal(em_status_get_detail(EM_LIMIT), em_status_get_text(EM_LIMIT));
    assert_string_equal(em_status_get_detail(EM_TLS_BAD_KEY), "cannot read key.pem");
    assert_string_equal(em_status_get_detail(EM_OK), em_status_get_text(EM_OK));
    emi_set_status_detail(EM_LIMIT, "seven");
    assert_string_equal(em_status_get_detail(EM_TLS_BAD_KEY), em_status_get_text(EM_TLS_BAD_KEY));
}

static void a_detail_is_returned_once(void **state)
{
    (void)state;
    emi_set_status_detail(EM_INVALID_ARGUMENT, "hostname \"a b\"");
    const char *detail = em_status_get_detail(EM_INVALID_ARGUMENT);
    assert_string_equal(em_status_get_detail(EM_INVALID_ARGUMENT), em_status_get_text(EM_INVALID_ARGUMENT));
    assert_string_equal(detail, "hostname \"a b\"");
}

static void a_detail_does_not_explain_a_later_failure(void **state)
{
    (void)state;
    static const em_handler empty;
    em_loop *loop;
    em_loop_options none = {.size = sizeof none};
    assert_int_equal(em_loop_create(&none, &loop), EM_OK);
    emi_set_status_detail(EM_INVALID_ARGUMENT, "stale");
    assert_int_equal(em_loop_start_server(loop, "localhost", 0, NULL, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_string_equal(em_status_get_detail(EM_INVALID_ARGUMENT), em_status_get_text(EM_INVALID_ARGUMENT));
    emi_set_status_detail(EM_INVALID_ARGUMENT, "stale");
    assert_int_equal(em_loop_connect(NULL, "localhost", 1, &empty, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_string_equal(em_status_get_detail(EM_INVALID_ARGUMENT), em_status_get_text(EM_INVALID_ARGUMENT));
    emi_set_status_detail(EM_INVALID_ARGUMENT, "stale");
    assert_int_equal(em_connection_pause(NULL), EM_INVALID_ARGUMENT);
    assert_string_equal(em_status_get_detail(EM_INVALID_ARGUMENT), em_status_get_text(EM_INVALID_ARGUMENT));
    assert_int_equal(em_loop_destroy(loop), EM_OK);
}

/* Runs em_status_report and reads what it printed to standard error. */
static int report(em_status status, char *printed, size_t capacity)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(stderr);
    int saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    int result = em_status_report(status);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[1]);
    ssize_t length = read(ends[0], printed, capacity - 1);
    printed[length > 0 ? length : 0] = '\0';
    close(ends[0]);
    return result;
}

static void report_prints_failures_only(void **state)
{
    (void)state;
    char printed[256];
    assert_int_equal(report(EM_OK, printed, sizeof printed), 0);
    assert_string_equal(printed, "");
    assert_int_equal(report(EM_UNDER_PRESSURE, printed, sizeof printed), 0);
    assert_string_equal(printed, "");
    assert_int_equal(report(EM_ADDRESS_IN_USE, printed, sizeof printed), 1);
    assert_string_equal(printed, "eventmachine: address already in use (EM_ADDRESS_IN_USE)\n");
}

static void the_version_is_that_of_the_headers(void **state)
{
    (void)state;
    char expected[32];
    snprintf(expected, sizeof expected, "%d.%d.%d", EM_VERSION_MAJOR, EM_VERSION_MINOR, EM_VERSION_PATCH);
    assert_string_equal(em_get_version(), expected);
    assert_string_equal(EM_VERSION, expected);
}

static void memory_comes_from_the_allocator_given(void **state)
{
    (void)state;
    failing_allocator allocator;
    emi_memory memory;
    failing_allocator_init(&allocator);
    emi_memory_init(&memory, &allocator.allocator);
    unsigned char *zeros = emi_allocate_zeroed(&memory, 1000);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(zeros[i], 0);
    zeros = emi_reallocate(&memory, zeros, 2000);
    void *other = emi_allocate(&memory, 1);
    assert_non_null(other);
    assert_int_equal(atomic_load(&allocator.live), 2);
    emi_release(&memory, zeros);
    emi_release(&memory, other);
    emi_release(&memory, NULL);
    assert_int_equal(atomic_load(&allocator.live), 0);
    failing_allocator_fail(&allocator, 1, EM_ON);
    assert_null(emi_allocate(&memory, 1));
    assert_null(emi_allocate_zeroed(&memory, 1));
}

static void without_an_allocator_memory_comes_from_the_system(void **state)
{
    (void)state;
    emi_memory memory;
    emi_memory_init(&memory, NULL);
    void *pointer = emi_allocate(&memory, 100);
    assert_non_null(pointer);
    pointer = emi_reallocate(&memory, pointer, 1000);
    assert_non_null(pointer);
    emi_release(&memory, pointer);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_unique_name_and_text),
        cmocka_unit_test(texts_are_sentences_without_capital_and_full_stop),
        cmocka_unit_test(only_success_and_advice_are_not_negative),
        cmocka_unit_test(the_detail_of_a_status_is_that_of_the_latest_failure),
        cmocka_unit_test(a_detail_is_returned_once),
        cmocka_unit_test(a_detail_does_not_explain_a_later_failure),
        cmocka_unit_test(an_unknown_number_has_a_name_and_a_text_too),
        cmocka_unit_test(report_prints_failures_only),
        cmocka_unit_test(the_version_is_that_of_the_headers),
        cmocka_unit_test(memory_comes_from_the_allocator_given),
        cmocka_unit_test(without_an_allocator_memory_comes_from_the_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
