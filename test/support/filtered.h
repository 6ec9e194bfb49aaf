/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A connection with the test filter over the simulated backend, and its peer, which reads and writes the filter's
 * records.
 */
#ifndef TEST_FILTERED_H
#define TEST_FILTERED_H

#include "net/net_private.h"
#include "support/simulated_loop.h"
#include "support/test_filter.h"

typedef struct filtered {
    recorder told;
    simulated_peer *peer;
    test_filter *filter; /* valid until the record says that it is destroyed */
    test_filter_record record;
    byte_buffer wire;  /* bytes that have reached the peer, except those of whole records */
    byte_buffer plain; /* the contents of the records that have reached the peer */
    bool peer_saw_end; /* the peer has received the end */
} filtered;

/** Opens an accepted connection and installs the filter after post_init. options, stream: may be NULL. */
void filtered_open(filtered *filtered, simulated_loop *fixture, const test_filter_options *options,
                   const em_stream_options *stream);

/** Installs the filter in a connection that the caller has opened. */
void filtered_install(filtered *filtered, const test_filter_options *options, uint64_t handshake_timeout_ns);

/** Closes the connection if it is open, checks that the filter was destroyed once, and frees memory. */
void filtered_free(filtered *filtered);

/** The peer sends a record. */
void filtered_feed(filtered *filtered, const char *text);
/** The peer sends a run of `length` equal bytes. */
void filtered_feed_run(filtered *filtered, char byte, size_t length);
/** The peer sends the filter's end. */
void filtered_feed_end(filtered *filtered);
/** The peer sends `length` bytes of its handshake. */
void filtered_feed_handshake(filtered *filtered, size_t length);

/** The peer receives what was sent, and reads its records. */
void filtered_take(filtered *filtered);
/** Checks that the peer has read exactly this since the last call. */
void filtered_expect_sent(filtered *filtered, const char *text);
/** Checks that the program has received exactly this since the last call. */
void filtered_expect_received(filtered *filtered, const char *text);

#endif
