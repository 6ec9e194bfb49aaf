/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Datagram sockets over the simulated backend, with the clock stopped: the queue and its limits, timers, and memory
 * that runs out at any allocation.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/simulated_loop.h"

typedef struct told {
    em_datagram_socket *socket; /* NULL after unbind */
    unsigned received, failures, drained, unbinds;
    em_status reason, failure;
    char text[64]; /* what was received, one after the other */
    unsigned pause_at;
    unsigned close_in_failure;
} told;

static told *told_of(em_datagram_socket *socket)
{
    return em_datagram_socket_get_user(socket);
}

static void receive_datagram(em_datagram_socket *socket, const em_datagram *datagram)
{
    told *t = told_of(socket);
    strncat(t->text, datagram->data, datagram->length);
    if (++t->received == t->pause_at)
        assert_int_equal(em_datagram_socket_pause(socket), EM_OK);
}

static void send_failed(em_datagram_socket *socket, const em_datagram_failure *failure)
{
    told *t = told_of(socket);
    t->failures++;
    t->failure = failure->status;
    if (t->close_in_failure)
        em_datagram_socket_close(socket);
}

static void drained(em_datagram_socket *socket)
{
    told_of(socket)->drained++;
}

static void unbind(em_datagram_socket *socket, em_status reason)
{
    told *t = told_of(socket);
    t->unbinds++;
    t->reason = reason;
    t->socket = NULL;
}

static const em_datagram_handler handler = {
    .receive_datagram = receive_datagram, .send_failed = send_failed, .drained = drained, .unbind = unbind};

static em_address peer_address(void)
{
    em_address address;
    em_address_from_text("192.0.2.9", 9, &address);
    return address;
}

static simulated_peer *open_socket(simulated_loop *fixture, told *t, em_datagram_options options)
{
    memset(t, 0, sizeof *t);
    options.size = sizeof options;
    options.user = t;
    assert_int_equal(em_loop_open_datagram_socket(fixture->loop, "127.0.0.1", 0, &handler, &options, &t->socket),
                     EM_OK);
    return simulated_peer_of(fixture->backend, em_datagram_socket_get_descriptor(t->socket));
}

static em_status send_text(told *t, const char *text)
{
    em_address peer = peer_address();
    return em_datagram_socket_send_to(t->socket, text, strlen(text), &peer);
}

static void expect_datagram(simulated_peer *peer, const char *text)
{
    em_address to;
    char data[2000];
    size_t length;
    assert_true(simulated_take_datagram(peer, &to, data, sizeof data, &length));
    assert_int_equal(length, strlen(text));
    assert_memory_equal(data, text, length);
}

static void end(simulated_loop *fixture, told *t)
{
    if (t->socket)
        em_datagram_socket_close(t->socket);
    run_turns(fixture, 8);
    assert_int_equal(t->unbinds, 1);
}

static void the_queue_is_bounded_and_says_so(void **state)
{
    simulated_loop *fixture = *state;
    told t;
    char kilobyte[1001] = {0};
    memset(kilobyte, 'k', 1000);
    simulated_peer *peer =
        open_socket(fixture, &t, (em_datagram_options){.high_water_bytes = 2500, .outbox_limit_bytes = 6000});
    simulated_fail_datagrams(peer, EM_WOULD_BLOCK);
    assert_int_equal(send_text(&t, kilobyte), EM_OK);
    assert_int_equal(send_text(&t, kilobyte), EM_OK);
    assert_int_equal(send_text(&t, kilobyte), EM_UNDER_PRESSURE);
    assert_int_equal(send_text(&t, kilobyte), EM_UNDER_PRESSURE);
    assert_int_equal(send_text(&t, kilobyte), EM_UNDER_PRESSURE);
    assert_int_equal(send_text(&t, kilobyte), EM_OUTBOX_LIMIT);
    assert_int_equal(em_datagram_socket_get_outbound_bytes(t.socket), 5000);
    assert_int_equal(em_datagram_socket_get_outbound_count(t.socket), 5);
    assert_int_equal(stats_of(fixture).outbox_bytes, 5000);
    run_turns(fixture, 3);
    assert_int_equal(t.drained, 0);
    simulated_fail_datagrams(peer, EM_OK);
    run_turns(fixture, 3);
    assert_int_equal(t.drained, 1);
    assert_int_equal(em_datagram_socket_get_outbound_bytes(t.socket), 0);
    assert_int_equal(stats_of(fixture).outbox_bytes, 0);
    for (unsigned i = 0; i < 5; i++)
        expect_datagram(peer, kilobyte);
    assert_int_equal(send_text(&t, kilobyte), EM_OK);
    end(fixture, &t);
}

