/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Files on POSIX systems.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status_detail.h"
#include "system/file.h"
#include "system/system_error.h"

/* The smallest page of any system, so that no page is missed. */
enum { PAGE_BYTES = 4096 };

static em_status check_open_for_reading(int descriptor)
{
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0)
        return emi_last_status();
    return (flags & O_ACCMODE) == O_WRONLY ? emi_status_without_detail(EM_BAD_DESCRIPTOR) : EM_OK;
}

em_status emi_file_get_size(int descriptor, uint64_t *size)
{
    struct stat found;
    em_status status = check_open_for_reading(descriptor);
    if (status != EM_OK)
        return status;
    if (fstat(descriptor, &found) < 0)
        return emi_last_status();
    if (!S_ISREG(found.st_mode))
        return emi_status_without_detail(EM_NOT_A_FILE);
    *size = (uint64_t)found.st_size;
    return EM_OK;
}

em_status emi_file_open(const char *path, int *descriptor, uint64_t *size)
{
    int opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (opened < 0)
        return emi_last_status();
    em_status status = emi_file_get_size(opened, size);
    if (status == EM_OK)
        *descriptor = opened;
    else
        close(opened);
    return status;
}

em_status emi_file_duplicate(int descriptor, int *copy)
{
    *copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    return *copy < 0 ? emi_last_status() : EM_OK;
}

void emi_file_close(int descriptor)
{
    close(descriptor);
}

em_status emi_file_read(int descriptor, uint64_t offset, void *bytes, size_t capacity, size_t *length)
{
    ssize_t result = pread(descriptor, bytes, capacity, (off_t)offset);
    *length = result < 0 ? 0 : (size_t)result;
    return result < 0 ? emi_last_status() : EM_OK;
}

/* One byte of each page is enough, and the whole range is requested from the disk at once before that. */
em_status emi_file_fetch_range(int descriptor, uint64_t offset, size_t length)
{
    uint64_t end = offset + length;
    posix_fadvise(descriptor, (off_t)offset, (off_t)length, POSIX_FADV_WILLNEED);
    for (uint64_t at = offset; at < end; at = (at / PAGE_BYTES + 1) * PAGE_BYTES) {
        char byte;
        size_t got;
        em_status status = emi_file_read(descriptor, at, &byte, 1, &got);
        if (status != EM_OK && status != EM_INTERRUPTED)
            return status;
        if (status == EM_OK && got == 0)
            break;
    }
    return EM_OK;
}

void emi_file_stop_reading_ahead(int descriptor)
{
    posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM);
}

#endif
