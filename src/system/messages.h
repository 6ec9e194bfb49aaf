/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Several messages of a socket at once: recvmmsg(2) and sendmmsg(2), or one recvmsg(2) or sendmsg(2) after the other.
 * For files of this folder, and for tests.
 */
#ifndef EMI_MESSAGES_H
#define EMI_MESSAGES_H

#include <sys/socket.h>

/** A message and the number of its bytes that were received or sent. It has the layout of struct mmsghdr. */
typedef struct emi_message {
    struct msghdr header;
    unsigned length;
} emi_message;

/** Receives without blocking. Returns how many messages, at least one, or -1 with errno set. */
int emi_messages_receive(int socket, emi_message *messages, unsigned count);

/** Sends without blocking. Returns how many messages, at least one, or -1 with errno set. */
int emi_messages_send(int socket, emi_message *messages, unsigned count);

/* The same by a system call for each message. */

int emi_messages_receive_singly(int socket, emi_message *messages, unsigned count);
int emi_messages_send_singly(int socket, emi_message *messages, unsigned count);

#endif
