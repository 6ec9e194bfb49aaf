/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * See ring.h.
 */
#include "support/ring.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HIGHEST_DESCRIPTOR = 4096 };

static bool is_ring(int descriptor)
{
    char name[40], target[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(name, target, sizeof target - 1);
    if (length < 0)
        return false;
    target[length] = '\0';
    return strcmp(target, "anon_inode:[io_uring]") == 0;
}

int lowest_ring(void)
{
    int descriptor = 0;
    while (descriptor < HIGHEST_DESCRIPTOR && !is_ring(descriptor))
        descriptor++;
    return descriptor < HIGHEST_DESCRIPTOR ? descriptor : -1;
}

int highest_ring(void)
{
    int descriptor = HIGHEST_DESCRIPTOR;
    while (descriptor >= 0 && !is_ring(descriptor))
        descriptor--;
    return descriptor;
}

unsigned count_rings(void)
{
    unsigned count = 0;
    for (int descriptor = 0; descriptor < HIGHEST_DESCRIPTOR; descriptor++)
        count += is_ring(descriptor);
    return count;
}

unsigned break_rings(void)
{
    unsigned broken = 0;
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int descriptor = 0; descriptor < HIGHEST_DESCRIPTOR; descriptor++)
        if (is_ring(descriptor))
            broken += dup2(nothing, descriptor) == descriptor;
    close(nothing);
    return broken;
}