static void empty_datagrams_count_against_the_limit(void **state)
{
    simulated_loop *fixture = *state;
    told t;
    unsigned sent = 0;
    open_socket(fixture, &t, (em_datagram_options){.outbox_limit_bytes = 10000});
    while (send_text(&t, "") == EM_OK)
        sent++;
    assert_in_range(sent, 10, 10000 / 64);
    assert_int_equal(em_datagram_socket_set_outbox_limit_bytes(t.socket, 0), EM_OK);
    assert_int_equal(send_text(&t, ""), EM_OK);
    end(fixture, &t);
}

static void the_limit_of_the_loop_holds_for_datagrams(void **state)
{
    simulated_loop fixture;
    told t;
    (void)state;
    em_loop_options options = {.size = sizeof options, .outbox_limit_bytes = 5};
    simulated_loop_open(&fixture, NULL, &options);
    open_socket(&fixture, &t, (em_datagram_options){.size = 0});
    assert_int_equal(send_text(&t, "12345"), EM_OK);
    assert_int_equal(send_text(&t, "6"), EM_LOOP_OUTBOX_LIMIT);
    assert_int_equal(send_text(&t, ""), EM_OK);
    end(&fixture, &t);
    simulated_loop_close(&fixture);
}

static void without_buffers_it_tries_again_after_1_ms_and_then_twice_as_long_each_time_up_to_100(void **state)
{
    simulated_loop *fixture = *state;
    told t;
    simulated_peer *peer = open_socket(fixture, &t, (em_datagram_options){.size = 0});
    simulated_fail_datagrams(peer, EM_NO_BUFFERS);
    send_text(&t, "kept");
    run_turns(fixture, 2);
    uint64_t turns = stats_of(fixture).turns;
    uint64_t fired = stats_of(fixture).timers_fired;
    run_for(fixture, 63 * EM_MILLISECONDS + EM_MILLISECONDS / 2); /* after 1, 3, 7, 15, 31, 63 ms */
    assert_int_equal(stats_of(fixture).timers_fired - fired, 6);
    assert_in_range(stats_of(fixture).turns - turns, 0, 40); /* no spin */
    fired = stats_of(fixture).timers_fired;
    run_for(fixture, EM_SECONDS);
    assert_in_range(stats_of(fixture).timers_fired - fired, 9, 10);
    assert_int_equal(send_text(&t, "behind"), EM_OK);
    simulated_fail_datagrams(peer, EM_OK);
    run_for(fixture, 101 * EM_MILLISECONDS);
    expect_datagram(peer, "kept");
    expect_datagram(peer, "behind");
    assert_int_equal(t.failures, 0);
    end(fixture, &t);
}

static void a_datagram_that_is_refused_is_reported_and_the_others_are_sent(void **state)
{
    simulated_loop *fixture = *state;
    told t;
    simulated_peer *peer = open_socket(fixture, &t, (em_datagram_options){.size = 0});
    simulated_fail_datagrams(peer, EM_PERMISSION_DENIED);
    send_text(&t, "refused");
    send_text(&t, "sent");
    run_turns(fixture, 3);
    assert_int_equal(t.failures, 1);
    assert_int_equal(t.failure, EM_PERMISSION_DENIED);
    expect_datagram(peer, "sent");
    em_address lost = peer_address();
    simulated_lose_datagram(peer, &lost, EM_HOST_UNREACHABLE);
    run_turns(fixture, 3);
    assert_int_equal(t.failures, 2);
    assert_int_equal(t.failure, EM_HOST_UNREACHABLE);
    assert_int_equal(t.unbinds, 0);
    end(fixture, &t);
}

