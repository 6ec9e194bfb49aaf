/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The contract of every backend: many streams that are ready at the same time, where the callback of one acts on the
 * others. A backend that reads for all of them before it calls any owner must behave like one that does not.
 */
#include "support/contract.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/ring.h"

enum { STREAMS = 20 };

typedef struct streams {
    test_channel channels[STREAMS];
    test_peer peers[STREAMS];
    contract_fixture *contract;
    unsigned called; /* how many have got data; the first of them acts on all others */
} streams;

static streams *open_streams(contract_fixture *contract, test_hook on_data)
{
    static streams all;
    memset(&all, 0, sizeof all);
    all.contract = contract;
    for (unsigned i = 0; i < STREAMS; i++) {
        open_stream(contract, &all.channels[i], (char)('A' + i), &all.peers[i]);
        all.channels[i].user = &all;
        all.channels[i].on_data = on_data;
        assert_int_equal(emi_channel_start_receiving(&all.channels[i].channel), EM_OK);
    }
    settle(contract);
    return &all;
}

static void send_to_all(streams *all, const char *text)
{
    for (unsigned i = 0; i < STREAMS; i++)
        peer_send_text(&all->peers[i], text);
}

static unsigned count_with(const streams *all, const char *text)
{
    unsigned count = 0;
    for (unsigned i = 0; i < STREAMS; i++)
        count += bytes_equal_text(&all->channels[i].received, text);
    return count;
}

static void end_streams(streams *all)
{
    for (unsigned i = 0; i < STREAMS; i++) {
        if (all->channels[i].released)
            run_until(all->contract, all->channels[i].released_events == 1);
        else
            test_channel_release(&all->channels[i]);
    }
    for (unsigned i = 0; i < STREAMS; i++) {
        run_until(all->contract, all->channels[i].released_events == 1);
        test_channel_clear(&all->channels[i]);
        peer_close(&all->peers[i]);
    }
}

static void stop_the_others(test_channel *channel)
{
    streams *all = channel->user;
    if (all->called++ > 0)
        return;
    for (unsigned i = 0; i < STREAMS; i++)
        if (&all->channels[i] != channel)
            emi_channel_stop_receiving(&all->channels[i].channel);
}

static void resume_all(streams *all)
{
    for (unsigned i = 0; i < STREAMS; i++)
        if (!all->channels[i].channel.receiving)
            assert_int_equal(emi_channel_start_receiving(&all->channels[i].channel), EM_OK);
}

static void streams_stopped_by_another_s_callback_get_everything_later(void **state)
{
    streams *all = open_streams(*state, stop_the_others);
    send_to_all(all, "first");
    run_until(*state, all->called > 0);
    settle(*state);
    assert_int_equal(all->called, 1);
    assert_int_equal(count_with(all, "first"), 1);
    assert_int_equal(count_with(all, ""), STREAMS - 1);
    resume_all(all);
    run_until(*state, count_with(all, "first") == STREAMS);
    end_streams(all);
}

static void what_comes_during_a_stop_is_one_piece_with_what_was_there(void **state)
{
    contract_fixture *c = *state;
    streams *all = open_streams(c, stop_the_others);
    send_to_all(all, "first");
    run_until(c, all->called > 0);
    send_to_all(all, " second");
    settle(c);
    resume_all(all);
    run_until(c, count_with(all, "first second") == STREAMS);
    unsigned in_one_piece = 0;
    for (unsigned i = 0; i < STREAMS; i++)
        in_one_piece += all->channels[i].data_events == 1;
    assert_true(!c->is_plain || in_one_piece == STREAMS - 1);
    end_streams(all);
}

static void an_end_behind_a_stop_is_reported_after_the_bytes(void **state)
{
    streams *all = open_streams(*state, stop_the_others);
    send_to_all(all, "last words");
    for (unsigned i = 0; i < STREAMS; i++)
        peer_end(&all->peers[i]);
    run_until(*state, all->called > 0);
    settle(*state);
    resume_all(all);
    for (unsigned i = 0; i < STREAMS; i++)
        run_until(*state, all->channels[i].end_events == 1);
    assert_int_equal(count_with(all, "last words"), STREAMS);
    end_streams(all);
}

