/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Datagram sockets: sending, receiving and ending, over real sockets.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/datagram_record.h"
#include "support/system_test.h"

static const char *const hosts[] = {"127.0.0.1", "::1"};

static bool equal(const em_address *one, const em_address *other)
{
    return one->length == other->length && memcmp(one->storage.bytes, other->storage.bytes, one->length) == 0;
}

static void a_datagram_is_echoed_over_ipv4_and_ipv6(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        datagram_record *server = datagram_open(*state, hosts[i], NULL);
        datagram_record *client = datagram_open(*state, hosts[i], NULL);
        em_address server_address = datagram_address(server), client_address = datagram_address(client);
        server->on_datagram = datagram_echo;
        assert_int_equal(datagram_send_text(client, &server_address, "hello"), EM_OK);
        while (client->received < 1)
            system_turn(*state);
        assert_string_equal(client->texts[0], "hello");
        assert_true(equal(&server->peer, &client_address));
        assert_true(equal(&client->peer, &server_address));
        assert_int_equal(server->last.ttl, -1);
        assert_int_equal(server->last.ecn, -1);
        assert_false(server->has_local);
    }
}

static void datagrams_of_one_callback_leave_together_and_in_order(void **state)
{
    enum { MANY = 200 };
    datagram_record *server = datagram_open(*state, "127.0.0.1", NULL);
    datagram_record *client = datagram_open(*state, "127.0.0.1", NULL);
    em_address address = datagram_address(server);
    char text[16];
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "%u", i);
        assert_int_equal(datagram_send_text(client, &address, i % 7 == 3 ? "" : text), EM_OK);
    }
    while (server->received < MANY)
        system_turn(*state);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "%u", i);
        assert_string_equal(server->texts[i], i % 7 == 3 ? "" : text);
    }
    em_loop_stats stats = system_stats(*state);
    assert_int_equal(stats.datagrams_received, MANY);
    assert_int_equal(stats.datagrams_sent, MANY);
    assert_int_equal(stats.datagram_sockets_open, 2);
    assert_int_equal(stats.outbox_bytes, 0);
    uint64_t received, sent;
    em_datagram_socket_get_counts(server->socket, &received, NULL);
    em_datagram_socket_get_counts(client->socket, NULL, &sent);
    assert_int_equal(received, MANY);
    assert_int_equal(sent, MANY);
}

static void the_largest_datagram_goes_through_and_a_larger_one_is_reported_once(void **state)
{
    static char bytes[65535];
    datagram_record *server = datagram_open(*state, "127.0.0.1", NULL);
    datagram_record *client = datagram_open(*state, "127.0.0.1", NULL);
    em_address address = datagram_address(server);
    memset(bytes, 'x', sizeof bytes);
    assert_int_equal(datagram_send_text(client, &address, "before"), EM_OK);
    assert_int_equal(em_datagram_socket_send_to(client->socket, bytes, 65508, &address), EM_OK);
    assert_int_equal(em_datagram_socket_send_to(client->socket, bytes, 65507, &address), EM_OK);
    assert_int_equal(em_datagram_socket_send_to(client->socket, bytes, 65536, &address), EM_MESSAGE_TOO_LONG);
    while (server->received < 2 || client->failures < 1)
        system_turn(*state);
    assert_string_equal(server->texts[0], "before");
    assert_int_equal(server->lengths[1], 65507);
    assert_int_equal(client->failures, 1);
    assert_int_equal(client->failure.status, EM_MESSAGE_TOO_LONG);
    assert_int_equal(client->failure.system_error, EMSGSIZE);
    assert_int_equal(client->failure.length, 65508);
    assert_int_equal(client->failure.is_remote, 0);
    assert_true(equal(&client->failed_peer, &address));
    assert_int_equal(em_datagram_socket_get_outbound_bytes(client->socket), 0);
    assert_int_equal(client->unbinds, 0);
}

