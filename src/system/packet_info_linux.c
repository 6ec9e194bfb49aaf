/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What a packet says besides its bytes, on Linux: ip(7), ipv6(7), udp(7).
 */
#include "base/features.h"

#if EMI_HAVE_PACKET_INFO

#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#include "system/packet_info.h"
#include "system/socket.h"

enum { ECN_BITS = 3 };

static em_status set_integer(int fd, int level, int option, int value)
{
    return emi_socket_set_option(fd, level, option, &value, sizeof value);
}

/* Receiving */

static const em_address *put_ipv4(em_address *address, struct in_addr value)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = value};
    memcpy(address->storage.bytes, &name, sizeof name);
    address->length = sizeof name;
    return address;
}

static const em_address *put_ipv6(em_address *address, const struct in6_pktinfo *info)
{
    struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_addr = info->ipi6_addr};
    if (IN6_IS_ADDR_LINKLOCAL(&name.sin6_addr) || IN6_IS_ADDR_MC_LINKLOCAL(&name.sin6_addr))
        name.sin6_scope_id = info->ipi6_ifindex;
    memcpy(address->storage.bytes, &name, sizeof name);
    address->length = sizeof name;
    return address;
}

static void read_ipv4_info(const struct cmsghdr *control, em_datagram *datagram, em_address *local,
                           em_address *destination)
{
    struct in_pktinfo info;
    memcpy(&info, CMSG_DATA(control), sizeof info);
    datagram->interface_index = (unsigned)info.ipi_ifindex;
    datagram->local = put_ipv4(local, info.ipi_spec_dst);
    datagram->destination = put_ipv4(destination, info.ipi_addr);
}

static void read_ipv6_info(const struct cmsghdr *control, em_datagram *datagram, em_address *local,
                           em_address *destination)
{
    struct in6_pktinfo info;
    memcpy(&info, CMSG_DATA(control), sizeof info);
    datagram->interface_index = info.ipi6_ifindex;
    datagram->destination = put_ipv6(destination, &info);
    if (!IN6_IS_ADDR_MULTICAST(&info.ipi6_addr))
        datagram->local = put_ipv6(local, &info);
}

static int read_integer(const struct cmsghdr *control)
{
    int value = 0;
    memcpy(&value, CMSG_DATA(control), sizeof value);
    return value;
}

/* IP_TOS arrives as one byte. */
static int read_byte(const struct cmsghdr *control)
{
    return *CMSG_DATA(control);
}

/* On an IPv6 socket, packets of IPv4 have control messages of IPv4, except for their addresses. */
static void read_one(const struct cmsghdr *control, em_datagram *datagram, em_address *local, em_address *destination,
                     size_t *segment_bytes)
{
    if (control->cmsg_level == IPPROTO_IP) {
        if (control->cmsg_type == IP_PKTINFO && !datagram->destination)
            read_ipv4_info(control, datagram, local, destination);
        else if (control->cmsg_type == IP_TTL)
            datagram->ttl = read_integer(control);
        else if (control->cmsg_type == IP_TOS)
            datagram->ecn = read_byte(control) & ECN_BITS;
    } else if (control->cmsg_level == IPPROTO_IPV6) {
        if (control->cmsg_type == IPV6_PKTINFO)
            read_ipv6_info(control, datagram, local, destination);
        else if (control->cmsg_type == IPV6_HOPLIMIT)
            datagram->ttl = read_integer(control);
        else if (control->cmsg_type == IPV6_TCLASS)
            datagram->ecn = read_integer(control) & ECN_BITS;
    } else if (control->cmsg_level == IPPROTO_UDP && control->cmsg_type == UDP_GRO) {
        *segment_bytes = (size_t)read_integer(control);
    }
}

size_t emi_packet_info_read(struct msghdr *message, em_datagram *datagram, em_address *local, em_address *destination)
{
    size_t segment_bytes = 0;
    for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR(message, control))
        read_one(control, datagram, local, destination, &segment_bytes);
    return segment_bytes;
}

/* Sending */