static void a_close_within_send_failed_sends_nothing_more(void **state)
{
    simulated_loop *fixture = *state;
    told t;
    simulated_peer *peer = open_socket(fixture, &t, (em_datagram_options){.size = 0});
    simulated_fail_datagrams(peer, EM_PERMISSION_DENIED);
    t.close_in_failure = 1;
    send_text(&t, "refused");
    send_text(&t, "dropped");
    run_turns(fixture, 3);
    end(fixture, &t);
    assert_int_equal(t.failures, 1);
    assert_int_equal(simulated_waiting(peer), 0);
}

static void a_pause_takes_effect_at_once_and_what_has_arrived_follows_the_resume(void **state)
{
    simulated_loop *fixture = *state;
    told t;
    em_address from = peer_address();
    simulated_peer *peer = open_socket(fixture, &t, (em_datagram_options){.size = 0});
    t.pause_at = 2;
    for (const char *text = "abcdef"; *text; text++)
        simulated_feed_datagram(peer, &from, text, 1);
    run_turns(fixture, 5);
    assert_string_equal(t.text, "ab");
    assert_int_equal(em_datagram_socket_is_paused(t.socket), 1);
    assert_int_equal(em_datagram_socket_pause(t.socket), EM_INVALID_STATE);
    send_text(&t, "sending goes on");
    run_turns(fixture, 2);
    expect_datagram(peer, "sending goes on");
    assert_int_equal(em_datagram_socket_resume(t.socket), EM_OK);
    run_turns(fixture, 5);
    assert_string_equal(t.text, "abcdef");
    end(fixture, &t);
}

static void silence_ends_a_socket_after_its_timeout_and_datagrams_in_either_direction_put_it_off(void **state)
{
    simulated_loop *fixture = *state;
    told t;
    em_address from = peer_address();
    simulated_peer *peer =
        open_socket(fixture, &t, (em_datagram_options){.inactivity_timeout_ns = 100 * EM_MILLISECONDS});
    run_for(fixture, 60 * EM_MILLISECONDS);
    send_text(&t, "x");
    run_for(fixture, 60 * EM_MILLISECONDS);
    simulated_feed_datagram(peer, &from, "y", 1);
    run_for(fixture, 60 * EM_MILLISECONDS);
    assert_int_equal(t.unbinds, 0);
    assert_int_equal(em_datagram_socket_pause(t.socket), EM_OK);
    run_for(fixture, 300 * EM_MILLISECONDS);
    assert_int_equal(t.unbinds, 0);
    assert_int_equal(em_datagram_socket_resume(t.socket), EM_OK);
    run_for(fixture, 90 * EM_MILLISECONDS);
    assert_int_equal(t.unbinds, 0);
    run_for(fixture, 20 * EM_MILLISECONDS);
    assert_int_equal(t.unbinds, 1);
    assert_int_equal(t.reason, EM_INACTIVITY_TIMEOUT);
}

static void close_after_writing_gives_up_a_peer_that_takes_nothing(void **state)
{
    simulated_loop *fixture = *state;
    told t;
    simulated_peer *peer = open_socket(fixture, &t, (em_datagram_options){.drain_timeout_ns = EM_SECONDS});
    simulated_fail_datagrams(peer, EM_NO_BUFFERS);
    send_text(&t, "never");
    assert_int_equal(em_datagram_socket_close_after_writing(t.socket), EM_OK);
    assert_int_equal(send_text(&t, "late"), EM_CLOSED);
    run_for(fixture, 990 * EM_MILLISECONDS);
    assert_int_equal(t.unbinds, 0);
    run_for(fixture, 20 * EM_MILLISECONDS);
    assert_int_equal(t.unbinds, 1);
    assert_int_equal(t.reason, EM_WRITE_TIMEOUT);
}

