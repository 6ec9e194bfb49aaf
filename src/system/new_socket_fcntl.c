/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * New sockets where their flags need calls of fcntl(2). A program that another thread starts in between inherits them.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX && !EMI_HAVE_ACCEPT4

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "system/new_socket.h"
#include "system/socket.h"

/* Sets the flags, or closes the socket and returns -1. */
static int with_flags(int fd)
{
    if (fd < 0 || emi_socket_set_nonblocking(fd) == EM_OK)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

int emi_new_socket(int domain, int type)
{
    return with_flags(socket(domain, type, 0));
}

int emi_new_socketpair(int domain, int type, int sockets[2])
{
    if (socketpair(domain, type, 0, sockets) < 0)
        return -1;
    int other = sockets[1];
    sockets[0] = with_flags(sockets[0]);
    sockets[1] = sockets[0] < 0 ? -1 : with_flags(other);
    if (sockets[1] >= 0)
        return 0;
    int saved = errno;
    close(sockets[0] < 0 ? other : sockets[0]);
    errno = saved;
    return -1;
}

int emi_new_pipe(int ends[2])
{
    if (pipe(ends) < 0)
        return -1;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return 0;
}

int emi_new_accept(int listener, struct sockaddr *address, socklen_t *length)
{
    return with_flags(accept(listener, address, length));
}

#endif
