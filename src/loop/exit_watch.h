/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Waits for the end of a process, for what is embedded around it: a child that is to be reaped, or any process. It uses
 * the process's descriptor (pidfd.h) and, where there is none, looks at growing intervals, 1 to 100 milliseconds. It
 * needs no handler of SIGCHLD, and leaves other children alone.
 */
#ifndef EMI_EXIT_WATCH_H
#define EMI_EXIT_WATCH_H

#include "loop/loop_private.h"

typedef struct emi_exit_watch emi_exit_watch;

typedef struct emi_exit_watch_events {
    /** The process has ended; called once, in a turn of the loop. is_known: whether *wait_status says how, as of
     * wait(2). It does for children that are reaped, unless others have waited for them. */
    void (*exited)(emi_exit_watch *watch, bool is_known, int wait_status);
    /** Follows emi_exit_watch_stop if that returned true: the memory belongs to the owner alone. */
    void (*released)(emi_exit_watch *watch);
} emi_exit_watch_events;

struct emi_exit_watch {
    emi_channel channel; /* of the descriptor; not attached where there is none */
    emi_loop_timer timer;
    const emi_exit_watch_events *events;
    em_loop *loop;
    uint64_t interval_ns; /* of the timer */
    int pid;
    bool is_child; /* to be reaped */
    bool has_ended;
};

/** Begins for a child of this process, in zeroed memory. Cannot fail. */
void emi_exit_watch_start_child(emi_exit_watch *watch, em_loop *loop, int pid, const emi_exit_watch_events *events);

/** Begins for any process, in zeroed memory, and reaps nothing. EM_NO_SUCH_PROCESS. */
em_status emi_exit_watch_start(emi_exit_watch *watch, em_loop *loop, int pid, const emi_exit_watch_events *events);

/** After em_loop_take_over: the process is a child of the parent, which reaps it. */
void emi_exit_watch_disown(emi_exit_watch *watch);

/** Ends the wait. Returns whether `released` will be called; otherwise the memory is free at once. Also for a watch
 * that was never started or has ended. */
bool emi_exit_watch_stop(emi_exit_watch *watch);

/** Looks now, outside of a turn; `exited` is not called. For a child: EM_OK if it has been reaped by this call,
 * EM_WOULD_BLOCK while it runs, EM_NO_SUCH_PROCESS if its status is lost. */
em_status emi_exit_watch_reap(emi_exit_watch *watch, int *wait_status);

/** kill(2), unless the process is known to have ended: EM_NO_SUCH_PROCESS. */
em_status emi_exit_watch_send_signal(emi_exit_watch *watch, int signal);

#endif
