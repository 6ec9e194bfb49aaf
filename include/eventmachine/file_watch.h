/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * File watches report changes of files and directories, by inotify(7) on Linux. On other systems em_loop_watch_file
 * returns EM_UNSUPPORTED.
 *
 * A watch follows the file that the path names when the watch begins, not the path. Renaming the file does not end the
 * watch. Many editors save by writing a new file and renaming it over the old one. The watch then reports that the old
 * file was deleted, and ends. To go on, watch the path again in file_deleted or unbind. To see every version of such a
 * file, or a symbolic link that is switched to another file, watch the directory instead and compare the names of the
 * entries.
 *
 * A watch reports changes of content and of the entries of a directory. It does not report reading, opening, or changes
 * of mode, owner or times. One save may be reported several times, because a program may truncate a file and write it
 * in pieces. Directories are not watched recursively. Changes made elsewhere are not seen: by another machine on a
 * network file system, or below a mount of another container.
 *
 * A file may have several watches, whatever path each of them was given. Each reports every change, and they end
 * independently.
 *
 * All functions here are for the loop's thread, and any callback may call them. If the watch is NULL, functions that
 * return a status return EM_INVALID_ARGUMENT, and the others return 0 or NULL unless stated otherwise.
 */
#ifndef EVENTMACHINE_FILE_WATCH_H
#define EVENTMACHINE_FILE_WATCH_H

#include <eventmachine/loop.h>

EM_BEGIN_DECLARATIONS

/** A watch of a file or directory. Owned by its loop; valid until its unbind has returned. */
typedef struct em_file_watch em_file_watch;

/** What file_modified reports. */
typedef enum em_file_change {
    EM_FILE_WRITTEN = 1,      /**< content was written or truncated */
    EM_FILE_ENTRY_ADDED = 2,  /**< of a directory: an entry was created in it or moved into it */
    EM_FILE_ENTRY_REMOVED = 3 /**< of a directory: an entry was deleted from it or moved out of it */
} em_file_change;

/** The callbacks of a file watch, which the loop's thread calls. Any of them may be NULL. The struct is not copied and
 * must outlive the watches that use it. The `reserved` fields are for future callbacks and must be NULL. A callback
 * that this library does not know is refused with EM_INVALID_ARGUMENT, never ignored. */
typedef struct em_file_watch_handler {
    /**
     * The content has changed. name: for a directory, the name of the entry without the directory, or NULL if the
     * system does not report it; for a file, NULL. It is valid until the callback returns. Renaming an entry within a
     * directory reports EM_FILE_ENTRY_REMOVED with the old name, then EM_FILE_ENTRY_ADDED with the new one.
     */
    void (*file_modified)(em_file_watch *watch, em_file_change change, const char *name);

    /** The file was renamed or moved within its file system. The watch goes on. em_file_watch_get_path still returns
     * the path as it was given. */
    void (*file_moved)(em_file_watch *watch);

    /** The file is gone: its last name was removed, and no descriptor that was opened by that name is open any more.
     * The watch ends: unbind follows, with EM_NO_SUCH_FILE unless em_file_watch_stop is called here. */
    void (*file_deleted)(em_file_watch *watch);

    /** Events were lost, because more of them were waiting than the system's queue holds
     * (fs.inotify.max_queued_events). Anything may have happened to the file, so examine it. Later events are reported.
     * If the file was deleted and that event was lost, too, the watch stays open and reports nothing: stop it, and
     * watch the path again. */
    void (*events_lost)(em_file_watch *watch);

    /**
     * The watch has ended. Called exactly once, as the last callback, at the end of a turn or within em_loop_destroy.
     * reason: EM_OK after em_file_watch_stop and when the loop is destroyed; EM_NO_SUCH_FILE if the file was deleted or
     * its file system was unmounted; otherwise why the system no longer reports.
     */
    void (*unbind)(em_file_watch *watch, em_status reason);

    void (*reserved[3])(void);
} em_file_watch_handler;

/** Options of em_loop_watch_file. Begin with `.size = sizeof options`; zero means the default. Copied. */
typedef struct em_file_watch_options {
    size_t size; /**< sizeof (em_file_watch_options) */
    void *user;  /**< the watch's user pointer */

    /** If the path names a symbolic link, EM_OFF watches the link itself, and EM_ON the file that it leads to now.
     * Default: on. */
    em_switch follow_links;

    unsigned reserved; /**< for a future option; must be 0 */
} em_file_watch_options;

/**
 * Watches a file or directory, which the process must be allowed to read. What happens from now on is reported. path:
 * copied. handler: required. options: NULL for defaults. watch: set to the handle, NULL on failure; may be NULL.
 *
 * All file watches of a loop share one descriptor, which is open as long as there are any.
 *
 * EM_NO_SUCH_FILE, EM_PERMISSION_DENIED, EM_PATH_TOO_LONG; EM_LIMIT: the user watches too many files
 * (fs.inotify.max_user_watches); EM_NO_DESCRIPTORS: too many open files, or too many loops of the user watch files
 * (fs.inotify.max_user_instances). For both, em_status_get_detail names the limit. EM_UNSUPPORTED: not on this system.
 * EM_INVALID_ARGUMENT, EM_NO_MEMORY, EM_FORKED, EM_INVALID_STATE (the loop is being destroyed).
 */
EM_API em_status em_loop_watch_file(em_loop *loop, const char *path, const em_file_watch_handler *handler,
                                    const em_file_watch_options *options, em_file_watch **watch);

/** Ends the watch: nothing more is reported, not even what has happened already. unbind(EM_OK) follows at the end of
 * the present turn. Does nothing for a watch that has ended, and for NULL. */
EM_API void em_file_watch_stop(em_file_watch *watch);

/** Returns the path as it was given; "" for NULL. Valid as long as the watch. */
EM_API const char *em_file_watch_get_path(const em_file_watch *watch);

/** Returns the oldest watch of the same file: of the watches in this loop that have not ended, whatever paths they were
 * given, the one that began first. This is the watch itself if there is no older one. NULL for NULL, and for a watch
 * that has ended. */
EM_API em_file_watch *em_file_watch_get_first(const em_file_watch *watch);

/** Returns the loop that the watch belongs to. NULL for NULL. */
EM_API em_loop *em_file_watch_get_loop(const em_file_watch *watch);

/** Returns the watch's signature; 0 for NULL. */
EM_API em_signature em_file_watch_get_signature(const em_file_watch *watch);

/** Returns the watch with this signature; NULL if its unbind has returned or it never existed. */
EM_API em_file_watch *em_loop_find_file_watch(const em_loop *loop, em_signature signature);

/** Returns the user's pointer, at first that of the options. The library does not use it. NULL for NULL. */
EM_API void *em_file_watch_get_user(const em_file_watch *watch);

/** Sets the user's pointer. Does nothing for NULL. */
EM_API void em_file_watch_set_user(em_file_watch *watch, void *user);

EM_END_DECLARATIONS

#endif
