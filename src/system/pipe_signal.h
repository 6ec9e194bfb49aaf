/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Keeping SIGPIPE from the program around a call that has no MSG_NOSIGNAL, such as writev(2) to a pipe and sendfile(2).
 * The kernel sends the signal to the thread that makes the call. While the thread blocks it, it stays pending and can
 * be taken. The program's signal actions and other threads are not touched.
 */
#ifndef EMI_PIPE_SIGNAL_H
#define EMI_PIPE_SIGNAL_H

#include <signal.h>
#include <stdbool.h>

typedef struct emi_pipe_signal {
    sigset_t mask;    /* of the thread, to be restored */
    bool was_pending; /* so it is the program's, and stays pending */
} emi_pipe_signal;

void emi_pipe_signal_block(emi_pipe_signal *state);

/** To be called after the call. may_be_raised: it has failed with EPIPE, or has moved only a part of what it was to
 * move, because the kernel moves piece by piece, and raises the signal also if a later piece fails. */
void emi_pipe_signal_restore(const emi_pipe_signal *state, bool may_be_raised);

#endif
