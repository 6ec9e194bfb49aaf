/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The reference: an echo server without a library, on a level-triggered epoll. One read and one write for what arrives,
 * no memory per connection, nothing that a library would add. It shows what the kernel costs, and every other program
 * is compared with it.
 */
#include "echo_bare.h"

enum { EVENTS = 256 };

static char buffer[ECHO_BUFFER_BYTES];

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
                bare_echo(events[i].data.fd, buffer, sizeof buffer);
        }
    }
}
