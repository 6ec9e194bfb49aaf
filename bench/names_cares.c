/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * c-ares in a bare loop over epoll, for names_measure.c: ares_getaddrinfo, which looks into the hosts file first, as
 * ours does. With -DBY_QUERY it is ares_query, which only asks. Both ask all questions from one port.
 */
#include "names_measure.h"

#include <ares.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

const int names_are_queued = 0;

static ares_channel channel;
static int poller;

static void on_socket(void *user, ares_socket_t socket, int readable, int writable)
{
    struct epoll_event event = {.data.fd = socket};

    (void)user;
    event.events = (readable ? EPOLLIN : 0U) | (writable ? EPOLLOUT : 0U);
    if (event.events == 0)
        epoll_ctl(poller, EPOLL_CTL_DEL, socket, NULL);
    else if (epoll_ctl(poller, EPOLL_CTL_MOD, socket, &event) != 0)
        epoll_ctl(poller, EPOLL_CTL_ADD, socket, &event);
}

void names_open(const char *server, int port)
{
    struct ares_options options = {.sock_state_cb = on_socket};
    char list[64];

    snprintf(list, sizeof list, "%s:%d", server, port);
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0 || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS ||
        ares_init_options(&channel, &options, ARES_OPT_SOCK_STATE_CB) != ARES_SUCCESS ||
        ares_set_servers_ports_csv(channel, list) != ARES_SUCCESS)
        exit(1);
}

#ifdef BY_QUERY
static void on_answer(void *user, int status, int timeouts, unsigned char *answer, int length)
{
    struct ares_addrttl addresses[16];
    int count = 16;

    (void)user;
    (void)timeouts;
    if (status == ARES_SUCCESS)
        status = ares_parse_a_reply(answer, length, NULL, addresses, &count);
    names_found(status == ARES_SUCCESS);
}

void names_look_up(const char *name)
{
    enum { INTERNET = 1, ADDRESS = 1 };

    ares_query(channel, name, INTERNET, ADDRESS, on_answer, NULL);
}
#else
static void on_found(void *user, int status, int timeouts, struct ares_addrinfo *result)
{
    (void)user;
    (void)timeouts;
    names_found(status == ARES_SUCCESS);
    if (result)
        ares_freeaddrinfo(result);
}

void names_look_up(const char *name)
{
    struct ares_addrinfo_hints hints = {.ai_family = AF_INET};

    ares_getaddrinfo(channel, name, NULL, &hints, on_found, NULL);
}
#endif

void names_turn(void)
{
    struct epoll_event events[64];
    struct timeval longest = {.tv_sec = 1}, left;
    struct timeval *timeout = ares_timeout(channel, &longest, &left);
    int count = epoll_wait(poller, events, 64, (int)(timeout->tv_sec * 1000 + timeout->tv_usec / 1000));

    for (int i = 0; i < count; i++)
        ares_process_fd(channel, events[i].events & EPOLLOUT ? ARES_SOCKET_BAD : events[i].data.fd,
                        events[i].events & EPOLLOUT ? events[i].data.fd : ARES_SOCKET_BAD);
    if (count <= 0)
        ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

/* It waits for a second at most. */
void names_wake(void)
{
}
