/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * File watches from within. Three structs belong together: the watch of the program, the file that the kernel watches
 * (one for all watches of a file), and the notifier, which is the descriptor that reports them all.
 */
#ifndef EMI_FILE_WATCH_PRIVATE_H
#define EMI_FILE_WATCH_PRIVATE_H

#include <eventmachine/file_watch.h>

#include "base/list.h"
#include "loop/loop_private.h"
#include "system/file_events.h"

typedef struct emi_watched_file emi_watched_file;
typedef struct emi_file_notifier emi_file_notifier;

typedef enum emi_file_watch_state { EMI_FILE_WATCH_OPEN, EMI_FILE_WATCH_ENDED } emi_file_watch_state;

struct em_file_watch {
    emi_object object;
    const em_file_watch_handler *handler;
    emi_file_notifier *notifier;
    emi_watched_file *file;
    emi_list link;  /* in the file's watches */
    uint64_t since; /* the place in the notifier's stream of events where its own begin */
    char path[];
};

struct emi_watched_file {
    int number;     /* the kernel's */
    bool is_listed; /* in the notifier's table */
    /* EMI_FILE_FORGOTTEN is still to come so many times, for earlier uses of the number. Until then events of this
     * number are not meant. */
    unsigned stale;
    unsigned open;    /* watches that have not ended */
    emi_list watches; /* also those that have ended, until their `unbind` */
    emi_watched_file *next_in_bucket;
};

/* What is read at once: some dozens of events. */
#define EMI_FILE_NOTIFIER_BYTES (16 * EMI_FILE_EVENT_BYTES)

struct emi_file_notifier {
    emi_channel channel; /* attached when the first watch has begun */
    em_loop *loop;
    int descriptor;
    emi_list link;        /* in the service's notifiers */
    emi_loop_timer timer; /* goes on with events that were read */
    bool is_attached;
    bool has_lost;    /* events, since the queue was last empty */
    unsigned watches; /* until their memory is freed */

    emi_watched_file **buckets; /* by number */
    unsigned bucket_count;      /* a power of 2 */
    unsigned file_count;

    char *bytes; /* events that were read */
    size_t capacity;
    size_t start; /* of those that were not handled */
    size_t end;
    uint64_t position; /* of `start` in the stream of all events */
    _Alignas(8) char own_bytes[EMI_FILE_NOTIFIER_BYTES];
};

/* The table, see watched_files.c. */

emi_watched_file *emi_watched_files_find(const emi_file_notifier *notifier, int number);

/** Makes room for one more file, so that adding it cannot fail. EM_NO_MEMORY. */
em_status emi_watched_files_reserve(emi_file_notifier *notifier);
void emi_watched_files_add(emi_file_notifier *notifier, emi_watched_file *file, int number);

/** Takes a file out of the table, if it is there, and frees it unless it still has watches. */
void emi_watched_files_drop(emi_file_notifier *notifier, emi_watched_file *file);

/** Drops the files that nothing waits for any more: the kernel's queue was empty, so no event of them is left. */
void emi_watched_files_drop_stale(emi_file_notifier *notifier);

/** Frees the table and all files in it. */
void emi_watched_files_clear(emi_file_notifier *notifier);

/* The notifier, see file_notifier.c. */

/** Begins to watch the file of a watch, by the loop's notifier, which is opened if there is none. On failure nothing
 * has changed. */
em_status emi_file_notifier_add(em_file_watch *watch, bool follows_links);

/** A watch ends: without further ones of its file, the kernel stops watching that. */
void emi_file_notifier_end(em_file_watch *watch);

/** A watch is being freed. Closes the notifier with the last one. */
void emi_file_notifier_remove(em_file_watch *watch);

/* The watch, see file_watch.c. */

static inline bool emi_file_watch_is_open(const em_file_watch *watch)
{
    return watch->object.state == EMI_FILE_WATCH_OPEN;
}

/** Ends an open watch. */
void emi_file_watch_end(em_file_watch *watch, em_status reason);

/** Reports an event to an open watch. */
void emi_file_watch_report(em_file_watch *watch, const emi_file_event *event);

#endif
