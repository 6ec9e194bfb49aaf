/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/* The sink on libevent: a bufferevent whose input is drained. */
#include "echo_support.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

static void on_read(struct bufferevent *connection, void *user)
{
    struct evbuffer *input = bufferevent_get_input(connection);

    (void)user;
    evbuffer_drain(input, evbuffer_get_length(input));
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

    (void)address;
    (void)length;
    (void)user;
    if (!connection)
        echo_fail("bufferevent_socket_new");
    bufferevent_setcb(connection, on_read, NULL, on_event, NULL);
    bufferevent_enable(connection, EV_READ);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = echo_address(echo_prepare(argc, argv));
    struct event_base *base = event_base_new();

    if (!evconnlistener_new_bind(base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, ECHO_BACKLOG,
                                 (struct sockaddr *)&address, sizeof address))
        echo_fail("evconnlistener_new_bind");
    return event_base_dispatch(base);
}
