/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The port of a disconnected datagram socket, where the system takes it away. connect(2) disconnects if the address has
 * no family.
 */
#include "base/features.h"

#if EMI_HAVE_PORT_PER_CONNECT

#include <sys/socket.h>

#include "system/socket.h"
#include "system/system_error.h"

em_status emi_socket_release_port(int fd)
{
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    return connect(fd, &nobody, sizeof nobody) == 0 ? EM_OK : emi_last_status();
}

#endif
