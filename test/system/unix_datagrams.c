/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Datagram sockets of the Unix domain, and datagram sockets in forked children.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/datagram_record.h"
#include "support/system_test.h"

static em_address unix_address(void)
{
    static unsigned number;
    char name[64];
    int length = snprintf(name, sizeof name, "%cem-test-%d-%u", 0, (int)getpid(), number++);
    em_address address;
    assert_int_equal(em_address_from_unix_name(name, (size_t)length, &address), EM_OK);
    return address;
}

static datagram_record *open_at(em_loop *loop, const em_address *address)
{
    datagram_record *record = system_memory(sizeof *record);
    em_datagram_options options = datagram_options();
    options.user = record;
    assert_int_equal(em_loop_open_datagram_socket_at(loop, address, &datagram_recorder, &options, NULL), EM_OK);
    return record;
}

static void unix_datagrams_are_answered_and_those_without_a_name_cannot_be(void **state)
{
    em_address server_address = unix_address(), client_address = unix_address(), none = {.length = 0};
    datagram_record *server = open_at(*state, &server_address);
    datagram_record *client = open_at(*state, &client_address);
    datagram_record *nameless = open_at(*state, &none);
    server->on_datagram = datagram_echo;
    datagram_send_text(client, &server_address, "question");
    while (client->received < 1)
        system_turn(*state);
    server->on_datagram = NULL;
    datagram_send_text(nameless, &server_address, "from nobody");
    while (server->received < 2)
        system_turn(*state);
    em_datagram from_nobody = {.peer = &server->peer};
    assert_int_equal(em_datagram_socket_reply(server->socket, &from_nobody, "x", 1), EM_INVALID_ADDRESS);
    em_datagram_options options = datagram_options();
    options.ttl = 3;
    assert_int_equal(em_loop_open_datagram_socket_at(*state, &none, &datagram_recorder, &options, NULL),
                     EM_INVALID_ARGUMENT);
    em_address nowhere = unix_address();
    datagram_send_text(client, &nowhere, "x");
    while (client->failures < 1)
        system_turn(*state);
    assert_int_equal(client->failure.status, EM_CONNECTION_REFUSED);
}

static void a_full_unix_peer_loses_nothing_and_causes_no_spin(void **state)
{
    enum { MANY = 1000 };
    em_address address = unix_address(), none = {.length = 0};
    datagram_record *server = open_at(*state, &address);
    datagram_record *client = open_at(*state, &none);
    char text[16];
    em_datagram_socket_pause(server->socket);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "%u", i);
        assert_int_equal(datagram_send_text(client, &address, text), EM_OK);
    }
    system_run_for(*state, 10 * EM_MILLISECONDS);
    uint64_t turns = system_stats(*state).turns;
    system_run_for(*state, 200 * EM_MILLISECONDS);
    assert_in_range(system_stats(*state).turns - turns, 0, 60);
    assert_true(em_datagram_socket_get_outbound_count(client->socket) > 0);
    em_datagram_socket_resume(server->socket);
    while (server->received < MANY)
        system_turn(*state);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(atoi(server->texts[i]), i);
    assert_int_equal(client->failures, 0);
    assert_int_equal(em_datagram_socket_get_outbound_bytes(client->socket), 0);
}

static void a_socket_has_a_file_that_stays(void **state)
{
    char path[64];
    em_address address, none = {.length = 0};
    snprintf(path, sizeof path, "/tmp/em-datagrams-%d.sock", (int)getpid());
    unlink(path);
    assert_int_equal(em_address_from_path(path, &address), EM_OK);
    datagram_record *server = open_at(*state, &address);
    datagram_record *client = open_at(*state, &none);
    assert_int_equal(em_datagram_socket_connect(client->socket, &address), EM_OK);
    assert_int_equal(em_datagram_socket_send(client->socket, "x", 1), EM_OK);
    while (server->received < 1)
        system_turn(*state);
    assert_int_equal(em_loop_open_datagram_socket_at(*state, &address, &datagram_recorder, NULL, NULL),
                     EM_ADDRESS_IN_USE);
    em_datagram_socket_close(server->socket);
    while (server->unbinds < 1)
        system_turn(*state);
    assert_return_code(unlink(path), errno);
}

static void a_large_datagram_arrives_whole(void **state)
{
    static char bytes[60000];
    em_address address = unix_address(), none = {.length = 0};
    datagram_record *server = open_at(*state, &address);
    datagram_record *client = open_at(*state, &none);
    assert_int_equal(em_datagram_socket_send_to(client->socket, bytes, sizeof bytes, &address), EM_OK);
    while (server->received < 1)
        system_turn(*state);
    assert_int_equal(server->lengths[0], sizeof bytes);
    assert_int_equal(server->last.is_truncated, 0);
    static char larger[70000]; /* the Unix domain allows it; what does not fit is not passed off as whole */
    assert_int_equal(em_datagram_socket_send_to(client->socket, larger, sizeof larger, &address), EM_OK);
    while (server->received < 2)
        system_turn(*state);
    assert_int_equal(server->last.is_truncated, 1);
    assert_int_equal(server->lengths[1], 65535);
}

/* Forks */

static int go_on_in_child(em_loop *loop, datagram_record *ours)
{
    em_address self = datagram_address(ours);
    if (em_datagram_socket_connect(ours->socket, &self) != EM_FORKED || em_loop_take_over(loop) != EM_OK)
        return 1;
    if (datagram_send_text(ours, &self, "from the child") != EM_OK)
        return 2;
    while (ours->received < 2)
        if (em_loop_run_once(loop, EM_SECONDS) != EM_OK)
            return 3;
    em_loop_destroy(loop);
    return ours->unbinds == 1 && strcmp(ours->texts[1], "from the child") == 0 ? 0 : 4;
}

static void a_child_takes_over_the_loop_with_its_sockets_and_what_is_queued(void **state)
{
    datagram_record *ours = datagram_open(*state, "127.0.0.1", NULL);
    em_address self = datagram_address(ours);
    datagram_send_text(ours, &self, "queued before");
    pid_t child = fork();
    assert_return_code(child, errno);
    if (child == 0)
        _exit(go_on_in_child(*state, ours));
    int status;
    assert_return_code(waitpid(child, &status, 0), errno);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(em_loop_hand_over(*state), EM_OK);
}

static void a_child_that_destroys_the_loop_leaves_the_parent_alone(void **state)
{
    datagram_record *ours = datagram_open(*state, "127.0.0.1", NULL);
    em_address self = datagram_address(ours);
    pid_t child = fork();
    assert_return_code(child, errno);
    if (child == 0) {
        em_loop_destroy(*state);
        _exit(ours->unbinds == 1 ? 0 : 1);
    }
    int status;
    assert_return_code(waitpid(child, &status, 0), errno);
    assert_int_equal(WEXITSTATUS(status), 0);
    datagram_send_text(ours, &self, "still here");
    while (ours->received < 1)
        system_turn(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYSTEM_TEST(unix_datagrams_are_answered_and_those_without_a_name_cannot_be),
        SYSTEM_TEST(a_full_unix_peer_loses_nothing_and_causes_no_spin),
        SYSTEM_TEST(a_socket_has_a_file_that_stays),
        SYSTEM_TEST(a_large_datagram_arrives_whole),
        SYSTEM_TEST(a_child_takes_over_the_loop_with_its_sockets_and_what_is_queued),
        SYSTEM_TEST(a_child_that_destroys_the_loop_leaves_the_parent_alone),
    };
    return SYSTEM_RUN(tests);
}
