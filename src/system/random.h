/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The system's random numbers.
 */
#ifndef EMI_RANDOM_H
#define EMI_RANDOM_H

#include <stddef.h>

#include <eventmachine/status.h>

/** Fills in bytes that nobody can guess. length: at most 256. Otherwise returns the system's error, and what is in
 * `bytes` must not be used. */
em_status emi_random_bytes(void *bytes, size_t length);

#endif
