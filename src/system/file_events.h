/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Changes of files, as the kernel reports them: inotify(7) on Linux, nothing elsewhere.
 */
#ifndef EMI_FILE_EVENTS_H
#define EMI_FILE_EVENTS_H

#include <stdbool.h>
#include <stddef.h>

#include <eventmachine/status.h>

/** What has happened; bits. */
typedef enum emi_file_change {
    EMI_FILE_WRITTEN = 1,
    EMI_FILE_ENTRY_ADDED = 2,
    EMI_FILE_ENTRY_REMOVED = 4,
    EMI_FILE_MOVED = 8,
    EMI_FILE_DELETED = 16,   /**< the last name is gone, and the descriptors opened by it */
    EMI_FILE_UNMOUNTED = 32, /**< the file system is gone */
    EMI_FILE_FORGOTTEN = 64, /**< the last event of this number */
    EMI_FILE_EVENTS_LOST = 128
} emi_file_change;

typedef struct emi_file_event {
    int number;       /**< of the watch in the kernel; -1 for EMI_FILE_EVENTS_LOST */
    unsigned changes; /**< emi_file_change */
    const char *name; /**< of the entry of a directory that is meant; NULL: the file itself */
} emi_file_event;

/** What one event takes at most, with its name. */
#define EMI_FILE_EVENT_BYTES ((size_t)16 + 256)

/** Opens a descriptor that polls readable when there are events; -1 on failure. EM_UNSUPPORTED; EM_NO_DESCRIPTORS with
 * details. */
em_status emi_file_events_open(int *descriptor);
void emi_file_events_close(int descriptor);

/** Closes it in a thread, because that takes milliseconds. If no thread can be started, it is closed at once. */
void emi_file_events_close_in_background(int descriptor);

/** Returns whether there is such a file. EM_NO_SUCH_FILE, EM_PERMISSION_DENIED, EM_PATH_TOO_LONG. */
em_status emi_file_events_check(const char *path, bool follows_links);

/** Begins to watch a file. Its number is the one that it has already, if it is watched by this descriptor. Failures
 * that limits cause have details: EM_LIMIT (too many watches), EM_NO_MEMORY. */
em_status emi_file_events_add(int descriptor, const char *path, bool follows_links, int *number);

/** Stops watching a file. EMI_FILE_FORGOTTEN follows in any case. */
void emi_file_events_remove(int descriptor, int number);

/** Returns how many bytes of events can be read now. */
size_t emi_file_events_pending(int descriptor);

/** Reads whole events. EM_WOULD_BLOCK: there are none. */
em_status emi_file_events_read(int descriptor, void *memory, size_t capacity, size_t *length);

/** Reads the event at the beginning of memory that was filled in, and returns its length; 0: there is no whole event.
 */
size_t emi_file_events_decode(const void *memory, size_t length, emi_file_event *event);

#endif
