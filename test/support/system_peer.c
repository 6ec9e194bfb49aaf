/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Bare sockets and child processes. See system_peer.h.
 */
#include "support/system_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/system_test.h"

enum { PEER_SECONDS = 30, FULL_MILLISECONDS = 100 };

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
}

static int bound_socket(int *port)
{
    struct sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof address), errno);
    assert_return_code(getsockname(fd, (struct sockaddr *)&address, &length), errno);
    *port = ntohs(address.sin_port);
    return fd;
}

static int with_time_limit(int fd)
{
    struct timeval limit = {.tv_sec = PEER_SECONDS};
    assert_true(fd >= 0);
    assert_return_code(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), errno);
    assert_return_code(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit), errno);
    return fd;
}

int system_listen(int backlog, int *port)
{
    int fd = bound_socket(port);
    assert_return_code(listen(fd, backlog), errno);
    return fd;
}

int system_closed_port(void)
{
    int port;
    close(bound_socket(&port));
    return port;
}

static int wait_for(int fd, short events)
{
    struct pollfd ready = {.fd = fd, .events = events};
    int count;
    do
        count = poll(&ready, 1, PEER_SECONDS * 1000);
    while (count < 0 && errno == EINTR);
    return count;
}

/* The kernel interrupts a thread when it closes a ring of the thread's, which may be later. The attempt goes on,
 * connect(2). */
static int finish_connecting(int fd)
{
    int error = ETIMEDOUT;
    socklen_t length = sizeof error;
    if (wait_for(fd, POLLOUT) == 1)
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    errno = error;
    return error == 0 ? 0 : -1;
}

int system_connect(int port)
{
    struct sockaddr_in address = loopback(port);
    int fd = with_time_limit(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    int result = connect(fd, (struct sockaddr *)&address, sizeof address);
    if (result < 0 && errno == EINTR)
        result = finish_connecting(fd);
    assert_return_code(result, errno);
    return fd;
}

int system_accept(int listener)
{
    assert_int_equal(wait_for(listener, POLLIN), 1);
    return with_time_limit(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
}

static int start_connecting(int port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        assert_int_equal(errno, EINPROGRESS);
    return fd;
}

unsigned system_fill_queue(int port, int fillers[SYSTEM_MOST_FILLERS])
{
    for (unsigned i = 0; i < SYSTEM_MOST_FILLERS; i++) {
        fillers[i] = start_connecting(port);
        struct pollfd done = {.fd = fillers[i], .events = POLLOUT};
        if (poll(&done, 1, 100) == 0)
            return i + 1;
    }
    return 0;
}

void system_write(int fd, const void *data, size_t length)
{
    for (size_t sent = 0; sent < length;) {
        ssize_t more = send(fd, (const char *)data + sent, length - sent, MSG_NOSIGNAL);
        assert_true(more > 0 || (more < 0 && errno == EINTR)); /* see system_connect */
        sent += more > 0 ? (size_t)more : 0;
    }
}

ssize_t system_receive(int fd, void *buffer, size_t capacity)
{
    ssize_t length;
    do
        length = recv(fd, buffer, capacity, 0);
    while (length < 0 && errno == EINTR);
    return length;
}

void system_receive_exactly(int fd, void *buffer, size_t length)
{
    for (size_t total = 0; total < length;) {
        ssize_t more = system_receive(fd, (char *)buffer + total, length - total);
        assert_true(more > 0);
        total += (size_t)more;
    }
}

static bool is_readable(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    return poll(&ready, 1, 0) == 1;
}

void system_await(em_loop *loop, int fd)
{
    while (!is_readable(fd))
        system_turn(loop);
}

size_t system_read(em_loop *loop, int fd, void *buffer, size_t capacity)
{
    size_t total = 0;
    while (total < capacity) {
        system_await(loop, fd);
        ssize_t length = recv(fd, (char *)buffer + total, capacity - total, MSG_DONTWAIT);
        assert_true(length >= 0);
        if (length == 0)
            break;
        total += (size_t)length;
    }
    return total;
}

size_t system_read_to_end(em_loop *loop, int fd)
{
    static char dropped[65536];
    size_t total = 0;
    for (;;) {
        size_t length = system_read(loop, fd, dropped, sizeof dropped);
        total += length;
        if (length < sizeof dropped)
            return total;
    }
}

bool system_is_silent(int fd)
{
    return !is_readable(fd);
}

void system_reset(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    assert_return_code(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), errno);
    close(fd);
}

size_t system_write_until_full(em_loop *loop, int fd)
{
    static const char zeros[65536];
    size_t total = 0;
    uint64_t last_ns = system_now_ns();
    while (system_now_ns() - last_ns < FULL_MILLISECONDS * EM_MILLISECONDS) {
        ssize_t length = send(fd, zeros, sizeof zeros, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (length > 0) {
            total += (size_t)length;
            last_ns = system_now_ns();
        }
        system_turn(loop);
    }
    return total;
}

pid_t system_fork(void (*run)(void *argument), void *argument)
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return child;
    alarm(PEER_SECONDS);
    run(argument);
    _exit(0);
}

void system_child_check(bool condition, const char *what)
{
    if (condition)
        return;
    dprintf(STDERR_FILENO, "in the child, this does not hold: %s\n", what);
    _exit(1);
}

int system_wait(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}
