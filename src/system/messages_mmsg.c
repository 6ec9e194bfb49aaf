/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Several messages by one system call, recvmmsg(2) and sendmmsg(2). If an error follows messages that were transferred,
 * the system reports it with the next call.
 */
#include "base/features.h"

#if EMI_HAVE_MMSG

#include <errno.h>
#include <stddef.h>

#include "system/messages.h"

_Static_assert(sizeof(emi_message) == sizeof(struct mmsghdr) &&
                   offsetof(emi_message, length) == offsetof(struct mmsghdr, msg_len),
               "a message is handed on as a struct mmsghdr");

/* A sandbox that does not know the calls refuses them. */
static int is_refused(int result)
{
    return result < 0 && errno == ENOSYS;
}

int emi_messages_receive(int fd, emi_message *messages, unsigned count)
{
    int result = count == 1 ? emi_messages_receive_singly(fd, messages, 1)
                            : recvmmsg(fd, (struct mmsghdr *)messages, count, MSG_DONTWAIT, NULL);
    return is_refused(result) ? emi_messages_receive_singly(fd, messages, count) : result;
}

int emi_messages_send(int fd, emi_message *messages, unsigned count)
{
    int result = count == 1 ? emi_messages_send_singly(fd, messages, 1)
                            : sendmmsg(fd, (struct mmsghdr *)messages, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    return is_refused(result) ? emi_messages_send_singly(fd, messages, count) : result;
}

#endif
