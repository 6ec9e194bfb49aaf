/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The contract of every backend: descriptors that others read and write, and of which only the readiness is reported.
 */
#include "support/contract.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void wait_for(test_channel *channel, unsigned interests)
{
    assert_int_equal(emi_channel_poll(&channel->channel, interests), EM_OK);
}

static void nothing_is_reported_without_interest(void **state)
{
    test_channel channel;
    test_peer other;
    open_pollable(*state, &channel, 'P', &other);
    make_readable(&channel, &other);
    settle(*state);
    wait_for(&channel, EMI_NO_INTEREST);
    settle(*state);
    assert_int_equal(channel.ready_events, 0);
    test_channel_end(&channel);
    peer_close(&other);
}

static void readiness_is_reported_again_and_again_as_long_as_it_lasts(void **state)
{
    test_channel channel;
    test_peer other;
    open_pollable(*state, &channel, 'P', &other);
    wait_for(&channel, EMI_READABLE);
    settle(*state);
    assert_int_equal(channel.ready_events, 0);
    make_readable(&channel, &other);
    run_until(*state, channel.ready_events >= 5);
    assert_int_equal(channel.ready, EMI_READABLE);
    make_unreadable(&channel);
    contract_turn(*state, 0);
    unsigned before = channel.ready_events;
    settle(*state);
    assert_int_equal(channel.ready_events, before);
    make_readable(&channel, &other);
    run_until(*state, channel.ready_events > before);
    test_channel_end(&channel);
    peer_close(&other);
}

static void only_what_was_asked_for_is_reported(void **state)
{
    test_channel channel;
    test_peer other;
    open_pollable(*state, &channel, 'P', &other);
    make_readable(&channel, &other);
    wait_for(&channel, EMI_WRITABLE);
    run_until(*state, channel.ready_events > 0);
    assert_int_equal(channel.ready, EMI_WRITABLE);
    wait_for(&channel, EMI_READABLE);
    run_until(*state, channel.ready == EMI_READABLE);
    wait_for(&channel, EMI_READABLE | EMI_WRITABLE);
    run_until(*state, channel.ready == (EMI_READABLE | EMI_WRITABLE));
    make_unreadable(&channel);
    run_until(*state, channel.ready == EMI_WRITABLE);
    wait_for(&channel, EMI_NO_INTEREST);
    unsigned before = channel.ready_events;
    settle(*state);
    assert_int_equal(channel.ready_events, before);
    test_channel_end(&channel);
    peer_close(&other);
}

static void want_other(test_channel *channel)
{
    wait_for(channel, channel->ready == EMI_READABLE ? EMI_WRITABLE : EMI_READABLE);
}

static void want_nothing(test_channel *channel)
{
    wait_for(channel, EMI_NO_INTEREST);
}

static void the_interest_may_be_changed_within_ready(void **state)
{
    test_channel channel;
    test_peer other;
    open_pollable(*state, &channel, 'P', &other);
    make_readable(&channel, &other);
    channel.on_ready = want_other;
    wait_for(&channel, EMI_READABLE);
    run_until(*state, channel.ready_events == 10);
    channel.on_ready = want_nothing;
    run_until(*state, channel.ready_events == 11);
    settle(*state);
    assert_int_equal(channel.ready_events, 11);
    test_channel_end(&channel);
    peer_close(&other);
}

static void a_channel_can_be_released_within_ready(void **state)
{
    test_channel channel;
    test_peer other;
    open_pollable(*state, &channel, 'P', &other);
    make_readable(&channel, &other);
    channel.on_ready = test_channel_release;
    wait_for(&channel, EMI_READABLE | EMI_WRITABLE);
    run_until(*state, channel.released_events == 1);
    assert_int_equal(channel.ready_events, 1);
    test_channel_clear(&channel);
    peer_close(&other);
}

static void a_descriptor_shared_with_others_is_left_as_it_is(void **state)
{
    contract_fixture *c = *state;
    test_channel channel;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int flags = fcntl(ends[0], F_GETFL);
    test_channel_init(&channel, c, 'P');
    assert_int_equal(test_channel_attach(&channel, EMI_POLLED, ends[0], EMI_SHARED), EM_OK);
    wait_for(&channel, EMI_READABLE);
    settle(c);
    assert_int_equal(fcntl(ends[0], F_GETFL), flags);
    test_channel_end(&channel);
    assert_int_equal(fcntl(ends[0], F_GETFL), flags);
    assert_int_equal(write(ends[1], "x", 1), 1);
    settle(c);
    close(ends[0]);
    close(ends[1]);
}

static void the_same_shared_descriptor_can_be_attached_again(void **state)
{
    contract_fixture *c = *state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    for (unsigned round = 0; round < 3; round++) {
        test_channel channel;
        test_channel_init(&channel, c, 'P');
        assert_int_equal(test_channel_attach(&channel, EMI_POLLED, ends[0], EMI_SHARED), EM_OK);
        if (c->simulated)
            simulated_make_ready(c->simulated, ends[0], EMI_READABLE);
        wait_for(&channel, EMI_READABLE);
        run_until(c, channel.ready_events >= 2);
        test_channel_end(&channel);
    }
    close(ends[0]);
    close(ends[1]);
}

