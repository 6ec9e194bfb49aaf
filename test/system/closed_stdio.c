/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A process without standard streams, as daemons are: its sockets have the numbers 0, 1 and 2, and are closed like all
 * others.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { HIGH_NUMBER = 100, CLIENTS = 3, MOST_TURNS = 2000 };

typedef enum moment { BEFORE_THE_LOOP, AFTER_THE_LOOP } moment;

/* What went wrong, as the exit status: there is nowhere to print. */
typedef enum fault { NONE, NO_LOOP, NO_SERVER, HIGH_SERVER, NO_UNBIND, NO_END, STILL_LISTENING, STILL_OPEN } fault;

static unsigned unbound;

static void close_at_once(em_connection *connection, const void *data, size_t length)
{
    (void)data;
    (void)length;
    em_connection_close(connection);
}

static void count(em_connection *connection, em_status reason)
{
    (void)connection;
    (void)reason;
    unbound++;
}

static const em_handler closing = {.receive_data = close_at_once, .unbind = count};

static void close_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        close(fd);
}

/* A client with a high number, so that the low ones are the library's; -1: refused. */
static int client_of(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int low = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd = fcntl(low, F_DUPFD_CLOEXEC, HIGH_NUMBER);
    close(low);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static fault serve(em_loop *loop, em_server *server)
{
    int clients[CLIENTS];
    int port = system_port_of(server);
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = client_of(port);
        if (send(clients[i], "x", 1, MSG_NOSIGNAL) != 1)
            return NO_SERVER;
    }
    for (unsigned turns = 0; unbound < CLIENTS && turns < MOST_TURNS; turns++)
        em_loop_run_once(loop, 10 * EM_MILLISECONDS);
    if (unbound < CLIENTS)
        return NO_UNBIND;
    for (unsigned i = 0; i < CLIENTS; i++) {
        char byte;
        if (recv(clients[i], &byte, 1, MSG_DONTWAIT) != 0)
            return NO_END;
        close(clients[i]);
    }
    em_server_stop(server);
    return client_of(port) == -1 ? NONE : STILL_LISTENING;
}

static fault live_without_standard_streams(moment closed)
{
    em_loop_options options = {.size = sizeof options, .backend = system_backend()};
    em_loop *loop;
    em_server *server;
    if (closed == BEFORE_THE_LOOP)
        close_standard_streams();
    if (em_loop_create(&options, &loop) != EM_OK)
        return NO_LOOP;
    if (closed == AFTER_THE_LOOP)
        close_standard_streams();
    if (em_loop_start_server(loop, "127.0.0.1", 0, &closing, NULL, &server) != EM_OK)
        return NO_SERVER;
    if (closed == AFTER_THE_LOOP && em_server_get_descriptor(server) > 2)
        return HIGH_SERVER;
    fault found = serve(loop, server);
    em_loop_destroy(loop);
    for (int fd = 0; fd <= 2; fd++)
        if (found == NONE && fcntl(fd, F_GETFD) != -1)
            found = STILL_OPEN;
    return found;
}

static void live(void *closed)
{
    _exit(live_without_standard_streams(*(moment *)closed));
}

static void sockets_with_the_numbers_of_standard_streams_are_closed(void **state)
{
    (void)state;
    for (moment closed = BEFORE_THE_LOOP; closed <= AFTER_THE_LOOP; closed++)
        assert_int_equal(system_wait(system_fork(live, &closed)), NONE);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(sockets_with_the_numbers_of_standard_streams_are_closed),
    };
    return SYSTEM_RUN(tests);
}
