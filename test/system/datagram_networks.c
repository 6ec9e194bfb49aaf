/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Datagram sockets and their networks: what a packet says besides its bytes, errors that ICMP reports, fixed peers,
 * multicast, broadcast, IPv4 on IPv6 sockets, an interface that goes away.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/datagram_record.h"
#include "support/system_test.h"

static em_address address_of(const char *text, int port)
{
    em_address address;
    assert_int_equal(em_address_from_text(text, port, &address), EM_OK);
    return address;
}

/* An address where nobody listens: that of a socket that was closed. */
static em_address closed_address(em_loop *loop, const char *host)
{
    datagram_record *closed = datagram_open(loop, host, NULL);
    em_address address = datagram_address(closed);
    em_datagram_socket_close(closed->socket);
    while (closed->unbinds < 1)
        system_turn(loop);
    system_turn(loop);
    return address;
}

static void expect_text(const em_address *address, const char *expected)
{
    char text[EM_ADDRESS_TEXT_BYTES];
    em_address_to_text(address, text, sizeof text);
    assert_string_equal(text, expected);
}

/* What a packet says */

static void ttl_ecn_and_destination_are_told_where_they_are_asked_for(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "::1"};
    static const char *const destinations[] = {"127.0.0.1:0", "[::1]:0"};
    for (unsigned i = 0; i < 2; i++) {
        em_datagram_options options = datagram_options();
        options.receive_ttl = options.receive_ecn = options.receive_destination = EM_ON;
        datagram_record *server = datagram_open(*state, hosts[i], &options);
        options = datagram_options();
        options.ttl = 17;
        datagram_record *client = datagram_open(*state, hosts[i], &options);
        int ect = 2; /* RFC 3168 */
        assert_int_equal(em_datagram_socket_set_socket_option(client->socket, i ? IPPROTO_IPV6 : IPPROTO_IP,
                                                              i ? IPV6_TCLASS : IP_TOS, &ect, sizeof ect),
                         EM_OK);
        em_address address = datagram_address(server);
        datagram_send_text(client, &address, "x");
        while (server->received < 1)
            system_turn(*state);
        assert_int_equal(server->last.ttl, 17);
        assert_int_equal(server->last.ecn, 2);
        assert_true(server->has_local && server->has_destination);
        expect_text(&server->local, destinations[i]);
        expect_text(&server->destination, destinations[i]);
        assert_int_equal(server->last.interface_index, if_nametoindex("lo"));
    }
}

static void an_answer_comes_from_the_address_that_was_asked(void **state)
{
    datagram_record *server = datagram_open(*state, "", NULL);
    datagram_record *client = datagram_open(*state, "127.0.0.1", NULL);
    em_address asked = address_of("127.0.0.3", em_datagram_socket_get_port(server->socket));
    server->on_datagram = datagram_echo;
    datagram_send_text(client, &asked, "x");
    while (client->received < 1)
        system_turn(*state);
    assert_memory_equal(client->peer.storage.bytes, asked.storage.bytes, asked.length);
}

static void an_ipv6_socket_talks_to_ipv4_peers_unless_it_is_for_ipv6_only(void **state)
{
    datagram_record *server = datagram_open(*state, "::", NULL);
    datagram_record *client = datagram_open(*state, "127.0.0.1", NULL);
    em_address to_server = address_of("127.0.0.1", em_datagram_socket_get_port(server->socket));
    em_address to_client = datagram_address(client);
    server->on_datagram = datagram_echo;
    datagram_send_text(client, &to_server, "question");
    assert_int_equal(datagram_send_text(server, &to_client, "unasked"), EM_OK);
    while (client->received < 2)
        system_turn(*state);
    em_datagram_options options = datagram_options();
    options.v6_only = EM_ON;
    datagram_record *only = datagram_open(*state, "::", &options);
    datagram_send_text(only, &to_client, "refused");
    while (only->failures < 1)
        system_turn(*state);
    assert_int_equal(only->unbinds, 0);
}

