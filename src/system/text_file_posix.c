/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Text files by stat(2) and read(2).
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "system/socket.h"
#include "system/system_error.h"
#include "system/text_file.h"

/* Some file systems keep times of two seconds. */
enum { LARGEST_FILE_BYTES = 16 << 20, FRESH_SECONDS = 2 };

static bool is_fresh(const struct stat *info)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec - info->st_mtim.tv_sec <= FRESH_SECONDS && now.tv_sec >= info->st_mtim.tv_sec;
}

void emi_text_file_stamp(const char *path, emi_file_stamp *stamp)
{
    struct stat info;
    *stamp = (emi_file_stamp){.inode = 0};
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return;
    *stamp = (emi_file_stamp){
        .device = (uint64_t)info.st_dev,
        .inode = (uint64_t)info.st_ino,
        .size = info.st_size,
        .changed_seconds = info.st_ctim.tv_sec,
        .changed_ns = info.st_ctim.tv_nsec,
        .modified_seconds = info.st_mtim.tv_sec,
        .modified_ns = info.st_mtim.tv_nsec,
        .is_fresh = is_fresh(&info),
    };
}

/* Reads at most `capacity` bytes, and fewer if the file has been truncated meanwhile. */
static em_status read_all(int fd, char *text, size_t capacity, size_t *length)
{
    *length = 0;
    while (*length < capacity) {
        ssize_t count = read(fd, text + *length, capacity - *length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return emi_last_status();
        if (count == 0)
            break;
        *length += (size_t)count;
    }
    text[*length] = '\0';
    return EM_OK;
}

static em_status read_open_file(const emi_memory *memory, int fd, char **text, size_t *length)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return emi_last_status();
    if (!S_ISREG(info.st_mode))
        return EM_OK;
    if (info.st_size > LARGEST_FILE_BYTES)
        return EM_LIMIT;
    char *buffer = emi_allocate(memory, (size_t)info.st_size + 1);
    if (!buffer)
        return EM_NO_MEMORY;
    em_status status = read_all(fd, buffer, (size_t)info.st_size, length);
    if (status == EM_OK)
        *text = buffer;
    else
        emi_release(memory, buffer);
    return status;
}

em_status emi_text_file_read(const emi_memory *memory, const char *path, char **text, size_t *length)
{
    *text = NULL;
    *length = 0;
    /* Opening a FIFO must not wait for its other end. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? EM_OK : emi_last_status();
    em_status status = read_open_file(memory, fd, text, length);
    emi_socket_close(fd);
    return status;
}

#endif
