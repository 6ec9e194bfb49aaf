/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Proxies between several connections, with random actions by seed: proxies are started, replaced, stopped and
 * completed, connections are paused, half-closed, reset and replaced. Each connection's input is a pattern of its own.
 * What was relayed by all its proxies and what its handler has received must be that pattern, in order, with nothing
 * missing. Run with a filter in each connection as well, see CMakeLists.txt.
 */
#include "support/simulated_pair.h"

#include <string.h>

enum { MEMBERS = 6, SEEDS = 60, ACTIONS = 300, MOST_FED = 5000, PATTERNS = 1 << 20 };

typedef struct member {
    struct members_set *set;
    recorder told;
    simulated_peer *peer;
    struct member *target;  /* of its present proxy, as far as is known */
    uint64_t pattern;       /* where its input begins */
    uint64_t fed, passed;   /* bytes of its input: given to it, and relayed or received */
    uint64_t counted;       /* of the present proxy: bytes that were noted already */
    byte_buffer expected;   /* what its peer must get next */
    unsigned target_deaths; /* that it was told of */
} member;

typedef struct members_set {
    simulated_loop *fixture;
    uint64_t seed;
    uint64_t patterns;
    member members[MEMBERS];
} members_set;

static member *member_of(recorder *told)
{
    return told->user;
}

/* Appends to what the target must send. */
static void note_relayed(member *source)
{
    unsigned char byte;
    uint64_t count = em_connection_get_proxied_bytes(source->told.connection);
    for (; source->target && source->counted < count; source->counted++) {
        byte = pattern_byte(source->pattern + source->passed++);
        bytes_append(&source->target->expected, &byte, 1);
    }
}

static void forget_target(recorder *told)
{
    note_relayed(member_of(told));
    member_of(told)->target = NULL;
}

static void check_received(recorder *told)
{
    member *self = member_of(told);
    size_t length = bytes_length(&told->received);
    note_relayed(self);
    assert_null(self->target);
    assert_true(pattern_matches(bytes_at(&told->received), length, self->pattern + self->passed));
    self->passed += length;
    bytes_take(&told->received, NULL, SIZE_MAX);
}

/* What was relayed is noted before the source has gone, and what waits in a target goes with it. */
static void note_end(recorder *told)
{
    member *self = member_of(told);
    note_relayed(self);
    self->target = NULL;
}

static void open_member(members_set *set, member *self)
{
    bytes_free(&self->expected);
    *self = (member){.set = set, .pattern = set->patterns};
    set->patterns += PATTERNS;
    recorder_init(&self->told, set->fixture);
    self->told.user = self;
    self->told.on_data = check_received;
    self->told.on_proxy_completed = forget_target;
    self->told.on_target_unbound = forget_target;
    self->told.on_unbind = note_end;
    self->peer = open_accepted(&self->told, &recording, NULL);
}

static bool is_target(const members_set *set, const member *self, const member *but)
{
    for (unsigned i = 0; i < MEMBERS; i++)
        if (&set->members[i] != but && set->members[i].target == self)
            return true;
    return false;
}

static void start(members_set *set, member *from, member *to)
{
    static const size_t sizes[] = {0, 1, 100, 3000, SIZE_MAX};
    const em_proxy_options options = {
        .size = sizeof options,
        .buffer_bytes = sizes[random_below(&set->seed, COUNT(sizes))],
        .length_bytes = random_below(&set->seed, 2) ? 1 + random_below(&set->seed, MOST_FED) : 0,
    };
    bool may = from != to && !em_connection_has_peer_ended(from->told.connection) && !is_target(set, to, from) &&
               em_connection_get_state(from->told.connection) < EM_STATE_RELEASING;
    note_relayed(from);
    em_status status = em_connection_start_proxy(from->told.connection, to->told.connection, &options);
    assert_int_equal(status == EM_OK, may);
    if (status != EM_OK)
        return;
    from->target = to;
    from->counted = 0;
}

static void feed(members_set *set, member *self)
{
    unsigned char bytes[MOST_FED];
    size_t length = 1 + random_below(&set->seed, sizeof bytes);
    if (simulated_saw_close(self->peer) || self->fed + length > PATTERNS)
        return;
    pattern_fill(bytes, length, self->pattern + self->fed);
    simulated_feed(self->peer, bytes, length);
    self->fed += length;
}

static void take(member *self, size_t capacity)
{
    unsigned char bytes[MOST_FED];
    size_t length = simulated_take(self->peer, bytes, capacity < sizeof bytes ? capacity : sizeof bytes);
    assert_in_range(length, 0, bytes_length(&self->expected));
    assert_memory_equal(bytes, bytes_at(&self->expected), length);
    bytes_take(&self->expected, NULL, length);
}