/* Errors of the network */

static void a_port_where_nobody_listens_is_reported_for_the_datagram_and_ends_nothing(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "::1"};
    for (unsigned i = 0; i < 2; i++) {
        em_address nobody = closed_address(*state, hosts[i]);
        datagram_record *server = datagram_open(*state, hosts[i], NULL);
        datagram_record *client = datagram_open(*state, hosts[i], NULL);
        em_address address = datagram_address(server);
        for (unsigned n = 0; n < 5; n++) {
            datagram_send_text(client, &nobody, "to nobody");
            datagram_send_text(client, &address, "to somebody");
        }
        while (client->failures < 5 || server->received < 5)
            system_turn(*state);
        assert_int_equal(client->remote_failures, 5);
        assert_int_equal(client->failure.status, EM_CONNECTION_REFUSED);
        assert_int_equal(client->failure.system_error, ECONNREFUSED);
        assert_memory_equal(client->failed_peer.storage.bytes, nobody.storage.bytes, nobody.length);
        assert_string_equal(client->failed_text, "to nobody");
        assert_int_equal(client->unbinds, 0);
        uint64_t turns = system_stats(*state).turns;
        system_run_for(*state, 30 * EM_MILLISECONDS);
        assert_in_range(system_stats(*state).turns - turns, 0, 10); /* the error is read once */
    }
}

static void without_send_failed_nothing_is_reported_and_nothing_ends(void **state)
{
    em_address nobody = closed_address(*state, "127.0.0.1");
    datagram_record *record = system_memory(sizeof *record);
    em_datagram_options options = datagram_options();
    options.user = record;
    assert_int_equal(
        em_loop_open_datagram_socket(*state, "127.0.0.1", 0, &datagram_recorder_without_failures, &options, NULL),
        EM_OK);
    em_address self = datagram_address(record);
    for (unsigned i = 0; i < 3; i++)
        datagram_send_text(record, &nobody, "x");
    system_run_for(*state, 10 * EM_MILLISECONDS);
    datagram_send_text(record, &self, "still here");
    while (record->received < 1)
        system_turn(*state);
    assert_int_equal(record->unbinds, 0);
}

static void a_network_that_cannot_be_reached_concerns_one_datagram(void **state)
{
    datagram_record *ours = datagram_open(*state, "127.0.0.1", NULL);
    em_address elsewhere = address_of("192.0.2.1", 9), self = datagram_address(ours);
    datagram_send_text(ours, &elsewhere, "not from the loopback address");
    datagram_send_text(ours, &self, "here");
    while (ours->failures < 1 || ours->received < 1)
        system_turn(*state);
    assert_int_equal(ours->failure.is_remote, 0);
    assert_string_equal(ours->failed_text, "not from the loopback address");
}

/* The fixed peer */

static void a_fixed_peer_is_the_only_one_that_is_heard_and_can_be_changed(void **state)
{
    datagram_record *one = datagram_open(*state, "127.0.0.1", NULL);
    datagram_record *other = datagram_open(*state, "127.0.0.1", NULL);
    datagram_record *client = datagram_open(*state, "127.0.0.1", NULL);
    em_address to_one = datagram_address(one), to_other = datagram_address(other), known;
    em_address to_client = datagram_address(client);
    em_datagram_socket *socket = client->socket;
    assert_int_equal(em_datagram_socket_get_peer_address(socket, &known), EM_NOT_CONNECTED);
    assert_int_equal(em_datagram_socket_connect(socket, &to_one), EM_OK);
    assert_int_equal(em_datagram_socket_send(socket, "1", 1), EM_OK);
    assert_int_equal(em_datagram_socket_connect(socket, &to_other), EM_OK); /* "1" still goes to the first */
    assert_int_equal(em_datagram_socket_send(socket, "2", 1), EM_OK);
    assert_int_equal(em_datagram_socket_get_peer_address(socket, &known), EM_OK);
    assert_memory_equal(known.storage.bytes, to_other.storage.bytes, to_other.length);
    while (one->received < 1 || other->received < 1)
        system_turn(*state);
    assert_string_equal(one->texts[0], "1");
    assert_string_equal(other->texts[0], "2");
    datagram_send_text(one, &to_client, "unheard");
    datagram_send_text(other, &to_client, "heard");
    while (client->received < 1)
        system_turn(*state);
    assert_string_equal(client->texts[0], "heard");
    assert_int_equal(em_datagram_socket_disconnect(socket), EM_OK);
    datagram_send_text(one, &to_client, "heard again");
    while (client->received < 2)
        system_turn(*state);
    assert_string_equal(client->texts[1], "heard again");
}

