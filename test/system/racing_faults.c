/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * System calls that fail while several addresses are tried: the attempt fails, or is made later, and the race goes on.
 * The calls are replaced for the whole program. All addresses are of a server that accepts.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

typedef enum call { NO_CALL, SOCKET, BIND, SET_OPTION, GET_OPTION, CONNECT, WATCH } call;

enum { ADDRESSES = 3, EVERY_TIME = 1000 };

static call failing;
static unsigned failures_left;
static unsigned failures;
static int error;

static bool fails(call made)
{
    if (made != failing || failures_left == 0)
        return false;
    failures_left--;
    failures++;
    errno = error;
    return true;
}

int socket(int family, int type, int protocol)
{
    return fails(SOCKET) ? -1 : (int)syscall(SYS_socket, family, type, protocol);
}

int bind(int fd, __CONST_SOCKADDR_ARG address, socklen_t length)
{
    return fails(BIND) ? -1 : (int)syscall(SYS_bind, fd, address.__sockaddr__, length);
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
    return fails(SET_OPTION) ? -1 : (int)syscall(SYS_setsockopt, fd, level, option, value, length);
}

int getsockopt(int fd, int level, int option, void *value, socklen_t *length)
{
    bool is_result = level == SOL_SOCKET && option == SO_ERROR;
    return is_result && fails(GET_OPTION) ? -1 : (int)syscall(SYS_getsockopt, fd, level, option, value, length);
}

int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t length)
{
    return fails(CONNECT) ? -1 : (int)syscall(SYS_connect, fd, address.__sockaddr__, length);
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    return operation == EPOLL_CTL_ADD && fails(WATCH) ? -1 : (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
}

static const struct {
    call call;
    int error;
    em_status reason;
} faults[] = {
    {SOCKET, EMFILE, EM_NO_DESCRIPTORS},
    {SOCKET, ENOBUFS, EM_NO_BUFFERS},
    {SOCKET, EAFNOSUPPORT, EM_ADDRESS_FAMILY},
    {BIND, EADDRNOTAVAIL, EM_ADDRESS_NOT_AVAILABLE},
    {BIND, EADDRINUSE, EM_ADDRESS_IN_USE},
    {SET_OPTION, ENOMEM, EM_NO_MEMORY},
    {GET_OPTION, ENOBUFS, EM_NO_BUFFERS},
    {CONNECT, ENETUNREACH, EM_NETWORK_UNREACHABLE},
    {CONNECT, EADDRNOTAVAIL, EM_ADDRESS_NOT_AVAILABLE},
    {CONNECT, EACCES, EM_PERMISSION_DENIED},
    {WATCH, ENOMEM, EM_NO_MEMORY},
    {WATCH, ENOSPC, EM_SYSTEM_ERROR},
};

enum { FAULTS = sizeof faults / sizeof *faults };

/* Runs a race in which a call fails so many times. Returns whether it has failed at all: with some backends there is no
 * such call. */
static bool race(em_loop *loop, int port, unsigned fault, unsigned times, system_record *record)
{
    em_stream_options stream = {.size = sizeof stream, .keepalive = EM_ON};
    em_connect_options options = {.size = sizeof options, .user = record, .stream = &stream, .bind_host = "127.0.0.1"};
    em_address addresses[ADDRESSES];
    static const char *const texts[ADDRESSES] = {"127.0.0.1", "127.0.0.2", "127.0.0.3"};
    for (unsigned i = 0; i < ADDRESSES; i++)
        assert_int_equal(em_address_from_text(texts[i], port, &addresses[i]), EM_OK);
    em_connection *client;
    assert_int_equal(em_loop_connect_addresses(loop, addresses, ADDRESSES, &system_recorder, &options, &client), EM_OK);
    assert_int_equal(em_connection_send_text(client, "once"), EM_OK);
    failing = faults[fault].call;
    error = faults[fault].error;
    failures = 0;
    failures_left = times;
    while (record->completed + record->unbind == 0)
        system_turn(loop);
    failing = NO_CALL;
    return failures > 0;
}

static int serve_all(em_loop *loop, system_record *served)
{
    em_server_options options = {.size = sizeof options, .user = served};
    em_server *server;
    assert_int_equal(em_loop_start_server(loop, "0.0.0.0", 0, &system_recorder, &options, &server), EM_OK);
    return system_port_of(server);
}

static void one_call_that_fails_costs_one_attempt(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int port = serve_all(*state, served);
    for (unsigned i = 0; i < FAULTS; i++) {
        system_record *record = system_new_record(SYSTEM_NONE);
        served->bytes = 0;
        race(*state, port, i, 1, record);
        assert_int_equal(record->completed, 1);
        assert_int_equal(em_connection_close_after_writing(record->connection), EM_OK);
        while (record->unbind == 0 || served->unbind < served->post_init || system_stats(*state).connections_open > 0)
            system_turn(*state);
        assert_int_equal(served->bytes, 4);
        assert_int_equal(record->completed + record->unbind, 2);
    }
}

static void calls_that_always_fail_end_the_race_with_what_they_said(void **state)
{
    int port = serve_all(*state, system_new_record(SYSTEM_NONE));
    for (unsigned i = 0; i < FAULTS; i++) {
        system_record *record = system_new_record(SYSTEM_NONE);
        if (!race(*state, port, i, EVERY_TIME, record))
            continue;
        assert_int_equal(record->completed, 0);
        assert_int_equal(record->reason, faults[i].reason);
        system_turn(*state);
        assert_int_equal(record->unbind, 1);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(one_call_that_fails_costs_one_attempt),
        SYSTEM_TEST(calls_that_always_fail_end_the_race_with_what_they_said),
    };
    return SYSTEM_RUN(tests);
}