static void attach_shared(contract_fixture *contract, test_channel *channel, char name, int descriptor)
{
    test_channel_init(channel, contract, name);
    assert_int_equal(test_channel_attach(channel, EMI_POLLED, descriptor, EMI_SHARED), EM_OK);
}

static void several_channels_may_poll_the_same_descriptor(void **state)
{
    enum { WATCHES = 5 };
    contract_fixture *c = *state;
    test_channel channels[WATCHES];
    int ends[2];
    unix_pair(ends);
    for (unsigned i = 0; i < WATCHES; i++) {
        attach_shared(c, &channels[i], 'P', ends[0]);
        wait_for(&channels[i], i % 2 == 0 ? EMI_READABLE : EMI_WRITABLE);
    }
    settle(c);
    assert_int_equal(write(ends[1], "x", 1), 1);
    for (unsigned i = 0; i < WATCHES; i++) {
        unsigned before = channels[i].ready_events;
        run_until(c, channels[i].ready_events > before + 3);
        assert_int_equal(channels[i].ready, i % 2 == 0 ? EMI_READABLE : EMI_WRITABLE);
    }
    test_channel_end(&channels[0]); /* the others go on */
    unsigned before = channels[4].ready_events;
    run_until(c, channels[4].ready_events > before + 3);
    wait_for(&channels[2], EMI_NO_INTEREST);
    before = channels[2].ready_events;
    settle(c);
    assert_int_equal(channels[2].ready_events, before);
    attach_shared(c, &channels[0], 'N', ends[0]);
    wait_for(&channels[0], EMI_READABLE);
    run_until(c, channels[0].ready_events > 3);
    for (unsigned i = 0; i < WATCHES; i++)
        test_channel_end(&channels[i]);
    close(ends[0]);
    close(ends[1]);
}

static void a_stream_may_be_polled_beside_its_channel(void **state)
{
    contract_fixture *c = *state;
    for (int polled_first = 0; polled_first < 2; polled_first++) {
        test_channel stream, watch;
        int ends[2];
        unix_pair(ends);
        if (polled_first)
            attach_shared(c, &watch, 'P', ends[0]);
        if (polled_first)
            wait_for(&watch, EMI_READABLE);
        test_channel_init(&stream, c, 'S');
        assert_int_equal(test_channel_attach(&stream, EMI_STREAM, ends[0], EMI_GIVEN), EM_OK);
        assert_int_equal(emi_channel_start_receiving(&stream.channel), EM_OK);
        if (!polled_first)
            attach_shared(c, &watch, 'P', ends[0]);
        wait_for(&watch, EMI_READABLE | EMI_WRITABLE);
        run_until(c, watch.ready_events > 3);
        emi_channel_stop_receiving(&stream.channel);
        assert_int_equal(write(ends[1], "x", 1), 1);
        run_until(c, watch.ready == (EMI_READABLE | EMI_WRITABLE));
        assert_int_equal(emi_channel_start_receiving(&stream.channel), EM_OK);
        run_until(c, stream.data_events == 1);
        test_channel_end(&watch);
        assert_int_equal(write(ends[1], "y", 1), 1);
        run_until(c, bytes_equal_text(&stream.received, "xy"));
        test_channel_end(&stream);
        close(ends[1]);
    }
}

static void a_descriptor_can_have_one_stream_only(void **state)
{
    test_channel stream, other;
    int ends[2];
    unix_pair(ends);
    for (emi_ownership ownership = EMI_GIVEN; ownership <= EMI_SHARED; ownership++) {
        test_channel_init(&stream, *state, 'A');
        test_channel_init(&other, *state, 'B');
        assert_int_equal(test_channel_attach(&stream, EMI_STREAM, ends[0], EMI_SHARED), EM_OK);
        assert_int_equal(test_channel_attach(&other, EMI_STREAM, ends[0], ownership), EM_FILE_EXISTS);
        test_channel_end(&stream);
        test_channel_clear(&other);
    }
    close(ends[0]);
    close(ends[1]);
}

/* epoll does not notice it; poll(2) does. */
static void a_polled_descriptor_that_others_close_does_no_harm(void **state)
{
    contract_fixture *c = *state;
    test_channel channel;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    attach_shared(c, &channel, 'P', ends[0]);
    wait_for(&channel, EMI_READABLE);
    contract_turn(c, 0);
    close(ends[0]);
    for (unsigned i = 0; i < 5; i++)
        contract_turn(c, 1000000);
    assert_int_equal(channel.ready_events, 0);
    assert_int_equal(channel.failed_events, strcmp(c->backend->name, "poll") == 0);
    assert_int_equal(channel.failure, channel.failed_events ? EM_BAD_DESCRIPTOR : EM_OK);
    wait_for(&channel, EMI_NO_INTEREST);
    assert_false(c->backend->operations->wait(c->backend, 1000000));
    if (channel.failed_events == 0) {
        wait_for(&channel, EMI_NO_INTEREST);
        assert_int_equal(emi_channel_poll(&channel.channel, EMI_READABLE), EM_BAD_DESCRIPTOR);
    }
    test_channel_end(&channel);
    close(ends[1]);
}

