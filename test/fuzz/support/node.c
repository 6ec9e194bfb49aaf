/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A fuzzer's loop from its beginning to its end, and what must hold of it as a whole.
 */
#include "support/filtered_connections.h"
#include "fuzz/support/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Of an idle loop within IDLE_NS: timeouts may end connections, and late news arrive. */
enum { MOST_IDLE_TURNS = 12, TURNS_PER_CONNECTION = 4, MOST_SETTLING_TURNS = 200000, MOST_IDLE_TRIALS = 200 };
#define IDLE_NS (10 * EM_MILLISECONDS)

static void wait_within(void *user, void (*wait)(void *wait_data), void *wait_data)
{
    (void)user;
    wait(wait_data);
}

static void prepare_faults(node *opened)
{
    faults *made = &opened->faults;
    made->random = opened->run->seed * 2 + opened->number;
    made->cuts = opened->run->cuts;
    made->without_pwait2 = node_one_in(opened, 8);
    made->fail_every = opened->run->calls ? 3 + node_pick(opened, node_one_in(opened, 3) ? 10 : 200) : 0;
    faults_use(made);
    failing_allocator_init(&opened->memory);
    if (opened->run->memory)
        failing_allocator_fail_every(&opened->memory, 2 + node_pick(opened, node_one_in(opened, 3) ? 4 : 60));
}

void node_open(node *opened, const fuzz_run *run, unsigned number)
{
    static const size_t buffers[] = {0, 1, 7, 100, 5000};
    opened->run = run;
    opened->number = number;
    opened->random = run->seed * 1000003 + number;
    opened->other = opened;
    opened->is_local = run->seed % 3 == 0; /* the same for all nodes of a run */
    next_random(&opened->random);
    prepare_faults(opened);
    em_loop_options options = {
        .size = sizeof options,
        .backend = run->backend,
        .allocator = &opened->memory.allocator,
        .around_wait = node_one_in(opened, 2) ? wait_within : NULL,
        .receive_buffer_bytes = buffers[node_pick(opened, 5)],
        .outbox_limit_bytes = node_one_in(opened, 8) ? 300000 : 0,
    };
    opened->outbox_limited = options.outbox_limit_bytes > 0;
    em_status status = em_loop_create(&options, &opened->loop);
    if (status != EM_OK && !node_has_failures(opened))
        fuzz_fail("em_loop_create: %s", em_status_get_name(status));
    if (opened->loop)
        em_loop_set_user(opened->loop, opened);
    else
        FUZZ_CHECK(opened->memory.live == 0);
}

static void stop(em_loop *loop, em_timer timer, void *user)
{
    (void)timer;
    (void)user;
    em_loop_stop(loop);
}

/* Runs until a timer stops the loop, or another action does before. */
static void run_for(node *turned, uint64_t duration_ns)
{
    em_timer timer;
    if (em_loop_add_timer(turned->loop, duration_ns, stop, NULL, NULL, &timer) != EM_OK)
        em_loop_stop(turned->loop);
    FUZZ_CHECK(em_loop_run(turned->loop) == EM_OK);
    em_loop_cancel_timer(turned->loop, timer);
}

void node_turn(node *turned)
{
    turned->in_turn = true;
    switch (node_pick(turned, 4)) {
    case 0:
        run_for(turned, node_pick(turned, 1500) * EM_MICROSECONDS);
        break;
    case 1:
        FUZZ_CHECK(em_loop_run_once(turned->loop, node_pick(turned, 500) * EM_MICROSECONDS) == EM_OK);
        break;
    default:
        FUZZ_CHECK(em_loop_run_once(turned->loop, 0) == EM_OK);
    }
    turned->in_turn = false;
    node_check_stats(turned);
}

static uint64_t waiting_bytes(const node *owner, bool *is_exact)
{
    uint64_t bytes = 0;
    *is_exact = !connections_are_filtered(); /* after a cut, what was queued is sent after unbind */
    for (unsigned i = 0; i < owner->count; i++) {
        const em_connection *connection = owner->sides[i]->connection;
        if (!connection)
            continue;
        bytes += em_connection_get_outbound_bytes(connection);
        *is_exact = *is_exact && em_connection_get_state(connection) < EM_STATE_RELEASING;
    }
    return bytes;
}

void node_check_stats(const node *checked)
{
    em_loop_stats stats;
    bool is_exact;
    FUZZ_CHECK(em_loop_get_stats(checked->loop, &stats, sizeof stats) == EM_OK);
    uint64_t waiting = waiting_bytes(checked, &is_exact);
    FUZZ_CHECK(stats.outbox_bytes == waiting || (!is_exact && stats.outbox_bytes > waiting));
    FUZZ_CHECK(stats.connections_opened == checked->opened);
    FUZZ_CHECK(stats.connections_accepted == checked->accepted);
    FUZZ_CHECK(stats.connections_closed == checked->unbound);
    FUZZ_CHECK(stats.connections_open >= checked->live);
    FUZZ_CHECK(stats.servers_open == (checked->server ? 1 : 0));
    FUZZ_CHECK(stats.bytes_received == checked->received);
    FUZZ_CHECK(stats.ticks_run == checked->ticks);
    FUZZ_CHECK(stats.posts_run == checked->posts_run && checked->posts_run <= checked->posts);
}

