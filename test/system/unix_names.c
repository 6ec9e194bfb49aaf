/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Names of Unix-domain servers: whose a name is, and names with zero bytes.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

static struct sockaddr_un fresh_path(void)
{
    static unsigned count;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/em_name_%d_%u", (int)getpid(), count++);
    return address;
}

static int stranger_at(const struct sockaddr_un *address, int type)
{
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    assert_return_code(bind(fd, (const struct sockaddr *)address, sizeof *address), errno);
    return fd;
}

static em_status start_at(em_loop *loop, const struct sockaddr_un *address, em_server **server)
{
    return em_loop_start_unix_domain_server(loop, address->sun_path, &system_recorder, NULL, server);
}

static void a_running_server_keeps_its_path_and_notices_nothing(void **state)
{
    struct sockaddr_un address = fresh_path();
    int living = stranger_at(&address, SOCK_STREAM | SOCK_NONBLOCK);
    assert_int_equal(start_at(*state, &address, NULL), EM_ADDRESS_IN_USE); /* not listening yet */
    assert_return_code(listen(living, 0), errno);
    assert_int_equal(start_at(*state, &address, NULL), EM_ADDRESS_IN_USE);
    assert_int_equal(accept(living, NULL, NULL), -1);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_return_code(connect(client, (struct sockaddr *)&address, sizeof address), errno);
    int late = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(late, (struct sockaddr *)&address, sizeof address), -1);
    assert_int_equal(errno, EAGAIN); /* the queue is full */
    assert_int_equal(start_at(*state, &address, NULL), EM_ADDRESS_IN_USE);
    int accepted = accept(living, NULL, NULL);
    assert_return_code(accepted, errno);
    int fds[] = {client, late, accepted, living};
    for (unsigned i = 0; i < 4; i++)
        close(fds[i]);
    unlink(address.sun_path);
}

static void a_living_socket_for_datagrams_keeps_its_path(void **state)
{
    struct sockaddr_un address = fresh_path();
    int living = stranger_at(&address, SOCK_DGRAM);
    assert_int_equal(start_at(*state, &address, NULL), EM_ADDRESS_IN_USE);
    close(living);
    assert_int_equal(start_at(*state, &address, NULL), EM_OK);
    unlink(address.sun_path);
}

static void the_path_of_a_server_that_has_ended_is_taken_over(void **state)
{
    struct sockaddr_un address = fresh_path();
    em_server *server;
    int dead = stranger_at(&address, SOCK_STREAM);
    listen(dead, 1);
    close(dead);
    assert_int_equal(start_at(*state, &address, &server), EM_OK);
    assert_int_equal(start_at(*state, &address, NULL), EM_ADDRESS_IN_USE);
    assert_int_equal(em_server_stop(server), EM_OK);
    assert_int_equal(start_at(*state, &address, &server), EM_OK); /* at once */
    unlink(address.sun_path);
}

/* A name and its length; the process's number makes it this run's own. */
static em_address abstract_name(const char *tail, size_t length)
{
    char name[64] = "";
    em_address address;
    size_t head = 1 + (size_t)snprintf(name + 1, sizeof name - 1, "em_%d", (int)getpid());
    memcpy(name + head, tail, length);
    assert_int_equal(em_address_from_unix_name(name, head + length, &address), EM_OK);
    return address;
}

static void abstract_names_that_differ_in_zero_bytes_are_different_servers(void **state)
{
    system_record *served[3];
    for (size_t i = 0; i < 3; i++) {
        em_address address = abstract_name("\0\0b", i);
        served[i] = system_new_record(SYSTEM_NONE);
        em_server_options options = {.size = sizeof options, .user = served[i]};
        assert_int_equal(em_loop_start_server_at(*state, &address, &system_recorder, &options, NULL), EM_OK);
        assert_int_equal(em_loop_start_server_at(*state, &address, &system_recorder, &options, NULL),
                         EM_ADDRESS_IN_USE);
    }
    for (size_t i = 0; i < 3; i++) {
        em_address address = abstract_name("\0\0b", i);
        system_record *record = system_new_record(SYSTEM_NONE);
        em_connect_options options = {.size = sizeof options, .user = record};
        em_connection *client;
        em_address peer;
        assert_int_equal(em_loop_connect_to(*state, &address, &system_recorder, &options, &client), EM_OK);
        while (!record->completed || !served[i]->post_init)
            system_turn(*state);
        assert_int_equal(em_connection_get_peer_address(client, &peer), EM_OK);
        assert_int_equal(peer.length, address.length);
        assert_memory_equal(peer.storage.bytes, address.storage.bytes, address.length);
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(served[i]->post_init, 1);
    em_address unknown = abstract_name("\0\0b", 3);
    assert_int_equal(em_loop_connect_to(*state, &unknown, &system_recorder, NULL, NULL), EM_CONNECTION_REFUSED);
}

static void addresses_that_are_none_are_refused(void **state)
{
    em_address none = {.length = 0};
    em_address no_port;
    assert_int_equal(em_address_from_text("127.0.0.1", 0, &no_port), EM_OK);
    assert_int_equal(em_loop_connect_to(*state, &none, &system_recorder, NULL, NULL), EM_INVALID_ADDRESS);
    assert_int_equal(em_loop_connect_to(*state, NULL, &system_recorder, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_connect_to(*state, &no_port, &system_recorder, NULL, NULL), EM_INVALID_PORT);
    assert_int_equal(em_loop_start_server_at(*state, &none, &system_recorder, NULL, NULL), EM_INVALID_ADDRESS);
    assert_int_equal(em_loop_start_server_at(*state, NULL, &system_recorder, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_start_server_at(*state, &no_port, NULL, NULL, NULL), EM_INVALID_ARGUMENT);
}

static void an_internet_address_can_be_served_and_connected_to(void **state)
{
    system_record *served = system_new_record(SYSTEM_POST_INIT);
    em_server_options serving = {.size = sizeof serving, .user = served};
    em_connect_options connecting = {.size = sizeof connecting, .user = system_new_record(SYSTEM_NONE)};
    em_server *server;
    em_address address;
    assert_int_equal(em_address_from_text("127.0.0.1", 0, &address), EM_OK);
    assert_int_equal(em_loop_start_server_at(*state, &address, &system_recorder, &serving, &server), EM_OK);
    assert_int_equal(em_server_get_local_address(server, &address), EM_OK);
    assert_int_equal(em_loop_connect_to(*state, &address, &system_recorder, &connecting, NULL), EM_OK);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_int_equal(served->post_init, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_running_server_keeps_its_path_and_notices_nothing),
        SYSTEM_TEST(a_living_socket_for_datagrams_keeps_its_path),
        SYSTEM_TEST(the_path_of_a_server_that_has_ended_is_taken_over),
        SYSTEM_TEST(abstract_names_that_differ_in_zero_bytes_are_different_servers),
        SYSTEM_TEST(addresses_that_are_none_are_refused),
        SYSTEM_TEST(an_internet_address_can_be_served_and_connected_to),
    };
    return SYSTEM_RUN(tests);
}
