/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The echo server on libevent, as its manual recommends: a bufferevent for each connection, whose input is moved to its
 * output without a copy. The change list saves epoll_ctl calls that cancel each other out.
 */
#include "echo_support.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

static void on_read(struct bufferevent *connection, void *user)
{
    (void)user;
    bufferevent_write_buffer(connection, bufferevent_get_input(connection));
}

static void on_event(struct bufferevent *connection, short events, void *user)
{
    (void)user;
    if (events & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        bufferevent_free(connection);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int length,
                      void *user)
{
    struct event_base *base = evconnlistener_get_base(listener);
    struct bufferevent *connection = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    int on = 1;

    (void)address;
    (void)length;
    (void)user;
    if (!connection)
        echo_fail("bufferevent_socket_new");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    bufferevent_setcb(connection, on_read, NULL, on_event, NULL);
    bufferevent_enable(connection, EV_READ | EV_WRITE);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = echo_address(echo_prepare(argc, argv));
    struct event_config *config = event_config_new();
    struct event_base *base;

    event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
    base = event_base_new_with_config(config);
    event_config_free(config);
    if (!evconnlistener_new_bind(base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, ECHO_BACKLOG,
                                 (struct sockaddr *)&address, sizeof address))
        echo_fail("evconnlistener_new_bind");
    return event_base_dispatch(base);
}
