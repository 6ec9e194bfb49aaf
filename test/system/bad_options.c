/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Options that make no sense are refused by whatever is given them, before anything is made.
 */
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

#define COUNT(list) (sizeof(list) / sizeof *(list))
#define NO_SWITCH ((em_switch)3)

static void expect_attaching_to_be_refused(em_loop *loop, const em_stream_options *stream)
{
    em_attach_options attaching = {.size = sizeof attaching, .stream = stream};
    em_server_options serving = {.size = sizeof serving, .stream = stream};
    int ends[2], port;
    int listener = system_listen(1, &port);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(em_loop_attach(loop, ends[0], &system_recorder, &attaching, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_attach_server(loop, listener, &system_recorder, &serving, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(close(listener) | close(ends[0]) | close(ends[1]), 0);
}

/* Expects that servers and connections with these options are refused, and that nothing has been opened. */
static void expect_refusal(em_loop *loop, const em_stream_options *stream)
{
    em_server_options serving = {.size = sizeof serving, .stream = stream};
    em_connect_options connecting = {.size = sizeof connecting, .stream = stream};
    em_server *server = (em_server *)loop; /* anything but NULL */
    em_connection *connection = (em_connection *)loop;
    char path[64];
    snprintf(path, sizeof path, "/tmp/em_bad_options_%d", (int)getpid());
    unsigned descriptors = system_descriptors();
    assert_int_equal(em_loop_start_server(loop, "127.0.0.1", 0, &system_recorder, &serving, &server),
                     EM_INVALID_ARGUMENT);
    assert_null(server);
    assert_int_equal(em_loop_start_unix_domain_server(loop, path, &system_recorder, &serving, &server),
                     EM_INVALID_ARGUMENT);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(em_loop_connect(loop, "127.0.0.1", 1, &system_recorder, &connecting, &connection),
                     EM_INVALID_ARGUMENT);
    assert_null(connection);
    assert_int_equal(em_loop_connect(loop, "localhost", 1, &system_recorder, &connecting, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_connect_unix_domain(loop, path, &system_recorder, &connecting, NULL), EM_INVALID_ARGUMENT);
    expect_attaching_to_be_refused(loop, stream);
    assert_int_equal(system_descriptors(), descriptors);
    assert_int_equal(system_stats(loop).servers_open, 0);
    assert_int_equal(system_stats(loop).connections_open, 0);
}

static void stream_options_that_make_no_sense_are_refused(void **state)
{
    static const em_stream_options bad[] = {
        {.size = sizeof *bad, .low_water_bytes = 2 << 20}, /* above the default of the high one */
        {.size = sizeof *bad, .low_water_bytes = 2, .high_water_bytes = 1},
        {.size = sizeof *bad, .no_delay = NO_SWITCH},
        {.size = sizeof *bad, .keepalive = NO_SWITCH},
        {.size = sizeof *bad, .linger = EM_ON, .linger_seconds = -1},
        {.size = sizeof *bad, .linger_seconds = 1},
        {.size = sizeof *bad, .linger = (em_switch)3},
        {.size = sizeof *bad, .send_buffer_bytes = -1},
        {.size = sizeof *bad, .receive_buffer_bytes = -1},
        {.size = sizeof(size_t) - 1},
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        expect_refusal(*state, &bad[i]);
}

static void server_options_that_make_no_sense_are_refused(void **state)
{
    static const em_server_options bad[] = {
        {.size = sizeof *bad, .backlog = -1},
        {.size = sizeof *bad, .reuse_address = NO_SWITCH},
        {.size = sizeof *bad, .reuse_port = NO_SWITCH},
        {.size = sizeof *bad, .v6_only = NO_SWITCH},
        {.size = sizeof *bad, .replace_socket_file = NO_SWITCH},
        {.size = sizeof(size_t) - 1},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(em_loop_start_server(*state, "127.0.0.1", 0, &system_recorder, &bad[i], NULL),
                         EM_INVALID_ARGUMENT);
        assert_int_equal(em_loop_start_unix_domain_server(*state, "@em", &system_recorder, &bad[i], NULL),
                         EM_INVALID_ARGUMENT);
    }
}

static void connect_options_that_make_no_sense_are_refused(void **state)
{
    static const em_connect_options bad = {.size = sizeof bad, .reuse_address = NO_SWITCH};
    assert_int_equal(em_loop_connect(*state, "127.0.0.1", 1, &system_recorder, &bad, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_connect_unix_domain(*state, "@em", &system_recorder, &bad, NULL), EM_INVALID_ARGUMENT);
}

static void options_of_tls_that_make_no_sense_are_refused_before_anything_is_connected(void **state)
{
    const em_tls_options of_server = {.size = sizeof of_server, .role = EM_TLS_SERVER};
    const em_tls_options with_reserved = {.size = sizeof with_reserved, .reserved = 1};
    const em_tls_options short_of_size = {.size = sizeof(size_t) - 1};
    const em_tls_options good = {.size = sizeof good, .hostname = "localhost"};
    const em_connect_options bad[] = {
        {.size = sizeof *bad, .tls = &of_server},
        {.size = sizeof *bad, .tls = &with_reserved},
        {.size = sizeof *bad, .tls = &short_of_size},
        {.size = sizeof *bad, .tls = &good, .timeout_includes_tls = EM_OFF},
    };
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    for (size_t i = 0; i < COUNT(bad) * COUNT(hosts); i++)
        assert_int_equal(
            em_loop_connect(*state, hosts[i % COUNT(hosts)], 1, &system_recorder, &bad[i / COUNT(hosts)], NULL),
            EM_INVALID_ARGUMENT);
    const em_connect_options options = {.size = sizeof options, .tls = &good};
    assert_int_equal(em_loop_connect_unix_domain(*state, "@em", &system_recorder, &options, NULL), EM_UNSUPPORTED);
    if (!em_has_tls())
        assert_int_equal(em_loop_connect(*state, "localhost", 1, &system_recorder, &options, NULL), EM_UNSUPPORTED);
    assert_int_equal(system_stats(*state).connections_open, 0);
}

static void a_setter_refuses_what_makes_no_sense_and_changes_nothing(void **state)
{
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connection *connection = system_dial(*state, system_serve(*state, &system_echo, NULL), &system_recorder, record);
    assert_int_equal(em_connection_set_water_marks(connection, 100, 99), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_set_water_marks(connection, 0, 0), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_set_water_marks(NULL, 1, 2), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_set_outbox_limit_bytes(NULL, 1), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_set_connect_timeout_ns(connection, 0), EM_INVALID_ARGUMENT);
    assert_true(em_connection_get_connect_timeout_ns(connection) > 0);
    static const char bytes[101];
    assert_int_equal(em_connection_send(connection, bytes, sizeof bytes), EM_OK); /* the old mark holds */
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(stream_options_that_make_no_sense_are_refused),
        SYSTEM_TEST(server_options_that_make_no_sense_are_refused),
        SYSTEM_TEST(connect_options_that_make_no_sense_are_refused),
        SYSTEM_TEST(options_of_tls_that_make_no_sense_are_refused_before_anything_is_connected),
        SYSTEM_TEST(a_setter_refuses_what_makes_no_sense_and_changes_nothing),
    };
    return SYSTEM_RUN(tests);
}
