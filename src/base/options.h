/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Reading option structs, which begin with their size so that they can grow without breaking programs built before.
 */
#ifndef EMI_OPTIONS_H
#define EMI_OPTIONS_H

#include <stddef.h>

#include <eventmachine/status.h>

/**
 * Takes over as much of the caller's struct as it has; what it does not know is zero. given: NULL for all defaults.
 * EM_INVALID_ARGUMENT if its size cannot be one.
 */
em_status emi_read_options(void *own, size_t own_bytes, const void *given);

#endif
