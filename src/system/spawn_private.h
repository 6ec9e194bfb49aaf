/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * For the files that plan what the child of posix_spawn(3) does before it executes the program.
 */
#ifndef EMI_SPAWN_PRIVATE_H
#define EMI_SPAWN_PRIVATE_H

#include <spawn.h>

/* spawn_close_from.c, spawn_close_each.c */

/** Plans that all descriptors from this number on are closed in the child. Returns an error number; 0: success. */
int emi_spawn_close_from(posix_spawn_file_actions_t *actions, int first);

#endif
