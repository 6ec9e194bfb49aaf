/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The table of errno(3) and statuses.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/status_detail.h"
#include "system/system_error.h"

static const struct {
    int error;
    em_status status;
} known_errors[] = {
    {EAGAIN, EM_WOULD_BLOCK},
    {EWOULDBLOCK, EM_WOULD_BLOCK},
    {EINTR, EM_INTERRUPTED},
    {EINPROGRESS, EM_IN_PROGRESS},
    {EALREADY, EM_IN_PROGRESS},
    {ECONNRESET, EM_CONNECTION_RESET},
    {EPIPE, EM_BROKEN_PIPE},
    {ECONNREFUSED, EM_CONNECTION_REFUSED},
    {ECONNABORTED, EM_CONNECTION_ABORTED},
    {ETIMEDOUT, EM_TIMED_OUT},
    {ENETUNREACH, EM_NETWORK_UNREACHABLE},
    {EHOSTUNREACH, EM_HOST_UNREACHABLE},
    {EHOSTDOWN, EM_HOST_UNREACHABLE},
    {ENETDOWN, EM_NETWORK_DOWN},
    {ENETRESET, EM_CONNECTION_RESET},
    {EADDRINUSE, EM_ADDRESS_IN_USE},
    {EADDRNOTAVAIL, EM_ADDRESS_NOT_AVAILABLE},
    {EAFNOSUPPORT, EM_ADDRESS_FAMILY},
    {EPFNOSUPPORT, EM_ADDRESS_FAMILY},
    {EACCES, EM_PERMISSION_DENIED},
    {EPERM, EM_PERMISSION_DENIED},
    {EROFS, EM_PERMISSION_DENIED},
    {EMFILE, EM_NO_DESCRIPTORS},
    {ENFILE, EM_NO_DESCRIPTORS},
    {ENOMEM, EM_NO_MEMORY},
    {ENOBUFS, EM_NO_BUFFERS},
    {ENOTCONN, EM_NOT_CONNECTED},
    {EISCONN, EM_ALREADY_CONNECTED},
    {ENOENT, EM_NO_SUCH_FILE},
    {ENOTDIR, EM_NO_SUCH_FILE},
    {EBADF, EM_BAD_DESCRIPTOR},
    {ENOTSOCK, EM_NOT_A_SOCKET},
    {EMSGSIZE, EM_MESSAGE_TOO_LONG},
    {ENAMETOOLONG, EM_PATH_TOO_LONG},
    {EEXIST, EM_FILE_EXISTS},
    {EIO, EM_IO_ERROR},
    {EPROTO, EM_PROTOCOL_ERROR},
    {ENOPROTOOPT, EM_NO_PROTOCOL_OPTION},
    {ESRCH, EM_NO_SUCH_PROCESS},
    {ECHILD, EM_NO_SUCH_PROCESS},
    {E2BIG, EM_ARGUMENTS_TOO_LONG},
    {EOPNOTSUPP, EM_UNSUPPORTED},
    {ENOSYS, EM_UNSUPPORTED},
    {EINVAL, EM_INVALID_ARGUMENT},
    {EFAULT, EM_INVALID_ARGUMENT},
};

/* The error numbers translated last, by status: below EM_SYSTEM_ERROR, whose number is the greatest. */
enum { STATUSES = 64 };
static _Thread_local int latest[STATUSES];

/* -1: none. Any number may be given. */
static int place_of(em_status status)
{
    if (status > EM_SYSTEM_ERROR || (int)status <= (int)EM_SYSTEM_ERROR - STATUSES)
        return -1;
    return (int)EM_SYSTEM_ERROR - (int)status;
}

static em_status translate(int error)
{
    for (size_t i = 0; i < sizeof known_errors / sizeof known_errors[0]; i++)
        if (known_errors[i].error == error)
            return known_errors[i].status;
    return EM_SYSTEM_ERROR;
}

em_status emi_status_from_errno(int error)
{
    if (error == 0)
        return EM_OK;
    em_status status = translate(error);
    /* Not for what happens with every message. */
    if (status != EM_WOULD_BLOCK && place_of(status) >= 0)
        latest[place_of(status)] = error;
    return emi_status_without_detail(status);
}

int em_status_get_system_error(em_status status)
{
    if (place_of(status) < 0)
        return 0;
    if (latest[place_of(status)] != 0)
        return latest[place_of(status)];
    for (size_t i = 0; i < sizeof known_errors / sizeof known_errors[0]; i++)
        if (known_errors[i].status == status)
            return known_errors[i].error;
    return 0;
}

const char *emi_system_error_text(int error)
{
    return strerror(error);
}

em_status emi_last_status(void)
{
    return emi_status_from_errno(errno);
}

#endif
