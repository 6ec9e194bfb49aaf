/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Changes of files by inotify(7).
 */
#include "base/features.h"

#if EMI_HAVE_INOTIFY

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status_detail.h"
#include "system/file_events.h"
#include "system/system_error.h"
#include "system/thread.h"

/* Content, entries and the end. Not attributes, nor opening and reading. */
#define WATCHED (IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVE | IN_MOVE_SELF | IN_DELETE_SELF)

static const struct {
    unsigned kernels;
    unsigned ours;
} changes[] = {
    {IN_MODIFY, EMI_FILE_WRITTEN},
    {IN_CREATE | IN_MOVED_TO, EMI_FILE_ENTRY_ADDED},
    {IN_DELETE | IN_MOVED_FROM, EMI_FILE_ENTRY_REMOVED},
    {IN_MOVE_SELF, EMI_FILE_MOVED},
    {IN_DELETE_SELF, EMI_FILE_DELETED},
    {IN_UNMOUNT, EMI_FILE_UNMOUNTED},
    {IN_IGNORED, EMI_FILE_FORGOTTEN},
    {IN_Q_OVERFLOW, EMI_FILE_EVENTS_LOST},
};

/* strerror(3) says "No space left on device" for a limit of inotify. */
static em_status refuse(em_status status, int error, const char *limit)
{
    char detail[160];
    snprintf(detail, sizeof detail, "%s (%s)", emi_system_error_text(error), limit);
    emi_set_status_detail(status, detail);
    return status;
}

em_status emi_file_events_open(int *descriptor)
{
    *descriptor = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (*descriptor >= 0)
        return EM_OK;
    int error = errno;
    em_status status = emi_status_from_errno(error);
    if (error == EMFILE)
        return refuse(status, error, "the limit of descriptors, or fs.inotify.max_user_instances");
    return status;
}

void emi_file_events_close(int descriptor)
{
    close(descriptor);
}

static void close_in_thread(void *descriptor)
{
    close((int)(intptr_t)descriptor);
}

/* close(2) waits until no processor can refer to the watches any more (an RCU grace period), 5 to 15 ms. */
void emi_file_events_close_in_background(int descriptor)
{
    if (emi_thread_start(close_in_thread, (void *)(intptr_t)descriptor) != EM_OK)
        close(descriptor);
}

em_status emi_file_events_check(const char *path, bool follows_links)
{
    struct stat status;
    return fstatat(AT_FDCWD, path, &status, follows_links ? 0 : AT_SYMLINK_NOFOLLOW) == 0 ? EM_OK : emi_last_status();
}

em_status emi_file_events_add(int descriptor, const char *path, bool follows_links, int *number)
{
    *number = inotify_add_watch(descriptor, path, WATCHED | (follows_links ? 0 : IN_DONT_FOLLOW));
    if (*number >= 0)
        return EM_OK;
    int error = errno;
    if (error == ENOSPC)
        return refuse(EM_LIMIT, error, "the limit fs.inotify.max_user_watches");
    return emi_status_from_errno(error);
}

void emi_file_events_remove(int descriptor, int number)
{
    /* It fails with EINVAL if the kernel has removed the watch with the file. */
    inotify_rm_watch(descriptor, number);
}

size_t emi_file_events_pending(int descriptor)
{
    int bytes = 0;
    return ioctl(descriptor, FIONREAD, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

em_status emi_file_events_read(int descriptor, void *memory, size_t capacity, size_t *length)
{
    ssize_t count;
    do {
        count = read(descriptor, memory, capacity);
    } while (count < 0 && errno == EINTR);
    *length = count > 0 ? (size_t)count : 0;
    if (count < 0)
        return emi_last_status();
    return count > 0 ? EM_OK : EM_WOULD_BLOCK;
}

static unsigned translate(unsigned mask)
{
    unsigned translated = 0;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
        if (mask & changes[i].kernels)
            translated |= changes[i].ours;
    return translated;
}

size_t emi_file_events_decode(const void *memory, size_t length, emi_file_event *event)
{
    struct inotify_event header;
    if (length < sizeof header)
        return 0;
    memcpy(&header, memory, sizeof header);
    if (length - sizeof header < header.len)
        return 0;
    const char *name = (const char *)memory + sizeof header;
    *event = (emi_file_event){
        .number = header.wd,
        .changes = translate(header.mask),
        .name = header.len > 0 && name[0] != '\0' ? name : NULL,
    };
    return sizeof header + header.len;
}

#endif
