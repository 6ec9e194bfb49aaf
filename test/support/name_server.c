/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The server's thread serves a socket for datagrams and one for streams. From a third one it sends forged responses.
 */
#include "support/name_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/name_server_replies.h"
#include "support/unit.h"

enum { QUESTION = NAME_SERVER_QUESTION, SEEN = 65536 };

struct name_server {
    pthread_t thread;
    int datagrams;
    int forger;
    int streams;
    int stop[2];
    int port;
    char address[32];
    atomic_uint queries;
    atomic_uint ports;
    atomic_uint ids;
    atomic_bool is_silent;
    bool is_apart;
    sem_t is_running;
    bool seen_ports[SEEN];
    bool seen_ids[SEEN];
};

static bool read_question(name_server_exchange *all)
{
    size_t at = QUESTION;
    if (all->query_length < QUESTION + 5)
        return false;
    size_t length = all->query[at] < 63 ? all->query[at] : 63;
    memcpy(all->label, all->query + at + 1, length);
    all->label[length] = '\0';
    all->label[strcspn(all->label, "0123456789-")] = '\0';
    while (at < all->query_length && all->query[at])
        at += all->query[at] + 1U;
    all->question_end = at + 5;
    if (all->question_end > all->query_length)
        return false;
    all->type = (unsigned)(all->query[at + 1] << 8 | all->query[at + 2]);
    all->has_edns = all->query[11] == 1;
    return true;
}

static void note(name_server *server, const name_server_exchange *all)
{
    unsigned port = ntohs(all->from.sin_port), id = (unsigned)(all->query[0] << 8 | all->query[1]);
    atomic_fetch_add(&server->queries, 1);
    if (!all->is_stream && !server->seen_ports[port])
        atomic_fetch_add(&server->ports, 1);
    if (!server->seen_ids[id])
        atomic_fetch_add(&server->ids, 1);
    server->seen_ports[port] = true;
    server->seen_ids[id] = true;
}

static void serve(name_server *server, name_server_exchange *all)
{
    if (!read_question(all))
        return;
    note(server, all);
    if (atomic_load(&server->is_silent))
        return;
    name_server_reply(all);
}

static void serve_datagram(name_server *server, name_server_exchange *all)
{
    socklen_t length = sizeof all->from;
    ssize_t count =
        recvfrom(server->datagrams, all->query, sizeof all->query, 0, (struct sockaddr *)&all->from, &length);
    if (count <= 0)
        return;
    all->query_length = (size_t)count;
    all->socket = server->datagrams;
    all->is_stream = false;
    serve(server, all);
}

static void serve_stream(name_server *server, name_server_exchange *all)
{
    unsigned char prefix[2];
    all->socket = accept(server->streams, NULL, NULL);
    if (all->socket < 0)
        return;
    if (recv(all->socket, prefix, 2, MSG_WAITALL) == 2) {
        size_t length = (size_t)(prefix[0] << 8 | prefix[1]);
        if (length <= sizeof all->query && recv(all->socket, all->query, length, MSG_WAITALL) == (ssize_t)length) {
            all->query_length = length;
            all->is_stream = true;
            serve(server, all);
        }
    }
    close(all->socket);
}

static void *run(void *argument)
{
    name_server *server = argument;
    name_server_exchange *all = calloc(1, sizeof *all);
    all->forger = server->forger;
    if (server->is_apart)
        assert_int_equal(unshare(CLONE_FILES), 0);
    sem_post(&server->is_running);
    struct pollfd waiting[] = {
        {server->datagrams, POLLIN, 0}, {server->streams, POLLIN, 0}, {server->stop[0], POLLIN, 0}};
    while (poll(waiting, 3, -1) > 0 && !waiting[2].revents) {
        if (waiting[0].revents)
            serve_datagram(server, all);
        if (waiting[1].revents)
            serve_stream(server, all);
    }
    free(all);
    return NULL;
}

static int open_socket(int type, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1, fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static int port_of(int fd)
{
    struct sockaddr_in address = {.sin_port = 0};
    socklen_t length = sizeof address;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    return ntohs(address.sin_port);
}

/* The same port for both. */
static void open_sockets(name_server *server, int port)
{
    for (server->streams = -1; server->streams < 0;) {
        server->datagrams = open_socket(SOCK_DGRAM, port);
        assert_true(server->datagrams >= 0);
        server->port = port_of(server->datagrams);
        server->streams = open_socket(SOCK_STREAM, server->port);
        if (server->streams < 0)
            close(server->datagrams);
    }
    server->forger = open_socket(SOCK_DGRAM, 0);
    listen(server->streams, 64);
}

static name_server *start(int port, bool is_apart)
{
    name_server *server = calloc(1, sizeof *server);
    assert_non_null(server);
    server->is_apart = is_apart;
    assert_int_equal(sem_init(&server->is_running, 0, 0), 0);
    open_sockets(server, port);
    assert_int_equal(pipe(server->stop), 0);
    snprintf(server->address, sizeof server->address, "127.0.0.1:%d", server->port);
    assert_int_equal(pthread_create(&server->thread, NULL, run, server), 0);
    while (sem_wait(&server->is_running) != 0)
        continue;
    return server;
}

name_server *name_server_start(int port)
{
    return start(port, false);
}

name_server *name_server_start_apart(void)
{
    return start(0, true);
}

const char *name_server_address(const name_server *server)
{
    return server->address;
}

int name_server_port(const name_server *server)
{
    return server->port;
}

unsigned name_server_queries(name_server *server)
{
    return atomic_load(&server->queries);
}

unsigned name_server_ports(name_server *server)
{
    return atomic_load(&server->ports);
}

unsigned name_server_ids(name_server *server)
{
    return atomic_load(&server->ids);
}

void name_server_be_silent(name_server *server)
{
    atomic_store(&server->is_silent, true);
}

void name_server_stop(name_server *server)
{
    assert_int_equal(write(server->stop[1], "", 1), 1);
    pthread_join(server->thread, NULL);
    close(server->datagrams);
    close(server->streams);
    close(server->forger);
    close(server->stop[0]);
    close(server->stop[1]);
    sem_destroy(&server->is_running);
    free(server);
}
