/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Socket options of a connection that has no socket yet, because its name is being resolved or addresses are raced:
 * programs set them in post_init, whatever they connect to.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { MARK = 5, LONGEST_VALUE = 256, MOST_OPTIONS = 64 };

static em_connection *dial_by_name(em_loop *loop, int port, system_record *record)
{
    em_connect_options options = {.size = sizeof options, .user = record};
    em_connection *client;
    assert_int_equal(em_loop_connect(loop, "localhost", port, &system_recorder, &options, &client), EM_OK);
    assert_int_equal(em_connection_get_descriptor(client), -1);
    return client;
}

static int serve(em_loop *loop)
{
    return system_serve(loop, &system_echo, system_new_record(SYSTEM_NONE));
}

static em_status set_number(em_connection *connection, int level, int option, int value)
{
    return em_connection_set_socket_option(connection, level, option, &value, sizeof value);
}

static int number_of(em_connection *connection, int level, int option)
{
    int value = -1;
    size_t bytes = sizeof value;
    assert_int_equal(em_connection_get_socket_option(connection, level, option, &value, &bytes), EM_OK);
    return value;
}

static void wait_until_completed(em_loop *loop, const system_record *record)
{
    while (!record->completed && !record->unbind)
        system_turn(loop);
    assert_int_equal(record->completed, 1);
}

static void options_apply_to_the_socket_that_is_connected(void **state)
{
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connection *client = dial_by_name(*state, serve(*state), record);
    struct linger linger = {.l_onoff = 1, .l_linger = 7};
    assert_int_equal(set_number(client, SOL_SOCKET, SO_PRIORITY, MARK - 1), EM_OK);
    assert_int_equal(set_number(client, SOL_SOCKET, SO_PRIORITY, MARK), EM_OK);
    assert_int_equal(set_number(client, IPPROTO_TCP, TCP_NODELAY, 0), EM_OK);
    assert_int_equal(em_connection_set_socket_option(client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), EM_OK);
    wait_until_completed(*state, record);
    assert_int_equal(number_of(client, SOL_SOCKET, SO_PRIORITY), MARK);
    assert_int_equal(number_of(client, IPPROTO_TCP, TCP_NODELAY), 0);
    size_t bytes = sizeof linger;
    memset(&linger, 0, sizeof linger);
    assert_int_equal(em_connection_get_socket_option(client, SOL_SOCKET, SO_LINGER, &linger, &bytes), EM_OK);
    assert_int_equal(linger.l_linger, 7);
}

static void keepalive_applies_to_the_socket_that_is_connected(void **state)
{
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connection *client = dial_by_name(*state, serve(*state), record);
    assert_int_equal(em_connection_set_keepalive(client, EM_ON, 31, 0, 0), EM_OK);
    assert_int_equal(em_connection_set_keepalive(client, EM_ON, 0, 7, 4), EM_OK);
    assert_true(em_connection_set_keepalive(client, EM_ON, 1000000, 0, 0) < 0);
    wait_until_completed(*state, record);
    assert_true(number_of(client, SOL_SOCKET, SO_KEEPALIVE));
    assert_int_equal(number_of(client, IPPROTO_TCP, TCP_KEEPIDLE), 31);
    assert_int_equal(number_of(client, IPPROTO_TCP, TCP_KEEPINTVL), 7);
    assert_int_equal(number_of(client, IPPROTO_TCP, TCP_KEEPCNT), 4);
}

static void an_option_can_be_read_before_there_is_a_socket(void **state)
{
    em_stream_options stream = {.size = sizeof stream, .no_delay = EM_OFF, .keepalive = EM_ON};
    em_connect_options options = {.size = sizeof options, .user = system_new_record(SYSTEM_NONE), .stream = &stream};
    em_connection *client;
    assert_int_equal(em_loop_connect(*state, "localhost", 9, &system_recorder, &options, &client), EM_OK);
    assert_true(number_of(client, SOL_SOCKET, SO_KEEPALIVE));
    assert_false(number_of(client, IPPROTO_TCP, TCP_NODELAY));
    assert_int_equal(set_number(client, SOL_SOCKET, SO_PRIORITY, MARK), EM_OK);
    assert_int_equal(number_of(client, SOL_SOCKET, SO_PRIORITY), MARK);
}

static void what_the_system_refuses_is_refused_at_once(void **state)
{
    static const char too_long[LONGEST_VALUE + 1];
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connection *client = dial_by_name(*state, serve(*state), record);
    int value;
    size_t bytes = sizeof value;
    assert_int_equal(set_number(client, IPPROTO_TCP, 9999, 1), EM_NO_PROTOCOL_OPTION);
    assert_int_equal(em_connection_get_socket_option(client, IPPROTO_TCP, 9999, &value, &bytes), EM_NO_PROTOCOL_OPTION);
    assert_int_equal(em_connection_set_socket_option(client, SOL_SOCKET, SO_PRIORITY, "", 0), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_set_socket_option(client, SOL_SOCKET, SO_PRIORITY, too_long, sizeof too_long),
                     EM_LIMIT);
    assert_int_equal(em_connection_set_socket_option(client, SOL_SOCKET, SO_PRIORITY, NULL, 4), EM_INVALID_ARGUMENT);
    for (unsigned i = 0; i < MOST_OPTIONS; i++)
        assert_int_equal(set_number(client, SOL_SOCKET, SO_PRIORITY, (int)(i % MARK)), EM_OK);
    assert_int_equal(set_number(client, SOL_SOCKET, SO_PRIORITY, MARK), EM_LIMIT);
    wait_until_completed(*state, record);
    assert_int_equal(number_of(client, SOL_SOCKET, SO_PRIORITY), (MOST_OPTIONS - 1) % MARK);
}

