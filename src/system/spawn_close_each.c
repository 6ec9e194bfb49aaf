/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Closing a child's descriptors where posix_spawn(3) has no action for all of them: one action for each that is open
 * and is not close-on-exec. What another thread opens in between is missed.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX && !EMI_HAVE_SPAWN_CLOSEFROM

#include <fcntl.h>
#include <unistd.h>

#include "system/spawn_private.h"

enum { MOST_DESCRIPTORS = 65536 };

static int most_descriptors(void)
{
    long most = sysconf(_SC_OPEN_MAX);
    return most < 0 || most > MOST_DESCRIPTORS ? MOST_DESCRIPTORS : (int)most;
}

int emi_spawn_close_from(posix_spawn_file_actions_t *actions, int first)
{
    int error = 0;
    int end = most_descriptors();
    for (int number = first; number < end && error == 0; number++) {
        int flags = fcntl(number, F_GETFD);
        if (flags >= 0 && !(flags & FD_CLOEXEC))
            error = posix_spawn_file_actions_addclose(actions, number);
    }
    return error;
}

#endif