static void flow(members_set *set, member *self)
{
    em_connection *connection = self->told.connection;
    switch (random_below(&set->seed, 5)) {
    case 0:
        em_connection_pause(connection);
        break;
    case 1:
        em_connection_pause_receiving(connection);
        break;
    case 2:
        simulated_set_window(self->peer, random_below(&set->seed, 2000));
        break;
    default:
        em_connection_resume(connection);
        em_connection_resume_receiving(connection);
        simulated_set_window(self->peer, 65536);
        break;
    }
}

/* One that has ended, or is about to. */
static void end(members_set *set, member *self)
{
    em_connection *connection = self->told.connection;
    switch (random_below(&set->seed, 3)) {
    case 0:
        em_connection_close(connection);
        break;
    case 1:
        em_connection_close_write(connection);
        break;
    default:
        simulated_reset(self->peer);
        break;
    }
}

static void stop(member *self)
{
    note_relayed(self);
    em_status status = em_connection_stop_proxy(self->told.connection);
    if (em_connection_get_state(self->told.connection) < EM_STATE_RELEASING)
        assert_int_equal(status, self->target ? EM_OK : EM_INVALID_STATE);
    if (status == EM_OK)
        self->target = NULL;
}

static void act(members_set *set)
{
    member *self = &set->members[random_below(&set->seed, MEMBERS)];
    uint64_t action = random_below(&set->seed, 40);
    if (action < 12)
        feed(set, self);
    else if (action < 22)
        take(self, 1 + random_below(&set->seed, MOST_FED));
    else if (action < 30)
        start(set, self, &set->members[random_below(&set->seed, MEMBERS)]);
    else if (action < 36)
        flow(set, self);
    else if (action < 39)
        stop(self);
    else
        end(set, self);
}

/* Those that have ended are replaced. Their targets' and sources' records refer to them no more. */
static void turn(members_set *set)
{
    run_for(set->fixture, 200000);
    for (unsigned i = 0; i < MEMBERS; i++)
        if (set->members[i].told.connection)
            note_relayed(&set->members[i]);
    for (unsigned i = 0; i < MEMBERS; i++) {
        member *self = &set->members[i];
        if (self->told.connection)
            continue;
        assert_false(is_target(set, self, NULL));
        recorder_free(&self->told);
        open_member(set, self);
    }
}

/* Everything that was fed to a connection that goes on arrives. */
static void settle(members_set *set)
{
    for (unsigned i = 0; i < MEMBERS; i++) {
        em_connection_resume(set->members[i].told.connection);
        em_connection_resume_receiving(set->members[i].told.connection);
        simulated_set_window(set->members[i].peer, 1 << 24);
    }
    for (unsigned turns = 0; turns < 40; turns++) {
        for (unsigned i = 0; i < MEMBERS; i++) {
            member *self = &set->members[i];
            if (self->told.connection && self->target &&
                em_connection_get_state(self->target->told.connection) == EM_STATE_OPEN)
                continue;
            if (self->told.connection)
                stop(self);
        }
        turn(set);
    }
    for (unsigned i = 0; i < MEMBERS; i++)
        stop(&set->members[i]);
    for (unsigned turns = 0; turns < 40; turns++)
        turn(set);
    for (unsigned i = 0; i < MEMBERS; i++) {
        take(&set->members[i], SIZE_MAX);
        assert_int_equal(set->members[i].passed, set->members[i].fed);
    }
}

static void run_seed(uint64_t seed)
{
    const simulated_options options = {.seed = seed};
    static members_set set;
    simulated_loop own;
    simulated_loop_open(&own, &options, NULL);
    set = (members_set){.fixture = &own, .seed = seed * 7919 + 1};
    for (unsigned i = 0; i < MEMBERS; i++)
        open_member(&set, &set.members[i]);
    for (unsigned i = 0; i < ACTIONS; i++) {
        act(&set);
        if (random_below(&set.seed, 2))
            turn(&set);
    }
    settle(&set);
    for (unsigned i = 0; i < MEMBERS; i++) {
        recorder_free(&set.members[i].told);
        bytes_free(&set.members[i].expected);
    }
    simulated_loop_close(&own);
}

static void what_was_relayed_and_received_is_the_whole_stream_in_order(void **state)
{
    (void)state;
    deadline_start(120);
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run_seed(seed);
    deadline_stop();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_relayed_and_received_is_the_whole_stream_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
