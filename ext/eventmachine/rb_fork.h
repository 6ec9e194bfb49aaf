/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The reactor in a forked child. See rb_fork.c.
 */
#ifndef RB_FORK_H
#define RB_FORK_H

#include <ruby.h>
#include <stdbool.h>

/* In a callback: takes the reactor over if this process is a daemon that the callback has forked, and returns whether
 * it did. */
bool rb_em_take_over_within(void);

/** The same before sending on a connection with TLS, which a child that has not taken over may not do. The parent of a
 * daemon may not have ended yet, so it waits for that, a second at most. */
bool rb_em_take_over_to_send(void);

/* The same after the turn, when the loop's frames are gone; raises if this child must not go on. */
void rb_em_go_on_in_child(void);

/* To be called if an exception leaves a callback. A process that has forked in it and exits leaves the reactor to its
 * child. */
void rb_em_note_exit(VALUE error);

#endif
