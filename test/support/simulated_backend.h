/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A backend in memory, for tests without sockets. It follows every rule of io/backend.h. By a seed it does everything
 * that the rules allow: it splits what arrives, shortens what leaves, delays completions, wakes without a reason, and
 * serves channels in any order. It fails on request. The test controls the peers.
 *
 * It also checks the owners of channels. It ends the program on a call on a channel that is released or not attached,
 * on bytes that change between gather and sent, and on memory that is read after it was lent.
 *
 * Descriptors are real but inert: ends of socket pairs whose other ends only show when the owner shuts down. A socket
 * that the owner opens and connects is replaced by one of those. With the clock stopped (test_clock.h) a wait moves the
 * clock and does not sleep.
 */
#ifndef TEST_SIMULATED_BACKEND_H
#define TEST_SIMULATED_BACKEND_H

#include "io/backend.h"
#include "support/bytes.h"

typedef struct simulated_backend simulated_backend;

/** The other side of a channel; valid until the backend is destroyed. */
typedef struct simulated_peer simulated_peer;

typedef struct simulated_options {
    uint64_t seed;       /* 0: nothing is delayed or split */
    size_t window_bytes; /* how many bytes the system buffers for the peer; 0: 64 KiB */
} simulated_options;

/** The argument of simulated_make, which is an emi_backend_maker (see loop_private.h). */
typedef struct simulated_maker {
    simulated_options options;
    simulated_backend *made;
} simulated_maker;

em_status simulated_make(void *maker, const emi_backend_settings *settings, emi_backend **backend);

/** The next operation of this kind returns this status and does nothing. */
typedef enum simulated_operation {
    SIMULATED_ATTACH,
    SIMULATED_START_RECEIVING,
    SIMULATED_DELIVER_HELD,
    SIMULATED_PUT_BACK,
    SIMULATED_CONNECT,
    SIMULATED_POLL,
    SIMULATED_OPERATIONS
} simulated_operation;

void simulated_fail_next(simulated_backend *backend, simulated_operation operation, em_status status);

/** From now on waiting fails with this status. */
void simulated_break(simulated_backend *backend, em_status failure);

/** How many channels are attached, including those whose `released` is still to be called. */
unsigned simulated_count_channels(const simulated_backend *backend);

/* Making connections */

/** Returns the descriptor of a connected stream, or of a datagram socket, to be attached. */
int simulated_open_stream(simulated_backend *backend, simulated_peer **peer);

/** The peer of the channel with this descriptor; NULL if there is none. */
simulated_peer *simulated_peer_of(simulated_backend *backend, int descriptor);

/** A peer connects to a listener, which may accept it from now on. */
simulated_peer *simulated_connect(simulated_backend *backend, int listener);

/** Before the next connection is accepted, accepting fails. */
void simulated_fail_accepting(simulated_backend *backend, int listener, em_status status);

/** The oldest connection under way that was neither accepted nor refused; NULL if there is none. */
simulated_peer *simulated_take_connect(simulated_backend *backend);
void simulated_accept_connect(simulated_peer *peer);
void simulated_refuse_connect(simulated_peer *peer, em_status status);
/** The address that the owner connects to. */
const em_address *simulated_address_of(const simulated_peer *peer);

/* The peer's actions */

void simulated_feed(simulated_peer *peer, const void *data, size_t length);
/** So many of the bytes fed were read already, as a batch does, and are held for the owner. */
void simulated_hold(simulated_peer *peer, size_t length);
void simulated_end(simulated_peer *peer);
void simulated_reset(simulated_peer *peer);
/** Takes bytes that were sent, into `data` unless it is NULL, which makes room for more. Returns how many. */
size_t simulated_take(simulated_peer *peer, void *data, size_t capacity);
/** How many bytes were sent and not taken. */
size_t simulated_waiting(const simulated_peer *peer);
/** Whether the owner has half-closed or closed, and all bytes sent before were taken. */
bool simulated_saw_end(const simulated_peer *peer);
/** Whether the owner has closed. */
bool simulated_saw_close(const simulated_peer *peer);
/** The next sending fails. */
void simulated_fail_sending(simulated_peer *peer, em_status status);
/** Bytes that others have sent to the peer through the socket before it is attached. */
void simulated_owe(simulated_peer *peer, const void *bytes, size_t length);
/** Sets how many bytes the system buffers for the peer. */
void simulated_set_window(simulated_peer *peer, size_t window_bytes);

/* Datagrams, see simulated_datagrams.c. `simulated_waiting` and `simulated_set_window` count their bytes. */

/** The channel receives a datagram. */
void simulated_feed_datagram(simulated_peer *peer, const em_address *from, const void *data, size_t length);
/** Takes the oldest datagram that was sent. to: empty if it was sent to the fixed peer. Returns false if there is none.
 */
bool simulated_take_datagram(simulated_peer *peer, em_address *to, void *data, size_t capacity, size_t *length);
/** Sends fail like this from now on; EM_OK: no longer. Those that are about one datagram happen once. */
void simulated_fail_datagrams(simulated_peer *peer, em_status status);
/** The network reports that a datagram to this address has not arrived. */
void simulated_lose_datagram(simulated_peer *peer, const em_address *to, em_status status);

/** Sets what a polled descriptor is ready for (emi_interest). */
void simulated_make_ready(simulated_backend *backend, int descriptor, unsigned interests);

#endif
