/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Several messages by a system call each: where there is no other way, or where a sandbox forbids it.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include "system/messages.h"

int emi_messages_receive_singly(int fd, emi_message *messages, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        ssize_t result = recvmsg(fd, &messages[i].header, MSG_DONTWAIT);
        if (result < 0)
            return i > 0 ? (int)i : -1;
        messages[i].length = (unsigned)result;
    }
    return (int)count;
}

int emi_messages_send_singly(int fd, emi_message *messages, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        ssize_t result = sendmsg(fd, &messages[i].header, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (result < 0)
            return i > 0 ? (int)i : -1;
        messages[i].length = (unsigned)result;
    }
    return (int)count;
}

#endif
