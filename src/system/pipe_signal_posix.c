/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Keeping SIGPIPE from the program on POSIX systems, sigtimedwait(2).
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <errno.h>
#include <time.h>

#include "system/pipe_signal.h"

static void set_to_pipe_signal(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGPIPE);
}

static bool is_pending(void)
{
    sigset_t pending;
    sigemptyset(&pending);
    return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE);
}

/* It can only be pending if the thread blocked it already, which saves a system call for all others. */
void emi_pipe_signal_block(emi_pipe_signal *state)
{
    sigset_t signals;
    set_to_pipe_signal(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, &state->mask);
    state->was_pending = sigismember(&state->mask, SIGPIPE) && is_pending();
}

void emi_pipe_signal_restore(const emi_pipe_signal *state, bool may_be_raised)
{
    static const struct timespec at_once;
    sigset_t signals;
    set_to_pipe_signal(&signals);
    if (may_be_raised && !state->was_pending)
        while (sigtimedwait(&signals, NULL, &at_once) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &state->mask, NULL);
}

#endif
