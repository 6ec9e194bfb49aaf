/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Datagram channels under contract, which record what they receive and what becomes of what they send, and their peers.
 */
#ifndef TEST_CONTRACT_DATAGRAMS_H
#define TEST_CONTRACT_DATAGRAMS_H

#include "support/contract.h"

enum { MOST_DATAGRAMS = 4096, HEAD_BYTES = 16 };

typedef struct received_datagram {
    em_address peer;
    size_t length;
    char head[HEAD_BYTES + 1]; /* its first bytes, as text */
    bool is_pattern;           /* it holds the pattern from offset 0 on */
    bool is_truncated;
} received_datagram;

typedef struct datagram_owner datagram_owner;
typedef void (*datagram_hook)(datagram_owner *owner);

struct datagram_owner {
    emi_channel channel;
    contract_fixture *contract;
    em_address address; /* with a kernel: where it is bound */
    void *user;

    unsigned received_count;
    received_datagram received[MOST_DATAGRAMS];

    unsigned queued, sent; /* of `outgoing` */
    emi_outgoing outgoing[MOST_DATAGRAMS];
    unsigned blocked, short_of_buffers; /* times that sending would have blocked */
    unsigned refused;                   /* datagrams that the system did not accept … */
    em_status refusal;                  /* … and why, the last one */
    unsigned lost;                      /* that the network has reported … */
    em_status loss;                     /* … and why, the last one … */
    em_address lost_peer;               /* … and whose it was */
    unsigned failed_events, released_events;
    bool released; /* the test has called release */

    datagram_hook on_datagram; /* called for each, if not NULL; the channel may be released or paused then */
};

typedef struct datagram_peer {
    datagram_owner *owner;
    int socket;
    em_address address;
} datagram_peer;

/** A datagram socket on the loopback interface, attached; it is not receiving yet. */
void open_datagrams(contract_fixture *contract, datagram_owner *owner);

/** The same with a socket that exists. */
void attach_datagrams(contract_fixture *contract, datagram_owner *owner, int socket);

/** Releases, waits for `released`. */
void end_datagrams(datagram_owner *owner);

void release_datagrams(datagram_owner *owner);

/** Queues a datagram and calls send. data must stay. to: NULL for the fixed peer. */
void queue_datagram(datagram_owner *owner, const em_address *to, const void *data, size_t length);

void open_datagram_peer(datagram_owner *owner, datagram_peer *peer);
void close_datagram_peer(datagram_peer *peer);
void peer_send_datagram(datagram_peer *peer, const void *data, size_t length);

/** Receives one; with several peers of a simulated channel, in the order of sending. Returns false if there is none. */
bool peer_receive_datagram(datagram_peer *peer, void *data, size_t capacity, size_t *length);

/** Turns until the peer has received so many datagrams, which must be the texts "0", "1", … from *next on. */
void peer_expect_numbers(datagram_peer *peer, unsigned *next, unsigned end);

bool same_address(const em_address *one, const em_address *other);

/** A UDP socket, bound to an address of the loopback interface; non-blocking. */
int udp_socket(const char *host, em_address *address);

/** The text of a number, which stays. */
const char *number_text(unsigned number);

#endif
