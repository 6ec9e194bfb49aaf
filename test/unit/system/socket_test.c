/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sockets: every call returns a status, nothing blocks, no other program inherits anything, nothing raises SIGPIPE.
 */
#include "system/socket.h"

#include "support/sockets.h"
#include "support/unit.h"
#include "system/socket_file.h"
#include "system/system_error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void errors_of_the_system_have_statuses(void **state)
{
    (void)state;
    static const struct known {
        int error;
        em_status status;
    } known[] = {
        {0, EM_OK},
        {EAGAIN, EM_WOULD_BLOCK},
        {EWOULDBLOCK, EM_WOULD_BLOCK},
        {EINTR, EM_INTERRUPTED},
        {EINPROGRESS, EM_IN_PROGRESS},
        {ECONNRESET, EM_CONNECTION_RESET},
        {EPIPE, EM_BROKEN_PIPE},
        {ECONNREFUSED, EM_CONNECTION_REFUSED},
        {ECONNABORTED, EM_CONNECTION_ABORTED},
        {ETIMEDOUT, EM_TIMED_OUT},
        {ENETUNREACH, EM_NETWORK_UNREACHABLE},
        {EHOSTUNREACH, EM_HOST_UNREACHABLE},
        {EADDRINUSE, EM_ADDRESS_IN_USE},
        {EADDRNOTAVAIL, EM_ADDRESS_NOT_AVAILABLE},
        {EAFNOSUPPORT, EM_ADDRESS_FAMILY},
        {EACCES, EM_PERMISSION_DENIED},
        {EPERM, EM_PERMISSION_DENIED},
        {EMFILE, EM_NO_DESCRIPTORS},
        {ENFILE, EM_NO_DESCRIPTORS},
        {ENOMEM, EM_NO_MEMORY},
        {ENOBUFS, EM_NO_BUFFERS},
        {ENOTCONN, EM_NOT_CONNECTED},
        {ENOENT, EM_NO_SUCH_FILE},
        {EBADF, EM_BAD_DESCRIPTOR},
        {ENOTSOCK, EM_NOT_A_SOCKET},
        {EINVAL, EM_INVALID_ARGUMENT},
        {EXDEV, EM_SYSTEM_ERROR},
        {-1, EM_SYSTEM_ERROR},
        {INT_MAX, EM_SYSTEM_ERROR},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        assert_int_equal(emi_status_from_errno(known[i].error), known[i].status);
        errno = known[i].error;
        assert_int_equal(emi_last_status(), known[i].status);
    }
    for (int error = 1; error < 200; error++)
        assert_true(emi_status_from_errno(error) < 0);
}

static void the_error_number_behind_a_status_is_the_latest_of_those_that_it_stands_for(void **state)
{
    (void)state;
    emi_status_from_errno(EROFS);
    assert_int_equal(em_status_get_system_error(EM_PERMISSION_DENIED), EROFS);
    emi_status_from_errno(EACCES);
    assert_int_equal(em_status_get_system_error(EM_PERMISSION_DENIED), EACCES);
    emi_status_from_errno(EXDEV);
    assert_int_equal(em_status_get_system_error(EM_SYSTEM_ERROR), EXDEV);
    assert_int_equal(em_status_get_system_error(EM_HOST_UNREACHABLE), EHOSTUNREACH);
    assert_int_equal(em_status_get_system_error(EM_OK), 0);
    assert_int_equal(em_status_get_system_error(EM_UNDER_PRESSURE), 0);
    assert_int_equal(em_status_get_system_error(EM_CONNECT_TIMEOUT), 0);
    static const int none[] = {INT_MAX, INT_MIN, EM_SYSTEM_ERROR - 64, EM_SYSTEM_ERROR - 63, EM_SYSTEM_ERROR + 1};
    for (size_t i = 0; i < COUNT(none); i++)
        assert_int_equal(em_status_get_system_error((em_status)none[i]), 0);
}

