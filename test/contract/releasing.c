/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The contract of every backend: the end of channels and of the backend itself.
 */
#include "support/contract.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void start(test_channel *channel)
{
    assert_int_equal(emi_channel_start_receiving(&channel->channel), EM_OK);
}

/* Checks that `released` is called once; the channel stops the test on any other event. */
static void expect_released_once(test_channel *channel)
{
    contract_fixture *contract = channel->contract;
    run_until(contract, channel->released_events == 1);
    settle(contract);
    assert_int_equal(channel->released_events, 1);
    assert_null(channel->channel.backend);
    test_channel_clear(channel);
}

static void a_channel_that_did_nothing_is_released_once(void **state)
{
    test_channel channel;
    test_peer peer;
    open_stream(*state, &channel, 'A', &peer);
    test_channel_release(&channel);
    assert_int_equal(channel.released_events, 0);
    expect_released_once(&channel);
    peer_close(&peer);
}

static void release_with_unread_data_reports_none_of_it(void **state)
{
    test_channel channel;
    test_peer peer;
    open_stream(*state, &channel, 'A', &peer);
    start(&channel);
    peer_send_text(&peer, "never to be read");
    peer_end(&peer);
    test_channel_release(&channel);
    expect_released_once(&channel);
    peer_close(&peer);
}

static void release_between_wait_and_dispatch_reports_nothing_that_was_found(void **state)
{
    contract_fixture *c = *state;
    test_channel channel;
    test_peer peer;
    open_stream(c, &channel, 'A', &peer);
    start(&channel);
    peer_send_text(&peer, "found");
    for (unsigned i = 0; i < 50; i++)
        c->backend->operations->wait(c->backend, 100000);
    test_channel_release(&channel);
    expect_released_once(&channel);
    assert_int_equal(channel.data_events, 0);
    peer_close(&peer);
}

static void what_was_not_gathered_is_not_sent(void **state)
{
    test_channel channel;
    test_peer peer;
    open_stream(*state, &channel, 'A', &peer);
    test_channel_prepare(&channel, 1000);
    test_channel_send(&channel, 1000);
    test_channel_release(&channel);
    expect_released_once(&channel);
    assert_int_equal(channel.gather_events, 0);
    bool ended = false;
    for (char byte; !ended;)
        assert_int_equal(peer_receive(&peer, &byte, 1, &ended), 0);
    peer_close(&peer);
}

static void a_blocked_sender_is_released_and_its_bytes_are_left_alone_until_then(void **state)
{
    contract_fixture *c = *state;
    test_channel channel;
    test_peer peer;
    open_stream(c, &channel, 'A', &peer);
    test_channel_prepare(&channel, (size_t)16 * 1024 * 1024);
    test_channel_send(&channel, channel.outgoing_capacity);
    settle(c);
    assert_true(channel.sent < channel.queued);
    test_channel_release(&channel);
    run_until(c, channel.released_events == 1);
    size_t arrived = 0;
    peer_check_pattern(&peer, &arrived);
    test_channel_clear(&channel);
    peer_close(&peer);
}

static void release_within_data_is_the_end_of_it(void **state)
{
    test_channel channel;
    test_peer peer;
    char junk[60000] = {0};
    open_stream(*state, &channel, 'A', &peer);
    channel.on_data = test_channel_release;
    peer_send(&peer, junk, sizeof junk);
    peer_end(&peer);
    start(&channel);
    expect_released_once(&channel);
    assert_int_equal(channel.data_events, 1);
    peer_close(&peer);
}

static void release_within_end_is_the_end_of_it(void **state)
{
    test_channel channel;
    test_peer peer;
    open_stream(*state, &channel, 'A', &peer);
    channel.on_end = test_channel_release;
    start(&channel);
    peer_end(&peer);
    expect_released_once(&channel);
    assert_int_equal(channel.end_events, 1);
    peer_close(&peer);
}

