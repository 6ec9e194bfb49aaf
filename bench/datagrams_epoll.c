/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The reference for datagrams: an echo server without a library, on a level-triggered epoll. One recvmmsg and one
 * sendmmsg for what arrives, and nothing that a library would add. If the system takes no more, what is left is lost,
 * which the load generator never causes.
 */
#include "echo_support.h"

#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BATCH = 32, BUFFER_BYTES = 2048 };

static char buffers[BATCH][BUFFER_BYTES];
static struct sockaddr_in peers[BATCH];
static struct iovec pieces[BATCH];
static struct mmsghdr messages[BATCH];

static void prepare(int count)
{
    for (int i = 0; i < count; i++) {
        pieces[i].iov_len = BUFFER_BYTES;
        messages[i].msg_hdr.msg_namelen = sizeof peers[i];
    }
}

static void echo(int fd)
{
    int count = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);

    for (int i = 0; i < count; i++)
        pieces[i].iov_len = messages[i].msg_len;
    if (count > 0)
        sendmmsg(fd, messages, (unsigned)count, MSG_DONTWAIT);
    prepare(count);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = echo_address(echo_prepare(argc, argv));
    struct epoll_event event = {.events = EPOLLIN};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
        echo_fail("bind");
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        echo_fail("epoll");
    for (int i = 0; i < BATCH; i++) {
        pieces[i].iov_base = buffers[i];
        messages[i].msg_hdr = (struct msghdr){.msg_name = &peers[i], .msg_iov = &pieces[i], .msg_iovlen = 1};
    }
    prepare(BATCH);
    for (;;)
        if (epoll_wait(epoll, &event, 1, -1) > 0)
            echo(fd);
}
