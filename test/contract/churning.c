/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The contract of every backend: channels come and go in any order, stop and start, block and go on, and none disturbs
 * another.
 */
#include "support/contract.h"

#include <stdlib.h>

enum { PLACES = 40, STEPS = 1000, OUTGOING_BYTES = 1000000 };

typedef struct place {
    test_channel channel;
    test_peer peer;
    bool taken;
    bool receiving;
    size_t fed;     /* by the peer, of the pattern */
    size_t arrived; /* at the peer, of the pattern */
} place;

static void start(place *used)
{
    assert_int_equal(emi_channel_start_receiving(&used->channel.channel), EM_OK);
    used->receiving = true;
}

static void take_place(contract_fixture *contract, place *free_one, size_t number)
{
    *free_one = (place){.taken = true};
    open_stream(contract, &free_one->channel, (char)('A' + number % 26), &free_one->peer);
    test_channel_prepare(&free_one->channel, OUTGOING_BYTES);
    start(free_one);
}

static void leave_place(place *used)
{
    test_channel_end(&used->channel);
    peer_close(&used->peer);
    used->taken = false;
}

static void feed(place *used, size_t length)
{
    unsigned char data[4000];
    pattern_fill(data, length, used->fed);
    used->fed += peer_send(&used->peer, data, length);
}

static void send_more(place *used, size_t length)
{
    if (used->channel.queued + length <= OUTGOING_BYTES)
        test_channel_send(&used->channel, length);
}

static void act(contract_fixture *contract, place *places, uint64_t *seed)
{
    size_t number = random_below(seed, PLACES);
    place *chosen = &places[number];
    if (!chosen->taken) {
        take_place(contract, chosen, number);
        return;
    }
    switch (random_below(seed, 8)) {
    case 0:
        leave_place(chosen);
        break;
    case 1:
        emi_channel_stop_receiving(&chosen->channel.channel);
        chosen->receiving = false;
        break;
    case 2:
        start(chosen);
        break;
    case 3:
        send_more(chosen, 1 + random_below(seed, 200000));
        break;
    case 4:
        peer_check_pattern(&chosen->peer, &chosen->arrived);
        break;
    default:
        feed(chosen, 1 + random_below(seed, 4000));
    }
}

/* Everything that is under way must arrive, on every channel. */
static void finish(contract_fixture *contract, place *places)
{
    for (size_t i = 0; i < PLACES; i++) {
        place *used = &places[i];
        if (!used->taken)
            continue;
        if (!used->receiving)
            start(used);
        while (bytes_length(&used->channel.received) < used->fed || used->arrived < used->channel.queued) {
            contract_turn(contract, 1000000);
            peer_check_pattern(&used->peer, &used->arrived);
        }
        assert_int_equal(bytes_length(&used->channel.received), used->fed);
        assert_true(used->fed == 0 || pattern_matches(bytes_at(&used->channel.received), used->fed, 0));
        assert_int_equal(used->channel.end_events + used->channel.failed_events, 0);
    }
}

static void channels_that_come_and_go_in_any_order_do_not_disturb_each_other(void **state)
{
    for (uint64_t first = 1; first <= 3; first++) {
        uint64_t seed = first;
        place *places = calloc(PLACES, sizeof *places);
        assert_non_null(places);
        for (unsigned step = 0; step < STEPS; step++) {
            act(*state, places, &seed);
            contract_turn(*state, 0);
        }
        finish(*state, places);
        for (size_t i = 0; i < PLACES; i++)
            if (places[i].taken)
                leave_place(&places[i]);
        free(places);
    }
}

int main(void)
{
    static const contract_test tests[] = {
        CONTRACT_TEST(channels_that_come_and_go_in_any_order_do_not_disturb_each_other),
    };
    return run_contract("churning", tests, sizeof tests / sizeof tests[0]);
}