void node_wind_up(node *ending)
{
    ending->is_quiet = true;
    ending->to_open = 0;
    ending->faults.fail_every = 0;
    failing_allocator_fail_every(&ending->memory, 0);
    for (unsigned i = 0; i < ending->count; i++)
        if (ending->sides[i]->connection)
            side_finish(ending->sides[i]);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * EM_SECONDS + (uint64_t)now.tv_nsec;
}

/* Takes turns until some in a row have had nothing to do. What is under way may take thousands, where each reads a
 * byte. */
static void settle(node *settling)
{
    for (unsigned idle = 0, turns = 0; idle < 5; turns++) {
        uint64_t begun_ns = now_ns();
        if (turns == MOST_SETTLING_TURNS)
            fuzz_fail("%u turns, and the loop still does not wait", turns);
        FUZZ_CHECK(em_loop_run_once(settling->loop, EM_MILLISECONDS) == EM_OK);
        idle = now_ns() - begun_ns >= EM_MILLISECONDS ? idle + 1 : 0;
    }
}

static uint64_t count_turns(node *idle)
{
    em_loop_stats before, after;
    em_loop_get_stats(idle->loop, &before, sizeof before);
    run_for(idle, IDLE_NS);
    em_loop_get_stats(idle->loop, &after, sizeof after);
    return after.turns - before.turns;
}

void node_check_idle(node *idle)
{
    bool was_quiet = idle->is_quiet;
    idle->is_quiet = true;
    idle->faults.cuts = false;
    idle->faults.fail_every = 0;
    failing_allocator_fail_every(&idle->memory, 0);
    idle->in_turn = true;
    run_for(idle, 0); /* uses up a stop that was asked for: until then no turn waits */
    settle(idle);
    /* TCP may deliver what waited for one of its timers. That comes to an end, while a loop that spins goes on. */
    uint64_t turns = count_turns(idle);
    uint64_t most = MOST_IDLE_TURNS + idle->live * TURNS_PER_CONNECTION;
    for (unsigned again = 0; again < MOST_IDLE_TRIALS && turns > most; again++)
        turns = count_turns(idle);
    if (turns > most)
        fuzz_fail("an idle loop took %lu turns in %lu ms", (unsigned long)turns,
                  (unsigned long)(IDLE_NS / EM_MILLISECONDS));
    FUZZ_CHECK(idle->posts_run == idle->posts);
    idle->in_turn = false;
    idle->is_quiet = was_quiet;
}

void node_close(node *closed)
{
    closed->is_sweeping = true;
    FUZZ_CHECK(em_loop_destroy(closed->loop) == EM_OK);
    FUZZ_CHECK(closed->live == 0);
    FUZZ_CHECK(closed->memory.live == 0);
    for (unsigned i = 0; i < closed->count; i++) {
        const side *own = closed->sides[i];
        FUZZ_CHECK(own->ended == own->begun);
        FUZZ_CHECK(own->returned == own->borrowed);
    }
}

void node_free(node *freed)
{
    faults_use(NULL);
    fuzz_count.cuts += freed->faults.cut;
    fuzz_count.failed_calls += freed->faults.failed;
    fuzz_count.failed_allocations += freed->memory.failures;
    for (unsigned i = 0; i < freed->count; i++)
        free(freed->sides[i]);
    freed->count = 0;
}

static void describe_side(const side *described)
{
    const em_connection *connection = described->connection;
    fprintf(stderr, "  %s %x: state %d, sent %lu, waiting %zu, received %lu from %x;%s%s%s%s%s%s\n",
            described->is_client ? "client" : "server", described->number, (int)em_connection_get_state(connection),
            (unsigned long)described->accepted, em_connection_get_outbound_bytes(connection),
            (unsigned long)described->arrived.bytes, described->arrived.sender,
            em_connection_is_paused(connection) ? " paused" : "", described->saw_end ? " saw the end" : "",
            described->finishing ? " finishing" : "", described->closing ? " closing" : "",
            described->aborted ? " aborted" : "", described->timed ? " with a timeout" : "");
}

void node_describe(const node *described)
{
    fprintf(stderr, "loop %u: %u connections, %u live, %s server, %s sockets\n", described->number, described->count,
            described->live, described->server ? "a" : "no", described->is_local ? "Unix" : "TCP");
    for (unsigned i = 0; i < described->count; i++)
        if (described->sides[i]->connection)
            describe_side(described->sides[i]);
}