static void release_within_gather_sent_and_failed_is_the_end_of_it(void **state)
{
    for (unsigned event = 0; event < 3; event++) {
        test_channel channel;
        test_peer peer;
        open_stream(*state, &channel, 'A', &peer);
        channel.on_gather = event == 0 ? test_channel_release : NULL;
        channel.on_sent = event == 1 ? test_channel_release : NULL;
        channel.on_failed = event == 2 ? test_channel_release : NULL;
        test_channel_prepare(&channel, 1000000);
        start(&channel);
        if (event == 2) {
            contract_turn(*state, 0);
            peer_reset(&peer);
        }
        test_channel_send(&channel, 1000000);
        expect_released_once(&channel);
        peer_close(&peer);
    }
}

static void reattach(test_channel *channel)
{
    contract_fixture *contract = channel->contract;
    test_peer *peer = channel->user;
    char name = channel->name;
    test_channel_clear(channel);
    open_stream(contract, channel, name, peer);
    start(channel);
}

static void the_memory_is_the_owner_s_within_released_and_may_be_attached_anew(void **state)
{
    test_channel channel;
    test_peer old;
    test_peer new;
    open_stream(*state, &channel, 'A', &old);
    start(&channel);
    channel.user = &new;
    channel.on_released = reattach;
    peer_send_text(&old, "old");
    test_channel_release(&channel);
    run_until(*state, !channel.released);
    peer_send_text(&new, "new");
    run_until(*state, bytes_length(&channel.received) == 3);
    assert_true(bytes_equal_text(&channel.received, "new"));
    test_channel_end(&channel);
    peer_close(&old);
    peer_close(&new);
}

static void release_the_other(test_channel *channel)
{
    test_channel *other = channel->user;
    if (!other->released)
        test_channel_release(other);
}

/* Two channels are found at once, and the first one served releases the other. */
static void a_channel_released_by_another_s_event_of_the_same_batch_gets_no_event(void **state)
{
    test_channel channels[2];
    test_peer peers[2];
    for (unsigned i = 0; i < 2; i++) {
        open_stream(*state, &channels[i], (char)('A' + i), &peers[i]);
        channels[i].on_data = release_the_other;
        channels[i].user = &channels[1 - i];
        peer_send_text(&peers[i], "hello");
        start(&channels[i]);
    }
    run_until(*state, channels[0].released_events + channels[1].released_events == 1);
    unsigned survivor = channels[0].released ? 1 : 0;
    assert_int_equal(channels[1 - survivor].data_events, 0);
    assert_true(channels[survivor].data_events > 0);
    for (unsigned i = 0; i < 2; i++) {
        channels[i].on_data = NULL;
        test_channel_end(&channels[i]);
        peer_close(&peers[i]);
    }
}

typedef struct replacement {
    test_channel old;
    test_channel new;
    test_peer old_peer;
    test_peer new_peer;
    int old_descriptor;
} replacement;

/* The new stream's descriptor most likely has the number of the one just closed. */
static void replace(test_channel *trigger)
{
    replacement *both = trigger->user;
    if (both->old.released)
        return;
    both->old_descriptor = both->old.channel.descriptor;
    test_channel_release(&both->old);
    open_stream(trigger->contract, &both->new, 'N', &both->new_peer);
    start(&both->new);
}

static void stale_events_do_not_reach_a_channel_that_reuses_the_descriptor(void **state)
{
    enum { ROUNDS = 20 };
    for (unsigned round = 0; round < ROUNDS; round++) {
        test_channel trigger;
        test_peer trigger_peer;
        replacement both;
        open_stream(*state, &trigger, 'T', &trigger_peer);
        open_stream(*state, &both.old, 'O', &both.old_peer);
        trigger.user = &both;
        both.old.on_data = NULL;
        trigger.on_data = replace;
        start(&trigger);
        start(&both.old);
        contract_turn(*state, 0);
        peer_send_text(&trigger_peer, "now");
        peer_send_text(&both.old_peer, "stale");
        run_until(*state, trigger.data_events > 0);
        settle(*state);
        assert_int_equal(both.new.data_events + both.new.end_events + both.new.failed_events, 0);
        peer_send_text(&both.new_peer, "fresh");
        run_until(*state, bytes_length(&both.new.received) == 5);
        assert_true(bytes_equal_text(&both.new.received, "fresh"));
        test_channel_end(&trigger);
        test_channel_end(&both.old);
        test_channel_end(&both.new);
        peer_close(&trigger_peer);
        peer_close(&both.old_peer);
        peer_close(&both.new_peer);
    }
}

