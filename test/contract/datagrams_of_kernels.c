/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The contract of every backend with a kernel: datagrams of real sockets whose peers are gone or do not read, and
 * datagrams that the kernel transfers together.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/contract_datagrams.h"
#include "system/socket.h"

static datagram_owner owner; /* too large for the stack */

static void begin(void **state)
{
    open_datagrams(*state, &owner);
    assert_int_equal(emi_channel_start_receiving(&owner.channel), EM_OK);
}

static void queue_number(const em_address *to, unsigned number)
{
    const char *text = number_text(number);
    queue_datagram(&owner, to, text, strlen(text));
}

/* A socket in the abstract namespace, which nobody reads. */
static int unix_socket(em_address *address)
{
    char name[64];
    int made;
    int length = snprintf(name, sizeof name, "%cem-datagrams-%d", 0, (int)getpid());
    assert_int_equal(em_address_from_unix_name(name, (size_t)length, address), EM_OK);
    assert_int_equal(emi_datagram_open(EM_ADDRESS_UNIX, &made), EM_OK);
    assert_int_equal(emi_socket_bind(made, address), EM_OK);
    return made;
}

static void a_full_unix_peer_stops_sending_without_a_spin_until_the_owner_asks_again(void **state)
{
    enum { MANY = 1000 };
    contract_fixture *c = *state;
    em_address address;
    int ours;
    datagram_peer peer = {.owner = &owner, .socket = unix_socket(&address)};
    unsigned next = 0;
    assert_int_equal(emi_datagram_open(EM_ADDRESS_UNIX, &ours), EM_OK);
    attach_datagrams(c, &owner, ours);
    for (unsigned i = 0; i < MANY; i++)
        queue_number(&address, i);
    run_until(c, owner.short_of_buffers == 1);
    settle(c);
    assert_int_equal(owner.short_of_buffers, 1);
    char text[8];
    size_t length;
    while (next < MANY) {
        while (peer_receive_datagram(&peer, text, sizeof text - 1, &length)) {
            text[length] = '\0';
            assert_string_equal(text, number_text(next++));
        }
        emi_channel_send(&owner.channel);
        contract_turn(c, 1000000);
    }
    assert_int_equal(owner.refused, 0);
    end_datagrams(&owner);
    close_datagram_peer(&peer);
}

/* Datagrams to a fixed peer that is gone. */
static void an_error_of_the_network_is_read_once_and_every_datagram_is_still_sent(void **state)
{
    contract_fixture *c = *state;
    em_address gone;
    begin(state);
    emi_socket_close(udp_socket("127.0.0.1", &gone));
    assert_int_equal(emi_socket_connect(owner.channel.descriptor, &gone), EM_OK);
    for (unsigned i = 0; i < 10; i++) {
        queue_number(NULL, i);
        run_until(c, owner.sent == i + 1);
        run_until(c, owner.lost == i + 1);
        assert_int_equal(owner.loss, EM_CONNECTION_REFUSED);
    }
    settle(c);
    assert_int_equal(owner.lost, 10);
    assert_int_equal(owner.refused, 0);
    assert_int_equal(owner.failed_events, 0);
    end_datagrams(&owner);
}

static void an_error_is_read_although_the_channel_does_not_receive(void **state)
{
    contract_fixture *c = *state;
    em_address gone;
    begin(state);
    emi_channel_stop_receiving(&owner.channel);
    emi_socket_close(udp_socket("127.0.0.1", &gone));
    assert_int_equal(emi_socket_connect(owner.channel.descriptor, &gone), EM_OK);
    queue_number(NULL, 0);
    run_until(c, owner.sent == 1);
    queue_number(NULL, 1); /* finds the error if the poller does not watch */
    run_until(c, owner.sent == 2 && owner.lost > 0);
    assert_int_equal(owner.refused, 0);
    end_datagrams(&owner);
}

static void datagrams_that_leave_together_arrive_one_by_one(void **state)
{
    enum { MANY = 100, SIZE = 1000, LAST = 10 };
    static unsigned char bytes[SIZE], got[65536];
    contract_fixture *c = *state;
    datagram_peer peer;
    size_t length;
    begin(state);
    open_datagram_peer(&owner, &peer);
    if (!emi_datagram_has_segmentation(owner.channel.descriptor)) {
        end_datagrams(&owner);
        print_message("skipped: no UDP_SEGMENT\n");
        skip();
    }
    owner.channel.segments = true;
    pattern_fill(bytes, SIZE, 0);
    for (unsigned i = 0; i < MANY; i++)
        queue_datagram(&owner, &peer.address, bytes, i % 10 == 9 ? LAST : SIZE);
    for (unsigned i = 0; i < MANY; i++) {
        run_until(c, peer_receive_datagram(&peer, got, sizeof got, &length));
        assert_int_equal(length, i % 10 == 9 ? LAST : SIZE);
        assert_true(pattern_matches(got, length, 0));
    }
    assert_true(owner.channel.segments);
    end_datagrams(&owner);
    close_datagram_peer(&peer);
}

static void datagrams_that_arrive_together_are_reported_one_by_one(void **state)
{
    enum { MANY = 40, SIZE = 1200, LAST = 77 };
    static unsigned char bytes[SIZE];
    contract_fixture *c = *state;
    emi_outgoing list[MANY];
    datagram_peer peer;
    begin(state);
    open_datagram_peer(&owner, &peer);
    if (emi_datagram_set_receive_offload(owner.channel.descriptor, true) != EM_OK) {
        end_datagrams(&owner);
        print_message("skipped: no UDP_GRO\n");
        skip();
    }
    pattern_fill(bytes, SIZE, 0);
    for (unsigned i = 0; i < MANY; i++)
        list[i] = (emi_outgoing){.data = bytes,
                                 .length = i == MANY - 1 ? LAST : SIZE,
                                 .peer = owner.address.storage.bytes,
                                 .peer_bytes = owner.address.length};
    emi_sending done = emi_datagrams_send(peer.socket, list, MANY, true);
    assert_int_equal(done.status, EM_OK);
    assert_int_equal(done.sent, MANY);
    run_until(c, owner.received_count == MANY);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(owner.received[i].length, i == MANY - 1 ? LAST : SIZE);
        assert_true(owner.received[i].is_pattern);
        assert_true(same_address(&owner.received[i].peer, &peer.address));
    }
    end_datagrams(&owner);
    close_datagram_peer(&peer);
}

int main(void)
{
    static const contract_test tests[] = {
        KERNEL_TEST(a_full_unix_peer_stops_sending_without_a_spin_until_the_owner_asks_again),
        KERNEL_TEST(an_error_of_the_network_is_read_once_and_every_datagram_is_still_sent),
        KERNEL_TEST(an_error_is_read_although_the_channel_does_not_receive),
        KERNEL_TEST(datagrams_that_leave_together_arrive_one_by_one),
        KERNEL_TEST(datagrams_that_arrive_together_are_reported_one_by_one),
    };
    return run_contract("datagrams of kernels", tests, sizeof tests / sizeof tests[0]);
}
