/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Shared by all modes of the load generator: clock, sockets, the pattern that is sent, and the view of the server's
 * process from outside. It knows no mode.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_PER_SOURCE = 20000 };

_Noreturn void load_fail(const char *what)
{
    if (errno)
        fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    else
        fprintf(stderr, "load: %s\n", what);
    exit(1);
}

uint64_t load_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void *load_allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    if (!memory)
        load_fail("allocating");
    return memory;
}

static void choose_source(int fd, unsigned index)
{
    struct sockaddr_in source = {.sin_family = AF_INET};
    int on = 1;

    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + index / CONNECTIONS_PER_SOURCE);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&source, sizeof source) != 0)
        load_fail("binding a source address");
}

int load_connect(const struct load_options *options, unsigned index)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(options->port)};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        load_fail("opening a socket");
    errno = 0;
    if (inet_pton(AF_INET, options->host, &server.sin_addr) != 1)
        load_fail("the host is not an IPv4 address");
    if (index >= CONNECTIONS_PER_SOURCE)
        choose_source(fd, index);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (struct sockaddr *)&server, sizeof server) != 0)
        load_fail("connecting");
    return fd;
}

void load_reset(int fd)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
}

/* schedstat of /proc contains the same sum, but lags by up to a scheduler tick for a task that is running. */
uint64_t load_server_cpu_ns(pid_t server)
{
    struct timespec used;
    clockid_t clock;

    if (server == 0)
        return 0;
    errno = clock_getcpuclockid(server, &clock);
    if (errno || clock_gettime(clock, &used) != 0)
        load_fail("reading the processor time of the server");
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

static uint64_t private_memory(pid_t server)
{
    char path[64], line[256];
    unsigned long kilobytes, sum = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%ld/smaps_rollup", (long)server);
    file = fopen(path, "r");
    if (!file)
        load_fail("reading the memory of the server");
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "Private_Dirty: %lu", &kilobytes) == 1)
            sum += kilobytes;
    fclose(file);
    return (uint64_t)sum * 1024;
}

uint64_t load_server_memory(pid_t server)
{
    enum { ENOUGH_READINGS = 5, MOST_READINGS = 60, PAUSE_US = 50000 };
    uint64_t memory = 0;
    unsigned same = 0;

    for (unsigned reading = 0; reading < MOST_READINGS && same < ENOUGH_READINGS; reading++) {
        uint64_t before = memory;

        usleep(PAUSE_US);
        memory = private_memory(server);
        same = memory == before ? same + 1 : 0;
    }
    return memory;
}

static unsigned char pattern[LOAD_PATTERN_PERIOD + LOAD_CHUNK_BYTES];

void load_pattern_fill(void)
{
    uint32_t state = 1;

    for (size_t i = 0; i < LOAD_PATTERN_PERIOD; i++) {
        state = state * 1664525 + 1013904223;
        pattern[i] = (unsigned char)(state >> 24);
    }
    for (size_t i = LOAD_PATTERN_PERIOD; i < sizeof pattern; i++)
        pattern[i] = pattern[i - LOAD_PATTERN_PERIOD];
}

const unsigned char *load_pattern_at(uint64_t offset)
{
    return pattern + offset % LOAD_PATTERN_PERIOD;
}
