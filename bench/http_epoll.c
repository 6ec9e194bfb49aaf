/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The reference for bench/thin, as echo_epoll.c is for echo servers. It treats each piece that arrives as one request,
 * and its response is what thin sends for bench/thin.ru, byte for byte.
 */
#include "echo_bare.h"

enum { EVENTS = 256 };

static const char answer[] = "HTTP/1.1 200 OK\r\n"
                             "Content-Type: text/plain\r\n"
                             "Content-Length: 12\r\n"
                             "Connection: keep-alive\r\n"
                             "Server: thin\r\n"
                             "\r\n"
                             "hello, world";

static char buffer[ECHO_BUFFER_BYTES];

static void respond(int fd)
{
    ssize_t n = read(fd, buffer, sizeof buffer);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || bare_write_rest(fd, answer, sizeof answer - 1) != 0)
        close(fd);
}

int main(int argc, char **argv)
{
    int listener = echo_listen(echo_prepare(argc, argv));
    int epoll = bare_open(listener);
    struct epoll_event events[EVENTS];

    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                bare_accept_all(epoll, listener);
            else
                respond(events[i].data.fd);
        }
    }
}