static void a_fixed_peer_that_is_gone_is_reported_and_its_successor_is_reached(void **state)
{
    em_address nobody = closed_address(*state, "127.0.0.1");
    datagram_record *client = datagram_open(*state, "127.0.0.1", NULL);
    assert_int_equal(em_datagram_socket_connect(client->socket, &nobody), EM_OK);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(em_datagram_socket_send(client->socket, "x", 1), EM_OK);
        while (client->remote_failures < i + 1)
            system_turn(*state);
    }
    em_datagram_options options = datagram_options();
    datagram_record *record = system_memory(sizeof *record);
    options.user = record;
    assert_int_equal(em_loop_open_datagram_socket_at(*state, &nobody, &datagram_recorder, &options, NULL), EM_OK);
    em_datagram_socket_send(client->socket, "found", 5);
    while (record->received < 1)
        system_turn(*state);
    assert_int_equal(client->unbinds, 0);
}

/* Groups */

static void a_group_is_joined_and_left_by_interface(void **state)
{
    em_datagram_options options = datagram_options();
    options.multicast_interface = if_nametoindex("lo");
    options.multicast_ttl = 1;
    options.reuse_address = EM_ON;
    datagram_record *one = datagram_open(*state, "", &options);
    int port = em_datagram_socket_get_port(one->socket);
    em_address group = address_of("239.255.9.9", port), any = address_of("0.0.0.0", port),
               unicast = address_of("10.0.0.1", port);
    datagram_record *other = system_memory(sizeof *other);
    options.user = other;
    assert_int_equal(em_loop_open_datagram_socket_at(*state, &any, &datagram_recorder, &options, NULL), EM_OK);
    unsigned lo = if_nametoindex("lo");
    assert_int_equal(em_datagram_socket_join(one->socket, &unicast, lo, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_datagram_socket_leave(one->socket, &group, lo, NULL), EM_ADDRESS_NOT_AVAILABLE);
    assert_int_equal(em_datagram_socket_join(one->socket, &group, lo, NULL), EM_OK);
    assert_int_equal(em_datagram_socket_join(one->socket, &group, lo, NULL), EM_ADDRESS_IN_USE);
    assert_int_equal(em_datagram_socket_join(other->socket, &group, lo, NULL), EM_OK);
    datagram_record *sender = datagram_open(*state, "127.0.0.1", &options);
    datagram_send_text(sender, &group, "to both");
    while (one->received < 1 || other->received < 1)
        system_turn(*state);
    char text[EM_ADDRESS_TEXT_BYTES];
    em_address_to_text(&one->destination, text, sizeof text);
    assert_string_equal(text, "239.255.9.9:0");
    expect_text(&one->local, "127.0.0.1:0"); /* to answer from */
    assert_int_equal(em_datagram_socket_leave(other->socket, &group, lo, NULL), EM_OK);
    datagram_send_text(sender, &group, "again");
    while (one->received < 2)
        system_turn(*state);
    system_run_for(*state, 10 * EM_MILLISECONDS);
    assert_int_equal(other->received, 1); /* although another socket of the machine is still in the group */
}

static void a_group_can_be_joined_for_one_source_only(void **state)
{
    em_datagram_options options = datagram_options();
    unsigned lo = options.multicast_interface = if_nametoindex("lo");
    datagram_record *ours = datagram_open(*state, "", &options);
    datagram_record *wanted = datagram_open(*state, "127.0.0.1", &options);
    datagram_record *unwanted = datagram_open(*state, "127.0.0.2", &options);
    em_address group = address_of("232.1.1.1", em_datagram_socket_get_port(ours->socket));
    em_address source = datagram_address(wanted), ipv6 = address_of("::1", 0);
    assert_int_equal(em_datagram_socket_join(ours->socket, &group, lo, &ipv6), EM_ADDRESS_FAMILY);
    assert_int_equal(em_datagram_socket_join(ours->socket, &group, lo, &source), EM_OK);
    datagram_send_text(unwanted, &group, "unwanted");
    datagram_send_text(wanted, &group, "wanted");
    while (ours->received < 1)
        system_turn(*state);
    assert_string_equal(ours->texts[0], "wanted");
    assert_int_equal(em_datagram_socket_leave(ours->socket, &group, lo, &source), EM_OK);
}

static void an_ipv6_group_is_joined(void **state)
{
    em_datagram_options options = datagram_options();
    unsigned lo = options.multicast_interface = if_nametoindex("lo");
    datagram_record *ours = datagram_open(*state, "::", &options);
    em_address group = address_of("ff11::99", em_datagram_socket_get_port(ours->socket));
    if (em_datagram_socket_join(ours->socket, &group, lo, NULL) != EM_OK)
        system_skip("the loopback interface has no IPv6 multicast");
    datagram_send_text(ours, &group, "x");
    system_run_for(*state, 20 * EM_MILLISECONDS);
    if (ours->received == 0)
        system_skip("the loopback interface has no route for IPv6 multicast");
    assert_true(ours->has_destination);
    assert_false(ours->has_local); /* nothing can be sent from a group's address */
}

static void broadcast_needs_its_option(void **state)
{
    em_datagram_options options = datagram_options();
    datagram_record *without = datagram_open(*state, "", &options);
    options.broadcast = EM_ON;
    datagram_record *with = datagram_open(*state, "", &options);
    em_address everybody = address_of("127.255.255.255", em_datagram_socket_get_port(with->socket));
    datagram_send_text(without, &everybody, "refused");
    while (without->failures < 1)
        system_turn(*state);
    assert_int_equal(without->failure.status, EM_PERMISSION_DENIED);
    datagram_send_text(with, &everybody, "to all");
    while (with->received < 1)
        system_turn(*state);
    assert_string_equal(with->texts[0], "to all");
}

static void several_sockets_share_a_port(void **state)
{
    em_datagram_options options = datagram_options();
    options.reuse_port = EM_ON;
    datagram_record *one = datagram_open(*state, "127.0.0.1", &options);
    em_address address = datagram_address(one);
    datagram_record *other = system_memory(sizeof *other);
    options.user = other;
    assert_int_equal(em_loop_open_datagram_socket_at(*state, &address, &datagram_recorder, &options, NULL), EM_OK);
    for (unsigned i = 0; i < 40; i++)
        datagram_send_text(datagram_open(*state, "127.0.0.1", NULL), &address, "x");
    while (one->received + other->received < 40)
        system_turn(*state);
    assert_true(one->received > 0 && other->received > 0);
}

/* Offloads */

static void offloads_change_nothing_but_speed(void **state)
{
    enum { MANY = 60 };
    em_datagram_options options = datagram_options();
    options.segmentation = options.receive_offload = EM_ON;
    datagram_record *server = datagram_open(*state, "127.0.0.1", &options);
    datagram_record *client = datagram_open(*state, "127.0.0.1", &options);
    em_address address = datagram_address(server);
    char bytes[1400];
    memset(bytes, 'x', sizeof bytes);
    for (unsigned i = 0; i < MANY; i++) {
        bytes[0] = (char)('A' + i % 26);
        size_t length = i % 20 == 19 ? 0 : i % 10 == 9 ? 33 : sizeof bytes;
        assert_true(em_datagram_socket_send_to(client->socket, bytes, length, &address) >= 0);
    }
    while (server->received < MANY)
        system_turn(*state);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(server->lengths[i], i % 20 == 19 ? 0 : i % 10 == 9 ? 33 : sizeof bytes);
        assert_int_equal(server->texts[i][0], i % 20 == 19 ? 0 : 'A' + i % 26);
    }
    static char large[40000]; /* larger than a packet of any network but this one, and no segments of it fit */
    em_datagram_socket_send_to(client->socket, large, sizeof large, &address);
    em_datagram_socket_send_to(client->socket, large, sizeof large, &address);
    while (server->received < MANY + 2)
        system_turn(*state);
    assert_int_equal(client->failures, 0);
}

