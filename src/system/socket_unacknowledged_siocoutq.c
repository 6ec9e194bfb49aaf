/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The bytes that the peer has not acknowledged, by ioctl(2) with SIOCOUTQ, tcp(7).
 */
#include "base/features.h"

#if EMI_HAVE_SIOCOUTQ

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "system/socket_state.h"

size_t emi_socket_unacknowledged(int fd)
{
    int bytes = 0;
    return ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

#endif
