/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the files of the subjects share: states_subject.c and states_setup.c.
 */
#ifndef TEST_STATES_PRIVATE_H
#define TEST_STATES_PRIVATE_H

#include "support/states_subject.h"

/** Large is more than the buffers of both ends hold. */
enum { STATES_SMALL_BYTES = 16, STATES_LARGE_BYTES = 128 * 1024 };

extern const em_handler states_handler;
extern const em_handler states_open_handler;

/** post_init: gives a connection to the next subject. */
void states_begin(em_connection *connection);

/** Sends the next bytes of the pattern, a copy of them, or (STATES_LARGE_BYTES of) them. */
em_status states_send(states_subject *subject, size_t length, bool is_borrowed);

#endif
