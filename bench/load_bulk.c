/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The bulk mode: many bytes one way over one connection, to a server that discards them. All have arrived when the
 * server has seen their end and closes the connection. A server that left some unread would reset it.
 */
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

struct reading {
    uint64_t time_ns, cpu_ns;
};

static struct reading take(const struct load_options *options)
{
    return (struct reading){load_now_ns(), load_server_cpu_ns(options->server)};
}

static void send_all(int fd, uint64_t bytes)
{
    uint64_t sent = 0;

    while (sent < bytes) {
        size_t length = bytes - sent < LOAD_CHUNK_BYTES ? (size_t)(bytes - sent) : LOAD_CHUNK_BYTES;
        ssize_t n = send(fd, load_pattern_at(0), length, 0);

        if (n < 0)
            load_fail("sending");
        sent += (uint64_t)n;
    }
}

static void await_end(int fd)
{
    char byte;
    ssize_t n;

    if (shutdown(fd, SHUT_WR) != 0)
        load_fail("ending what is sent");
    n = recv(fd, &byte, 1, 0);
    if (n < 0)
        load_fail("waiting for the server to have received all");
    errno = 0;
    if (n > 0)
        load_fail("the server sent something, though it is to receive only");
}

int load_bulk(const struct load_options *options)
{
    int fd = load_connect(options, 0);
    struct reading before = take(options), after;
    double gibibytes = (double)options->bytes / (1 << 30);

    send_all(fd, options->bytes);
    await_end(fd);
    after = take(options);
    load_reset(fd);
    printf("{\"mode\": \"bulk\", \"bytes\": %llu, \"seconds\": %.6f, \"gib_per_second\": %.3f",
           (unsigned long long)options->bytes, (double)(after.time_ns - before.time_ns) / 1e9,
           gibibytes * 1e9 / (double)(after.time_ns - before.time_ns));
    if (options->server)
        printf(", \"server_cpu_ms_per_gib\": %.3f", (double)(after.cpu_ns - before.cpu_ns) / 1e6 / gibibytes);
    printf("}\n");
    return 0;
}
