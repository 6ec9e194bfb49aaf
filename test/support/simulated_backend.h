/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A backend in memory, for tests without sockets. It keeps to every rule of io/backend.h and, by a seed, makes use of
 * all the freedom that they leave: it splits what arrives, shortens what leaves, delays completions, wakes for nothing,
 * and serves channels in any order. It fails on request. The test plays the peers.
 *
 * It also watches the owners of channels: a call on a channel that is released or not attached, bytes that change
 * between gather and sent, or memory that is read after it was lent, end the program.
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
    uint64_t seed;       /* 0: everything happens at once and whole */
    size_t window_bytes; /* how much the system takes before the peer takes it; 0: 64 KiB */
} simulated_options;

/** The argument of simulated_make, which is an emi_backend_maker (see loop_private.h). */
typedef struct simulated_maker {
    simulated_options options;
    simulated_backend *made;
} simulated_maker;

em_status simulated_make(void *maker, const emi_backend_settings *settings, emi_backend **backend);

/** The operation of this kind that comes next returns this status and does nothing. */
typedef enum simulated_operation {
    SIMULATED_ATTACH,
    SIMULATED_START_RECEIVING,
    SIMULATED_CONNECT,
    SIMULATED_POLL,
    SIMULATED_OPERATIONS
} simulated_operation;

void simulated_fail_next(simulated_backend *backend, simulated_operation operation, em_status status);

/** From now on waiting fails with this status. */
void simulated_break(simulated_backend *backend, em_status failure);

/** How many channels are attached and not yet released in full. */
unsigned simulated_count_channels(const simulated_backend *backend);

/* Making connections */

/** A connected stream: a descriptor to be attached. */
int simulated_open_stream(simulated_backend *backend, simulated_peer **peer);

/** What is attached under this descriptor; NULL if nothing is. */
simulated_peer *simulated_peer_of(simulated_backend *backend, int descriptor);

/** A peer connects to a listener, which may accept it from now on. */
simulated_peer *simulated_connect(simulated_backend *backend, int listener);

/** Before the next connection is accepted, accepting fails. */
void simulated_fail_accepting(simulated_backend *backend, int listener, em_status status);

/** A connection under way that nobody has answered yet, the oldest; NULL if there is none. */
simulated_peer *simulated_take_connect(simulated_backend *backend);
void simulated_accept_connect(simulated_peer *peer);
void simulated_refuse_connect(simulated_peer *peer, em_status status);
/** The address that the owner connects to. */
const em_address *simulated_address_of(const simulated_peer *peer);

/* The peer's actions */

void simulated_feed(simulated_peer *peer, const void *data, size_t length);
void simulated_end(simulated_peer *peer);
void simulated_reset(simulated_peer *peer);
/** Takes what was sent, into `data` unless it is NULL, and so makes room for more. Returns how much. */
size_t simulated_take(simulated_peer *peer, void *data, size_t capacity);
/** How much was sent and not taken. */
size_t simulated_waiting(const simulated_peer *peer);
/** Whether the owner has sent its end, by shutting down or closing, and all before it was taken. */
bool simulated_saw_end(const simulated_peer *peer);
/** Whether the owner has closed. */
bool simulated_saw_close(const simulated_peer *peer);
/** The next sending fails. */
void simulated_fail_sending(simulated_peer *peer, em_status status);
/** How many bytes the system takes before the peer takes them, from now on. */
void simulated_set_window(simulated_peer *peer, size_t window_bytes);
/** What a polled descriptor is ready for from now on (emi_interest). */
void simulated_make_ready(simulated_backend *backend, int descriptor, unsigned interests);

#endif
