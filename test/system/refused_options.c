/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Socket options that the system refuses to set: whoever gave one learns of it. setsockopt(2) is replaced for the whole
 * program, so that it can refuse.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/sockets.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

#define COUNT(list) (sizeof(list) / sizeof *(list))

/* What setsockopt refuses; error 0: nothing. */
static struct refused {
    int level;
    int option;
    int error;
} refused;

int setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
    if (refused.error != 0 && level == refused.level && option == refused.option) {
        errno = refused.error;
        return -1;
    }
    return (int)syscall(SYS_setsockopt, fd, level, option, value, length);
}

static void refuse(int level, int option, int error)
{
    refused = (struct refused){.level = level, .option = option, .error = error};
}

static int set_up(void **state)
{
    refuse(0, 0, 0);
    return system_set_up(state);
}

static const struct given {
    em_stream_options stream;
    struct refused refused;
    em_status status;
    bool tcp_only;
} options[] = {
    {{.size = sizeof options->stream, .no_delay = EM_ON},
     {IPPROTO_TCP, TCP_NODELAY, ENOPROTOOPT},
     EM_NO_PROTOCOL_OPTION,
     true},
    {{.size = sizeof options->stream, .no_delay = EM_OFF},
     {IPPROTO_TCP, TCP_NODELAY, EOPNOTSUPP},
     EM_UNSUPPORTED,
     true},
    {{.size = sizeof options->stream, .keepalive = EM_ON},
     {SOL_SOCKET, SO_KEEPALIVE, EINVAL},
     EM_INVALID_ARGUMENT,
     true},
    {{.size = sizeof options->stream, .user_timeout_ns = EM_SECONDS},
     {IPPROTO_TCP, TCP_USER_TIMEOUT, EOPNOTSUPP},
     EM_UNSUPPORTED,
     true},
    {{.size = sizeof options->stream, .send_buffer_bytes = 9999},
     {SOL_SOCKET, SO_SNDBUF, ENOBUFS},
     EM_NO_BUFFERS,
     false},
    {{.size = sizeof options->stream, .receive_buffer_bytes = 9999},
     {SOL_SOCKET, SO_RCVBUF, ENOBUFS},
     EM_NO_BUFFERS,
     false},
    {{.size = sizeof options->stream, .linger = EM_ON}, {SOL_SOCKET, SO_LINGER, ENOMEM}, EM_NO_MEMORY, false},
    {{.size = sizeof options->stream, .linger = EM_OFF}, {SOL_SOCKET, SO_LINGER, ENOMEM}, EM_NO_MEMORY, false},
};

static void a_server_does_not_start_with_an_option_for_its_connections_that_is_refused(void **state)
{
    for (size_t i = 0; i < COUNT(options); i++) {
        em_server_options serving = {.size = sizeof serving, .stream = &options[i].stream};
        em_server *server = (em_server *)*state; /* anything but NULL */
        unsigned descriptors = system_descriptors();
        refused = options[i].refused;
        assert_int_equal(em_loop_start_server(*state, "127.0.0.1", 0, &system_recorder, &serving, &server),
                         options[i].status);
        assert_null(server);
        system_turn(*state);
        assert_int_equal(system_descriptors(), descriptors);
        assert_int_equal(system_stats(*state).servers_open, 0);
    }
}

static void connecting_to_an_address_fails_at_once_if_an_option_is_refused(void **state)
{
    int port, listener = system_listen(1, &port);
    for (size_t i = 0; i < COUNT(options); i++) {
        system_record *record = system_new_record(SYSTEM_NONE);
        em_connect_options connecting = {.size = sizeof connecting, .stream = &options[i].stream, .user = record};
        em_connection *connection = (em_connection *)*state; /* anything but NULL */
        refused = options[i].refused;
        assert_int_equal(em_loop_connect(*state, "127.0.0.1", port, &system_recorder, &connecting, &connection),
                         options[i].status);
        assert_null(connection);
        system_turn(*state);
        assert_int_equal(record->post_init + record->unbind, 0);
        assert_int_equal(system_stats(*state).connections_open, 0);
    }
    assert_int_equal(close(listener), 0);
}

static void connecting_to_a_name_ends_with_the_status_of_an_option_that_is_refused(void **state)
{
    int port, listener = system_listen(1, &port);
    for (size_t i = 0; i < COUNT(options); i++) {
        system_record *record = system_new_record(SYSTEM_UNBIND);
        em_connect_options connecting = {.size = sizeof connecting, .stream = &options[i].stream, .user = record};
        refused = options[i].refused;
        assert_int_equal(em_loop_connect(*state, "localhost", port, &system_recorder, &connecting, NULL), EM_OK);
        assert_int_equal(em_loop_run(*state), EM_OK);
        assert_int_equal(record->reason, options[i].status);
        assert_int_equal(record->completed, 0);
        assert_int_equal(record->unbind, 1);
    }
    assert_int_equal(close(listener), 0);
}

static void a_socket_whose_option_is_refused_is_not_attached_and_stays_the_callers(void **state)
{
    for (size_t i = 0; i < COUNT(options); i++) {
        em_attach_options attaching = {.size = sizeof attaching, .stream = &options[i].stream};
        system_record *record = system_new_record(SYSTEM_NONE);
        int port, listener = system_listen(1, &port), ends[2] = {system_connect(port)};
        ends[1] = system_accept(listener);
        int flags = fcntl(ends[0], F_GETFL);
        attaching.user = record;
        refused = options[i].refused;
        assert_int_equal(em_loop_attach(*state, ends[0], &system_recorder, &attaching, NULL), options[i].status);
        system_turn(*state);
        assert_int_equal(record->post_init + record->unbind, 0);
        assert_int_equal(system_stats(*state).connections_open, 0);
        assert_int_equal(fcntl(ends[0], F_GETFL), flags);
        refuse(0, 0, 0);
        assert_int_equal(em_loop_attach(*state, ends[0], &system_recorder, &attaching, NULL), EM_OK);
        assert_int_equal(record->post_init, 1);
        assert_int_equal(close(listener) | close(ends[1]), 0);
        while (record->unbind == 0)
            system_turn(*state);
    }
}

