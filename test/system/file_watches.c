/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * File watches: what is reported, to whom, and how watches end.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/system_test.h"
#include "support/watched_directory.h"

#define WATCH_TEST(function)                                                                                           \
    cmocka_unit_test_setup_teardown(function, watched_directory_set_up, watched_directory_tear_down)

static watch_record *watch(em_loop *loop, const char *path)
{
    watch_record *record = system_memory(sizeof *record);
    watch_path(loop, path, record);
    return record;
}

static void each_write_is_reported(void **state)
{
    write_file("file", "");
    watch_record *record = watch(*state, "file");
    for (unsigned i = 1; i <= 3; i++) {
        write_file("file", "x");
        settle_watches(*state);
        assert_int_equal(record->modified, i);
    }
    assert_int_equal(truncate("file", 0), 0);
    settle_watches(*state);
    assert_int_equal(record->modified, 4);
    assert_string_equal(record->name, "");
    assert_int_equal(watch_reports(record), 4);
}

static void a_write_wakes_a_loop_that_waits(void **state)
{
    write_file("file", "");
    watch_record *record = watch(*state, "file");
    write_file("file", "x");
    while (record->modified == 0)
        assert_int_equal(em_loop_run_once(*state, EM_FOREVER), EM_OK);
}

static void reading_and_attributes_are_not_reported(void **state)
{
    char byte;
    write_file("file", "x");
    watch_record *record = watch(*state, "file");
    int file = open("file", O_RDONLY);
    assert_int_equal(read(file, &byte, 1), 1);
    close(file);
    assert_int_equal(chmod("file", 0600), 0);
    assert_int_equal(link("file", "second"), 0);
    assert_int_equal(unlink("second"), 0);
    settle_watches(*state);
    assert_int_equal(watch_reports(record), 0);
}

static void a_directory_reports_its_entries_by_name(void **state)
{
    watch_record *record = watch(*state, ".");
    write_file("entry", "");
    settle_watches(*state);
    assert_int_equal(record->added, 1);
    assert_string_equal(record->name, "entry");
    write_file("entry", "x");
    settle_watches(*state);
    assert_int_equal(record->modified, 1);
    assert_string_equal(record->name, "entry");
    assert_int_equal(rename("entry", "other"), 0);
    settle_watches(*state);
    assert_int_equal(record->removed, 1);
    assert_int_equal(record->added, 2);
    assert_string_equal(record->name, "other");
    assert_int_equal(unlink("other"), 0);
    settle_watches(*state);
    assert_int_equal(record->removed, 2);
    assert_int_equal(mkdir("directory", 0777), 0);
    write_file("directory/inner", "not recursive");
    settle_watches(*state);
    assert_int_equal(record->added, 3);
    assert_int_equal(watch_reports(record), 6);
}

static void a_name_of_255_bytes_is_reported_whole(void **state)
{
    char name[256];
    memset(name, 'n', 255);
    name[255] = '\0';
    watch_record *record = watch(*state, ".");
    write_file(name, "");
    settle_watches(*state);
    assert_string_equal(record->name, name);
}

static void a_file_that_is_renamed_goes_on_under_its_old_path(void **state)
{
    write_file("file", "");
    watch_record *record = watch(*state, "file");
    assert_int_equal(rename("file", "renamed"), 0);
    settle_watches(*state);
    assert_int_equal(record->moved, 1);
    write_file("renamed", "x");
    settle_watches(*state);
    assert_int_equal(record->modified, 1);
    assert_string_equal(em_file_watch_get_path(record->watch), "file");
    assert_int_equal(record->unbind, 0);
}

static void a_deleted_file_ends_its_watch(void **state)
{
    write_file("file", "");
    watch_record *record = watch(*state, "file");
    em_signature signature = em_file_watch_get_signature(record->watch);
    assert_ptr_equal(em_loop_find_file_watch(*state, signature), record->watch);
    assert_int_equal(unlink("file"), 0);
    settle_watches(*state);
    assert_int_equal(record->deleted, 1);
    assert_int_equal(record->unbind, 1);
    assert_int_equal(record->reason, EM_NO_SUCH_FILE);
    assert_null(em_loop_find_file_watch(*state, signature));
    assert_int_equal(system_stats(*state).file_watches_open, 0);
}

