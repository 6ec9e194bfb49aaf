/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Shared by the echo servers in C, so that each of them shows only its library: the port from the command line, as many
 * descriptors as the system allows, and, for those that open their own sockets, the listening socket and TCP_NODELAY.
 * Servers with TLS get the files of their certificate and key as argv[2] and argv[3].
 */
#ifndef BENCH_ECHO_SUPPORT_H
#define BENCH_ECHO_SUPPORT_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { ECHO_BACKLOG = 4096, ECHO_BUFFER_BYTES = 65536 };

static inline _Noreturn void echo_fail(const char *what)
{
    perror(what);
    exit(1);
}

static inline uint16_t echo_prepare_with(int argc, char **argv, int expected, const char *usage)
{
    struct rlimit limit;
    int port = argc == expected ? atoi(argv[1]) : 0;

    if (port < 1 || port > 65535) {
        fprintf(stderr, "usage: %s %s\n", argv[0], usage);
        exit(2);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    signal(SIGPIPE, SIG_IGN);
    return (uint16_t)port;
}

static inline uint16_t echo_prepare(int argc, char **argv)
{
    return echo_prepare_with(argc, argv, 2, "PORT");
}

static inline uint16_t echo_prepare_tls(int argc, char **argv)
{
    return echo_prepare_with(argc, argv, 4, "PORT CERTIFICATE_FILE KEY_FILE");
}

static inline struct sockaddr_in echo_address(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static inline int echo_listen(uint16_t port)
{
    struct sockaddr_in address = echo_address(port);
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        echo_fail("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
        echo_fail("bind");
    if (listen(fd, ECHO_BACKLOG) != 0)
        echo_fail("listen");
    return fd;
}

static inline int echo_accept(int listener)
{
    int on = 1;
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

#endif
