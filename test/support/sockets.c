/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Real sockets for tests.
 */
#include "support/sockets.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/deadline.h"

static int check(int result, const char *what)
{
    if (result < 0)
        stop_test("%s: %s", what, strerror(errno));
    return result;
}

static struct sockaddr *sockaddr_of(em_address *address)
{
    return (struct sockaddr *)(void *)address->storage.bytes;
}

static int bound_to_loopback(em_address *address)
{
    int fd = check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");
    em_address_from_text("127.0.0.1", 0, address);
    check(bind(fd, sockaddr_of(address), address->length), "bind");
    socklen_t length = sizeof address->storage.bytes;
    check(getsockname(fd, sockaddr_of(address), &length), "getsockname");
    return fd;
}

int listen_on_loopback(em_address *address)
{
    int fd = bound_to_loopback(address);
    check(listen(fd, 4096), "listen");
    return fd;
}

void unused_address(em_address *address, int *held)
{
    *held = bound_to_loopback(address);
}

int tcp_socket(void)
{
    return check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");
}

int tcp_connect(const em_address *address)
{
    em_address copy = *address;
    int fd = tcp_socket();
    if (connect(fd, sockaddr_of(&copy), copy.length) < 0 && errno != EINPROGRESS)
        check(-1, "connect");
    return fd;
}

void tcp_pair(int sockets[2])
{
    em_address address;
    int listener = listen_on_loopback(&address);
    sockets[1] = tcp_connect(&address);
    wait_until_readable(listener, -1);
    sockets[0] = check(accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), "accept4");
    close(listener);
}

void unix_pair(int sockets[2])
{
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets), "socketpair");
}

void close_with_reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    check(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), "SO_LINGER");
    close(fd);
}

void shrink_buffers(int fd)
{
    int bytes = 1;
    check(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), "SO_SNDBUF");
    check(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes), "SO_RCVBUF");
}

size_t send_now(int fd, const void *data, size_t length)
{
    ssize_t sent = send(fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? 0 : (size_t)sent;
}

size_t receive_now(int fd, void *data, size_t capacity, bool *ended)
{
    ssize_t received = recv(fd, data, capacity, MSG_DONTWAIT);
    if (ended && received == 0 && capacity > 0)
        *ended = true;
    return received < 0 ? 0 : (size_t)received;
}

unsigned count_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        stop_test("/proc/self/fd cannot be read");
    unsigned count = 0;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count - 3; /* "." and ".." and the folder itself */
}
