/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connections with the tests' filter. See filtered.h.
 */
#include "support/filtered.h"

#include <string.h>

void filtered_install(filtered *own, const test_filter_options *options, uint64_t handshake_timeout_ns)
{
    const test_filter_options defaults = {.handshake_bytes = 0};
    own->filter = test_filter_create(options ? options : &defaults, &own->record);
    assert_int_equal(emi_gate_open(own->told.connection, &own->filter->filter, handshake_timeout_ns), EM_OK);
}

void filtered_open(filtered *own, simulated_loop *fixture, const test_filter_options *options,
                   const em_stream_options *stream)
{
    memset(own, 0, sizeof *own);
    recorder_init(&own->told, fixture);
    own->peer = open_accepted(&own->told, &recording, stream);
    filtered_install(own, options, 0);
}

void filtered_free(filtered *own)
{
    recorder_free(&own->told);
    for (unsigned turns = 0; own->record.destroyed == 0 && turns < 1000; turns++) {
        simulated_take(own->peer, NULL, SIZE_MAX);
        run_for(own->told.fixture, EM_SECONDS);
    }
    assert_int_equal(own->record.destroyed, 1);
    bytes_free(&own->wire);
    bytes_free(&own->plain);
}

static void feed(filtered *own, byte_buffer *wire)
{
    simulated_feed(own->peer, bytes_at(wire), bytes_length(wire));
    bytes_free(wire);
}

void filtered_feed(filtered *own, const char *text)
{
    byte_buffer wire = {.data = NULL};
    test_filter_write(&wire, text, strlen(text));
    feed(own, &wire);
}

void filtered_feed_run(filtered *own, char byte, size_t length)
{
    byte_buffer wire = {.data = NULL};
    test_filter_write_run(&wire, (unsigned char)byte, length);
    feed(own, &wire);
}

void filtered_feed_end(filtered *own)
{
    byte_buffer wire = {.data = NULL};
    test_filter_write_end(&wire);
    feed(own, &wire);
}

void filtered_feed_handshake(filtered *own, size_t length)
{
    const char byte = TEST_FILTER_HANDSHAKE_BYTE;
    while (length-- > 0)
        simulated_feed(own->peer, &byte, 1);
}

void filtered_take(filtered *own)
{
    char piece[4096];
    for (size_t length; (length = simulated_take(own->peer, piece, sizeof piece)) > 0;)
        bytes_append(&own->wire, piece, length);
    test_filter_read(&own->wire, &own->plain, &own->peer_saw_end);
}

static void expect(byte_buffer *got, const char *text)
{
    bytes_append(got, "", 1);
    assert_string_equal((const char *)bytes_at(got), text);
    bytes_take(got, NULL, SIZE_MAX);
}

void filtered_expect_sent(filtered *own, const char *text)
{
    filtered_take(own);
    expect(&own->plain, text);
}

void filtered_expect_received(filtered *own, const char *text)
{
    expect(&own->told.received, text);
}
