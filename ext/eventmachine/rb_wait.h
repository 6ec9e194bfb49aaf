/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Waiting without Ruby's VM lock.
 */
#ifndef RB_WAIT_H
#define RB_WAIT_H

/* For em_loop_options: calls wait once, without the lock if possible. The user pointer is not used. */
void rb_em_around_wait(void *user, void (*wait)(void *wait_data), void *wait_data);

#endif
