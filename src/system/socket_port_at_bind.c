/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The local port of a client that is bound to an address, where bind(2) always chooses it.
 */
#include "base/features.h"

#if !EMI_HAVE_BIND_ADDRESS_NO_PORT

#include "system/socket.h"

void emi_socket_choose_port_late(int fd)
{
    (void)fd;
}

#endif