/* localhost is 127.0.0.1 first. */
static void an_option_of_the_other_address_family_does_no_harm(void **state)
{
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connection *client = dial_by_name(*state, serve(*state), record);
    em_status status = set_number(client, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9);
    if (status == EM_NO_PROTOCOL_OPTION)
        system_skip("there is no IPv6 here");
    assert_int_equal(status, EM_OK);
    assert_int_equal(number_of(client, IPPROTO_IPV6, IPV6_UNICAST_HOPS), 9);
    wait_until_completed(*state, record);
}

static void an_option_of_ipv6_applies_to_a_socket_of_ipv6(void **state)
{
    em_server *server;
    em_address address;
    em_connection *client;
    em_server_options serving = {.size = sizeof serving, .user = system_new_record(SYSTEM_NONE)};
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connect_options options = {.size = sizeof options, .user = record};
    if (em_loop_start_server(*state, "::1", 0, &system_echo, &serving, &server) != EM_OK)
        system_skip("there is no IPv6 here");
    assert_int_equal(em_address_from_text("::1", system_port_of(server), &address), EM_OK);
    assert_int_equal(em_loop_connect_addresses(*state, &address, 1, &system_recorder, &options, &client), EM_OK);
    assert_int_equal(set_number(client, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9), EM_OK);
    wait_until_completed(*state, record);
    assert_int_equal(number_of(client, IPPROTO_IPV6, IPV6_UNICAST_HOPS), 9);
}

static void without_descriptors_an_option_cannot_be_tried(void **state)
{
    struct rlimit limit;
    em_connection *client = dial_by_name(*state, 9, system_new_record(SYSTEM_NONE));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    em_status status = set_number(client, SOL_SOCKET, SO_PRIORITY, MARK);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(status, EM_NO_DESCRIPTORS);
}

/* How many sockets of this process have that priority. A server whose queue is full does not answer. */
static unsigned marked_sockets(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        int value = 0;
        socklen_t bytes = sizeof value;
        if (getsockopt(fd, SOL_SOCKET, SO_PRIORITY, &value, &bytes) == 0 && value == MARK)
            count++;
    }
    return count;
}

static void an_option_that_is_set_during_an_attempt_applies_to_it(void **state)
{
    int fillers[SYSTEM_MOST_FILLERS];
    int port;
    em_address address;
    em_connection *client;
    em_connect_options options = {.size = sizeof options, .user = system_new_record(SYSTEM_NONE)};
    int listener = system_listen(0, &port);
    unsigned filler_count = system_fill_queue(port, fillers);
    if (filler_count == 0)
        system_skip("the queue of a listener is never full here");
    assert_int_equal(em_address_from_text("127.0.0.1", port, &address), EM_OK);
    assert_int_equal(em_loop_connect_addresses(*state, &address, 1, &system_recorder, &options, &client), EM_OK);
    unsigned before = system_descriptors();
    while (system_descriptors() == before)
        system_turn(*state);
    assert_int_equal(em_connection_get_descriptor(client), -1);
    assert_int_equal(set_number(client, SOL_SOCKET, SO_PRIORITY, MARK), EM_OK);
    assert_int_equal(marked_sockets(), 1);
    for (unsigned i = 0; i < filler_count; i++)
        close(fillers[i]);
    close(listener);
}

static void once_the_connection_has_ended_there_is_nothing_to_set(void **state)
{
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connection *client = dial_by_name(*state, 9, record);
    int value;
    size_t bytes = sizeof value;
    assert_int_equal(em_connection_close(client), EM_OK);
    assert_int_equal(set_number(client, SOL_SOCKET, SO_PRIORITY, MARK), EM_CLOSED);
    assert_int_equal(em_connection_get_socket_option(client, SOL_SOCKET, SO_PRIORITY, &value, &bytes), EM_CLOSED);
    assert_int_equal(em_connection_set_keepalive(client, EM_ON, 0, 0, 0), EM_CLOSED);
    while (!record->unbind)
        system_turn(*state);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(options_apply_to_the_socket_that_is_connected),
        SYSTEM_TEST(keepalive_applies_to_the_socket_that_is_connected),
        SYSTEM_TEST(an_option_can_be_read_before_there_is_a_socket),
        SYSTEM_TEST(what_the_system_refuses_is_refused_at_once),
        SYSTEM_TEST(an_option_of_the_other_address_family_does_no_harm),
        SYSTEM_TEST(an_option_of_ipv6_applies_to_a_socket_of_ipv6),
        SYSTEM_TEST(without_descriptors_an_option_cannot_be_tried),
        SYSTEM_TEST(an_option_that_is_set_during_an_attempt_applies_to_it),
        SYSTEM_TEST(once_the_connection_has_ended_there_is_nothing_to_set),
    };
    return SYSTEM_RUN(tests);
}