static void failing_operations_of_the_backend_leave_nothing_behind(void **state)
{
    static const simulated_operation operations[] = {SIMULATED_ATTACH, SIMULATED_START_RECEIVING};
    simulated_loop *fixture = *state;
    for (unsigned i = 0; i < 2; i++) {
        em_datagram_socket *socket;
        simulated_fail_next(fixture->backend, operations[i], EM_NO_MEMORY);
        assert_int_equal(em_loop_open_datagram_socket(fixture->loop, "127.0.0.1", 0, &handler, NULL, &socket),
                         EM_NO_MEMORY);
        assert_null(socket);
        run_turns(fixture, 5);
        assert_int_equal(stats_of(fixture).datagram_sockets_open, 0);
    }
}

static void every_allocation_may_fail_and_the_next_attempt_succeeds(void **state)
{
    (void)state;
    for (unsigned long n = 1; n <= 20; n++) {
        simulated_loop fixture;
        told t = {.socket = NULL};
        simulated_loop_open(&fixture, NULL, NULL);
        em_datagram_options options = {.size = sizeof options, .user = &t};
        em_status status = EM_NO_MEMORY;
        failing_allocator_fail(&fixture.allocator, n, EM_OFF);
        for (unsigned attempts = 0; attempts < 3 && status == EM_NO_MEMORY; attempts++)
            status = em_loop_open_datagram_socket(fixture.loop, "127.0.0.1", 0, &handler, &options, &t.socket);
        assert_int_equal(status, EM_OK);
        status = send_text(&t, "text");
        assert_true(status == EM_OK || status == EM_NO_MEMORY);
        assert_int_equal(send_text(&t, "again"), EM_OK);
        end(&fixture, &t);
        failing_allocator_fail(&fixture.allocator, 0, EM_OFF);
        simulated_loop_close(&fixture);
    }
}

static void random_traffic_arrives_in_order_whatever_the_backend_does(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        simulated_loop fixture;
        told t;
        simulated_loop_open(&fixture, &(simulated_options){.seed = seed, .window_bytes = 3000}, NULL);
        simulated_peer *peer = open_socket(&fixture, &t, (em_datagram_options){.size = 0});
        unsigned sent = 0, taken = 0;
        while (taken < 300) {
            char data[64];
            em_address to;
            size_t length;
            for (unsigned i = 0; i < 7 && sent < 300; i++) {
                snprintf(data, sizeof data, "%u", sent++);
                assert_int_equal(send_text(&t, data), EM_OK);
            }
            run_turns(&fixture, 2);
            test_clock_advance(EM_MILLISECONDS);
            while (simulated_take_datagram(peer, &to, data, sizeof data - 1, &length)) {
                data[length] = '\0';
                assert_int_equal(atoi(data), taken++);
            }
        }
        end(&fixture, &t);
        simulated_loop_close(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_queue_is_bounded_and_says_so, set_up_loop, tear_down_loop),
        cmocka_unit_test_setup_teardown(empty_datagrams_count_against_the_limit, set_up_loop, tear_down_loop),
        cmocka_unit_test(the_limit_of_the_loop_holds_for_datagrams),
        cmocka_unit_test_setup_teardown(
            without_buffers_it_tries_again_after_1_ms_and_then_twice_as_long_each_time_up_to_100, set_up_loop,
            tear_down_loop),
        cmocka_unit_test_setup_teardown(a_datagram_that_is_refused_is_reported_and_the_others_are_sent, set_up_loop,
                                        tear_down_loop),
        cmocka_unit_test_setup_teardown(a_close_within_send_failed_sends_nothing_more, set_up_loop, tear_down_loop),
        cmocka_unit_test_setup_teardown(a_pause_takes_effect_at_once_and_what_has_arrived_follows_the_resume,
                                        set_up_loop, tear_down_loop),
        cmocka_unit_test_setup_teardown(
            silence_ends_a_socket_after_its_timeout_and_datagrams_in_either_direction_put_it_off, set_up_loop,
            tear_down_loop),
        cmocka_unit_test_setup_teardown(close_after_writing_gives_up_a_peer_that_takes_nothing, set_up_loop,
                                        tear_down_loop),
        cmocka_unit_test_setup_teardown(failing_operations_of_the_backend_leave_nothing_behind, set_up_loop,
                                        tear_down_loop),
        cmocka_unit_test(every_allocation_may_fail_and_the_next_attempt_succeeds),
        cmocka_unit_test(random_traffic_arrives_in_order_whatever_the_backend_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
