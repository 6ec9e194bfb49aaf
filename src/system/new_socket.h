/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * New descriptors of sockets and pipes, non-blocking and close-on-exec from the start, unless something else is said.
 * Each function does what the system call of its name does, and returns -1 with errno set on failure. For files of this
 * folder.
 */
#ifndef EMI_NEW_SOCKET_H
#define EMI_NEW_SOCKET_H

#include <sys/socket.h>

int emi_new_socket(int domain, int type);
int emi_new_socketpair(int domain, int type, int sockets[2]);
int emi_new_pipe(int ends[2]); /* both ends are blocking */
int emi_new_accept(int listener, struct sockaddr *address, socklen_t *length);

#endif
