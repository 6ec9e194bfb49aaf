/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The contract of every backend: accepting connections.
 */
#include "support/contract.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MANY = 200 };

static em_status start(test_listener *listener)
{
    return emi_channel_start_receiving(&listener->channel.channel);
}

static void connect_peers(test_listener *listener, test_peer *peers, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        connect_peer(listener, &peers[i]);
}

static void end_listener(test_listener *listener, test_peer *peers, unsigned count)
{
    close_accepted(listener);
    test_channel_end(&listener->channel);
    for (unsigned i = 0; i < count; i++)
        peer_close(&peers[i]);
}

static void every_peer_that_connects_is_accepted(void **state)
{
    test_listener listener;
    test_peer peers[MANY];
    open_listener(*state, &listener, 'L');
    assert_int_equal(start(&listener), EM_OK);
    connect_peers(&listener, peers, MANY / 2);
    run_until(*state, listener.channel.accepted_events == MANY / 2);
    connect_peers(&listener, peers + MANY / 2, MANY / 2);
    run_until(*state, listener.channel.accepted_events == MANY);
    settle(*state);
    assert_int_equal(listener.channel.accepted_events, MANY);
    end_listener(&listener, peers, MANY);
}

static void accepted_sockets_are_nonblocking_not_inherited_and_come_with_the_peer_s_address(void **state)
{
    test_listener listener;
    test_peer peer;
    open_listener(*state, &listener, 'L');
    assert_int_equal(start(&listener), EM_OK);
    connect_peer(&listener, &peer);
    run_until(*state, listener.channel.accepted_events == 1);
    int socket = listener.channel.accepted[0];
    assert_true(fcntl(socket, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(socket, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(em_address_get_family(&listener.channel.last_peer), EM_ADDRESS_IPV4);
    assert_true(em_address_get_port(&listener.channel.last_peer) > 0);
    end_listener(&listener, &peer, 1);
}

static void nothing_is_accepted_before_the_start(void **state)
{
    test_listener listener;
    test_peer peers[3];
    open_listener(*state, &listener, 'L');
    connect_peers(&listener, peers, 3);
    settle(*state);
    assert_int_equal(listener.channel.accepted_events, 0);
    assert_int_equal(start(&listener), EM_OK);
    run_until(*state, listener.channel.accepted_events == 3);
    end_listener(&listener, peers, 3);
}

static void two_busy_listeners_take_turns(void **state)
{
    contract_fixture *c = *state;
    test_listener listeners[2];
    test_peer peers[2][40];
    for (unsigned i = 0; i < 2; i++) {
        open_listener(c, &listeners[i], (char)('A' + i));
        listeners[i].channel.channel.burst = 4;
        connect_peers(&listeners[i], peers[i], 40);
        assert_int_equal(start(&listeners[i]), EM_OK);
    }
    run_until(c, listeners[0].channel.accepted_events + listeners[1].channel.accepted_events == 80);
    size_t counts[2] = {0, 0};
    unsigned in_a_row = 0;
    for (size_t i = 0; i < c->event_count; i += 2) {
        in_a_row = i > 0 && c->events[i] == c->events[i - 2] ? in_a_row + 1 : 1;
        counts[c->events[i] - 'A']++;
        if (counts[0] < 40 && counts[1] < 40)
            assert_in_range(in_a_row, 1, 8);
    }
    for (unsigned i = 0; i < 2; i++)
        end_listener(&listeners[i], peers[i], 40);
}

static void stop(test_channel *channel)
{
    emi_channel_stop_receiving(&channel->channel);
}

static void stopping_within_accepted_is_exact_and_the_restart_accepts_the_rest(void **state)
{
    test_listener listener;
    test_peer peers[10];
    open_listener(*state, &listener, 'L');
    listener.channel.on_accepted = stop;
    connect_peers(&listener, peers, 10);
    for (unsigned accepted = 1; accepted <= 10; accepted++) {
        assert_int_equal(start(&listener), EM_OK);
        run_until(*state, listener.channel.accepted_events == accepted);
        settle(*state);
        assert_int_equal(listener.channel.accepted_events, accepted);
    }
    end_listener(&listener, peers, 10);
}

static void peers_that_connect_while_it_is_stopped_are_accepted_after_the_restart(void **state)
{
    test_listener listener;
    test_peer peers[5];
    open_listener(*state, &listener, 'L');
    assert_int_equal(start(&listener), EM_OK);
    contract_turn(*state, 0);
    stop(&listener.channel);
    connect_peers(&listener, peers, 5);
    settle(*state);
    assert_int_equal(listener.channel.accepted_events, 0);
    assert_int_equal(start(&listener), EM_OK);
    run_until(*state, listener.channel.accepted_events == 5);
    end_listener(&listener, peers, 5);
}

/* Connections that are being accepted may still be reported; the others wait in the system's queue. */
static void a_listener_that_is_stopped_does_not_go_on_accepting(void **state)
{
    contract_fixture *c = *state;
    test_listener listener;
    test_peer peers[31];
    open_listener(c, &listener, 'L');
    assert_int_equal(start(&listener), EM_OK);
    connect_peers(&listener, peers, 1);
    run_until(c, listener.channel.accepted_events == 1);
    emi_channel_stop_receiving(&listener.channel.channel);
    connect_peers(&listener, peers + 1, 10);
    settle(c);
    unsigned before = count_descriptors();
    connect_peers(&listener, peers + 11, 20);
    settle(c);
    assert_int_equal(count_descriptors(), before + 20);
    assert_int_equal(listener.channel.accepted_events, 1);
    assert_int_equal(start(&listener), EM_OK);
    run_until(c, listener.channel.accepted_events == 31);
    end_listener(&listener, peers, 31);
}

static void a_listener_can_be_released_within_accepted(void **state)
{
    test_listener listener;
    test_peer peers[5];
    open_listener(*state, &listener, 'L');
    listener.channel.on_accepted = test_channel_release;
    connect_peers(&listener, peers, 5);
    assert_int_equal(start(&listener), EM_OK);
    run_until(*state, listener.channel.released_events == 1);
    assert_int_equal(listener.channel.accepted_events, 1);
    end_listener(&listener, peers, 5);
}

/* Lowers the limit so that this process cannot open a descriptor; returns the old limit. */
static struct rlimit use_up_descriptors(void)
{
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int highest = dup(0);
    close(highest);
    struct rlimit none = {.rlim_cur = (rlim_t)highest, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    return before;
}

static void without_descriptors_accepting_fails_once_and_goes_on_after_a_restart(void **state)
{
    contract_fixture *c = *state;
    test_listener listener;
    test_peer peers[3];
    struct rlimit before = {.rlim_cur = 0};
    open_listener(c, &listener, 'L');
    connect_peers(&listener, peers, 3);
    if (c->simulated)
        simulated_fail_accepting(c->simulated, listener.descriptor, EM_NO_DESCRIPTORS);
    else
        before = use_up_descriptors();
    assert_int_equal(start(&listener), EM_OK);
    run_until(c, listener.channel.failed_events == 1);
    settle(c);
    if (!c->simulated)
        setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(listener.channel.failure, EM_NO_DESCRIPTORS);
    assert_int_equal(listener.channel.failed_events, 1);
    assert_int_equal(listener.channel.accepted_events, 0);
    settle(c);
    assert_int_equal(listener.channel.accepted_events, 0);
    assert_int_equal(start(&listener), EM_OK);
    run_until(c, listener.channel.accepted_events == 3);
    end_listener(&listener, peers, 3);
}

static test_listener *the_listener;

static void restart(test_channel *channel)
{
    (void)channel;
    assert_int_equal(start(the_listener), EM_OK);
}

static void accepting_may_be_resumed_within_failed(void **state)
{
    contract_fixture *c = *state;
    test_listener listener;
    test_peer peer;
    open_listener(c, &listener, 'L');
    the_listener = &listener;
    listener.channel.on_failed = restart;
    connect_peer(&listener, &peer);
    if (c->simulated) {
        simulated_fail_accepting(c->simulated, listener.descriptor, EM_NO_DESCRIPTORS);
        assert_int_equal(start(&listener), EM_OK);
        run_until(c, listener.channel.failed_events == 1);
    } else {
        struct rlimit before = use_up_descriptors();
        assert_int_equal(start(&listener), EM_OK);
        run_until(c, listener.channel.failed_events >= 3);
        setrlimit(RLIMIT_NOFILE, &before);
    }
    run_until(c, listener.channel.accepted_events == 1);
    end_listener(&listener, &peer, 1);
}

int main(void)
{
    static const contract_test tests[] = {
        CONTRACT_TEST(every_peer_that_connects_is_accepted),
        CONTRACT_TEST(accepted_sockets_are_nonblocking_not_inherited_and_come_with_the_peer_s_address),
        CONTRACT_TEST(nothing_is_accepted_before_the_start),
        CONTRACT_TEST(two_busy_listeners_take_turns),
        CONTRACT_TEST(stopping_within_accepted_is_exact_and_the_restart_accepts_the_rest),
        CONTRACT_TEST(peers_that_connect_while_it_is_stopped_are_accepted_after_the_restart),
        KERNEL_TEST(a_listener_that_is_stopped_does_not_go_on_accepting),
        CONTRACT_TEST(a_listener_can_be_released_within_accepted),
        CONTRACT_TEST(without_descriptors_accepting_fails_once_and_goes_on_after_a_restart),
        CONTRACT_TEST(accepting_may_be_resumed_within_failed),
    };
    return run_contract("listening", tests, sizeof tests / sizeof tests[0]);
}