static void arguments_are_checked_at_once(void **state)
{
    datagram_record *ours = datagram_open(*state, "127.0.0.1", NULL);
    em_address peer = datagram_address(ours), empty = {.length = 0}, portless, ipv6, path;
    em_address_from_text("127.0.0.1", 0, &portless);
    em_address_from_text("::1", 5, &ipv6);
    em_address_from_path("/nowhere", &path);
    em_datagram_socket *socket = ours->socket;
    assert_int_equal(em_datagram_socket_send_to(socket, NULL, 1, &peer), EM_INVALID_ARGUMENT);
    assert_int_equal(em_datagram_socket_send_to(socket, "x", 1, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_datagram_socket_send_to(NULL, "x", 1, &peer), EM_INVALID_ARGUMENT);
    assert_int_equal(em_datagram_socket_send_to(socket, "x", 1, &empty), EM_INVALID_ADDRESS);
    assert_int_equal(em_datagram_socket_send_to(socket, "x", 1, &portless), EM_INVALID_PORT);
    assert_int_equal(em_datagram_socket_send_to(socket, "x", 1, &ipv6), EM_ADDRESS_FAMILY);
    assert_int_equal(em_datagram_socket_send_to(socket, "x", 1, &path), EM_ADDRESS_FAMILY);
    assert_int_equal(em_datagram_socket_send(socket, "x", 1), EM_NOT_CONNECTED);
    assert_int_equal(em_datagram_socket_send_to_host(socket, "x", 1, "localhost", 5), EM_INVALID_ADDRESS);
    assert_int_equal(em_datagram_socket_send_to_host(socket, "x", 1, "127.0.0.1", 65536), EM_INVALID_PORT);
    assert_int_equal(em_datagram_socket_reply(socket, NULL, "x", 1), EM_INVALID_ARGUMENT);
    assert_int_equal(em_datagram_socket_disconnect(socket), EM_NOT_CONNECTED);
    assert_int_equal(em_datagram_socket_resume(socket), EM_INVALID_STATE);
    assert_int_equal(em_datagram_socket_set_water_marks(socket, 2, 1), EM_INVALID_ARGUMENT);
    assert_int_equal(em_datagram_socket_get_outbound_count(socket), 0);
    assert_int_equal(em_datagram_socket_send_to_host(socket, "x", 1, "127.0.0.1", em_address_get_port(&peer)), EM_OK);
    while (ours->received < 1)
        system_turn(*state);
}

static void what_cannot_be_opened_is_refused_and_leaves_nothing(void **state)
{
    static const em_datagram_handler unknown = {.reserved = {(void (*)(void))abort}};
    em_datagram_options options = datagram_options();
    em_datagram_socket *socket;
    datagram_record *other = datagram_open(*state, "127.0.0.1", NULL);
    int port = em_datagram_socket_get_port(other->socket);
    unsigned before = system_descriptors();
    const em_datagram_handler *handler = &datagram_recorder;
    assert_int_equal(em_loop_open_datagram_socket(*state, "127.0.0.1", port, handler, NULL, &socket),
                     EM_ADDRESS_IN_USE);
    assert_null(socket);
    assert_int_equal(em_loop_open_datagram_socket(*state, "example.org", 0, handler, NULL, &socket),
                     EM_INVALID_ADDRESS);
    assert_int_equal(em_loop_open_datagram_socket(*state, "x.invalid", 0, handler, NULL, NULL), EM_INVALID_ADDRESS);
    assert_int_equal(em_loop_open_datagram_socket(*state, "127.0.0.1", -1, handler, NULL, NULL), EM_INVALID_PORT);
    assert_int_equal(em_loop_open_datagram_socket(*state, "192.0.2.1", 0, handler, NULL, NULL),
                     EM_ADDRESS_NOT_AVAILABLE);
    assert_int_equal(em_loop_open_datagram_socket(*state, "127.0.0.1", 0, NULL, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_open_datagram_socket(*state, "127.0.0.1", 0, &unknown, NULL, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_open_datagram_socket(NULL, "127.0.0.1", 0, handler, NULL, NULL), EM_INVALID_ARGUMENT);
    options.ttl = 256;
    assert_int_equal(em_loop_open_datagram_socket(*state, "127.0.0.1", 0, handler, &options, NULL),
                     EM_INVALID_ARGUMENT);
    options = datagram_options();
    options.broadcast = 7;
    assert_int_equal(em_loop_open_datagram_socket(*state, "127.0.0.1", 0, handler, &options, NULL),
                     EM_INVALID_ARGUMENT);
    options = datagram_options();
    options.v6_only = EM_ON;
    assert_true(em_loop_open_datagram_socket(*state, "127.0.0.1", 0, handler, &options, NULL) < 0);
    assert_int_equal(em_loop_attach_datagram_socket(*state, -1, handler, NULL, NULL), EM_BAD_DESCRIPTOR);
    assert_int_equal(
        em_loop_attach_datagram_socket(*state, em_datagram_socket_get_descriptor(other->socket), handler, NULL, NULL),
        EM_FILE_EXISTS);
    assert_int_equal(system_descriptors(), before);
    assert_int_equal(system_stats(*state).datagram_sockets_open, 1);
}

static void localhost_is_known_without_a_lookup(void **state)
{
    datagram_record *ours = datagram_open(*state, "localhost", NULL);
    em_address address = datagram_address(ours);
    assert_int_equal(em_address_get_family(&address), EM_ADDRESS_IPV4);
}

/* Ending */

static void close_within(datagram_record *record, const em_datagram *datagram)
{
    (void)datagram;
    assert_int_equal(em_datagram_socket_close(record->socket), EM_OK);
    assert_int_equal(em_datagram_socket_close(record->socket), EM_CLOSED);
    assert_int_equal(datagram_send_text(record, &record->peer, "late"), EM_CLOSED);
}

static void look_in_unbind(datagram_record *record)
{
    em_address address;
    assert_int_equal(em_datagram_socket_get_local_address(record->socket, &address), EM_OK);
    assert_int_equal(em_datagram_socket_close(record->socket), EM_CLOSED);
    assert_int_equal(em_datagram_socket_pause(record->socket), EM_CLOSED);
    assert_int_equal(em_datagram_socket_get_outbound_bytes(record->socket), 0);
}

static void a_close_within_receive_datagram_is_the_last_that_is_heard(void **state)
{
    datagram_record *server = datagram_open(*state, "127.0.0.1", NULL);
    datagram_record *client = datagram_open(*state, "127.0.0.1", NULL);
    em_address address = datagram_address(server);
    em_signature signature = em_datagram_socket_get_signature(server->socket);
    assert_ptr_equal(em_loop_find_datagram_socket(*state, signature), server->socket);
    assert_null(em_loop_find_connection(*state, signature));
    server->on_datagram = close_within;
    server->on_unbind = look_in_unbind;
    for (unsigned i = 0; i < 20; i++)
        datagram_send_text(client, &address, "x");
    while (server->unbinds < 1)
        system_turn(*state);
    assert_int_equal(server->received, 1);
    assert_int_equal(server->reason, EM_OK);
    assert_null(em_loop_find_datagram_socket(*state, signature));
    system_turn(*state);
    assert_int_equal(system_stats(*state).datagram_sockets_open, 1);
}

static void close_after_writing_sends_everything_first(void **state)
{
    datagram_record *server = datagram_open(*state, "127.0.0.1", NULL);
    datagram_record *client = datagram_open(*state, "127.0.0.1", NULL);
    em_address address = datagram_address(server);
    for (unsigned i = 0; i < 100; i++)
        datagram_send_text(client, &address, i % 2 ? "" : "x");
    assert_int_equal(em_datagram_socket_close_after_writing(client->socket), EM_OK);
    assert_int_equal(datagram_send_text(client, &address, "late"), EM_CLOSED);
    while (server->received < 100 || client->unbinds < 1)
        system_turn(*state);
    assert_int_equal(client->reason, EM_OK);
    datagram_record *idle = datagram_open(*state, "127.0.0.1", NULL);
    assert_int_equal(em_datagram_socket_close_after_writing(idle->socket), EM_OK);
    while (idle->unbinds < 1)
        system_turn(*state);
}

static void the_end_of_the_loop_ends_its_sockets(void **state)
{
    datagram_record *ours = datagram_open(*state, "127.0.0.1", NULL);
    em_address address = datagram_address(ours);
    datagram_send_text(ours, &address, "never");
    em_loop_destroy(*state);
    *state = NULL;
    assert_int_equal(ours->unbinds, 1);
    assert_int_equal(ours->reason, EM_OK);
}

/* Attaching */

static void one_end_of_a_pair_is_attached_and_detached(void **state)
{
    int ends[2], descriptor;
    char text[8];
    datagram_record *record = system_memory(sizeof *record);
    em_datagram_options options = datagram_options();
    options.user = record;
    assert_return_code(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), errno);
    assert_int_equal(em_loop_attach_datagram_socket(*state, ends[0], &datagram_recorder, &options, NULL), EM_OK);
    assert_true(fcntl(ends[0], F_GETFL) & O_NONBLOCK);
    assert_int_equal(send(ends[1], "question", 8, 0), 8);
    while (record->received < 1)
        system_turn(*state);
    assert_int_equal(record->peer.length, 0);                                      /* it has no name */
    assert_int_equal(em_datagram_socket_send(record->socket, "answer", 6), EM_OK); /* its peer is fixed */
    system_turn(*state);
    assert_int_equal(recv(ends[1], text, sizeof text, 0), 6);
    assert_int_equal(em_datagram_socket_detach(record->socket, &descriptor), EM_OK);
    assert_int_equal(descriptor, ends[0]);
    assert_int_equal(em_datagram_socket_detach(record->socket, &descriptor), EM_CLOSED);
    assert_int_equal(send(ends[1], "kept", 4, 0), 4);
    while (record->unbinds < 1)
        system_turn(*state);
    assert_int_equal(recv(ends[0], text, sizeof text, 0), 4);
    assert_int_equal(record->received, 1);
    close(ends[0]);
    close(ends[1]);
}

static void what_cannot_be_attached_stays_as_it_was(void **state)
{
    int ends[2], pipes[2];
    assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), errno);
    assert_return_code(pipe2(pipes, O_CLOEXEC), errno);
    int flags = fcntl(ends[0], F_GETFL);
    assert_int_equal(em_loop_attach_datagram_socket(*state, ends[0], &datagram_recorder, NULL, NULL),
                     EM_INVALID_ARGUMENT);
    assert_int_equal(em_loop_attach_datagram_socket(*state, pipes[0], &datagram_recorder, NULL, NULL), EM_NOT_A_SOCKET);
    assert_int_equal(fcntl(ends[0], F_GETFL), flags);
    close(ends[0]), close(ends[1]), close(pipes[0]), close(pipes[1]);
}