static void assert_harmless(int fd)
{
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void listen_on_any_port(int *listener, em_address *address)
{
    assert_int_equal(em_address_from_text("127.0.0.1", 0, address), EM_OK);
    assert_int_equal(emi_socket_open(address, listener), EM_OK);
    assert_int_equal(emi_socket_bind(*listener, address), EM_OK);
    assert_int_equal(emi_socket_check_listening(*listener), EM_INVALID_ARGUMENT);
    assert_int_equal(emi_socket_listen(*listener, 0), EM_OK);
    assert_int_equal(emi_socket_check_listening(*listener), EM_OK);
    assert_int_equal(emi_socket_local_address(*listener, address), EM_OK);
    assert_true(em_address_get_port(address) > 0);
}

static void sockets_connect_transfer_and_end_without_blocking(void **state)
{
    (void)state;
    int listener, client, server;
    em_address address, peer, client_address;
    char buffer[16];
    size_t length;
    listen_on_any_port(&listener, &address);
    assert_harmless(listener);
    assert_int_equal(emi_socket_accept(listener, &server, &peer), EM_WOULD_BLOCK);
    assert_int_equal(emi_socket_open(&address, &client), EM_OK);
    assert_harmless(client);
    em_status status = emi_socket_connect(client, &address);
    assert_true(status == EM_OK || status == EM_IN_PROGRESS);
    assert_true(wait_until_readable(listener, 5000));
    assert_int_equal(emi_socket_accept(listener, &server, &peer), EM_OK);
    assert_harmless(server);
    assert_int_equal(emi_socket_take_error(client), EM_OK);
    assert_int_equal(emi_socket_local_address(client, &client_address), EM_OK);
    assert_int_equal(em_address_get_port(&client_address), em_address_get_port(&peer));
    assert_int_equal(emi_socket_peer_address(server, &peer), EM_OK);
    assert_int_equal(em_address_get_port(&client_address), em_address_get_port(&peer));

    assert_int_equal(emi_socket_receive(server, buffer, sizeof buffer, &length), EM_WOULD_BLOCK);
    assert_int_equal(length, 0);
    char first[] = "he";
    char second[] = "llo";
    emi_span spans[] = {{.data = first, .length = 2}, {.data = second, .length = 3}};
    assert_int_equal(emi_socket_send(client, spans, 2, &length), EM_OK);
    assert_int_equal(length, 5);
    assert_true(wait_until_readable(server, 5000));
    assert_int_equal(emi_socket_receive(server, buffer, sizeof buffer, &length), EM_OK);
    assert_int_equal(length, 5);
    assert_memory_equal(buffer, "hello", 5);
    assert_int_equal(emi_socket_shutdown_write(client), EM_OK);
    assert_true(wait_until_readable(server, 5000));
    assert_int_equal(emi_socket_receive(server, buffer, sizeof buffer, &length), EM_OK);
    assert_int_equal(length, 0);
    emi_socket_close(client);
    emi_socket_close(server);
    emi_socket_close(listener);
}

static void sending_to_a_closed_peer_is_a_status_and_no_signal(void **state)
{
    (void)state;
    int pair[2];
    size_t length;
    char text[] = "x";
    emi_span spans[] = {{.data = text, .length = 1}, {.data = text, .length = 1}};
    assert_int_equal(emi_socket_pair(pair), EM_OK);
    assert_harmless(pair[0]);
    assert_harmless(pair[1]);
    emi_socket_close(pair[1]);
    assert_int_equal(emi_socket_send(pair[0], spans, 1, &length), EM_BROKEN_PIPE);
    assert_int_equal(length, 0);
    assert_int_equal(emi_socket_send(pair[0], spans, 2, &length), EM_BROKEN_PIPE);
    emi_socket_close(pair[0]);
}

static void a_refused_connection_is_reported(void **state)
{
    (void)state;
    int held, client;
    em_address address;
    unused_address(&address, &held);
    assert_int_equal(emi_socket_open(&address, &client), EM_OK);
    em_status status = emi_socket_connect(client, &address);
    if (status == EM_IN_PROGRESS) {
        assert_true(wait_until_readable(client, 5000));
        status = emi_socket_take_error(client);
    }
    assert_int_equal(status, EM_CONNECTION_REFUSED);
    emi_socket_close(client);
    close(held);
}

static int port_of(int fd)
{
    em_address address;
    assert_int_equal(emi_socket_local_address(fd, &address), EM_OK);
    return em_address_get_port(&address);
}

static int datagram_socket(em_address *address)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(em_address_from_text("127.0.0.1", 0, address), EM_OK);
    assert_int_equal(emi_socket_bind(fd, address), EM_OK);
    assert_int_equal(emi_socket_local_address(fd, address), EM_OK);
    return fd;
}