static void a_reset_behind_a_stop_is_reported_when_receiving_goes_on(void **state)
{
    streams *all = open_streams(*state, stop_the_others);
    peer_send_text(&all->peers[0], "x");
    for (unsigned i = 1; i < STREAMS; i++)
        peer_reset(&all->peers[i]);
    run_until(*state, all->called > 0);
    unsigned failed = 0;
    for (unsigned i = 1; i < STREAMS; i++)
        failed += all->channels[i].failed_events; /* which came before the stop, if any */
    settle(*state);
    for (unsigned i = 1; i < STREAMS; i++)
        failed -= all->channels[i].failed_events;
    assert_int_equal(failed, 0);
    for (unsigned i = 1; i < STREAMS; i++)
        if (all->channels[i].failed_events == 0)
            assert_int_equal(emi_channel_start_receiving(&all->channels[i].channel), EM_OK);
    for (unsigned i = 1; i < STREAMS; i++) {
        run_until(*state, all->channels[i].failed_events == 1);
        assert_int_equal(all->channels[i].failure, EM_CONNECTION_RESET);
    }
    end_streams(all);
}

static void release_the_others(test_channel *channel)
{
    streams *all = channel->user;
    if (all->called++ > 0)
        return;
    for (unsigned i = 0; i < STREAMS; i++)
        if (&all->channels[i] != channel)
            test_channel_release(&all->channels[i]);
}

/* Released with bytes that were not delivered: a reset, whether a batch had read them or not. */
static void peers_of_streams_released_with_unread_bytes_are_reset(void **state)
{
    contract_fixture *c = *state;
    streams *all = open_streams(c, release_the_others);
    send_to_all(all, "undelivered");
    run_until(c, all->called > 0);
    settle(c);
    assert_int_equal(all->called, 1);
    for (unsigned i = 0; i < STREAMS; i++) {
        char byte;
        if (all->channels[i].released)
            assert_int_equal(recv(all->peers[i].socket, &byte, 1, 0), -1);
    }
    end_streams(all);
}

static void start_the_others_again(test_channel *channel)
{
    stop_the_others(channel);
    resume_all(channel->user);
}

static void stopping_and_starting_again_at_once_loses_nothing(void **state)
{
    streams *all = open_streams(*state, start_the_others_again);
    for (unsigned round = 0; round < 20; round++) {
        all->called = 0;
        send_to_all(all, "0123456789");
        for (unsigned i = 0; i < STREAMS; i++)
            run_until(*state, bytes_length(&all->channels[i].received) == (size_t)(round + 1) * 10);
    }
    end_streams(all);
}

static void without_memory_for_what_is_kept_the_stream_fails_and_the_others_do_not(void **state)
{
    contract_fixture *c = *state;
    streams *all = open_streams(c, stop_the_others);
    unsigned complete = 0, failed = 0;
    send_to_all(all, "first");
    failing_allocator_fail(&c->allocator, 1, EM_OFF);
    run_until(c, all->called > 0);
    settle(c);
    failing_allocator_fail(&c->allocator, 0, EM_OFF);
    resume_all(all);
    for (unsigned i = 0; i < STREAMS; i++) {
        test_channel *channel = &all->channels[i];
        run_until(c, channel->failed_events == 1 || bytes_length(&channel->received) > 0);
        failed += channel->failed_events;
        complete += bytes_equal_text(&channel->received, "first");
        if (channel->failed_events)
            assert_int_equal(channel->failure, EM_NO_MEMORY);
    }
    assert_int_equal(complete + failed, STREAMS);
    assert_in_range(failed, 0, 1);
    end_streams(all);
}

static void pieces_longer_than_a_batch_has_room_for_arrive_as_they_were_sent(void **state)
{
    enum { LENGTH = 15000, ROUNDS = 4 };
    contract_fixture *c = *state;
    static unsigned char pattern[LENGTH];
    streams *all = open_streams(c, NULL);
    for (unsigned round = 0; round < ROUNDS; round++) {
        pattern_fill(pattern, LENGTH, (size_t)round * LENGTH);
        for (unsigned i = 0; i < STREAMS; i++)
            assert_int_equal(peer_send(&all->peers[i], pattern, LENGTH), LENGTH);
        for (unsigned i = 0; i < STREAMS; i++) {
            run_until(c, bytes_length(&all->channels[i].received) == (round + 1) * (size_t)LENGTH);
            assert_true(!c->is_plain || c->offers_room || all->channels[i].data_events == round + 1);
        }
    }
    for (unsigned i = 0; i < STREAMS; i++)
        assert_true(pattern_matches(bytes_at(&all->channels[i].received), (size_t)ROUNDS * LENGTH, 0));
    end_streams(all);
}

