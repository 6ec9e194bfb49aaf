/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The peer's sockets. See states_peer.h.
 */
#include "support/states_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/system_test.h"

enum { SEGMENT_BYTES = 1400, LONGEST_WAIT_MILLISECONDS = 5000, BACKLOG = 16 };

const char states_peer_data[] = "last words";

typedef union socket_address {
    struct sockaddr any;
    struct sockaddr_in inet;
    struct sockaddr_un local;
} socket_address;

void states_path(const char *role, char *path, size_t capacity)
{
    snprintf(path, capacity, "@em_states_%s_%d", role, (int)getpid());
}

static socklen_t address_of(states_kind kind, const char *role, int port, socket_address *address)
{
    memset(address, 0, sizeof *address);
    if (kind == STATES_TCP) {
        address->inet.sin_family = AF_INET;
        address->inet.sin_port = htons((uint16_t)port);
        address->inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return sizeof address->inet;
    }
    address->local.sun_family = AF_UNIX;
    states_path(role, address->local.sun_path, sizeof address->local.sun_path);
    size_t length = strlen(address->local.sun_path);
    address->local.sun_path[0] = '\0'; /* the abstract namespace, unix(7) */
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static int open_socket(states_kind kind)
{
    int size = STATES_BUFFER_BYTES;
    int segment = SEGMENT_BYTES;
    int fd = socket(kind == STATES_TCP ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_return_code(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), errno);
    if (kind == STATES_TCP)
        assert_return_code(setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment), errno);
    return fd;
}

int states_peer_listen(states_kind kind, int *port)
{
    socket_address address;
    socklen_t length = address_of(kind, "peers", 0, &address);
    int fd = open_socket(kind);
    assert_return_code(bind(fd, &address.any, length), errno);
    assert_return_code(listen(fd, BACKLOG), errno);
    length = sizeof address;
    assert_return_code(getsockname(fd, &address.any, &length), errno);
    *port = kind == STATES_TCP ? ntohs(address.inet.sin_port) : 0;
    return fd;
}

int states_peer_connect(states_kind kind, int port)
{
    socket_address address;
    socklen_t length = address_of(kind, "server", port, &address);
    int fd = open_socket(kind);
    assert_return_code(connect(fd, &address.any, length), errno);
    return fd;
}

static void leave(int *peer, bool by_reset)
{
    struct linger now = {.l_onoff = 1};
    if (by_reset)
        assert_return_code(setsockopt(*peer, SOL_SOCKET, SO_LINGER, &now, sizeof now), errno);
    close(*peer);
    *peer = -1;
}

void states_peer_make(int *peer, states_kind kind, states_peer_move move)
{
    /* Fails if the connection has ended already, when no peer is left to send to. */
    if (states_sends_data(move))
        send(*peer, states_peer_data, strlen(states_peer_data), MSG_NOSIGNAL | MSG_DONTWAIT);
    switch (move) {
    case STATES_PEER_END:
    case STATES_PEER_DATA_END:
        shutdown(*peer, SHUT_WR);
        break;
    case STATES_PEER_RESET:
    case STATES_PEER_DATA_RESET:
        leave(peer, kind == STATES_TCP);
        break;
    case STATES_PEER_VANISHES:
        leave(peer, false);
        break;
    default:
        break;
    }
}

void states_await(int descriptor, short events)
{
    struct pollfd waiting = {.fd = descriptor, .events = events};
    if (descriptor >= 0)
        poll(&waiting, 1, LONGEST_WAIT_MILLISECONDS);
}

void states_peer_await(int descriptor, states_kind kind, states_peer_move move)
{
    if (move == STATES_PEER_SILENT)
        return;
    if (move == STATES_PEER_DATA)
        states_await(descriptor, POLLIN);
    else if (kind == STATES_TCP && (move == STATES_PEER_RESET || move == STATES_PEER_DATA_RESET))
        states_await(descriptor, 0); /* POLLHUP and POLLERR are always reported */
    else
        states_await(descriptor, POLLRDHUP);
}

long states_peer_read(int peer, void *buffer, size_t capacity, states_end *end)
{
    ssize_t length = recv(peer, buffer, capacity, MSG_DONTWAIT);
    if (length > 0)
        return length;
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return -1;
    *end = length == 0 ? STATES_END_SEEN : STATES_RESET_SEEN;
    return 0;
}
