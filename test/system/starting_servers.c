/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Servers that cannot be started, and what stopping one means. A call that fails leaves nothing behind: after each test
 * all descriptors must be closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { NOBODY = 65534 };

static em_status start(em_loop *loop, const char *host, int port)
{
    em_server *server = (em_server *)loop; /* anything but NULL */
    em_status status = em_loop_start_server(loop, host, port, &system_recorder, NULL, &server);
    if (status != EM_OK)
        assert_null(server);
    return status;
}

static void a_port_in_use_is_refused(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int port = system_serve(*state, &system_recorder, served);
    assert_int_equal(start(*state, "127.0.0.1", port), EM_ADDRESS_IN_USE);
    close(system_connect(port)); /* the first one is unharmed */
    while (!served->unbind)
        system_turn(*state);
    assert_int_equal(system_stats(*state).servers_open, 1);
}

static void a_port_is_free_again_when_its_server_has_stopped(void **state)
{
    em_server *server;
    int port = system_serve_with(*state, &system_recorder, (em_server_options){.size = 0}, &server);
    assert_int_equal(em_server_stop(server), EM_OK);
    assert_int_equal(start(*state, "127.0.0.1", port), EM_OK);
}

typedef struct replacement {
    em_server *server;
    unsigned done;
} replacement;

static const em_handler replacing;

/* As a program does that reads its configuration anew. */
static void replace_server(em_connection *connection)
{
    replacement *plan = em_connection_get_user(connection);
    em_loop *loop = em_connection_get_loop(connection);
    em_server_options options = {.size = sizeof options, .user = plan};
    int port = system_port_of(plan->server);
    assert_int_equal(em_server_stop(plan->server), EM_OK);
    em_status status = em_loop_start_server(loop, "127.0.0.1", port, &replacing, &options, &plan->server);
    assert_int_equal(status, EM_OK);
    plan->done++;
}

static const em_handler replacing = {.post_init = replace_server};

static void a_server_can_be_replaced_at_its_port_while_it_accepts(void **state)
{
    replacement *plan = system_memory(sizeof *plan);
    int port = system_serve_with(*state, &replacing, (em_server_options){.user = plan}, &plan->server);
    for (unsigned i = 1; i <= 3; i++) {
        int client = system_connect(port);
        while (plan->done < i)
            system_turn(*state);
        close(client);
    }
    assert_int_equal(system_stats(*state).servers_open, 1);
}

static void ports_out_of_range_are_refused(void **state)
{
    assert_int_equal(start(*state, "127.0.0.1", -1), EM_INVALID_PORT);
    assert_int_equal(start(*state, "127.0.0.1", 65536), EM_INVALID_PORT);
    assert_int_equal(start(*state, "127.0.0.1", 1 << 30), EM_INVALID_PORT);
}

static void malformed_addresses_are_refused(void **state)
{
    static const char *const malformed[] = {
        "1.2.3.4.5", "300.1.1.1", "1.2.3.", ":::", "[::1]", "::1::", "a b", "fe80::zz"};
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
        assert_int_equal(start(*state, malformed[i], 0), EM_INVALID_ADDRESS);
    assert_int_equal(start(*state, "server.invalid", 0), EM_NAME_NOT_FOUND);
}

static void an_address_of_another_machine_is_refused(void **state)
{
    assert_int_equal(start(*state, "203.0.113.1", 0), EM_ADDRESS_NOT_AVAILABLE); /* RFC 5737 */
}

