/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A connection over the simulated backend with the tests' filter, and its peer, who reads and writes the filter's
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
    byte_buffer wire;  /* what the peer got, as far as it is not read */
    byte_buffer plain; /* what it has read */
    bool peer_saw_end; /* of the filter */
} filtered;

/** Accepted, with the filter put up after post_init. options, stream: may be NULL. */
void filtered_open(filtered *filtered, simulated_loop *fixture, const test_filter_options *options,
                   const em_stream_options *stream);

/** The same for a connection that the caller has made. */
void filtered_put_up(filtered *filtered, const test_filter_options *options, uint64_t handshake_timeout_ns);

/** Ends what has not ended, checks that the filter was destroyed once, and frees. */
void filtered_free(filtered *filtered);

/** The peer sends a record. */
void filtered_feed(filtered *filtered, const char *text);
/** The peer sends a run of so many equal bytes. */
void filtered_feed_run(filtered *filtered, char byte, size_t length);
/** The peer sends the filter's end. */
void filtered_feed_end(filtered *filtered);
/** The peer sends so many bytes of its handshake. */
void filtered_feed_handshake(filtered *filtered, size_t length);

/** The peer takes what was sent, and reads the records of it. */
void filtered_take(filtered *filtered);
/** Checks that the peer has read exactly this since the last call. */
void filtered_expect_sent(filtered *filtered, const char *text);
/** Checks that the program has received exactly this since the last call. */
void filtered_expect_received(filtered *filtered, const char *text);

#endif
