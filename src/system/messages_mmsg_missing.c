/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Several messages at once where the system has no call for that.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX && !EMI_HAVE_MMSG

#include "system/messages.h"

int emi_messages_receive(int fd, emi_message *messages, unsigned count)
{
    return emi_messages_receive_singly(fd, messages, count);
}

int emi_messages_send(int fd, emi_message *messages, unsigned count)
{
    return emi_messages_send_singly(fd, messages, count);
}

#endif
