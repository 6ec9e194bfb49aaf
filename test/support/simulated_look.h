/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the kernel would say of a socket of the simulated backend.
 */
#ifndef TEST_SIMULATED_LOOK_H
#define TEST_SIMULATED_LOOK_H

#include "support/simulated_backend.h"

/** From now on this backend reports the state of its descriptors; NULL: the kernel does. */
void simulated_look_at(simulated_backend *backend);

/* What the kernel reports, whichever backend was set. */
unsigned system_socket_look(int fd);
size_t system_socket_unacknowledged(int fd);

#endif
