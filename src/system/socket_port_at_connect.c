/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The local port of a client that is bound to an address, chosen by connect(2): IP_BIND_ADDRESS_NO_PORT, ip(7).
 * Otherwise bind(2) chooses a port that no other socket uses, whatever its peer, and runs out of ports early.
 */
#include "base/features.h"

#if EMI_HAVE_BIND_ADDRESS_NO_PORT

#include <netinet/in.h>

#include "system/socket.h"

void emi_socket_choose_port_late(int fd)
{
    int on = 1;
    emi_socket_set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
}

#endif
