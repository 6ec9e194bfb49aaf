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
#include <sys/socket.h>

static void converse(int fd, size_t length)
{
    static unsigned char buffer[LOAD_CHUNK_BYTES];

    if (send(fd, load_pattern_at(0), length, 0) != (ssize_t)length)
        load_fail("sending");
    if (recv(fd, buffer, length, MSG_WAITALL) != (ssize_t)length)
        load_fail("receiving");
    errno = 0;
    if (memcmp(buffer, load_pattern_at(0), length) != 0)
        load_fail("the server sent other bytes than it was sent");
}

static void open_all(const struct load_options *options, int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        fds[i] = load_connect(options, i);
        converse(fds[i], options->size_bytes);
    }
}

static void close_all(const int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        load_reset(fds[i]);
}

int load_idle(const struct load_options *options)
{
    unsigned warmup = options->connections / 100 + 1;
    int *fds = load_allocate(options->connections, sizeof *fds);
    uint64_t before, after;

    errno = 0;
    if (options->server == 0)
        load_fail("the idle mode needs --pid");
    if (options->size_bytes > LOAD_CHUNK_BYTES)
        load_fail("a message of the idle mode is at most 64 KiB");
    open_all(options, fds, warmup);
    close_all(fds, warmup);
    before = load_server_memory(options->server);
    open_all(options, fds, options->connections);
    after = load_server_memory(options->server);
    close_all(fds, options->connections);
    printf("{\"mode\": \"idle\", \"connections\": %u, \"memory_before\": %llu, \"memory_after\": %llu, "
           "\"bytes_per_connection\": %.1f}\n",
           options->connections, (unsigned long long)before, (unsigned long long)after,
           ((double)after - (double)before) / options->connections);
    return 0;
}