static void missing_arguments_are_refused(void **state)
{
    em_server_options options = {.size = 1};
    assert_int_equal(em_loop_start_server(NULL, "127.0.0.1", 0, &system_recorder, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_start_server(*state, "127.0.0.1", 0, NULL, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_start_server(*state, "127.0.0.1", 0, &system_recorder, &options, NULL),
                     EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_start_unix_domain_server(*state, NULL, &system_recorder, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_start_unix_domain_server(*state, "", &system_recorder, NULL, NULL), EM_INVALID_ADDRESS);
    assert_int_equal(em_server_stop(NULL), EM_INVALID_ARGUMENT);
}

/* As nobody: a privileged port, and a directory of somebody else. */
static void start_without_permission(void *folder)
{
    em_loop *loop;
    char path[96];
    system_child_check(geteuid() != 0 || setuid(NOBODY) == 0, "setuid works");
    em_loop_options options = {.size = sizeof options, .backend = system_backend()};
    system_child_check(em_loop_create(&options, &loop) == EM_OK, "a loop");
    snprintf(path, sizeof path, "%s/socket", (const char *)folder);
    em_status status = em_loop_start_unix_domain_server(loop, path, &system_recorder, NULL, NULL);
    system_child_check(status == EM_PERMISSION_DENIED, "a socket in a closed folder is denied");
    char first_free_port[16] = "1024";
    int fd = open("/proc/sys/net/ipv4/ip_unprivileged_port_start", O_RDONLY);
    ssize_t length = fd < 0 ? 0 : read(fd, first_free_port, sizeof first_free_port - 1);
    close(fd);
    if (length > 0 && strcmp(first_free_port, "0\n") != 0 && strcmp(first_free_port, "1\n") != 0)
        system_child_check(em_loop_start_server(loop, "127.0.0.1", 1, &system_recorder, NULL, NULL) ==
                               EM_PERMISSION_DENIED,
                           "port 1 is denied");
    em_loop_destroy(loop);
}

static void a_server_without_permission_is_denied(void **state)
{
    (void)state;
    char folder[] = "/tmp/em_closed_XXXXXX";
    assert_non_null(mkdtemp(folder));
    assert_return_code(chmod(folder, geteuid() == 0 ? 0700 : 0500), errno);
    assert_int_equal(system_wait(system_fork(start_without_permission, folder)), 0);
    rmdir(folder);
}

static void unix_paths_that_cannot_be_are_refused(void **state)
{
    char path[256];
    memset(path, 'a', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    assert_int_equal(em_loop_start_unix_domain_server(*state, path, &system_recorder, NULL, NULL), EM_PATH_TOO_LONG);
    assert_int_equal(em_loop_start_unix_domain_server(*state, "/nowhere/at/all", &system_recorder, NULL, NULL),
                     EM_NO_SUCH_FILE);
}

static void a_file_that_is_no_socket_is_never_removed(void **state)
{
    char path[] = "/tmp/em_file_XXXXXX";
    close(mkstemp(path));
    assert_int_equal(em_loop_start_unix_domain_server(*state, path, &system_recorder, NULL, NULL), EM_ADDRESS_IN_USE);
    assert_return_code(unlink(path), errno);
}

static void a_socket_file_stays_if_it_is_not_to_be_replaced(void **state)
{
    char path[64];
    em_server_options options = {.size = sizeof options, .replace_socket_file = EM_OFF};
    snprintf(path, sizeof path, "/tmp/em_kept_%d", (int)getpid());
    assert_int_equal(em_loop_start_unix_domain_server(*state, path, &system_recorder, NULL, NULL), EM_OK);
    assert_int_equal(em_loop_start_unix_domain_server(*state, path, &system_recorder, &options, NULL),
                     EM_ADDRESS_IN_USE);
    assert_return_code(unlink(path), errno);
}

static void descriptors_that_do_not_listen_are_refused_and_stay_open(void **state)
{
    int pipes[2];
    int plain = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_return_code(pipe(pipes), errno);
    assert_int_equal(em_loop_attach_server(*state, pipes[0], &system_recorder, NULL, NULL), EM_NOT_A_SOCKET);
    assert_int_equal(em_loop_attach_server(*state, plain, &system_recorder, NULL, NULL), EM_INVALID_ARGUMENT);
    int packets = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    struct sockaddr unnamed = {.sa_family = AF_UNIX};
    assert_return_code(bind(packets, &unnamed, sizeof unnamed.sa_family), errno);
    assert_return_code(listen(packets, 1), errno);
    assert_int_equal(em_loop_attach_server(*state, packets, &system_recorder, NULL, NULL), EM_INVALID_ARGUMENT);
    close(packets);
    assert_int_equal(em_loop_attach_server(*state, -1, &system_recorder, NULL, NULL), EM_BAD_DESCRIPTOR);
    assert_return_code(close(pipes[0]), errno);
    assert_return_code(close(pipes[1]), errno);
    assert_return_code(close(plain), errno);
}

static void connections_go_on_when_their_server_stops(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    em_server *server;
    int port = system_serve_with(*state, &system_echo, (em_server_options){.user = served}, &server);
    em_signature signature = em_server_get_signature(server);
    int client = system_connect(port);
    while (!served->post_init)
        system_turn(*state);
    assert_ptr_equal(em_loop_find_server(*state, signature), server);
    assert_int_equal(em_server_stop(server), EM_OK);
    assert_null(em_loop_find_server(*state, signature));
    system_turn(*state);
    assert_null(em_loop_find_server(*state, signature));
    char answer[2];
    system_write(client, "on", 2);
    assert_int_equal(system_read(*state, client, answer, 2), 2);
    close(client);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_port_in_use_is_refused),
        SYSTEM_TEST(a_port_is_free_again_when_its_server_has_stopped),
        SYSTEM_TEST(a_server_can_be_replaced_at_its_port_while_it_accepts),
        SYSTEM_TEST(ports_out_of_range_are_refused),
        SYSTEM_TEST(malformed_addresses_are_refused),
        SYSTEM_TEST(an_address_of_another_machine_is_refused),
        SYSTEM_TEST(missing_arguments_are_refused),
        SYSTEM_TEST(a_server_without_permission_is_denied),
        SYSTEM_TEST(unix_paths_that_cannot_be_are_refused),
        SYSTEM_TEST(a_file_that_is_no_socket_is_never_removed),
        SYSTEM_TEST(a_socket_file_stays_if_it_is_not_to_be_replaced),
        SYSTEM_TEST(descriptors_that_do_not_listen_are_refused_and_stay_open),
        SYSTEM_TEST(connections_go_on_when_their_server_stops),
    };
    return SYSTEM_RUN(tests);
}