/* The number is another file's when the old channel is released: that one must not be touched. */
static void a_number_that_is_used_again_is_another_descriptor(void **state)
{
    contract_fixture *c = *state;
    test_channel old, new;
    int ends[2], again[2];
    assert_int_equal(pipe(ends), 0);
    attach_shared(c, &old, 'O', ends[0]);
    wait_for(&old, EMI_READABLE);
    contract_turn(c, 0);
    test_channel_release(&old);
    close(ends[0]);
    assert_int_equal(pipe(again), 0);
    assert_int_equal(dup2(again[0], ends[0]), ends[0]);
    attach_shared(c, &new, 'N', ends[0]);
    wait_for(&new, EMI_READABLE);
    settle(c);
    assert_int_equal(new.ready_events, 0);
    assert_int_equal(write(again[1], "x", 1), 1);
    run_until(c, new.ready_events > 2);
    test_channel_end(&new);
    test_channel_clear(&old);
    close(ends[0]);
    close(ends[1]);
    close(again[0]);
    close(again[1]);
}

static void a_regular_file_is_always_ready(void **state)
{
    contract_fixture *c = *state;
    test_channel channel;
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    attach_shared(c, &channel, 'F', file);
    wait_for(&channel, EMI_READABLE | EMI_WRITABLE);
    run_until(c, channel.ready_events > 5);
    assert_int_equal(channel.ready, EMI_READABLE | EMI_WRITABLE);
    wait_for(&channel, EMI_NO_INTEREST);
    contract_turn(c, 0);
    assert_false(c->backend->operations->wait(c->backend, 1000000));
    wait_for(&channel, EMI_READABLE);
    unsigned before = channel.ready_events;
    run_until(c, channel.ready_events > before + 5);
    assert_int_equal(channel.ready, EMI_READABLE);
    test_channel_end(&channel);
    close(file);
}

static void a_given_descriptor_becomes_nonblocking_and_is_closed_with_the_channel(void **state)
{
    contract_fixture *c = *state;
    test_channel channel;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    test_channel_init(&channel, c, 'P');
    assert_int_equal(test_channel_attach(&channel, EMI_POLLED, ends[0], EMI_GIVEN), EM_OK);
    assert_true(fcntl(ends[0], F_GETFL) & O_NONBLOCK);
    test_channel_end(&channel);
    assert_int_equal(fcntl(ends[0], F_GETFL), -1);
    close(ends[1]);
}

static void a_hang_up_is_reported_as_readable_and_a_broken_pipe_as_writable(void **state)
{
    int ends[2];
    for (unsigned end = 0; end < 2; end++) {
        test_channel channel;
        assert_int_equal(pipe(ends), 0);
        test_channel_init(&channel, *state, 'P');
        assert_int_equal(test_channel_attach(&channel, EMI_POLLED, ends[end], EMI_OURS), EM_OK);
        wait_for(&channel, end == 0 ? EMI_READABLE : EMI_WRITABLE);
        contract_turn(*state, 0);
        close(ends[1 - end]);
        unsigned before = channel.ready_events;
        run_until(*state, channel.ready_events > before + 2);
        assert_int_equal(channel.ready, end == 0 ? EMI_READABLE : EMI_WRITABLE);
        test_channel_end(&channel);
    }
}

int main(void)
{
    static const contract_test tests[] = {
        CONTRACT_TEST(nothing_is_reported_without_interest),
        CONTRACT_TEST(readiness_is_reported_again_and_again_as_long_as_it_lasts),
        CONTRACT_TEST(only_what_was_asked_for_is_reported),
        CONTRACT_TEST(the_interest_may_be_changed_within_ready),
        CONTRACT_TEST(a_channel_can_be_released_within_ready),
        CONTRACT_TEST(a_descriptor_shared_with_others_is_left_as_it_is),
        CONTRACT_TEST(the_same_shared_descriptor_can_be_attached_again),
        CONTRACT_TEST(a_given_descriptor_becomes_nonblocking_and_is_closed_with_the_channel),
        KERNEL_TEST(several_channels_may_poll_the_same_descriptor),
        KERNEL_TEST(a_stream_may_be_polled_beside_its_channel),
        KERNEL_TEST(a_descriptor_can_have_one_stream_only),
        KERNEL_TEST(a_polled_descriptor_that_others_close_does_no_harm),
        KERNEL_TEST(a_number_that_is_used_again_is_another_descriptor),
        KERNEL_TEST(a_regular_file_is_always_ready),
        KERNEL_TEST(a_hang_up_is_reported_as_readable_and_a_broken_pipe_as_writable),
    };
    return run_contract("polling", tests, sizeof tests / sizeof tests[0]);
}
