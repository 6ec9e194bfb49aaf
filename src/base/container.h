/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * From a member back to the struct that embeds it. Intrusive lists, channels and timers all live inside their owners.
 */
#ifndef EMI_CONTAINER_H
#define EMI_CONTAINER_H

#include <stddef.h>

#define EMI_CONTAINER(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
