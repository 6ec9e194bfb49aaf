/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The file mode: each connection asks for a file by one byte, and receives so many bytes. They are dropped within the
 * kernel, so that the peer is as fast as it can be. In the middle all connections stop reading until the server's
 * memory is known.
 */
#include "load.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { MOST_AT_ONCE = 1 << 20 };

struct transfer {
    struct pollfd *sockets;
    uint64_t *left; /* bytes, of each */
    uint64_t left_in_all;
};

static void receive_some(struct transfer *transfer, unsigned i)
{
    size_t most = transfer->left[i] < MOST_AT_ONCE ? (size_t)transfer->left[i] : MOST_AT_ONCE;
    ssize_t n = recv(transfer->sockets[i].fd, NULL, most, MSG_TRUNC | MSG_DONTWAIT);

    if (n == 0)
        errno = 0;
    if (n == 0 || (n < 0 && errno != EAGAIN))
        load_fail("receiving the file");
    if (n > 0) {
        transfer->left[i] -= (uint64_t)n;
        transfer->left_in_all -= (uint64_t)n;
    }
    if (transfer->left[i] == 0)
        transfer->sockets[i].events = 0;
}

static void receive_until(struct transfer *transfer, unsigned count, uint64_t left_in_all)
{
    while (transfer->left_in_all > left_in_all) {
        if (poll(transfer->sockets, count, -1) < 0)
            load_fail("poll");
        for (unsigned i = 0; i < count; i++)
            if (transfer->sockets[i].revents && transfer->left[i] > 0)
                receive_some(transfer, i);
    }
}

static void begin(struct transfer *transfer, const struct load_options *options)
{
    transfer->sockets = load_allocate(options->connections, sizeof *transfer->sockets);
    transfer->left = load_allocate(options->connections, sizeof *transfer->left);
    transfer->left_in_all = options->bytes * options->connections;
    for (unsigned i = 0; i < options->connections; i++) {
        transfer->sockets[i] = (struct pollfd){.fd = load_connect(options, i), .events = POLLIN};
        transfer->left[i] = options->bytes;
    }
}

int load_file(const struct load_options *options)
{
    struct transfer transfer;
    uint64_t idle_bytes, busy_bytes, began_ns, paused_ns, cpu_ns;
    double gibibytes = (double)options->bytes * options->connections / (1 << 30);

    begin(&transfer, options);
    idle_bytes = options->server ? load_server_memory(options->server) : 0;
    cpu_ns = load_server_cpu_ns(options->server);
    began_ns = load_now_ns();
    for (unsigned i = 0; i < options->connections; i++)
        if (send(transfer.sockets[i].fd, "?", 1, 0) != 1)
            load_fail("asking for the file");
    receive_until(&transfer, options->connections, transfer.left_in_all / 2);
    paused_ns = load_now_ns();
    busy_bytes = options->server ? load_server_memory(options->server) : 0;
    paused_ns = load_now_ns() - paused_ns;
    receive_until(&transfer, options->connections, 0);
    printf("{\"mode\": \"file\", \"gib_per_second\": %.3f",
           gibibytes * 1e9 / (double)(load_now_ns() - began_ns - paused_ns));
    if (options->server)
        printf(", \"server_cpu_ms_per_gib\": %.3f, \"memory_over_idle_bytes\": %lld",
               (double)(load_server_cpu_ns(options->server) - cpu_ns) / 1e6 / gibibytes,
               (long long)(busy_bytes - idle_bytes));
    printf("}\n");
    for (unsigned i = 0; i < options->connections; i++)
        load_reset(transfer.sockets[i].fd);
    return 0;
}
