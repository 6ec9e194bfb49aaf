/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What a packet says besides its bytes, in the control messages of recvmsg(2) and sendmsg(2), cmsg(3). For files of
 * this folder.
 */
#ifndef EMI_PACKET_INFO_H
#define EMI_PACKET_INFO_H

#include <sys/socket.h>

#include "system/datagrams.h"

/** Enough for all control messages that are asked for. */
#define EMI_CONTROL_BYTES 192

/** Reads the control messages of a message. local, destination: where to put addresses, which `datagram` then points
 * to. Returns the size of the datagrams that the message consists of; 0: it is one. */
size_t emi_packet_info_read(struct msghdr *message, em_datagram *datagram, em_address *local, em_address *destination);

/** Writes control messages into `control`, of EMI_CONTROL_BYTES, as the datagram and the segments need them.
 * segment_bytes: 0 for none. */
void emi_packet_info_write(struct msghdr *message, void *control, const emi_outgoing *outgoing, size_t segment_bytes);

#endif
