/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/* The bare proxy for bulk: splice(2) through a pipe of the largest size for each direction. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "proxy_bare.h"

#include <fcntl.h>

enum { PIPE_BYTES = 1024 * 1024 };

static bool relay(struct side *side)
{
    if (side->pipe[0] < 0) {
        if (pipe2(side->pipe, O_NONBLOCK | O_CLOEXEC) != 0)
            echo_fail("pipe2");
        fcntl(side->pipe[1], F_SETPIPE_SZ, PIPE_BYTES);
    }
    for (;;) {
        while (side->waiting > 0) {
            ssize_t n = splice(side->pipe[0], NULL, side->other, NULL, side->waiting, SPLICE_F_NONBLOCK);

            if (n < 0)
                return errno == EAGAIN;
            side->waiting -= (size_t)n;
        }
        if (side->has_ended)
            return true;

        ssize_t n = splice(side->fd, NULL, side->pipe[1], NULL, PIPE_BYTES, SPLICE_F_NONBLOCK);

        if (n < 0)
            return errno == EAGAIN;
        side->waiting = (size_t)n;
        side->has_ended = n == 0;
    }
}

int main(int argc, char **argv)
{
    proxy_run(argc, argv, relay);
}
