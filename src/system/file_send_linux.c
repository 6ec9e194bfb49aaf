/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sending a file to a socket by sendfile(2). The call has no MSG_NOSIGNAL, see pipe_signal.h.
 */
#include "base/features.h"

#if EMI_HAVE_SENDFILE

#include <errno.h>
#include <sys/sendfile.h>

#include "system/file.h"
#include "system/pipe_signal.h"
#include "system/system_error.h"

/* EINVAL: the file has no pages, as in /proc. EOVERFLOW: the offset is beyond what the file system can do. */
static em_status status_of(int error)
{
    return error == EINVAL || error == EOVERFLOW ? emi_status_from_errno(ENOSYS) : emi_status_from_errno(error);
}

em_status emi_file_send(int socket, int descriptor, uint64_t offset, size_t length, size_t *sent)
{
    emi_pipe_signal state;
    off_t at = (off_t)offset;
    emi_pipe_signal_block(&state);
    ssize_t result = sendfile(socket, descriptor, &at, length);
    int error = result < 0 ? errno : 0;
    emi_pipe_signal_restore(&state, error == EPIPE || (result > 0 && (size_t)result < length));
    /* What was sent before a failure counts, and the failure is found again by the next call. */
    *sent = result < 0 ? (size_t)((uint64_t)at - offset) : (size_t)result;
    return *sent > 0 || error == 0 ? EM_OK : status_of(error);
}

#endif
