/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Peers without the library: plain non-blocking sockets that misbehave at random. No faults are injected into them.
 */
#ifndef TEST_FUZZ_PEER_H
#define TEST_FUZZ_PEER_H

#include "fuzz/support/node.h"

enum { PEERS_MOST = 40 };

typedef struct peer {
    uint32_t number; /* names its bytes */
    int descriptor;  /* -1 when closed */
    uint64_t sent;   /* bytes that the system took */
    fuzz_stream arrived;
    bool is_local;
    bool has_finished; /* half-closed: all that was sent has to arrive */
    bool has_left;     /* closed or reset before it had seen the other's end */
    bool saw_end;      /* of the other: in order, … */
    bool was_reset;    /* or not */
    bool is_not_reading;
    bool has_sent_urgent;
} peer;

typedef struct peers {
    uint64_t random;
    bool is_local;
    int listener;
    endpoint listening;
    unsigned count;
    peer list[PEERS_MOST];
} peers;

void peers_open(peers *opened, uint64_t seed, bool is_local);
void peers_close(peers *closed);

/** Something at random, by one of them or a new one, which connects to the server given. */
void peers_act(peers *acting, const endpoint *server);

/** From now on all of them read, and none sends. */
void peers_wind_up(peers *ending);
/** Reads what is there. */
void peers_receive(peers *receiving);
/** Whether each has left, or has seen the end of the other. */
bool peers_have_ended(const peers *asked);

/** Prints those that have not ended to standard error. */
void peers_describe(const peers *described);

/** The one whose number was received. */
const peer *peers_find(const peers *all, uint32_t number);

#endif