/* Serves one event of several that were found together; the rest is left for later. */
static void serve_one(contract_fixture *contract)
{
    const emi_backend_operations *operations = contract->backend->operations;
    operations->wait(contract->backend, 1000000);
    operations->dispatch(contract->backend, 1);
    operations->flush(contract->backend);
    operations->reap(contract->backend);
}

static void events_left_over_do_not_reach_a_channel_in_the_place_of_a_released_one(void **state)
{
    for (unsigned round = 0; round < 10; round++) {
        test_channel channels[2];
        test_channel polled;
        test_peer peers[2];
        test_peer other;
        for (unsigned i = 0; i < 2; i++) {
            open_stream(*state, &channels[i], (char)('A' + i), &peers[i]);
            channels[i].on_data = release_the_other;
            channels[i].user = &channels[1 - i];
            start(&channels[i]);
        }
        contract_turn(*state, 0);
        for (unsigned i = 0; i < 2; i++)
            peer_send_text(&peers[i], "hello");
        while (channels[0].released_events + channels[1].released_events == 0)
            serve_one(*state);
        open_pollable(*state, &polled, 'P', &other);
        emi_channel_poll(&polled.channel, EMI_READABLE);
        settle(*state);
        assert_int_equal(polled.ready_events, 0);
        test_channel_end(&polled);
        peer_close(&other);
        for (unsigned i = 0; i < 2; i++) {
            test_channel_end(&channels[i]);
            peer_close(&peers[i]);
        }
    }
}

static void forget(test_channel *channel)
{
    unsigned *forgotten = channel->user;
    ++*forgotten;
    test_channel_clear(channel);
    free(channel);
}

static void release_a_sender(test_channel *channel)
{
    test_channel *sender = channel->user;
    test_channel_send(sender, 10);
    test_channel_release(sender);
}

static void a_sender_that_is_released_while_others_are_reaped_leaves_no_trace(void **state)
{
    contract_fixture *c = *state;
    test_channel first;
    test_channel *sender = malloc(sizeof *sender);
    test_peer peers[2];
    unsigned forgotten = 0;
    assert_non_null(sender);
    open_stream(c, &first, 'A', &peers[0]);
    open_stream(c, sender, 'S', &peers[1]);
    test_channel_prepare(sender, 10);
    sender->user = &forgotten;
    sender->on_released = forget;
    first.user = sender;
    first.on_released = release_a_sender;
    test_channel_release(&first);
    run_until(c, forgotten == 1);
    settle(c);
    test_channel_clear(&first);
    peer_close(&peers[0]);
    peer_close(&peers[1]);
}

static void a_thousand_channels_live_side_by_side_and_leave_nothing_behind(void **state)
{
    enum { CHANNELS = 1000 };
    contract_fixture *c = *state;
    unsigned descriptors = count_descriptors();
    test_channel *channels = calloc(CHANNELS, sizeof *channels);
    test_peer *peers = calloc(CHANNELS, sizeof *peers);
    assert_non_null(channels);
    assert_non_null(peers);
    for (unsigned i = 0; i < CHANNELS; i++) {
        open_stream(c, &channels[i], 'A', &peers[i]);
        start(&channels[i]);
    }
    for (unsigned i = 0; i < CHANNELS; i++)
        peer_send_text(&peers[i], "hello");
    for (unsigned i = 0; i < CHANNELS; i++)
        run_until(c, bytes_length(&channels[i].received) == 5);
    for (unsigned i = 0; i < CHANNELS; i++)
        test_channel_release(&channels[i]);
    for (unsigned i = 0; i < CHANNELS; i++) {
        test_channel_end(&channels[i]);
        peer_close(&peers[i]);
    }
    if (!c->simulated)
        assert_int_equal(count_descriptors(), descriptors);
    free(channels);
    free(peers);
}

static void a_descriptor_that_cannot_be_attached_stays_the_caller_s(void **state)
{
    contract_fixture *c = *state;
    test_channel channel;
    test_channel_init(&channel, c, 'A');
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[1]);
    close(ends[0]);
    assert_int_equal(test_channel_attach(&channel, EMI_POLLED, ends[0], EMI_GIVEN), EM_BAD_DESCRIPTOR);
    assert_null(channel.channel.backend);
    settle(c);
    assert_int_equal(channel.released_events, 0);
}

