/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The state of a socket by poll(2).
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <poll.h>

#include "system/socket_state.h"

unsigned emi_socket_look(int fd)
{
    struct pollfd look = {.fd = fd, .events = POLLIN | POLLOUT};
    unsigned state = 0;
    if (poll(&look, 1, 0) <= 0)
        return 0;
    if (look.revents & (POLLIN | POLLERR | POLLHUP))
        state |= EMI_SOCKET_HAS_INPUT;
    /* A socket that was never connected reports POLLOUT, too, but together with POLLHUP. */
    if ((look.revents & POLLERR) || (look.revents & (POLLOUT | POLLHUP)) == POLLOUT)
        state |= EMI_SOCKET_TAKES_MORE;
    return state;
}

#endif
