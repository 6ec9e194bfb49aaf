/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Descriptors of any kind on POSIX systems.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/status_detail.h"
#include "system/descriptor.h"
#include "system/pipe_signal.h"
#include "system/system_error.h"

#define MOST_WRITTEN_BYTES ((size_t)256 * 1024)

/* Only a master has a slave's name. */
static bool is_terminal_master(int fd, const struct stat *facts)
{
    char name[64];
    return S_ISCHR(facts->st_mode) && isatty(fd) && ptsname_r(fd, name, sizeof name) == 0;
}

static emi_descriptor_kind kind_of(int fd, const struct stat *facts)
{
    if (S_ISSOCK(facts->st_mode))
        return EMI_SOCKET;
    if (S_ISFIFO(facts->st_mode))
        return EMI_PIPE;
    return is_terminal_master(fd, facts) ? EMI_TERMINAL_MASTER : EMI_OTHER_DESCRIPTOR;
}

em_status emi_descriptor_examine(int fd, emi_descriptor *found)
{
    struct stat facts;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &facts) < 0)
        return emi_last_status();
    if (flags & EMI_O_PATH)
        return emi_status_without_detail(EM_BAD_DESCRIPTOR);
    if (S_ISDIR(facts.st_mode))
        return emi_status_without_detail(EM_INVALID_ARGUMENT);
    int access = flags & O_ACCMODE;
    *found = (emi_descriptor){
        .kind = kind_of(fd, &facts),
        .can_receive = access == O_RDONLY || access == O_RDWR,
        .can_send = access == O_WRONLY || access == O_RDWR,
        .status_flags = flags,
    };
    return EM_OK;
}

em_status emi_descriptor_read(int fd, emi_descriptor_kind kind, void *buffer, size_t capacity, size_t *length)
{
    ssize_t result = read(fd, buffer, capacity);
    *length = result < 0 ? 0 : (size_t)result;
    if (result >= 0)
        return EM_OK;
    em_status status = emi_last_status();
    /* The last program that had the terminal open has closed it, Linux. */
    return kind == EMI_TERMINAL_MASTER && status == EM_IO_ERROR ? EM_OK : status;
}

/* Cut after MOST_WRITTEN_BYTES. Returns how many pieces these are. */
static int cut(const emi_span *spans, unsigned count, struct iovec *pieces)
{
    size_t left = MOST_WRITTEN_BYTES;
    unsigned used = 0;
    for (; used < count && left > 0; used++) {
        size_t length = spans[used].length < left ? spans[used].length : left;
        pieces[used] = (struct iovec){.iov_base = spans[used].data, .iov_len = length};
        left -= length;
    }
    return (int)used;
}

static em_status write_pieces(int fd, const struct iovec *pieces, int count, size_t *length)
{
    ssize_t result = writev(fd, pieces, count);
    *length = result < 0 ? 0 : (size_t)result;
    return result < 0 ? emi_last_status() : EM_OK;
}

static em_status write_without_signal(int fd, const struct iovec *pieces, int count, size_t *length)
{
    emi_pipe_signal state;
    emi_pipe_signal_block(&state);
    em_status status = write_pieces(fd, pieces, count, length);
    emi_pipe_signal_restore(&state, status == EM_BROKEN_PIPE);
    return status;
}

em_status emi_descriptor_write(int fd, emi_descriptor_kind kind, const emi_span *spans, unsigned count, size_t *length)
{
    struct iovec pieces[EMI_MAX_SPANS];
    int used = cut(spans, count, pieces);
    return kind == EMI_PIPE ? write_without_signal(fd, pieces, used, length) : write_pieces(fd, pieces, used, length);
}

bool emi_descriptor_is_readable(int fd)
{
    struct pollfd look = {.fd = fd, .events = POLLIN};
    return poll(&look, 1, 0) > 0;
}

em_status emi_descriptor_set_blocking(int fd, bool blocking, bool *was_blocking)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return emi_last_status();
    if (was_blocking)
        *was_blocking = !(flags & O_NONBLOCK);
    int wanted = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
    return wanted != flags && fcntl(fd, F_SETFL, wanted) < 0 ? emi_last_status() : EM_OK;
}

#endif
