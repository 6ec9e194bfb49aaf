/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Source addresses by connect(2) and getsockname(2).
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <sys/socket.h>

#include "system/new_socket.h"
#include "system/socket.h"
#include "system/source_address.h"
#include "system/system_error.h"

/* Some systems refuse to connect to port 0. */
enum { ANY_PORT = 9 };

static em_status connect_and_ask(int fd, const em_address *to, em_address *source)
{
    struct sockaddr_storage name;
    socklen_t length = sizeof name;
    if (connect(fd, (const struct sockaddr *)(const void *)to->storage.bytes, to->length) != 0 ||
        getsockname(fd, (struct sockaddr *)&name, &length) != 0)
        return emi_last_status();
    return em_address_from_sockaddr(&name, length, source);
}

em_status emi_find_source_address(const em_address *destination, em_address *source)
{
    em_address to = *destination;
    emi_address_set_port(&to, ANY_PORT);
    int fd = emi_new_socket(em_address_get_family(&to) == EM_ADDRESS_IPV6 ? AF_INET6 : AF_INET, SOCK_DGRAM);
    if (fd < 0)
        return emi_last_status();
    em_status status = connect_and_ask(fd, &to, source);
    emi_socket_close(fd);
    return status;
}

#endif
