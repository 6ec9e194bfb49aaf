/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * For systems without inotify(7): no file can be watched.
 */
#include "base/features.h"

#if !EMI_HAVE_INOTIFY

#include "system/file_events.h"

em_status emi_file_events_open(int *descriptor)
{
    *descriptor = -1;
    return EM_UNSUPPORTED;
}

void emi_file_events_close(int descriptor)
{
    (void)descriptor;
}

void emi_file_events_close_in_background(int descriptor)
{
    (void)descriptor;
}

em_status emi_file_events_check(const char *path, bool follows_links)
{
    (void)path;
    (void)follows_links;
    return EM_UNSUPPORTED;
}

em_status emi_file_events_add(int descriptor, const char *path, bool follows_links, int *number)
{
    (void)descriptor;
    (void)path;
    (void)follows_links;
    *number = -1;
    return EM_UNSUPPORTED;
}

void emi_file_events_remove(int descriptor, int number)
{
    (void)descriptor;
    (void)number;
}

size_t emi_file_events_pending(int descriptor)
{
    (void)descriptor;
    return 0;
}

em_status emi_file_events_read(int descriptor, void *memory, size_t capacity, size_t *length)
{
    (void)descriptor;
    (void)memory;
    (void)capacity;
    *length = 0;
    return EM_UNSUPPORTED;
}

size_t emi_file_events_decode(const void *memory, size_t length, emi_file_event *event)
{
    (void)memory;
    (void)length;
    (void)event;
    return 0;
}

#endif