static void pause_at_third(datagram_record *record, const em_datagram *datagram)
{
    (void)datagram;
    if (record->received == 3)
        assert_int_equal(em_datagram_socket_pause(record->socket), EM_OK);
}

static void what_is_held_during_a_pause_is_delivered_before_a_detach(void **state)
{
    datagram_record *server = datagram_open(*state, "127.0.0.1", NULL);
    datagram_record *client = datagram_open(*state, "127.0.0.1", NULL);
    em_address address = datagram_address(server);
    int descriptor;
    char text[8];
    server->on_datagram = pause_at_third;
    for (unsigned i = 0; i < 8; i++)
        datagram_send_text(client, &address, "x");
    while (server->received < 3)
        system_turn(*state);
    datagram_send_text(client, &address, "later");
    system_run_for(*state, 20 * EM_MILLISECONDS);
    assert_int_equal(server->received, 3);
    assert_int_equal(em_datagram_socket_detach(server->socket, &descriptor), EM_OK);
    unsigned rest = 9 - server->received;
    for (unsigned i = 0; i < rest; i++)
        assert_true(recv(descriptor, text, sizeof text, 0) > 0);
    assert_int_equal(recv(descriptor, text, sizeof text, 0), -1);
    close(descriptor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_datagram_is_echoed_over_ipv4_and_ipv6),
        SYSTEM_TEST(datagrams_of_one_callback_leave_together_and_in_order),
        SYSTEM_TEST(the_largest_datagram_goes_through_and_a_larger_one_is_reported_once),
        SYSTEM_TEST(arguments_are_checked_at_once),
        SYSTEM_TEST(what_cannot_be_opened_is_refused_and_leaves_nothing),
        SYSTEM_TEST(localhost_is_known_without_a_lookup),
        SYSTEM_TEST(a_close_within_receive_datagram_is_the_last_that_is_heard),
        SYSTEM_TEST(close_after_writing_sends_everything_first),
        SYSTEM_TEST(the_end_of_the_loop_ends_its_sockets),
        SYSTEM_TEST(one_end_of_a_pair_is_attached_and_detached),
        SYSTEM_TEST(what_cannot_be_attached_stays_as_it_was),
        SYSTEM_TEST(what_is_held_during_a_pause_is_delivered_before_a_detach),
    };
    return SYSTEM_RUN(tests);
}
