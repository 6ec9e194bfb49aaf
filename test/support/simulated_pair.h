/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Two accepted connections over the simulated backend and their peers, for proxies between them.
 */
#ifndef TEST_SIMULATED_PAIR_H
#define TEST_SIMULATED_PAIR_H

#include "support/simulated_loop.h"

typedef struct simulated_pair {
    recorder from, to;
    simulated_peer *from_peer, *to_peer;
} simulated_pair;

/** Opens both; to_options: of the target, may be NULL. */
void pair_open(simulated_pair *pair, simulated_loop *fixture, const em_handler *handler,
               const em_stream_options *to_options);

/** Opens both and starts a proxy between them; options may be NULL. */
void pair_open_proxied(simulated_pair *pair, simulated_loop *fixture, const em_proxy_options *options);

/** Closes both. */
void pair_free(simulated_pair *pair);

/** Starts a proxy, which must succeed. */
void expect_proxy(em_connection *from, em_connection *to, const em_proxy_options *options);

/** Checks what `from` has received since the last call. */
void pair_expect_received(recorder *record, const char *text);

#endif
