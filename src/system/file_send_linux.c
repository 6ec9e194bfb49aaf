/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sending a file to a socket by sendfile(2). The call has no MSG_NOSIGNAL, so SIGPIPE is blocked in this thread
 * meanwhile, and taken if it was raised.
 */
#include "base/features.h"

#if EMI_HAVE_SENDFILE

#include <errno.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <time.h>

#include "system/file.h"
#include "system/system_error.h"

static void block_pipe_signal(sigset_t *pipe_signal, sigset_t *before)
{
    sigemptyset(pipe_signal);
    sigaddset(pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, pipe_signal, before);
}

/* If the program has blocked it, another one of its own may be pending, and they are merged: it stays. */
static void take_pipe_signal(const sigset_t *pipe_signal, const sigset_t *before)
{
    static const struct timespec at_once = {.tv_sec = 0};
    while (!sigismember(before, SIGPIPE) && sigtimedwait(pipe_signal, NULL, &at_once) < 0 && errno == EINTR)
        ;
}

/* EINVAL: the file has no pages, as in /proc. EOVERFLOW: the offset is beyond what the file system can do. */
static em_status status_of(int error)
{
    return error == EINVAL || error == EOVERFLOW ? emi_status_from_errno(ENOSYS) : emi_status_from_errno(error);
}

em_status emi_file_send(int socket, int descriptor, uint64_t offset, size_t length, size_t *sent)
{
    sigset_t pipe_signal, before;
    off_t at = (off_t)offset;
    block_pipe_signal(&pipe_signal, &before);
    ssize_t result = sendfile(socket, descriptor, &at, length);
    int error = result < 0 ? errno : 0;
    if (error == EPIPE)
        take_pipe_signal(&pipe_signal, &before);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    /* What was sent before a failure counts, and the failure is found again by the next call. */
    *sent = result < 0 ? (size_t)((uint64_t)at - offset) : (size_t)result;
    return *sent > 0 || error == 0 ? EM_OK : status_of(error);
}

#endif