static void a_file_is_deleted_when_its_last_name_and_what_was_opened_by_it_are_gone(void **state)
{
    write_file("file", "");
    watch_record *record = watch(*state, "file");
    assert_int_equal(link("file", "second"), 0);
    int descriptor = open("second", O_RDONLY);
    assert_int_equal(unlink("file"), 0);
    settle_watches(*state);
    assert_int_equal(unlink("second"), 0);
    settle_watches(*state);
    assert_int_equal(record->deleted, 0);
    close(descriptor);
    settle_watches(*state);
    assert_int_equal(record->deleted, 1);
    assert_int_equal(record->unbind, 1);
}

static void a_removed_directory_ends_the_watches_of_it_and_of_its_files(void **state)
{
    assert_int_equal(mkdir("directory", 0777), 0);
    write_file("directory/file", "");
    watch_record *directory = watch(*state, "directory");
    watch_record *file = watch(*state, "directory/file");
    assert_int_equal(unlink("directory/file"), 0);
    assert_int_equal(rmdir("directory"), 0);
    settle_watches(*state);
    assert_int_equal(directory->removed, 1);
    assert_int_equal(directory->deleted, 1);
    assert_int_equal(directory->unbind, 1);
    assert_int_equal(file->deleted, 1);
    assert_int_equal(file->unbind, 1);
}

/* As editors save. */
static void replace_file(const char *path)
{
    write_file("new", "x");
    assert_int_equal(rename("new", path), 0);
}

static em_loop *watching_loop;

static void watch_again(watch_record *record)
{
    if (record->unbind > 0)
        return;
    if (record->deleted > 0)
        watch_path(watching_loop, "file", system_memory(sizeof *record));
}

static void watch_again_in_unbind(watch_record *record)
{
    if (record->watch)
        return;
    watch_path(watching_loop, "file", record);
}

static void a_file_that_is_replaced_can_be_watched_again_any_number_of_times(void **state)
{
    watching_loop = *state;
    write_file("file", "");
    watch_record *record = watch(*state, "file");
    record->then = watch_again_in_unbind;
    for (unsigned i = 1; i <= 20; i++) {
        replace_file("file");
        settle_watches(*state);
        assert_int_equal(record->deleted, i);
        assert_int_equal(record->unbind, i);
        write_file("file", "x");
        settle_watches(*state);
        assert_int_equal(record->modified, i);
    }
    record->then = NULL;
}

static void the_next_file_can_be_watched_in_file_deleted(void **state)
{
    watching_loop = *state;
    write_file("file", "");
    watch_record *record = watch(*state, "file");
    record->then = watch_again;
    replace_file("file");
    settle_watches(*state);
    assert_int_equal(record->unbind, 1);
    assert_int_equal(system_stats(*state).file_watches_open, 1);
}

static void every_watch_of_a_file_is_served_until_it_is_stopped(void **state)
{
    write_file("file", "");
    assert_int_equal(link("file", "hard"), 0);
    assert_int_equal(symlink("file", "soft"), 0);
    watch_record *records[] = {watch(*state, "file"), watch(*state, "file"), watch(*state, "hard"),
                               watch(*state, "soft")};
    for (unsigned stopped = 0; stopped < 4; stopped++) {
        write_file("file", "x");
        settle_watches(*state);
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(records[i]->modified, i < stopped ? i + 1 : stopped + 1);
        for (unsigned i = stopped; i < 4; i++)
            assert_ptr_equal(em_file_watch_get_first(records[i]->watch), records[stopped]->watch);
        em_file_watch_stop(records[stopped]->watch);
        assert_null(em_file_watch_get_first(records[stopped]->watch));
        settle_watches(*state);
        assert_int_equal(records[stopped]->unbind, 1);
        assert_int_equal(records[stopped]->reason, EM_OK);
    }
}

static void a_link_itself_can_be_watched(void **state)
{
    write_file("file", "");
    assert_int_equal(symlink("file", "soft"), 0);
    watch_record *record = system_memory(sizeof *record);
    em_file_watch_options options = {.size = sizeof options, .user = record, .follow_links = EM_OFF};
    assert_int_equal(em_loop_watch_file(*state, "soft", &recording_watches, &options, NULL), EM_OK);
    write_file("file", "x");
    assert_int_equal(unlink("soft"), 0);
    settle_watches(*state);
    assert_int_equal(record->modified, 0);
    assert_int_equal(record->deleted, 1);
}