static void without_memory_attach_fails_and_changes_nothing(void **state)
{
    contract_fixture *c = *state;
    test_channel channels[70];
    unsigned attached = 0;
    failing_allocator_fail(&c->allocator, 1, EM_ON);
    int sockets[2];
    for (;;) {
        unix_pair(sockets);
        close(sockets[1]);
        test_channel_init(&channels[attached], c, 'A');
        if (test_channel_attach(&channels[attached], EMI_STREAM, sockets[0], EMI_OURS) != EM_OK)
            break;
        assert_true(++attached < 70);
    }
    failing_allocator_fail(&c->allocator, 0, EM_DEFAULT);
    assert_int_equal(test_channel_attach(&channels[attached], EMI_STREAM, sockets[0], EMI_OURS), EM_OK);
    start(&channels[attached]);
    run_until(c, channels[attached].end_events == 1);
    for (unsigned i = 0; i <= attached; i++)
        test_channel_end(&channels[i]);
}

/* In the child, which must not touch what it shares with its parent. */
static void abandon_in_child(contract_fixture *contract)
{
    contract->backend->operations->abandon(contract->backend);
    _exit(count_descriptors() > 100 ? 1 : 0);
}

static void a_forked_child_that_abandons_leaves_the_parent_s_connections_alive(void **state)
{
    contract_fixture *c = *state;
    test_channel channel;
    test_peer peer;
    test_listener listener;
    test_peer waiting;
    size_t arrived = 0;
    open_stream(c, &channel, 'A', &peer);
    start(&channel);
    open_listener(c, &listener, 'L');
    start(&listener.channel);
    contract_turn(c, 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        abandon_in_child(c);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    settle(c);
    assert_int_equal(channel.end_events + channel.failed_events, 0);
    peer_send_text(&peer, "still there?");
    run_until(c, bytes_length(&channel.received) == 12);
    test_channel_prepare(&channel, 1000);
    test_channel_send(&channel, 1000);
    for (; arrived < 1000; peer_check_pattern(&peer, &arrived))
        contract_turn(c, 1000000);
    connect_peer(&listener, &waiting);
    run_until(c, listener.channel.accepted_events == 1);
    close_accepted(&listener);
    test_channel_end(&channel);
    test_channel_end(&listener.channel);
    peer_close(&peer);
    peer_close(&waiting);
}

int main(void)
{
    static const contract_test tests[] = {
        CONTRACT_TEST(a_channel_that_did_nothing_is_released_once),
        CONTRACT_TEST(release_with_unread_data_reports_none_of_it),
        CONTRACT_TEST(release_between_wait_and_dispatch_reports_nothing_that_was_found),
        CONTRACT_TEST(what_was_not_gathered_is_not_sent),
        CONTRACT_TEST(a_blocked_sender_is_released_and_its_bytes_are_left_alone_until_then),
        CONTRACT_TEST(release_within_data_is_the_end_of_it),
        CONTRACT_TEST(release_within_end_is_the_end_of_it),
        CONTRACT_TEST(release_within_gather_sent_and_failed_is_the_end_of_it),
        CONTRACT_TEST(the_memory_is_the_owner_s_within_released_and_may_be_attached_anew),
        CONTRACT_TEST(a_channel_released_by_another_s_event_of_the_same_batch_gets_no_event),
        CONTRACT_TEST(stale_events_do_not_reach_a_channel_that_reuses_the_descriptor),
        CONTRACT_TEST(events_left_over_do_not_reach_a_channel_in_the_place_of_a_released_one),
        CONTRACT_TEST(a_sender_that_is_released_while_others_are_reaped_leaves_no_trace),
        CONTRACT_TEST(a_thousand_channels_live_side_by_side_and_leave_nothing_behind),
        CONTRACT_TEST(a_descriptor_that_cannot_be_attached_stays_the_caller_s),
        KERNEL_TEST(without_memory_attach_fails_and_changes_nothing),
        KERNEL_TEST(a_forked_child_that_abandons_leaves_the_parent_s_connections_alive),
    };
    return run_contract("releasing", tests, sizeof tests / sizeof tests[0]);
}
