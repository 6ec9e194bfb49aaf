/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The state of a socket in the kernel at this moment: whether something has happened that the loop has not seen yet,
 * and what the peer has acknowledged. These are system calls for rare decisions; no message needs one.
 */
#ifndef EMI_SOCKET_STATE_H
#define EMI_SOCKET_STATE_H

#include <stdbool.h>
#include <stddef.h>

/** Bits. */
typedef enum emi_socket_state {
    EMI_SOCKET_HAS_INPUT = 1, /**< a read would return bytes, the end or an error */
    /** A send would take bytes or return an error. A connecting socket is connected or has failed. */
    EMI_SOCKET_TAKES_MORE = 2,
    EMI_SOCKET_HUNG_UP = 4 /**< nothing can be sent or received any more */
} emi_socket_state;

/** Returns the state by poll(2), as bits of emi_socket_state; 0 for EMI_NO_SOCKET. */
unsigned emi_socket_look(int socket);

/** Returns whether a connected stream socket has sent its end already, shutdown(2). If its peer has ended as well, that
 * is known of TCP only: where a Unix-domain peer closes its socket, the system ends both directions. */
bool emi_socket_has_sent_end(int socket);

/** Returns how many sent bytes the peer has not acknowledged. The end counts as one. 0 if the system does not say. */
size_t emi_socket_unacknowledged(int socket);

#endif
