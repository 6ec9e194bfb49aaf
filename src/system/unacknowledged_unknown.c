/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the peer has not acknowledged, where the system does not tell.
 */
#include "base/features.h"

#if !EMI_HAVE_SIOCOUTQ

#include "system/socket.h"

bool emi_socket_has_unacknowledged(int fd)
{
    (void)fd;
    return false;
}

#endif
