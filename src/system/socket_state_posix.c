/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The state of a socket by poll(2) and send(2).
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "system/socket.h"
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
    if (look.revents & POLLHUP)
        state |= EMI_SOCKET_HUNG_UP;
    return state;
}

static bool is_unix(int fd)
{
    em_address address;
    return emi_socket_local_address(fd, &address) == EM_OK && em_address_get_family(&address) == EM_ADDRESS_UNIX;
}

/* Sending nothing is the only way to find out. */
bool emi_socket_has_sent_end(int fd)
{
    bool is_ended = send(fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EPIPE;
    return is_ended && !(is_unix(fd) && (emi_socket_look(fd) & EMI_SOCKET_HUNG_UP));
}

#endif
