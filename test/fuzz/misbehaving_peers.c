/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The library against peers that are plain sockets and misbehave as peers may: they send in pieces, half-close, reset,
 * stop reading, read slowly, write after the other end's end, close without reading, and connect again. Once the
 * library's end has ended, each peer must see it.
 */
#include "fuzz/support/node.h"
#include "fuzz/support/peer.h"

enum { STEPS = 120, CONNECTIONS = 12 };

static endpoint find_listener(node *asking)
{
    const peers *all = asking->user;
    return all->listening;
}

/* The peers do nothing now, so the library must have nothing to do either. */
static void pause_for_a_look(node *watched)
{
    bool cuts = watched->faults.cuts;
    unsigned long fail_every = watched->faults.fail_every;
    unsigned long no_memory_every = watched->memory.fail_every;
    node_check_idle(watched);
    watched->faults.cuts = cuts;
    watched->faults.fail_every = fail_every;
    failing_allocator_fail_every(&watched->memory, no_memory_every);
}

static void wind_up(node *ending, peers *all)
{
    node_wind_up(ending);
    peers_wind_up(all);
    while (ending->live > 0 || !peers_have_ended(all)) {
        node_turn(ending);
        peers_receive(all);
    }
    node_check_idle(ending);
}

static void check_arrived(const side *receiver, const peers *all)
{
    if (!fuzz_stream_is_known(&receiver->arrived))
        return;
    const peer *sender = peers_find(all, receiver->arrived.sender);
    FUZZ_CHECK(receiver->arrived.bytes <= sender->sent);
    if (!sender->has_finished || sender->has_left || side_was_cut_off(receiver))
        return;
    if (receiver->arrived.bytes != sender->sent)
        fuzz_fail("peer %u sent %lu bytes, %lu arrived at connection %u", sender->number & 0xffff,
                  (unsigned long)sender->sent, (unsigned long)receiver->arrived.bytes, receiver->number);
    fuzz_count.complete++;
}

static void check_sent(const peer *receiver, const node *sending)
{
    if (!fuzz_stream_is_known(&receiver->arrived))
        return;
    FUZZ_CHECK(receiver->arrived.sender < sending->count);
    const side *sender = sending->sides[receiver->arrived.sender];
    FUZZ_CHECK(receiver->arrived.bytes <= sender->accepted || sender->torn);
    if (!receiver->saw_end || !side_has_sent_all(sender))
        return;
    if (receiver->arrived.bytes != sender->accepted)
        fuzz_fail("connection %u sent %lu bytes, %lu arrived at peer %u", sender->number,
                  (unsigned long)sender->accepted, (unsigned long)receiver->arrived.bytes, receiver->number & 0xffff);
    fuzz_count.complete++;
}

static void check_all(const node *owner, const peers *all)
{
    for (unsigned i = 0; i < owner->count; i++)
        check_arrived(owner->sides[i], all);
    for (unsigned i = 0; i < all->count; i++)
        check_sent(&all->list[i], owner);
}

static void live(node *living, peers *all)
{
    living->user = all;
    living->find_target = find_listener;
    living->to_open = CONNECTIONS;
    node_start_server(living);
    for (unsigned step = 0; step < STEPS; step++) {
        peers_act(all, &living->own);
        node_act(living);
        node_turn(living);
        if (node_one_in(living, STEPS))
            pause_for_a_look(living);
    }
    if (living->run->seed % 5 != 0)
        wind_up(living, all);
}

static node tested;
static peers all;

static void describe(void)
{
    node_describe(&tested);
    peers_describe(&all);
}

static void run(const fuzz_run *run)
{
    tested = (node){.run = run};
    node_open(&tested, run, 0);
    if (tested.loop) {
        peers_open(&all, run->seed, tested.is_local);
        live(&tested, &all);
        node_close(&tested);
        check_all(&tested, &all);
        peers_close(&all);
    }
    node_free(&tested);
}

int main(int argc, char **argv)
{
    static const fuzz_program program = {
        .name = "misbehaving_peers", .seeds = 60, .seconds_per_run = 60, .run = run, .describe = describe};
    return fuzz_main(argc, argv, &program);
}
