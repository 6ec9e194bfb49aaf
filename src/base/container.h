/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Getting from a member to the struct that embeds it. Intrusive lists, channels and timers are members of their owners.
 */
#ifndef EMI_CONTAINER_H
#define EMI_CONTAINER_H

#include <stddef.h>

#define EMI_CONTAINER(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
