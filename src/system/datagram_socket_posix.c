/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Datagram sockets on POSIX systems: opening them, and their options, ip(7), ipv6(7), RFC 3678.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX

#include <netinet/in.h>
#include <string.h>

#include "system/datagrams.h"
#include "system/new_socket.h"
#include "system/socket.h"
#include "system/system_error.h"

static em_status set_integer(int fd, int level, int option, int value)
{
    return emi_socket_set_option(fd, level, option, &value, sizeof value);
}

em_status emi_datagram_open(em_address_family family, int *fd)
{
    int domain = family == EM_ADDRESS_IPV4 ? AF_INET : family == EM_ADDRESS_IPV6 ? AF_INET6 : AF_UNIX;
    *fd = emi_new_socket(domain, SOCK_DGRAM);
    return *fd < 0 ? emi_last_status() : EM_OK;
}

em_status emi_datagram_check(int fd, em_address *local)
{
    int type = 0;
    size_t bytes = sizeof type;
    em_status status = emi_socket_get_option(fd, SOL_SOCKET, SO_TYPE, &type, &bytes);
    if (status == EM_OK)
        status = emi_socket_local_address(fd, local);
    if (status == EM_OK && (type != SOCK_DGRAM || em_address_get_family(local) == EM_ADDRESS_NONE))
        status = EM_INVALID_ARGUMENT;
    return status;
}

em_status emi_datagram_undo_connect(int fd)
{
    const struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
    return connect(fd, &unspecified, sizeof unspecified) < 0 ? emi_last_status() : EM_OK;
}

em_status emi_datagram_set_broadcast(int fd, bool on)
{
    return set_integer(fd, SOL_SOCKET, SO_BROADCAST, on);
}

static em_status set_by_family(int fd, em_address_family family, int ipv4_option, int ipv6_option, int value)
{
    if (family == EM_ADDRESS_IPV4)
        return set_integer(fd, IPPROTO_IP, ipv4_option, value);
    return family == EM_ADDRESS_IPV6 ? set_integer(fd, IPPROTO_IPV6, ipv6_option, value) : EM_INVALID_ARGUMENT;
}

em_status emi_datagram_set_ttl(int fd, em_address_family family, int ttl)
{
    return set_by_family(fd, family, IP_TTL, IPV6_UNICAST_HOPS, ttl);
}

em_status emi_datagram_set_multicast_ttl(int fd, em_address_family family, int ttl)
{
    return set_by_family(fd, family, IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS, ttl);
}

em_status emi_datagram_set_multicast_loop(int fd, em_address_family family, bool on)
{
    return set_by_family(fd, family, IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP, on);
}

em_status emi_datagram_set_multicast_interface(int fd, em_address_family family, unsigned interface_index)
{
    struct ip_mreqn chosen = {.imr_ifindex = (int)interface_index};
    if (family == EM_ADDRESS_IPV4)
        return emi_socket_set_option(fd, IPPROTO_IP, IP_MULTICAST_IF, &chosen, sizeof chosen);
    return set_by_family(fd, family, 0, IPV6_MULTICAST_IF, (int)interface_index);
}

static void put(struct sockaddr_storage *storage, const em_address *address)
{
    memcpy(storage, address->storage.bytes, address->length);
}

em_status emi_datagram_change_group(int fd, bool join, const em_address *group, unsigned interface_index,
                                    const em_address *source)
{
    int level = em_address_get_family(group) == EM_ADDRESS_IPV6 ? IPPROTO_IPV6 : IPPROTO_IP;
    if (!source) {
        struct group_req request = {.gr_interface = interface_index};
        put(&request.gr_group, group);
        return emi_socket_set_option(fd, level, join ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP, &request, sizeof request);
    }
    struct group_source_req request = {.gsr_interface = interface_index};
    put(&request.gsr_group, group);
    put(&request.gsr_source, source);
    return emi_socket_set_option(fd, level, join ? MCAST_JOIN_SOURCE_GROUP : MCAST_LEAVE_SOURCE_GROUP, &request,
                                 sizeof request);
}

/* Addresses */

static struct sockaddr_in ipv4_of(const em_address *address)
{
    struct sockaddr_in name;
    memcpy(&name, address->storage.bytes, sizeof name);
    return name;
}

static struct sockaddr_in6 ipv6_of(const em_address *address)
{
    struct sockaddr_in6 name;
    memcpy(&name, address->storage.bytes, sizeof name);
    return name;
}

bool emi_address_is_multicast(const em_address *address)
{
    switch (em_address_get_family(address)) {
    case EM_ADDRESS_IPV4:
        return IN_MULTICAST(ntohl(ipv4_of(address).sin_addr.s_addr));
    case EM_ADDRESS_IPV6: {
        struct sockaddr_in6 name = ipv6_of(address);
        return IN6_IS_ADDR_MULTICAST(&name.sin6_addr);
    }
    default:
        return false;
    }
}

bool emi_address_is_any(const em_address *address)
{
    switch (em_address_get_family(address)) {
    case EM_ADDRESS_IPV4:
        return ipv4_of(address).sin_addr.s_addr == htonl(INADDR_ANY);
    case EM_ADDRESS_IPV6: {
        struct sockaddr_in6 name = ipv6_of(address);
        return IN6_IS_ADDR_UNSPECIFIED(&name.sin6_addr);
    }
    default:
        return false;
    }
}

static em_status to_ipv6(const em_address *address, em_address *converted)
{
    struct sockaddr_in from = ipv4_of(address);
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = from.sin_port};
    to.sin6_addr.s6_addr[10] = to.sin6_addr.s6_addr[11] = 0xff;
    memcpy(&to.sin6_addr.s6_addr[12], &from.sin_addr, sizeof from.sin_addr);
    return em_address_from_sockaddr(&to, sizeof to, converted);
}

static em_status to_ipv4(const em_address *address, em_address *converted)
{
    struct sockaddr_in6 from = ipv6_of(address);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = from.sin6_port};
    if (!IN6_IS_ADDR_V4MAPPED(&from.sin6_addr))
        return EM_ADDRESS_FAMILY;
    memcpy(&to.sin_addr, &from.sin6_addr.s6_addr[12], sizeof to.sin_addr);
    return em_address_from_sockaddr(&to, sizeof to, converted);
}

em_status emi_address_to_family(const em_address *address, em_address_family family, em_address *converted)
{
    em_address_family given = em_address_get_family(address);
    if (given == EM_ADDRESS_IPV4 && family == EM_ADDRESS_IPV6)
        return to_ipv6(address, converted);
    if (given == EM_ADDRESS_IPV6 && family == EM_ADDRESS_IPV4)
        return to_ipv4(address, converted);
    return EM_ADDRESS_FAMILY;
}

#endif