/* By chance, two of the ports in a row may be the same. */
static void a_datagram_socket_that_gives_up_its_port_gets_others_at_random(void **state)
{
    (void)state;
    enum { TIMES = 8 };
    em_address peer_address, old = {.length = 0};
    char byte = 'x';
    int different = 0, last = 0;
    int peer = datagram_socket(&peer_address);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    for (int i = 0; i < TIMES; i++) {
        assert_int_equal(emi_socket_connect(fd, &peer_address), EM_OK);
        different += port_of(fd) != last;
        last = port_of(fd);
        assert_int_equal(emi_socket_local_address(fd, &old), EM_OK);
        if (emi_socket_release_port(fd) == EM_UNSUPPORTED)
            skip();
        assert_int_equal(port_of(fd), 0);
        sendto(peer, &byte, 1, 0, (const struct sockaddr *)(const void *)old.storage.bytes, old.length);
        assert_false(wait_until_readable(fd, 0));
    }
    assert_true(different > TIMES / 2);
    assert_int_equal(emi_socket_release_port(-1), EM_BAD_DESCRIPTOR);
    close(fd);
    close(peer);
}

static void turning_away_accepts_and_closes(void **state)
{
    (void)state;
    int listener;
    char byte;
    em_address address;
    listen_on_any_port(&listener, &address);
    assert_int_equal(emi_socket_accept_and_close(listener), EM_WOULD_BLOCK);
    int client = tcp_connect(&address);
    assert_true(wait_until_readable(listener, 5000));
    assert_int_equal(emi_socket_accept_and_close(listener), EM_OK);
    assert_true(wait_until_readable(client, 5000));
    assert_int_equal(recv(client, &byte, 1, 0), 0);
    close(client);
    emi_socket_close(listener);
}

static int option_of(int fd, int level, int option)
{
    int value = -1;
    size_t bytes = sizeof value;
    assert_int_equal(emi_socket_get_option(fd, level, option, &value, &bytes), EM_OK);
    assert_int_equal(bytes, sizeof value);
    return value;
}

static void options_have_names(void **state)
{
    (void)state;
    int fd = tcp_socket();
    assert_int_equal(emi_socket_set_reuse_address(fd, true), EM_OK);
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_REUSEADDR), 1);
    assert_int_equal(emi_socket_set_reuse_port(fd, true), EM_OK);
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_REUSEPORT), 1);
    assert_int_equal(emi_socket_set_no_delay(fd, true), EM_OK);
    assert_int_not_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 0);
    assert_int_equal(emi_socket_set_no_delay(fd, false), EM_OK);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 0);
    assert_int_equal(emi_socket_set_buffer_sizes(fd, 20000, 30000), EM_OK);
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_SNDBUF), 40000);
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_RCVBUF), 60000);
    assert_int_equal(emi_socket_set_buffer_sizes(fd, 0, 0), EM_OK);
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_SNDBUF), 40000);
    assert_int_equal(emi_socket_set_user_timeout(fd, UINT64_C(3000000000)), EM_OK);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 3000);
    assert_int_equal(emi_socket_set_user_timeout(fd, UINT64_MAX), EM_OK);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), INT_MAX);
    assert_int_equal(emi_socket_set_keepalive(fd, true, 10, 20, 3), EM_OK);
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 10);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL), 20);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
    assert_int_equal(emi_socket_set_keepalive(fd, false, 99, 0, 0), EM_OK);
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 10);
    emi_socket_close(fd);
}