static void answer(test_channel *channel)
{
    test_channel_send(channel, bytes_length(&channel->received) - channel->queued);
}

static void every_reply_arrives_when_all_are_queued_at_once(void **state)
{
    enum { ROUNDS = 30 };
    contract_fixture *c = *state;
    streams *all = open_streams(c, answer);
    size_t arrived[STREAMS] = {0};
    for (unsigned i = 0; i < STREAMS; i++)
        test_channel_prepare(&all->channels[i], (size_t)ROUNDS * 10);
    for (size_t round = 1; round <= ROUNDS; round++) {
        send_to_all(all, "0123456789");
        for (unsigned i = 0; i < STREAMS; i++)
            for (; arrived[i] < round * 10; peer_check_pattern(&all->peers[i], &arrived[i]))
                contract_turn(c, 1000000);
    }
    end_streams(all);
}

static void release_the_next(test_channel *channel)
{
    streams *all = channel->user;
    unsigned next = (unsigned)(channel - all->channels) + 1;
    if (next < STREAMS && !all->channels[next].released)
        test_channel_release(&all->channels[next]);
}

static void streams_may_be_released_while_others_are_sent_for(void **state)
{
    contract_fixture *c = *state;
    for (unsigned at_gathering = 0; at_gathering < 2; at_gathering++) {
        streams *all = open_streams(c, NULL);
        for (unsigned i = 0; i < STREAMS; i++) {
            test_channel_prepare(&all->channels[i], 10);
            *(at_gathering ? &all->channels[i].on_gather : &all->channels[i].on_sent) = release_the_next;
            test_channel_send(&all->channels[i], 10);
        }
        run_until(c, all->channels[0].sent == 10);
        settle(c);
        end_streams(all);
    }
}

static void when_the_ring_breaks_nothing_is_lost(void **state)
{
    contract_fixture *c = *state;
    streams *all = open_streams(c, answer);
    size_t arrived = 0;
    for (unsigned i = 0; i < STREAMS; i++)
        test_channel_prepare(&all->channels[i], 20);
    send_to_all(all, "0123456789");
    for (unsigned i = 0; i < STREAMS; i++)
        run_until(c, all->channels[i].sent == 10);
    break_rings();
    send_to_all(all, "0123456789");
    for (unsigned i = 0; i < STREAMS; i++, arrived = 0)
        while (arrived < 20) {
            contract_turn(c, 1000000);
            peer_check_pattern(&all->peers[i], &arrived);
        }
    end_streams(all);
}

int main(void)
{
    static const contract_test tests[] = {
        CONTRACT_TEST(streams_stopped_by_another_s_callback_get_everything_later),
        CONTRACT_TEST(what_comes_during_a_stop_is_one_piece_with_what_was_there),
        CONTRACT_TEST(an_end_behind_a_stop_is_reported_after_the_bytes),
        CONTRACT_TEST(a_reset_behind_a_stop_is_reported_when_receiving_goes_on),
        KERNEL_TEST(peers_of_streams_released_with_unread_bytes_are_reset),
        CONTRACT_TEST(stopping_and_starting_again_at_once_loses_nothing),
        CONTRACT_TEST(without_memory_for_what_is_kept_the_stream_fails_and_the_others_do_not),
        CONTRACT_TEST(pieces_longer_than_a_batch_has_room_for_arrive_as_they_were_sent),
        CONTRACT_TEST(every_reply_arrives_when_all_are_queued_at_once),
        CONTRACT_TEST(streams_may_be_released_while_others_are_sent_for),
        KERNEL_TEST(when_the_ring_breaks_nothing_is_lost),
    };
    return run_contract("batches", tests, sizeof tests / sizeof tests[0]);
}
