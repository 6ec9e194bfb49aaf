/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The bytes that the peer has not acknowledged, where the system does not report them.
 */
#include "base/features.h"

#if !EMI_HAVE_SIOCOUTQ

#include "system/socket_state.h"

size_t emi_socket_unacknowledged(int fd)
{
    (void)fd;
    return 0;
}

#endif
