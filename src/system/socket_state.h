/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the kernel knows of a socket at this moment, asked for one socket and without waiting: whether something has
 * happened that the loop has not seen yet, and what the peer has acknowledged. For rare decisions; a message never pays
 * for it.
 */
#ifndef EMI_SOCKET_STATE_H
#define EMI_SOCKET_STATE_H

#include <stdbool.h>
#include <stddef.h>

/** Bits. */
typedef enum emi_socket_state {
    EMI_SOCKET_HAS_INPUT = 1, /**< bytes, an end, an error or a reset wait to be read */
    /** It would take bytes to send, or report an error; of one that connects: it is decided. */
    EMI_SOCKET_TAKES_MORE = 2
} emi_socket_state;

/** What holds now, poll(2); 0 for EMI_NO_SOCKET. */
unsigned emi_socket_look(int socket);

/** How many bytes sent the peer has not acknowledged yet (an end counts as one); 0 where the system does not say. */
size_t emi_socket_unacknowledged(int socket);

#endif
