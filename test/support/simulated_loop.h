/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A loop over the simulated backend, with the clock stopped and an allocator that counts, and a connection's user who
 * records what is reported to it.
 */
#ifndef TEST_SIMULATED_LOOP_H
#define TEST_SIMULATED_LOOP_H

#include <eventmachine.h>

#include "support/simulated_backend.h"
#include "support/test_clock.h"
#include "support/unit.h"

typedef struct simulated_loop {
    em_loop *loop;
    simulated_backend *backend;
    failing_allocator allocator;
    unsigned log_messages;
} simulated_loop;

/** Opens a plain loop with default options. For set-up functions of cmocka: *state becomes the fixture. */
int set_up_loop(void **state);
int tear_down_loop(void **state);

/** seed and window as in simulated_options; options may be NULL. */
void simulated_loop_open(simulated_loop *fixture, const simulated_options *simulated, const em_loop_options *options);
/** Destroys the loop; fails the test if memory or channels are left. */
void simulated_loop_close(simulated_loop *fixture);

/** Takes so many turns, none of which waits. */
void run_turns(simulated_loop *fixture, unsigned turns);

/** Runs until so much time has passed. */
void run_for(simulated_loop *fixture, uint64_t ns);

/** The counters. */
em_loop_stats stats_of(const simulated_loop *fixture);

/* A user of connections */

typedef struct recorder recorder;
typedef void (*recorder_hook)(recorder *recorder);

struct recorder {
    simulated_loop *fixture;
    em_connection *connection; /* NULL after unbind */
    em_signature signature;
    char events[256]; /* I: post_init, C: connection_completed, H: ssl_handshake_completed, D: receive_data, E:
                         receive_end, R: drained, P: proxy_completed, T: proxy_target_unbound, U: unbind */
    size_t event_count;
    byte_buffer received;
    unsigned unbinds;
    em_status reason;
    em_connection_state last_state;
    int peer_had_ended;
    recorder_hook on_init, on_completed, on_data, on_end, on_drained, on_handshake, on_unbind;
    recorder_hook on_proxy_completed, on_target_unbound;
    void *user;
};

/** Handlers that record: all callbacks; and all but receive_end. */
extern const em_handler recording;
extern const em_handler recording_without_end;

void recorder_init(recorder *recorder, simulated_loop *fixture);
/** Closes the connection if it has not ended, and turns until unbind was called. */
void recorder_free(recorder *recorder);

/** A connection accepted by a server of its own, which is stopped again. options may be NULL. */
simulated_peer *open_accepted(recorder *recorder, const em_handler *handler, const em_stream_options *options);

/** A connection by em_loop_connect that is established. options may be NULL. */
simulated_peer *open_connected(recorder *recorder, const em_connect_options *options);

/** em_loop_connect to 192.0.2.1, not answered yet. */
em_status begin_connecting(recorder *recorder, const em_connect_options *options);

/** Checks the events so far, and that nothing is missing. */
void expect_events(const recorder *recorder, const char *events);

/** Checks that the peer was sent exactly this, and takes it. */
void expect_sent(simulated_peer *peer, const char *text);

void feed_text(simulated_peer *peer, const char *text);

#endif
