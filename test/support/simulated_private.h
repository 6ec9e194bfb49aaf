/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the files of the simulated backend share: simulated_backend.c has the operations and phases, simulated_serve.c
 * serves channels, simulated_datagrams.c serves those of datagrams, simulated_peer.c has the actions of peers.
 */
#ifndef TEST_SIMULATED_PRIVATE_H
#define TEST_SIMULATED_PRIVATE_H

#include <stdatomic.h>

#include "support/simulated_backend.h"
#include "system/waker.h"

typedef enum connect_answer { NO_CONNECT, UNANSWERED, TAKEN, ACCEPTED, REFUSED } connect_answer;

struct simulated_peer {
    simulated_backend *backend;
    emi_channel *channel; /* NULL before attach and after released */
    int descriptor;       /* the owner's end; -1 when closed */
    int probe;            /* the other end, to see the owner shut down; -1: none */
    bool found;           /* ready by wait, or known to have more to do */
    bool is_held;         /* the descriptor has not been handed to the owner yet */

    /* what the peer sends */
    byte_buffer inbound;
    uint64_t inbound_ns; /* when it arrives */
    size_t held_bytes;   /* of inbound, from its front: read for the owner and not delivered */
    size_t lent_bytes;   /* by the present data event */
    bool ended;
    bool end_reported;
    em_status reset;          /* EM_OK: none */
    bool late_reset_reported; /* after the end */

    /* what the owner sends */
    byte_buffer outbound;
    size_t window_bytes;
    em_status send_failure;
    bool in_flight; /* gathered, not yet sent */
    uint64_t sent_ns;
    unsigned span_count;
    emi_span spans[EMI_MAX_SPANS];
    uint64_t checksum;

    /* connecting */
    connect_answer answer;
    em_status refusal;
    uint64_t answered_ns;
    em_address address;

    /* listeners */
    simulated_peer **clients;
    size_t client_count;
    size_t accepted_count;
    em_status accept_failure;

    /* datagrams: inbound and outbound hold them, each behind a simulated_datagram */
    em_status datagram_failure; /* of the next send */
    em_status lost_status;      /* EM_OK: the network reports nothing */
    em_address lost_address;

    unsigned ready;      /* polled: emi_interest */
    unsigned reaps_left; /* after release: `released` is called so many reaps later */
};

struct simulated_backend {
    emi_backend base;
    const emi_memory *memory;
    size_t receive_buffer_bytes;
    uint64_t seed; /* 0: plain */
    size_t window_bytes;
    simulated_peer **peers; /* a channel's slot is its index here */
    uint32_t peer_count;
    uint32_t next_served;
    unsigned channels;
    emi_list flush;
    emi_list ending;
    em_status failures[SIMULATED_OPERATIONS];
    em_status broken; /* what waiting fails with */
    emi_waker waker;
    atomic_bool woken;
};

static inline simulated_backend *simulated_of(emi_backend *backend)
{
    return EMI_CONTAINER(backend, simulated_backend, base);
}

static inline simulated_peer *simulated_peer_at(const emi_channel *channel)
{
    return simulated_of(channel->backend)->peers[channel->slot];
}

/** True once in `times`, by the seed; never for a plain backend. */
bool simulated_chance(simulated_backend *backend, unsigned times);

/** When something that begins now ends: at once for a plain backend. */
uint64_t simulated_later_ns(simulated_backend *backend);

/** A peer for an inert descriptor of its own. */
simulated_peer *simulated_new_peer(simulated_backend *backend);

/** A socket pair: the inert descriptor and its probe. */
void simulated_open_pair(simulated_peer *peer);

/* simulated_serve.c */

/** When the next event or action is due; UINT64_MAX: none is known. */
uint64_t simulated_due_ns(const simulated_peer *peer);

/** Does what can be done now. */
void simulated_serve(simulated_peer *peer);

/** Delivers what was read and held. */
void simulated_deliver_held(simulated_peer *peer);

/** The owner gives back what was lent to it last. */
void simulated_put_back(simulated_peer *peer, const void *bytes, size_t length);

/** Gathers and sends. */
void simulated_send(simulated_peer *peer);

/** Gives gathered memory back to the owner, after checking that it was not changed. Some of it may have been sent. */
void simulated_drop_gathered(simulated_peer *peer);

/* simulated_datagrams.c */

/** What precedes each datagram in the buffers of a peer. */
typedef struct simulated_datagram {
    em_address address; /* the sender's or the receiver's */
    size_t length;
} simulated_datagram;

uint64_t simulated_datagrams_due_ns(const simulated_peer *peer);
void simulated_serve_datagrams(simulated_peer *peer);
void simulated_send_datagrams(simulated_peer *peer);

#endif