/* An interface that goes away, in a network of our own. */

static int set_loopback(int descriptor, bool up)
{
    struct ifreq request = {.ifr_flags = up ? IFF_UP | IFF_RUNNING | IFF_LOOPBACK : IFF_LOOPBACK};
    strcpy(request.ifr_name, "lo");
    return ioctl(descriptor, SIOCSIFFLAGS, &request);
}

enum { PASSED = 0, NOT_PERMITTED = 77, FAILED = 1 };

/* In a child, because the network is the whole process's. */
static int lose_interface(void)
{
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return NOT_PERMITTED;
    close(control);
    control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (set_loopback(control, true) != 0)
        return NOT_PERMITTED;
    em_loop *loop = system_create_loop((em_loop_options){.size = 0});
    datagram_record *ours = datagram_open(loop, "127.0.0.1", NULL);
    em_address self = datagram_address(ours);
    set_loopback(control, false);
    datagram_send_text(ours, &self, "lost");
    system_run_for(loop, 20 * EM_MILLISECONDS);
    bool stayed = ours->unbinds == 0 && ours->received == 0;
    set_loopback(control, true);
    datagram_send_text(ours, &self, "back");
    while (ours->received < 1)
        system_turn(loop);
    bool went_on = strcmp(ours->texts[0], "back") == 0;
    em_loop_destroy(loop);
    close(control);
    return stayed && went_on ? PASSED : FAILED;
}

