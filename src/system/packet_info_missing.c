/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What a packet says besides its bytes, where this library cannot ask for it.
 */
#include "base/features.h"

#if EMI_HAVE_POSIX && !EMI_HAVE_PACKET_INFO

#include "system/packet_info.h"

size_t emi_packet_info_read(struct msghdr *message, em_datagram *datagram, em_address *local, em_address *destination)
{
    (void)message, (void)datagram, (void)local, (void)destination;
    return 0;
}

void emi_packet_info_write(struct msghdr *message, void *control, const emi_outgoing *outgoing, size_t segment_bytes)
{
    (void)message, (void)control, (void)outgoing, (void)segment_bytes;
}

em_status emi_datagram_set_receive_destination(int fd, em_address_family family, bool on)
{
    (void)fd, (void)family;
    return on ? EM_UNSUPPORTED : EM_OK;
}

em_status emi_datagram_set_receive_ttl(int fd, em_address_family family, bool on)
{
    return emi_datagram_set_receive_destination(fd, family, on);
}

em_status emi_datagram_set_receive_ecn(int fd, em_address_family family, bool on)
{
    return emi_datagram_set_receive_destination(fd, family, on);
}

em_status emi_datagram_set_report_errors(int fd, em_address_family family, bool on)
{
    return emi_datagram_set_receive_destination(fd, family, on);
}

void emi_datagram_receive_joined_groups_only(int fd, em_address_family family)
{
    (void)fd, (void)family;
}

em_status emi_datagram_set_receive_offload(int fd, bool on)
{
    return emi_datagram_set_receive_destination(fd, EM_ADDRESS_NONE, on);
}

bool emi_datagram_has_segmentation(int fd)
{
    (void)fd;
    return false;
}

em_status emi_datagram_read_error(int fd, void *memory, emi_datagram_error *error)
{
    (void)fd, (void)memory, (void)error;
    return EM_WOULD_BLOCK;
}

#endif
