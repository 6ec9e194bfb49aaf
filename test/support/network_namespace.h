/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A network namespace (network_namespaces(7)) of this process's own, for tests that need addresses that never answer.
 */
#ifndef TEST_NETWORK_NAMESPACE_H
#define TEST_NETWORK_NAMESPACE_H

#include <stdbool.h>

/**
 * Moves this process to a new network namespace. There, 192.0.2.1 and 2001:db8::1 are this machine. All other addresses
 * of 192.0.2.0/24 and 2001:db8::/64 never answer. Anything else has no route. To be called before there are threads.
 * Returns false if the system does not permit that, or has no ip(8).
 */
bool network_namespace_enter(void);

/** Runs a command, and returns whether it succeeded. */
bool run_command(const char *command);

#endif