static void append(struct msghdr *message, void *memory, int level, int type, const void *value, size_t bytes)
{
    struct cmsghdr *control = (struct cmsghdr *)(void *)((unsigned char *)memory + message->msg_controllen);
    control->cmsg_level = level;
    control->cmsg_type = type;
    control->cmsg_len = CMSG_LEN(bytes);
    memcpy(CMSG_DATA(control), value, bytes);
    message->msg_control = memory;
    message->msg_controllen += CMSG_SPACE(bytes);
}

static void append_ipv4_source(struct msghdr *message, void *memory, const emi_outgoing *outgoing)
{
    struct sockaddr_in name;
    memcpy(&name, outgoing->local, sizeof name);
    struct in_pktinfo info = {.ipi_spec_dst = name.sin_addr};
    append(message, memory, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
}

static void append_ipv6_source(struct msghdr *message, void *memory, const emi_outgoing *outgoing)
{
    struct sockaddr_in6 name;
    memcpy(&name, outgoing->local, sizeof name);
    struct in6_pktinfo info = {.ipi6_addr = name.sin6_addr, .ipi6_ifindex = name.sin6_scope_id};
    append(message, memory, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
}

void emi_packet_info_write(struct msghdr *message, void *control, const emi_outgoing *outgoing, size_t segment_bytes)
{
    if (outgoing->local_bytes == sizeof(struct sockaddr_in))
        append_ipv4_source(message, control, outgoing);
    else if (outgoing->local_bytes == sizeof(struct sockaddr_in6))
        append_ipv6_source(message, control, outgoing);
    if (segment_bytes > 0) {
        uint16_t size = (uint16_t)segment_bytes;
        append(message, control, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size);
    }
}

/* Options. On an IPv6 socket those of IPv4 are for packets of IPv4. */

static em_status set_for_both(int fd, em_address_family family, int ipv4_option, int ipv6_option, bool on)
{
    if (family == EM_ADDRESS_IPV4)
        return set_integer(fd, IPPROTO_IP, ipv4_option, on);
    if (family != EM_ADDRESS_IPV6)
        return EM_UNSUPPORTED;
    em_status status = set_integer(fd, IPPROTO_IPV6, ipv6_option, on);
    if (status == EM_OK)
        set_integer(fd, IPPROTO_IP, ipv4_option, on);
    return status;
}

em_status emi_datagram_set_receive_destination(int fd, em_address_family family, bool on)
{
    if (family == EM_ADDRESS_IPV6)
        return set_integer(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, on);
    return family == EM_ADDRESS_IPV4 ? set_integer(fd, IPPROTO_IP, IP_PKTINFO, on) : EM_UNSUPPORTED;
}

em_status emi_datagram_set_receive_ttl(int fd, em_address_family family, bool on)
{
    return set_for_both(fd, family, IP_RECVTTL, IPV6_RECVHOPLIMIT, on);
}

em_status emi_datagram_set_receive_ecn(int fd, em_address_family family, bool on)
{
    return set_for_both(fd, family, IP_RECVTOS, IPV6_RECVTCLASS, on);
}

em_status emi_datagram_set_report_errors(int fd, em_address_family family, bool on)
{
    return set_for_both(fd, family, IP_RECVERR, IPV6_RECVERR, on);
}

void emi_datagram_receive_joined_groups_only(int fd, em_address_family family)
{
    if (family == EM_ADDRESS_IPV4 || family == EM_ADDRESS_IPV6)
        set_integer(fd, IPPROTO_IP, IP_MULTICAST_ALL, false);
    if (family == EM_ADDRESS_IPV6)
        set_integer(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, false);
}

em_status emi_datagram_set_receive_offload(int fd, bool on)
{
    return set_integer(fd, IPPROTO_UDP, UDP_GRO, on);
}

bool emi_datagram_has_segmentation(int fd)
{
    int value = 0;
    size_t bytes = sizeof value;
    return emi_socket_get_option(fd, IPPROTO_UDP, UDP_SEGMENT, &value, &bytes) == EM_OK;
}

#endif
