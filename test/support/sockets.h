/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Real sockets for tests, without the library under test. All are on the loopback interface; failures end the test.
 */
#ifndef TEST_SOCKETS_H
#define TEST_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>

#include <eventmachine/address.h>

/** A listening TCP socket on a port of 127.0.0.1 that the system chose; non-blocking. */
int listen_on_loopback(em_address *address);

/** A connected TCP pair over the loopback interface, both non-blocking. */
void tcp_pair(int sockets[2]);

/** A connected pair of Unix-domain streams, both non-blocking. */
void unix_pair(int sockets[2]);

/** A non-blocking TCP socket, not connected. */
int tcp_socket(void);

/** A non-blocking TCP socket that is connecting to the address. */
int tcp_connect(const em_address *address);

/** An address on the loopback interface where nobody listens; `held` is bound to it and to be closed later. */
void unused_address(em_address *address, int *held);

/** Closes so that the peer sees a reset. */
void close_with_reset(int socket);

/** Makes the buffers of a socket as small as the system lets them be. */
void shrink_buffers(int socket);

/** Sends as much as the system takes now, 0 if nothing. */
size_t send_now(int socket, const void *data, size_t length);

/** Receives what is there now; 0 if nothing. *ended: whether the end was seen; may be NULL. */
size_t receive_now(int socket, void *data, size_t capacity, bool *ended);

/** How many descriptors this process has open. */
unsigned count_descriptors(void);

#endif
