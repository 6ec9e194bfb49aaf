/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The idle mode: how much private memory the server's process gains per open connection. Every connection echoes one
 * message, which shows that it is accepted, and then stays idle. One connection per hundred is opened and closed first,
 * so that one-time allocations of the server are not counted.
 */
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void converse(struct load_stream *stream, size_t length)
{
    static unsigned char buffer[LOAD_CHUNK_BYTES];
    size_t received = 0;

    if (load_stream_send(stream, load_pattern_at(0), length) != (ssize_t)length)
        load_fail("sending");
    while (received < length) {
        ssize_t n;

        load_stream_wait(stream);
        n = load_stream_receive(stream, buffer);
        if (n < 0 && errno == EAGAIN)
            continue;
        if (n <= 0)
            load_fail("receiving");
        errno = 0;
        if (received + (size_t)n > length)
            load_fail("the server sent more than it was sent");
        if (memcmp(buffer, load_pattern_at(received), (size_t)n) != 0)
            load_fail("the server sent other bytes than it was sent");
        received += (size_t)n;
    }
}

static void open_all(const struct load_options *options, struct load_stream *streams, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        load_stream_open(&streams[i], options, i);
        converse(&streams[i], options->size_bytes);
    }
}

static void close_all(struct load_stream *streams, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        load_stream_reset(&streams[i]);
}

int load_idle(const struct load_options *options)
{
    unsigned warmup = options->connections / 100 + 1;
    struct load_stream *streams = load_allocate(options->connections, sizeof *streams);
    uint64_t before, after;

    errno = 0;
    if (options->server == 0)
        load_fail("the idle mode needs --pid");
    if (options->size_bytes > LOAD_CHUNK_BYTES)
        load_fail("a message of the idle mode is at most 64 KiB");
    open_all(options, streams, warmup);
    close_all(streams, warmup);
    before = load_server_memory(options->server);
    open_all(options, streams, options->connections);
    after = load_server_memory(options->server);
    close_all(streams, options->connections);
    printf("{\"mode\": \"idle\", \"connections\": %u, \"memory_before\": %llu, \"memory_after\": %llu, "
           "\"bytes_per_connection\": %.1f}\n",
           options->connections, (unsigned long long)before, (unsigned long long)after,
           ((double)after - (double)before) / options->connections);
    return 0;
}
