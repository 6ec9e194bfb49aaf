/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * What the bare proxies share: an edge-triggered epoll loop that accepts clients, connects each to the server behind
 * the proxy and calls `relay` for each direction that may go on. Half-closes are relayed.
 */
#ifndef BENCH_PROXY_BARE_H
#define BENCH_PROXY_BARE_H

#include "echo_support.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { PROXY_EVENTS = 256, PROXY_MOST_DESCRIPTORS = 65536 };

/* One socket, and the direction from it to the other one. */
struct side {
    int fd, other;
    int pipe[2];    /* of the splicing proxy */
    size_t waiting; /* bytes that the other socket has not accepted yet */
    unsigned char *buffer;
    size_t begin;
    bool has_ended, has_passed_end;
};

static struct side *sides;

static inline struct side *other_of(const struct side *side)
{
    return &sides[side->other];
}

static inline void proxy_connect(int epoll, int client, uint16_t port)
{
    struct sockaddr_in address = echo_address(port);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
    int on = 1;
    int server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (server < 0 || server >= PROXY_MOST_DESCRIPTORS || client >= PROXY_MOST_DESCRIPTORS)
        echo_fail("socket");
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(server, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS)
        echo_fail("connect");
    sides[client] = (struct side){.fd = client, .other = server, .pipe = {-1, -1}};
    sides[server] = (struct side){.fd = server, .other = client, .pipe = {-1, -1}};
    event.data.fd = client;
    epoll_ctl(epoll, EPOLL_CTL_ADD, client, &event);
    event.data.fd = server;
    epoll_ctl(epoll, EPOLL_CTL_ADD, server, &event);
}

static inline void proxy_close(struct side *side)
{
    struct side *both[2] = {side, other_of(side)};

    for (unsigned i = 0; i < 2; i++) {
        if (both[i]->pipe[0] >= 0) {
            close(both[i]->pipe[0]);
            close(both[i]->pipe[1]);
        }
        free(both[i]->buffer);
        close(both[i]->fd);
        both[i]->fd = -1;
    }
}

/* After `relay`: the source has ended, and nothing is waiting. Returns false if both directions are closed now. */
static inline bool proxy_pass_end(struct side *side)
{
    if (!side->has_ended || side->waiting > 0 || side->has_passed_end)
        return true;
    shutdown(side->other, SHUT_WR);
    side->has_passed_end = true;
    if (!other_of(side)->has_passed_end)
        return true;
    proxy_close(side);
    return false;
}

/* relay: returns false on an error. */
static inline _Noreturn void proxy_run(int argc, char **argv, bool (*relay)(struct side *side))
{
    int listener = echo_listen(echo_prepare_with(argc, argv, 3, "PORT SERVER_PORT"));
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    struct epoll_event events[PROXY_EVENTS];

    sides = calloc(PROXY_MOST_DESCRIPTORS, sizeof *sides);
    if (!sides)
        echo_fail("calloc");
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(epoll, events, PROXY_EVENTS, -1);

        for (int i = 0; i < n; i++) {
            struct side *side = &sides[events[i].data.fd];

            if (events[i].data.fd == listener) {
                for (int client; (client = echo_accept(listener)) >= 0;)
                    proxy_connect(epoll, client, (uint16_t)atoi(argv[2]));
                continue;
            }
            if (side->fd < 0)
                continue;
            /* What this one has to say, and, if it takes more, what waits for it. */
            if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !side->has_ended) {
                if (!relay(side)) {
                    proxy_close(side);
                    continue;
                }
                if (!proxy_pass_end(side))
                    continue;
            }
            if ((events[i].events & EPOLLOUT) && other_of(side)->waiting > 0) {
                if (!relay(other_of(side)))
                    proxy_close(side);
                else
                    proxy_pass_end(other_of(side));
            }
        }
    }
}

#endif
