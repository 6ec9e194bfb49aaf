/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The port of a disconnected datagram socket, where it keeps its port.
 */
#include "base/features.h"

#if !EMI_HAVE_PORT_PER_CONNECT

#include "system/socket.h"

em_status emi_socket_release_port(int fd)
{
    (void)fd;
    return EM_UNSUPPORTED;
}

#endif