static void an_interface_that_goes_away_and_comes_back_ends_nothing(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_return_code(child, errno);
    if (child == 0)
        _exit(lose_interface());
    int status;
    assert_return_code(waitpid(child, &status, 0), errno);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == NOT_PERMITTED)
        system_skip("a network namespace is not permitted");
    assert_int_equal(WEXITSTATUS(status), PASSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYSTEM_TEST(ttl_ecn_and_destination_are_told_where_they_are_asked_for),
        SYSTEM_TEST(an_answer_comes_from_the_address_that_was_asked),
        SYSTEM_TEST(an_ipv6_socket_talks_to_ipv4_peers_unless_it_is_for_ipv6_only),
        SYSTEM_TEST(a_port_where_nobody_listens_is_reported_for_the_datagram_and_ends_nothing),
        SYSTEM_TEST(without_send_failed_nothing_is_reported_and_nothing_ends),
        SYSTEM_TEST(a_network_that_cannot_be_reached_concerns_one_datagram),
        SYSTEM_TEST(a_fixed_peer_is_the_only_one_that_is_heard_and_can_be_changed),
        SYSTEM_TEST(a_fixed_peer_that_is_gone_is_reported_and_its_successor_is_reached),
        SYSTEM_TEST(a_group_is_joined_and_left_by_interface),
        SYSTEM_TEST(a_group_can_be_joined_for_one_source_only),
        SYSTEM_TEST(an_ipv6_group_is_joined),
        SYSTEM_TEST(broadcast_needs_its_option),
        SYSTEM_TEST(several_sockets_share_a_port),
        SYSTEM_TEST(offloads_change_nothing_but_speed),
        SYSTEM_TEST(an_interface_that_goes_away_and_comes_back_ends_nothing),
    };
    return SYSTEM_RUN(tests);
}
