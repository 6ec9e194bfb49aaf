/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A directory for tests of file watches, and what watches in it have reported.
 */
#include "support/watched_directory.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/system_test.h"

static char directory[64];

static watch_record *record_of(em_file_watch *watch)
{
    return em_file_watch_get_user(watch);
}

static unsigned long callbacks;

static void go_on(watch_record *record)
{
    callbacks++;
    if (record->then)
        record->then(record);
}

static void note_modified(em_file_watch *watch, em_file_change change, const char *name)
{
    watch_record *record = record_of(watch);
    record->modified += change == EM_FILE_WRITTEN;
    record->added += change == EM_FILE_ENTRY_ADDED;
    record->removed += change == EM_FILE_ENTRY_REMOVED;
    snprintf(record->name, sizeof record->name, "%s", name ? name : "");
    go_on(record);
}

static void note_moved(em_file_watch *watch)
{
    record_of(watch)->moved++;
    go_on(record_of(watch));
}

static void note_deleted(em_file_watch *watch)
{
    record_of(watch)->deleted++;
    go_on(record_of(watch));
}

static void note_lost(em_file_watch *watch)
{
    record_of(watch)->lost++;
    go_on(record_of(watch));
}

static void note_unbind(em_file_watch *watch, em_status reason)
{
    watch_record *record = record_of(watch);
    record->unbind++;
    record->reason = reason;
    record->watch = NULL;
    go_on(record);
}

const em_file_watch_handler recording_watches = {
    .file_modified = note_modified,
    .file_moved = note_moved,
    .file_deleted = note_deleted,
    .events_lost = note_lost,
    .unbind = note_unbind,
};

void watch_path(em_loop *loop, const char *path, watch_record *record)
{
    em_file_watch_options options = {.size = sizeof options, .user = record};
    assert_int_equal(em_loop_watch_file(loop, path, &recording_watches, &options, &record->watch), EM_OK);
}

unsigned watch_reports(const watch_record *record)
{
    return record->modified + record->added + record->removed + record->moved + record->deleted + record->lost +
           record->unbind;
}

/* Best in memory: some changes wait for a disk. */
static bool make_directory(void)
{
    strcpy(directory, "/dev/shm/watched.XXXXXX");
    if (mkdtemp(directory))
        return true;
    strcpy(directory, "/tmp/watched.XXXXXX");
    return mkdtemp(directory);
}

int watched_directory_set_up(void **state)
{
    if (!make_directory() || chdir(directory) != 0)
        return -1;
    return system_set_up(state);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

int watched_directory_tear_down(void **state)
{
    int result = system_tear_down(state);
    if (chdir("/") != 0)
        return -1;
    nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return result;
}

void write_file(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_APPEND | O_CREAT, 0666);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    close(file);
}

/* The kernel has queued what has happened before this is called. */
void settle_watches(em_loop *loop)
{
    for (unsigned quiet = 0; quiet < 4; quiet++) {
        unsigned long before = callbacks;
        assert_int_equal(em_loop_run_once(loop, 0), EM_OK);
        if (callbacks > before || em_loop_get_timeout_ns(loop) == 0)
            quiet = 0;
    }
}
