/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * File watches report changes of files and directories: inotify(7) on Linux. On other systems em_loop_watch_file
 * returns EM_UNSUPPORTED.
 *
 * A watch is of the file that the path names when the watch begins, not of the path. Renaming the file does not end the
 * watch. Many editors save by writing a new file and renaming it over the old one: the watch then reports that the old
 * file was deleted, and ends. To go on, watch the path again in file_deleted or unbind. A program that must see each
 * version of such a file, or a symbolic link that is switched to another file, watches the directory instead and
 * compares the names of the entries.
 *
 * Reported are changes of content, and of the entries of a directory. Reading, opening, and changes of mode, owner or
 * times are not. One save may be reported several times, because a program may truncate a file and write it in pieces.
 * Directories are not watched recursively. Changes that are made elsewhere are not seen: on a network file system by
 * another machine, or below a mount of another container.
 *
 * Several watches of one file are each served, whatever names they have for it, and end independently.
 */
#ifndef EVENTMACHINE_FILE_WATCH_H
#define EVENTMACHINE_FILE_WATCH_H

#include <eventmachine/loop.h>

EM_BEGIN_DECLARATIONS

/** A watch of a file or directory. It is valid until its `unbind` has returned. */
typedef struct em_file_watch em_file_watch;

/** What file_modified reports. */
typedef enum em_file_change {
    EM_FILE_WRITTEN = 1,      /**< content was written or truncated */
    EM_FILE_ENTRY_ADDED = 2,  /**< directory: a file was created in it or moved into it */
    EM_FILE_ENTRY_REMOVED = 3 /**< directory: a file was deleted from it or moved out of it */
} em_file_change;

/** What a watch reports. Callbacks that are not needed may be NULL. The struct must outlive the watch. */
typedef struct em_file_watch_handler {
    /**
     * The content has changed. name: for a directory, the name of the entry that is meant, without the directory, and
     * NULL if the system does not report it; for a file NULL. It is valid until the callback returns. Renaming an entry
     * within a directory is EM_FILE_ENTRY_REMOVED of the old name, then EM_FILE_ENTRY_ADDED of the new one.
     */
    void (*file_modified)(em_file_watch *watch, em_file_change change, const char *name);

    /** The file was renamed or moved within its file system. The watch goes on, and its path stays as it was given. */
    void (*file_moved)(em_file_watch *watch);

    /** The file is gone: its last name was removed, and the descriptors that were opened by that name were closed.
     * The watch ends: `unbind` follows, with EM_NO_SUCH_FILE unless em_file_watch_stop is called here. */
    void (*file_deleted)(em_file_watch *watch);

    /** Events were lost, because the program was slower than the system's queue (fs.inotify.max_queued_events) allows.
     * Anything may have happened to the file, so look at it. Later events are reported. If the file was deleted and the
     * system lost that, too, the watch stays open and reports nothing: stop it, and watch the path again. */
    void (*events_lost)(em_file_watch *watch);

    /**
     * The watch has ended. Called once, at the end of a turn, as the last callback. reason: EM_OK after
     * em_file_watch_stop and when the loop is destroyed; EM_NO_SUCH_FILE if the file was deleted or its file system was
     * unmounted; otherwise why the system reports no more.
     */
    void (*unbind)(em_file_watch *watch, em_status reason);

    void (*reserved[3])(void);
} em_file_watch_handler;

/** Options of em_loop_watch_file. Begin with `em_file_watch_options options = { .size = sizeof options };`. */
typedef struct em_file_watch_options {
    size_t size; /**< sizeof (em_file_watch_options), so that the struct can grow */
    void *user;  /**< em_file_watch_get_user returns it */

    /** EM_OFF: if the path names a symbolic link, the link itself is watched. EM_DEFAULT, EM_ON: the file that it leads
     * to now. */
    em_switch follow_links;

    unsigned reserved; /**< for an option to come; must be 0 */
} em_file_watch_options;

/**
 * Watches a file or directory, which the process must be allowed to read. Reported is what happens from now on. path:
 * copied. options: NULL for all defaults. watch: may be NULL.
 *
 * A loop has one descriptor for all its file watches, which is open as long as it has any.
 *
 * EM_NO_SUCH_FILE, EM_PERMISSION_DENIED, EM_PATH_TOO_LONG, EM_NO_MEMORY, EM_INVALID_ARGUMENT, EM_FORKED;
 * EM_INVALID_STATE while the loop is being destroyed. EM_LIMIT: the user watches too many files
 * (fs.inotify.max_user_watches). EM_NO_DESCRIPTORS: too many open files, or too many loops of the user watch files
 * (fs.inotify.max_user_instances). em_status_get_detail names the limit. EM_UNSUPPORTED: not on this system.
 */
EM_API em_status em_loop_watch_file(em_loop *loop, const char *path, const em_file_watch_handler *handler,
                                    const em_file_watch_options *options, em_file_watch **watch);

/** Ends a watch: nothing more is reported, not even what has happened already, and `unbind` is called at the end of the
 * turn. Does nothing for a watch that has ended, and for NULL. */
EM_API void em_file_watch_stop(em_file_watch *watch);

/** Returns the path as it was given; "" for NULL. Valid as long as the watch. */
EM_API const char *em_file_watch_get_path(const em_file_watch *watch);

/** Returns the watch of the same file that began first, of those in this loop that have not ended, whatever path they
 * were given: the watch itself if there is no other. NULL for NULL, and for a watch that has ended. */
EM_API em_file_watch *em_file_watch_get_first(const em_file_watch *watch);

/** Returns the loop of the watch; NULL for NULL. */
EM_API em_loop *em_file_watch_get_loop(const em_file_watch *watch);

/** Returns the number of the watch; 0 for NULL. */
EM_API em_signature em_file_watch_get_signature(const em_file_watch *watch);

/** Returns the watch with a number; NULL if its `unbind` has returned, or if it never was one. */
EM_API em_file_watch *em_loop_find_file_watch(const em_loop *loop, em_signature signature);

/** Returns the user's pointer; NULL for NULL. */
EM_API void *em_file_watch_get_user(const em_file_watch *watch);

/** Sets the user's pointer. Does nothing for NULL. */
EM_API void em_file_watch_set_user(em_file_watch *watch, void *user);

EM_END_DECLARATIONS

#endif
