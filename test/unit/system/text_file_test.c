/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Small text files: what tells two states of one from each other, and reading them.
 */
#include "system/text_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "support/unit.h"

static char path[] = "/tmp/text_file_test.XXXXXX";

static void write_text(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void set_age(time_t seconds)
{
    struct timespec times[2];
    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= seconds;
    times[1] = times[0];
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool seems_unchanged(const emi_file_stamp *before)
{
    emi_file_stamp now;
    emi_text_file_stamp(path, &now);
    return emi_file_stamps_equal(before, &now);
}

/* The file may be written again with the same size, before the clock of the file system goes on. */
static void a_file_that_has_just_been_written_may_change_at_any_time(void **state)
{
    (void)state;
    emi_file_stamp stamp;
    write_text("one");
    emi_text_file_stamp(path, &stamp);
    assert_false(seems_unchanged(&stamp));
    set_age(1);
    emi_text_file_stamp(path, &stamp);
    assert_false(seems_unchanged(&stamp));
}

static void a_file_that_is_left_alone_is_unchanged(void **state)
{
    (void)state;
    emi_file_stamp stamp;
    write_text("one");
    set_age(60);
    emi_text_file_stamp(path, &stamp);
    assert_true(seems_unchanged(&stamp));
    write_text("two");
    assert_false(seems_unchanged(&stamp));
}

static void a_file_that_is_not_there_is_unchanged(void **state)
{
    (void)state;
    emi_file_stamp stamp, other;
    emi_text_file_stamp("/tmp", &stamp);
    emi_text_file_stamp("/nowhere", &other);
    assert_true(emi_file_stamps_equal(&stamp, &other));
}

static em_status read_file(const char *name, char *text, size_t capacity)
{
    failing_allocator allocator;
    failing_allocator_init(&allocator);
    char *found;
    size_t length;
    em_status status = emi_text_file_read(&allocator.allocator, name, &found, &length);
    snprintf(text, capacity, "%s", found ? found : "none");
    emi_release(&allocator.allocator, found);
    assert_int_equal(atomic_load(&allocator.live), 0);
    return status;
}

static void what_is_no_text_file_has_no_text(void **state)
{
    (void)state;
    char text[16];
    write_text("one");
    assert_int_equal(read_file(path, text, sizeof text), EM_OK);
    assert_string_equal(text, "one");
    static const char *const others[] = {"/nowhere", "/tmp", "/dev/zero", "/dev/null/x"};
    for (size_t i = 0; i < COUNT(others); i++) {
        assert_int_equal(read_file(others[i], text, sizeof text), EM_OK);
        assert_string_equal(text, "none");
    }
    assert_int_equal(truncate(path, (16 << 20) + 1), 0);
    assert_int_equal(read_file(path, text, sizeof text), EM_LIMIT);
    assert_string_equal(text, "none");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_has_just_been_written_may_change_at_any_time),
        cmocka_unit_test(a_file_that_is_left_alone_is_unchanged),
        cmocka_unit_test(a_file_that_is_not_there_is_unchanged),
        cmocka_unit_test(what_is_no_text_file_has_no_text),
    };
    int file = mkstemp(path);
    if (file < 0)
        return 1;
    close(file);
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return result;
}
