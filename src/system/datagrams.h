/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Datagrams: receiving and sending them in batches, and the options of their sockets. As with the other functions on
 * sockets, nothing retries or waits.
 */
#ifndef EMI_DATAGRAMS_H
#define EMI_DATAGRAMS_H

#include <stdbool.h>

#include <eventmachine/datagram.h>

#include "base/memory.h"

/* No datagram is longer: the length of an IP packet has 16 bits. Jumbograms are not supported. */
#define EMI_LARGEST_DATAGRAM_BYTES 65535

enum {
    EMI_MOST_RECEIVED = 32, /* messages by one call */
    EMI_MOST_SENT = 64      /* datagrams by one call */
};

/** Opens a non-blocking datagram socket of the address's family; EM_ADDRESS_NONE: of the Unix domain. */
em_status emi_datagram_open(em_address_family family, int *socket);

/** EM_OK for a datagram socket of the Internet or the Unix domain; *local: its address. EM_NOT_A_SOCKET,
 * EM_BAD_DESCRIPTOR, EM_INVALID_ARGUMENT. */
em_status emi_datagram_check(int socket, em_address *local);

/** Ends what connect(2) has begun. */
em_status emi_datagram_undo_connect(int socket);

/* Receiving */

/** The memory for a batch. Its size does not depend on the number of sockets that use it. */
typedef struct emi_datagram_reader emi_datagram_reader;

em_status emi_datagram_reader_create(const emi_memory *memory, emi_datagram_reader **reader);

/** NULL is allowed. */
void emi_datagram_reader_destroy(emi_datagram_reader *reader);

/** Receives up to `most` messages without blocking. Each of them may consist of several datagrams (UDP_GRO). *is_last:
 * fewer than that were there. */
em_status emi_datagram_reader_receive(emi_datagram_reader *reader, int socket, unsigned most, bool *is_last);

/** Returns datagrams that were received, in order, and sets *count, to 0 if there are no more. They are valid until
 * the next call. */
const em_datagram *emi_datagram_reader_next(emi_datagram_reader *reader, unsigned *count);

/** Memory of the largest datagram's size for emi_datagram_read_error. What was received is overwritten. */
void *emi_datagram_reader_borrow(emi_datagram_reader *reader);

/** An error that the network has reported. */
typedef struct emi_datagram_error {
    em_status status;
    em_address peer;     /* empty if it is not known */
    em_address reporter; /* the same */
    const void *data;    /* what has come back of the datagram */
    size_t length;
} emi_datagram_error;

/** Takes the oldest error off the error queue of the socket. memory: EMI_LARGEST_DATAGRAM_BYTES. EM_WOULD_BLOCK if
 * there is none. An error that the network has not reported has the status EM_OK. */
em_status emi_datagram_read_error(int socket, void *memory, emi_datagram_error *error);

/* Sending */

/** A datagram to be sent. The addresses are in the form of the system's `struct sockaddr`. */
typedef struct emi_outgoing {
    const void *data;
    size_t length;
    const void *peer;     /* NULL: the fixed one */
    const void *local;    /* the address to send it from; NULL: the system's choice */
    uint32_t peer_bytes;  /* 0: the fixed one */
    uint32_t local_bytes; /* 0: the system's choice */
} emi_outgoing;

/** What has come of sending a batch. */
typedef struct emi_sending {
    unsigned sent;    /* so many datagrams, from the first on */
    em_status status; /* EM_OK, or what happened to the next one, if none was sent */
    bool no_segments; /* the device of the peer cannot send segments */
} emi_sending;

/**
 * Sends datagrams without blocking. segments: those of equal size that follow each other to one peer may go as one
 * message (UDP_SEGMENT). EM_WOULD_BLOCK if the socket polls writable once there is room; EM_NO_BUFFERS if polling does
 * not tell that: the system is short of memory, or the queue of a Unix-domain peer is full.
 */
emi_sending emi_datagrams_send(int socket, const emi_outgoing *list, unsigned count, bool segments);

/* Options. On a socket of the other family, or where the system has no such thing: EM_UNSUPPORTED, or what
 * setsockopt(2) returns. */

em_status emi_datagram_set_broadcast(int socket, bool on);
em_status emi_datagram_set_receive_destination(int socket, em_address_family family, bool on);
em_status emi_datagram_set_receive_ttl(int socket, em_address_family family, bool on);
em_status emi_datagram_set_receive_ecn(int socket, em_address_family family, bool on);
em_status emi_datagram_set_receive_offload(int socket, bool on);
em_status emi_datagram_set_report_errors(int socket, em_address_family family, bool on);

/** Whether the system can send segments through this socket. */
bool emi_datagram_has_segmentation(int socket);

em_status emi_datagram_set_ttl(int socket, em_address_family family, int ttl);
em_status emi_datagram_set_multicast_ttl(int socket, em_address_family family, int ttl);
em_status emi_datagram_set_multicast_loop(int socket, em_address_family family, bool on);
em_status emi_datagram_set_multicast_interface(int socket, em_address_family family, unsigned interface_index);

/** Datagrams of groups that only other sockets of the machine have joined are not received (IP_MULTICAST_ALL, ip(7)).
 * Where the system has no such option, that is so anyway. */
void emi_datagram_receive_joined_groups_only(int socket, em_address_family family);

/** Joins a group, or leaves it. source: NULL for all sources. */
em_status emi_datagram_change_group(int socket, bool join, const em_address *group, unsigned interface_index,
                                    const em_address *source);

/** Whether the address is that of a multicast group. */
bool emi_address_is_multicast(const em_address *address);

/** Whether the address is that of all addresses of the machine. */
bool emi_address_is_any(const em_address *address);

/** Turns an IPv4 address into the IPv6 address that means the same on an IPv6 socket (RFC 4291, section 2.5.5.2), or
 * back. EM_ADDRESS_FAMILY if there is none. */
em_status emi_address_to_family(const em_address *address, em_address_family family, em_address *converted);

#endif
