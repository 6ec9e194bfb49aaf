/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the kernel would say of a socket of the simulated backend.
 */
#ifndef TEST_SIMULATED_LOOK_H
#define TEST_SIMULATED_LOOK_H

#include "support/simulated_backend.h"

/** From now on questions about its descriptors are put to this backend; NULL: to the kernel. */
void simulated_look_at(simulated_backend *backend);

/* The kernel's word, under any circumstances. */
unsigned system_socket_look(int fd);
size_t system_socket_unacknowledged(int fd);

#endif
