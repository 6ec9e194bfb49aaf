/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The state of the reactor, which Ruby's API knows once per process. It is only touched under Ruby's VM lock. Whoever
 * is called by a Ruby program gets at the loop through rb_loop.h, which checks that there is one.
 */
#ifndef RB_STATE_H
#define RB_STATE_H

#include <unistd.h>

#include "rb_slot.h"

typedef struct rb_em_reactor {
    em_loop *loop;       /* NULL: not initialised */
    rb_pid_t pid;        /* of the process that owns it */
    unsigned generation; /* grows with each release */
    unsigned forks;      /* since a process created the reactor or took it over; 0: that was this process */
    bool has_child;      /* this process has forked in the present turn */
    int state;           /* of rb_protect, if an exception or another jump has left a callback for good; else 0 */
    bool sleeping;       /* the loop's thread waits without the VM lock */
    bool turning;        /* the loop's frames are on the stack */
    bool stopping;
    bool releasing;
    bool tick_scheduled;
    rb_em_slot *current;    /* the connection whose callback runs */
    rb_em_slot *unbinding;  /* the connection whose unbind runs */
    rb_em_slot *late_first; /* connections whose unbind waits for the exit sequence */
    rb_em_slot *late_last;
    size_t never_opened; /* waiting for their unbind */
    size_t connections;
    size_t servers;
    size_t timers; /* including the one that runs */
    size_t close_scheduled;
    uint64_t unverified_clients; /* that have started TLS, and nobody judges the server's certificate */
    uint64_t polled;             /* the last signature that the latest turn knew */
    bool lock_released;          /* since the latest turn: other threads could run */
    uint64_t yield_due_ns;       /* when they can run next, in loop time */
    double heartbeat;
    long quantum_ms; /* the longest wait of run_machine_once */
} rb_em_reactor;

extern rb_em_reactor rb_em_the_reactor;

/* To be called after anything that changes what the loop should wait for: wakes it if it sleeps. */
void rb_em_changed(void);

/* Whether the calling thread is the reactor's, or was when this process was forked. */
bool rb_em_is_reactor_thread(void);

/* Whether the loop is being left by an exception or a jump. Until its frames are gone no Ruby code may run. */
static inline bool rb_em_is_leaving(void)
{
    return rb_em_the_reactor.state != 0;
}

#endif
