/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Closing a child's descriptors where posix_spawn(3) can do that in one action.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX && EMI_HAVE_SPAWN_CLOSEFROM

#include "system/spawn_private.h"

int emi_spawn_close_from(posix_spawn_file_actions_t *actions, int first)
{
    return posix_spawn_file_actions_addclosefrom_np(actions, first);
}

#endif
