/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A directory for tests of file watches, and what watches in it have reported.
 */
#ifndef TEST_WATCHED_DIRECTORY_H
#define TEST_WATCHED_DIRECTORY_H

#include <eventmachine.h>

/** What a watch has reported. */
typedef struct watch_record {
    em_file_watch *watch;
    unsigned modified;
    unsigned added;
    unsigned removed;
    unsigned moved;
    unsigned deleted;
    unsigned lost;
    unsigned unbind;
    em_status reason;
    char name[256]; /* of the latest entry; "" for none */
    /** Called by each callback; may be NULL. */
    void (*then)(struct watch_record *record);
} watch_record;

/** Records everything; the user's pointer is a watch_record. */
extern const em_file_watch_handler recording_watches;

/** Begins to watch, and sets record->watch. */
void watch_path(em_loop *loop, const char *path, watch_record *record);

/** Callbacks so far. */
unsigned watch_reports(const watch_record *record);

/** Makes an empty directory, in which this process is then. For cmocka. */
int watched_directory_set_up(void **state);

/** Leaves it and removes it with everything in it. */
int watched_directory_tear_down(void **state);

/** Appends to a file, which is made if there is none. */
void write_file(const char *path, const char *text);

/** Turns the loop until nothing is left to be reported. */
void settle_watches(em_loop *loop);

#endif
