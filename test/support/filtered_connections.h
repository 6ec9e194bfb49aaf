/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Whether this run of a test program puts a filter into every connection; see filtered_connections.c.
 */
#ifndef TEST_FILTERED_CONNECTIONS_H
#define TEST_FILTERED_CONNECTIONS_H

#include <stdbool.h>

bool connections_are_filtered(void);

#endif