/* Accepted sockets inherit no options from a socket that was given. */
static void a_client_of_a_given_socket_ends_with_the_status_of_an_option_that_is_refused(void **state)
{
    for (size_t i = 0; i < COUNT(options); i++) {
        system_record *record = system_new_record(SYSTEM_UNBIND);
        em_server_options serving = {.size = sizeof serving, .stream = &options[i].stream, .user = record};
        em_server *server;
        int port, listener = system_listen(1, &port);
        assert_int_equal(em_loop_attach_server(*state, listener, &system_recorder, &serving, &server), EM_OK);
        int client = system_connect(port);
        refused = options[i].refused;
        assert_int_equal(em_loop_run(*state), EM_OK);
        refuse(0, 0, 0);
        assert_int_equal(record->post_init, 1);
        assert_int_equal(record->unbind, 1);
        assert_int_equal(record->reason, options[i].status);
        assert_int_equal(em_server_stop(server), EM_OK);
        assert_int_equal(close(client), 0);
    }
}

static void options_of_tcp_are_no_matter_of_unix_domain_sockets_but_the_others_are(void **state)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/em_refused_options_%d", (int)getpid());
    for (size_t i = 0; i < COUNT(options); i++) {
        system_record *served = system_new_record(SYSTEM_UNBIND);
        em_server_options serving = {.size = sizeof serving, .stream = &options[i].stream, .user = served};
        em_server *server;
        assert_int_equal(em_loop_start_unix_domain_server(*state, path, &system_recorder, &serving, &server), EM_OK);
        em_connection *client;
        assert_int_equal(em_loop_connect_unix_domain(*state, path, &system_recorder,
                                                     &(em_connect_options){.size = sizeof(em_connect_options),
                                                                           .user = system_new_record(SYSTEM_NONE)},
                                                     &client),
                         EM_OK);
        refused = options[i].refused;
        assert_int_equal(em_connection_close_after_writing(client), EM_OK);
        assert_int_equal(em_loop_run(*state), EM_OK);
        refuse(0, 0, 0);
        assert_int_equal(served->reason, options[i].tcp_only ? EM_OK : options[i].status);
        assert_int_equal(em_server_stop(server), EM_OK);
        assert_int_equal(unlink(path), 0);
    }
}

static void no_delay_is_only_a_wish_unless_it_is_given(void **state)
{
    refuse(IPPROTO_TCP, TCP_NODELAY, ENOPROTOOPT);
    system_record *record = system_new_record(SYSTEM_COMPLETED);
    int port = system_serve(*state, &system_echo, system_new_record(SYSTEM_NONE));
    system_dial(*state, port, &system_recorder, record);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(record->completed, 1);
}

static int option_of(int fd, int level, int option)
{
    struct linger value = {.l_onoff = 0};
    socklen_t length = sizeof value;
    assert_int_equal(getsockopt(fd, level, option, &value, &length), 0);
    return value.l_onoff != 0;
}

static void expect_options(int fd, int no_delay, int keepalive, int linger)
{
    assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), no_delay);
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), keepalive);
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_LINGER), linger);
}

static void attaching_switches_off_what_is_given_as_off_and_leaves_the_rest(void **state)
{
    em_stream_options off = {.size = sizeof off, .no_delay = EM_OFF, .keepalive = EM_OFF, .linger = EM_OFF};
    em_attach_options attaching = {.size = sizeof attaching, .user = system_new_record(SYSTEM_NONE)};
    const int on = 1;
    const struct linger linger = {.l_onoff = 1};
    int ends[2], again;
    em_connection *connection;
    tcp_pair(ends);
    assert_int_equal(setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on), 0);
    assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    assert_int_equal(em_loop_attach(*state, ends[0], &system_recorder, &attaching, &connection), EM_OK);
    expect_options(ends[0], 1, 1, 1);
    assert_int_equal(em_connection_detach(connection, &again), EM_OK);
    attaching.stream = &off;
    assert_int_equal(em_loop_attach(*state, again, &system_recorder, &attaching, NULL), EM_OK);
    expect_options(again, 0, 0, 0);
    assert_int_equal(close(ends[1]), 0);
}

#define REFUSAL_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, system_tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        REFUSAL_TEST(a_server_does_not_start_with_an_option_for_its_connections_that_is_refused),
        REFUSAL_TEST(connecting_to_an_address_fails_at_once_if_an_option_is_refused),
        REFUSAL_TEST(connecting_to_a_name_ends_with_the_status_of_an_option_that_is_refused),
        REFUSAL_TEST(a_socket_whose_option_is_refused_is_not_attached_and_stays_the_callers),
        REFUSAL_TEST(a_client_of_a_given_socket_ends_with_the_status_of_an_option_that_is_refused),
        REFUSAL_TEST(options_of_tcp_are_no_matter_of_unix_domain_sockets_but_the_others_are),
        REFUSAL_TEST(no_delay_is_only_a_wish_unless_it_is_given),
        REFUSAL_TEST(attaching_switches_off_what_is_given_as_off_and_leaves_the_rest),
    };
    return SYSTEM_RUN(tests);
}