static void a_linger_of_no_seconds_resets_the_peer(void **state)
{
    (void)state;
    int pair[2];
    char byte;
    size_t length;
    tcp_pair(pair);
    assert_int_equal(emi_socket_set_linger(pair[0], 0), EM_OK);
    emi_socket_close(pair[0]);
    assert_true(wait_until_readable(pair[1], 5000));
    assert_int_equal(emi_socket_receive(pair[1], &byte, 1, &length), EM_CONNECTION_RESET);
    emi_socket_close(pair[1]);
}

static void each_wrong_descriptor_has_its_status(void **state)
{
    (void)state;
    int reserve = emi_open_reserve_descriptor();
    assert_true(reserve >= 0);
    assert_int_equal(emi_socket_check_listening(reserve), EM_NOT_A_SOCKET);
    assert_int_equal(emi_socket_set_no_delay(reserve, true), EM_NOT_A_SOCKET);
    emi_socket_close(reserve);
    assert_int_equal(emi_socket_check_listening(reserve), EM_BAD_DESCRIPTOR);
    assert_int_equal(emi_socket_set_nonblocking(reserve), EM_BAD_DESCRIPTOR);
    emi_socket_close(EMI_NO_SOCKET);
}

static void every_descriptor_is_closed_whatever_its_number(void **state)
{
    (void)state;
    for (int fd = 0; fd <= 2; fd++) {
        int kept = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        emi_socket_close(fd);
        int flags = fcntl(fd, F_GETFD);
        dup2(kept, fd);
        close(kept);
        assert_int_equal(flags, -1);
    }
    emi_socket_close(EMI_NO_SOCKET);
}

static em_status remove_at(const char *path)
{
    em_address address;
    assert_int_equal(em_address_from_path(path, &address), EM_OK);
    return emi_remove_stale_socket_file(&address);
}

static void only_files_of_unused_unix_sockets_are_removed(void **state)
{
    (void)state;
    char folder[] = "/tmp/eventmachine-test-XXXXXX";
    char socket_path[64], file_path[64];
    struct stat status;
    em_address address;
    int fd;
    assert_non_null(mkdtemp(folder));
    snprintf(socket_path, sizeof socket_path, "%s/socket", folder);
    snprintf(file_path, sizeof file_path, "%s/file", folder);
    assert_int_equal(em_address_from_path(socket_path, &address), EM_OK);
    assert_int_equal(emi_socket_open(&address, &fd), EM_OK);
    assert_int_equal(emi_socket_bind(fd, &address), EM_OK);
    close(open(file_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(remove_at(socket_path), EM_OK);
    assert_int_equal(stat(socket_path, &status), 0); /* a process has the socket, though it does not listen yet */
    emi_socket_close(fd);
    assert_int_equal(remove_at(socket_path), EM_OK);
    assert_int_equal(remove_at(socket_path), EM_OK); /* no process has it any more */
    assert_int_equal(remove_at(file_path), EM_OK);
    assert_int_equal(remove_at(folder), EM_OK);
    assert_int_equal(stat(socket_path, &status), -1);
    assert_int_equal(stat(file_path, &status), 0);
    unlink(file_path);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_of_the_system_have_statuses),
        cmocka_unit_test(the_error_number_behind_a_status_is_the_latest_of_those_that_it_stands_for),
        cmocka_unit_test(sockets_connect_transfer_and_end_without_blocking),
        cmocka_unit_test(sending_to_a_closed_peer_is_a_status_and_no_signal),
        cmocka_unit_test(a_refused_connection_is_reported),
        cmocka_unit_test(a_datagram_socket_that_gives_up_its_port_gets_others_at_random),
        cmocka_unit_test(turning_away_accepts_and_closes),
        cmocka_unit_test(options_have_names),
        cmocka_unit_test(a_linger_of_no_seconds_resets_the_peer),
        cmocka_unit_test(each_wrong_descriptor_has_its_status),
        cmocka_unit_test(every_descriptor_is_closed_whatever_its_number),
        cmocka_unit_test(only_files_of_unused_unix_sockets_are_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
