/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Pairs of connections for tests of proxies.
 */
#include "support/simulated_pair.h"

void pair_open(simulated_pair *pair, simulated_loop *fixture, const em_handler *handler,
               const em_stream_options *to_options)
{
    recorder_init(&pair->from, fixture);
    recorder_init(&pair->to, fixture);
    pair->from_peer = open_accepted(&pair->from, handler, NULL);
    pair->to_peer = open_accepted(&pair->to, handler, to_options);
}

void pair_open_proxied(simulated_pair *pair, simulated_loop *fixture, const em_proxy_options *options)
{
    pair_open(pair, fixture, &recording, NULL);
    expect_proxy(pair->from.connection, pair->to.connection, options);
}

void pair_free(simulated_pair *pair)
{
    recorder_free(&pair->from);
    recorder_free(&pair->to);
}

void expect_proxy(em_connection *from, em_connection *to, const em_proxy_options *options)
{
    assert_int_equal(em_connection_start_proxy(from, to, options), EM_OK);
    assert_ptr_equal(em_connection_get_proxy_target(from), to);
}

void pair_expect_received(recorder *record, const char *text)
{
    assert_true(bytes_equal_text(&record->received, text));
    bytes_take(&record->received, NULL, SIZE_MAX);
}
