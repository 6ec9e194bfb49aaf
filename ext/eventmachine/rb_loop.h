/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The loop, for functions that Ruby programs call.
 */
#ifndef RB_LOOP_H
#define RB_LOOP_H

#include <stdbool.h>

#include <eventmachine.h>

/*
 * Returns the loop; raises RuntimeError "eventmachine not initialized: evma_NAME" if there is none. In a forked child
 * that is a daemon this takes the reactor over.
 */
em_loop *rb_em_loop(const char *name);

/* Whether a reactor runs in this process, and on the calling thread. */
bool rb_em_on_reactor_thread(void);

#endif
