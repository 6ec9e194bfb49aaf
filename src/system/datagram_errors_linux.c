/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The error queue of a socket, which holds what ICMP has reported: IP_RECVERR in ip(7).
 */
#include "base/features.h"

#if EMI_HAVE_PACKET_INFO

#include <netinet/in.h>
#include <string.h>
#include <time.h>

#include <linux/errqueue.h>

#include "system/packet_info.h"
#include "system/system_error.h"

static bool is_from_network(const struct sock_extended_err *what)
{
    return what->ee_origin == SO_EE_ORIGIN_ICMP || what->ee_origin == SO_EE_ORIGIN_ICMP6;
}

/* The address of who has reported it follows the error. */
static void read_reporter(const struct cmsghdr *control, em_address *reporter)
{
    size_t offset = sizeof(struct sock_extended_err);
    size_t bytes = control->cmsg_len - CMSG_LEN(0);
    sa_family_t family = AF_UNSPEC;
    if (bytes >= offset + sizeof family)
        memcpy(&family, CMSG_DATA(control) + offset, sizeof family);
    size_t length = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    if ((family == AF_INET || family == AF_INET6) && bytes >= offset + length)
        em_address_from_sockaddr(CMSG_DATA(control) + offset, length, reporter);
}

static void read_control(const struct cmsghdr *control, emi_datagram_error *error)
{
    bool is_error = (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_RECVERR) ||
                    (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_RECVERR);
    struct sock_extended_err what;
    if (!is_error)
        return;
    memcpy(&what, CMSG_DATA(control), sizeof what);
    if (!is_from_network(&what))
        return;
    error->status = emi_status_from_errno((int)what.ee_errno);
    read_reporter(control, &error->reporter);
}

em_status emi_datagram_read_error(int fd, void *memory, emi_datagram_error *error)
{
    _Alignas(struct cmsghdr) unsigned char control[EMI_CONTROL_BYTES * 2];
    memset(error, 0, sizeof *error);
    struct iovec piece = {.iov_base = memory, .iov_len = EMI_LARGEST_DATAGRAM_BYTES};
    struct msghdr message = {
        .msg_name = error->peer.storage.bytes,
        .msg_namelen = sizeof error->peer.storage.bytes,
        .msg_iov = &piece,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof control,
    };
    ssize_t result = recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (result < 0)
        return emi_last_status();
    error->peer.length = message.msg_namelen;
    error->data = result > 0 ? memory : NULL;
    error->length = (size_t)result;
    for (struct cmsghdr *one = CMSG_FIRSTHDR(&message); one; one = CMSG_NXTHDR(&message, one))
        read_control(one, error);
    return EM_OK;
}

#endif