static void a_watch_of_the_directory_reports_that_a_link_was_switched(void **state)
{
    write_file("first", "");
    write_file("second", "");
    assert_int_equal(symlink("first", "current"), 0);
    watch_record *record = watch(*state, ".");
    assert_int_equal(symlink("second", "next"), 0);
    assert_int_equal(rename("next", "current"), 0);
    settle_watches(*state);
    assert_string_equal(record->name, "current");
}

static void events_from_before_a_watch_are_not_reported_to_it(void **state)
{
    write_file("file", "");
    watch_record *first = watch(*state, "file");
    write_file("file", "x");
    watch_record *second = watch(*state, "file");
    write_file("file", "x"); /* the kernel would merge it with the one before, had that not been read */
    settle_watches(*state);
    assert_int_equal(first->modified, 2);
    assert_int_equal(second->modified, 1);
}

static void stop_and_watch_again(watch_record *record)
{
    if (record->modified != 1 || record->unbind > 0)
        return;
    record->then = NULL;
    em_file_watch_stop(record->watch);
    watch_path(watching_loop, "file", system_memory(sizeof *record));
}

static void stopping_and_watching_again_in_a_callback_is_quiet(void **state)
{
    watching_loop = *state;
    write_file("file", "");
    watch_record *record = watch(*state, "file");
    record->then = stop_and_watch_again;
    write_file("file", "x");
    assert_int_equal(rename("file", "other"), 0); /* a second event, which the old watch does not see any more */
    assert_int_equal(rename("other", "file"), 0);
    settle_watches(*state);
    assert_int_equal(record->modified, 1);
    assert_int_equal(record->moved, 0);
    assert_int_equal(record->unbind, 1);
    assert_int_equal(system_stats(*state).file_watches_open, 1);
}

static watch_record *others[8];

static void stop_others(watch_record *record)
{
    if (record->unbind > 0)
        return;
    for (unsigned i = 0; i < 8; i++)
        if (others[i] != record)
            em_file_watch_stop(others[i]->watch);
    em_file_watch_stop(record->watch);
}

static void a_callback_may_stop_its_watch_and_others_with_events(void **state)
{
    char path[16];
    for (unsigned i = 0; i < 8; i++) {
        snprintf(path, sizeof path, "file%u", i / 2);
        write_file(path, "");
        others[i] = watch(*state, path);
        others[i]->then = stop_others;
    }
    for (unsigned i = 0; i < 8; i += 2) {
        snprintf(path, sizeof path, "file%u", i / 2);
        write_file(path, "x");
    }
    settle_watches(*state);
    unsigned modified = 0;
    for (unsigned i = 0; i < 8; i++) {
        modified += others[i]->modified;
        assert_int_equal(others[i]->unbind, 1);
    }
    assert_int_equal(modified, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WATCH_TEST(each_write_is_reported),
        WATCH_TEST(a_write_wakes_a_loop_that_waits),
        WATCH_TEST(reading_and_attributes_are_not_reported),
        WATCH_TEST(a_directory_reports_its_entries_by_name),
        WATCH_TEST(a_name_of_255_bytes_is_reported_whole),
        WATCH_TEST(a_file_that_is_renamed_goes_on_under_its_old_path),
        WATCH_TEST(a_deleted_file_ends_its_watch),
        WATCH_TEST(a_file_is_deleted_when_its_last_name_and_what_was_opened_by_it_are_gone),
        WATCH_TEST(a_removed_directory_ends_the_watches_of_it_and_of_its_files),
        WATCH_TEST(a_file_that_is_replaced_can_be_watched_again_any_number_of_times),
        WATCH_TEST(the_next_file_can_be_watched_in_file_deleted),
        WATCH_TEST(every_watch_of_a_file_is_served_until_it_is_stopped),
        WATCH_TEST(a_link_itself_can_be_watched),
        WATCH_TEST(a_watch_of_the_directory_reports_that_a_link_was_switched),
        WATCH_TEST(events_from_before_a_watch_are_not_reported_to_it),
        WATCH_TEST(stopping_and_watching_again_in_a_callback_is_quiet),
        WATCH_TEST(a_callback_may_stop_its_watch_and_others_with_events),
    };
    return SYSTEM_RUN(tests);
}
