/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * New sockets where one system call also sets their flags: SOCK_CLOEXEC and SOCK_NONBLOCK, socket(2), accept4(2),
 * pipe2(2).
 */
#include "base/features.h"

#if EMI_HAVE_ACCEPT4

#include <fcntl.h>
#include <unistd.h>

#include "system/new_socket.h"

int emi_new_socket(int domain, int type)
{
    return socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int emi_new_socketpair(int domain, int type, int sockets[2])
{
    return socketpair(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets);
}

int emi_new_pipe(int ends[2])
{
    return pipe2(ends, O_CLOEXEC);
}

int emi_new_accept(int listener, struct sockaddr *address, socklen_t *length)
{
    return accept4(listener, address, length, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

#endif
