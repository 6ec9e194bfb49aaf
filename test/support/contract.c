/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The backends under contract, and channels that record their events.
 */
#include "support/contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/backends.h"

enum { SECONDS_PER_TEST = 60 };

/* One line per backend. A seed of 0 is the plain simulated backend. */
static const struct contract_backend {
    const char *name;
    const char *kernel;
    uint64_t seed;
    enum { KERNEL, SIMULATED } kind;
    bool offers_room;
} backends[] = {
    {.name = "epoll", .kernel = "epoll"},
    {.name = "epoll, room", .kernel = "epoll", .offers_room = true},
    {.name = "poll", .kernel = "poll"},
    {.name = "uring", .kernel = "uring"},
    {.name = "uring, room", .kernel = "uring", .offers_room = true},
    {.name = "simulated", .kind = SIMULATED},
    {.name = "simulated, seed 1", .kind = SIMULATED, .seed = 1},
    {.name = "simulated, seed 2", .kind = SIMULATED, .seed = 2},
    {.name = "simulated, seed 3", .kind = SIMULATED, .seed = 3},
    {.name = "simulated, seed 4, room", .kind = SIMULATED, .seed = 4, .offers_room = true},
};

enum { BACKENDS = sizeof backends / sizeof backends[0] };

static em_status make_backend(const struct contract_backend *backend, contract_fixture *made)
{
    emi_backend_settings settings = {
        .memory = &made->allocator.allocator,
        .receive_buffer_bytes = CONTRACT_BUFFER_BYTES,
    };
    failing_allocator_init(&made->allocator);
    made->is_plain = backend->seed == 0;
    made->offers_room = backend->offers_room;
    const char *reason;
    if (backend->kind == KERNEL)
        return emi_backend_create(backend->kernel, &settings, &made->backend, &reason);
    simulated_maker maker = {.options.seed = backend->seed};
    em_status status = simulated_make(&maker, &settings, &made->backend);
    made->simulated = maker.made;
    return status;
}

static int set_up(void **state)
{
    contract_fixture *made = calloc(1, sizeof *made);
    if (!made)
        stop_test("no memory");
    em_status status = make_backend(*state, made);
    *state = made;
    deadline_start(SECONDS_PER_TEST);
    return status == EM_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    contract_fixture *used = *state;
    if (used->simulated && simulated_count_channels(used->simulated) > 0)
        used->backend->operations->abandon(used->backend); /* the test failed before it ended them */
    else
        used->backend->operations->destroy(used->backend);
    deadline_stop();
    long live = atomic_load(&used->allocator.live);
    if (live != 0)
        print_error("%ld allocations were not given back\n", live);
    free(used);
    return live == 0 ? 0 : -1;
}

/* Whether this system has the backend. */
static bool is_available(const struct contract_backend *backend)
{
    static contract_fixture probe;
    probe = (contract_fixture){.backend = NULL};
    if (make_backend(backend, &probe) == EM_UNKNOWN_BACKEND)
        return false;
    if (probe.backend)
        probe.backend->operations->destroy(probe.backend);
    return true;
}

static void skip_all(void **state)
{
    const struct contract_backend *backend = *state;
    print_message("skipped: %s is not available on this system\n", backend->name);
    skip();
}

static int run_for(const struct contract_backend *backend, const char *subject, const contract_test *tests,
                   size_t count)
{
    struct CMUnitTest *selected = calloc(count, sizeof *selected);
    char *names = calloc(count, 160);
    size_t used = 0;
    union {
        const struct contract_backend *constant;
        void *state; /* never written to */
    } initial = {.constant = backend};
    if (!selected || !names)
        stop_test("no memory");
    bool available = is_available(backend);
    if (!available)
        selected[used++] = (struct CMUnitTest){"all", skip_all, NULL, NULL, initial.state};
    for (size_t i = 0; available && i < count; i++) {
        if (tests[i].scope == KERNELS_ONLY && backend->kind != KERNEL)
            continue;
        char *name = names + used * 160;
        snprintf(name, 160, "%s: %s", backend->name, tests[i].name);
        selected[used++] = (struct CMUnitTest){name, tests[i].run, set_up, tear_down, initial.state};
    }
    char group[160];
    snprintf(group, sizeof group, "%s, %s", subject, backend->name);
    int failed = _cmocka_run_group_tests(group, selected, used, NULL, NULL);
    free(selected);
    free(names);
    return failed;
}

int run_contract(const char *subject, const contract_test *tests, size_t count)
{
    int failed = 0;
    for (size_t i = 0; i < BACKENDS; i++)
        failed += run_for(&backends[i], subject, tests, count) != 0;
    return failed;
}

void contract_turn(contract_fixture *contract, uint64_t timeout_ns)
{
    const emi_backend_operations *operations = contract->backend->operations;
    operations->flush(contract->backend);
    operations->wait(contract->backend, operations->has_work(contract->backend) ? 0 : timeout_ns);
    operations->dispatch(contract->backend, 512);
    operations->flush(contract->backend);
    operations->reap(contract->backend);
}

void settle(contract_fixture *contract)
{
    for (unsigned i = 0; i < 20; i++)
        contract_turn(contract, 1000000);
}

/* Events */

static test_channel *channel_of(emi_channel *channel)
{
    return EMI_CONTAINER(channel, test_channel, channel);
}

static void note(test_channel *channel, char event)
{
    contract_fixture *contract = channel->contract;
    if (channel->released && event != 'r')
        stop_test("event %c on channel %c after its release", event, channel->name);
    if (channel->released_events > 0)
        stop_test("event %c on channel %c after `released`", event, channel->name);
    if (contract->event_count + 3 < sizeof contract->events) {
        contract->events[contract->event_count++] = channel->name;
        contract->events[contract->event_count++] = event;
    }
}

/* Its size is not that of the backend's memory. Every fourth time it has none. */
static void *room(emi_channel *channel, size_t *capacity)
{
    enum { ROOM_BYTES = 12288 };
    test_channel *owner = channel_of(channel);
    if (owner->released || !channel->receiving)
        stop_test("room asked for in vain");
    free(owner->room);
    owner->room = owner->rooms_asked++ % 4 < 3 ? malloc(ROOM_BYTES) : NULL;
    *capacity = ROOM_BYTES;
    return owner->room;
}

static void call(test_hook hook, test_channel *channel)
{
    if (hook)
        hook(channel);
}

static void data(emi_channel *channel, const void *bytes, size_t length)
{
    test_channel *owner = channel_of(channel);
    note(owner, 'd');
    if (!channel->receiving)
        stop_test("data without receiving");
    if (length == 0 || length > CONTRACT_BUFFER_BYTES)
        stop_test("a piece of %zu bytes", length);
    if (owner->end_events > 0)
        stop_test("data after the end");
    owner->rooms_used += bytes == owner->room;
    bytes_append(&owner->received, bytes, length);
    free(owner->room);
    owner->room = NULL;
    owner->largest_piece = length > owner->largest_piece ? length : owner->largest_piece;
    owner->data_events++;
    call(owner->on_data, owner);
}

static void end(emi_channel *channel)
{
    test_channel *owner = channel_of(channel);
    note(owner, 'e');
    owner->end_events++;
    call(owner->on_end, owner);
}

static void connected(emi_channel *channel)
{
    test_channel *owner = channel_of(channel);
    note(owner, 'c');
    owner->connected_events++;
    call(owner->on_connected, owner);
}

static unsigned gather(emi_channel *channel, emi_span *spans)
{
    test_channel *owner = channel_of(channel);
    note(owner, 'g');
    owner->gather_events++;
    call(owner->on_gather, owner);
    if (owner->released)
        return 0;
    unsigned count = 0;
    for (size_t at = owner->sent; at < owner->queued && count < EMI_MAX_SPANS; count++) {
        size_t length = owner->queued - at < owner->span_bytes ? owner->queued - at : owner->span_bytes;
        spans[count] = (emi_span){.data = owner->outgoing + at, .length = length};
        at += length;
    }
    return count;
}

static bool sent(emi_channel *channel, size_t length)
{
    test_channel *owner = channel_of(channel);
    note(owner, 's');
    if (length == 0 || length > owner->queued - owner->sent)
        stop_test("sent %zu of %zu", length, owner->queued - owner->sent);
    owner->sent += length;
    owner->sent_events++;
    return owner->on_sent != NULL;
}

static void after_sent(emi_channel *channel)
{
    test_channel *owner = channel_of(channel);
    call(owner->on_sent, owner);
}

static void accepted(emi_channel *channel, int socket, const em_address *peer)
{
    test_channel *owner = channel_of(channel);
    note(owner, 'a');
    owner->last_peer = *peer;
    owner->accepted[owner->accepted_events++] = socket;
    call(owner->on_accepted, owner);
}

static void ready(emi_channel *channel, unsigned interests)
{
    test_channel *owner = channel_of(channel);
    note(owner, 'p');
    owner->ready = interests;
    owner->ready_events++;
    call(owner->on_ready, owner);
}

static void failed(emi_channel *channel, em_status reason)
{
    test_channel *owner = channel_of(channel);
    note(owner, 'f');
    owner->failure = reason;
    owner->failed_events++;
    call(owner->on_failed, owner);
}

static void released(emi_channel *channel)
{
    test_channel *owner = channel_of(channel);
    note(owner, 'r');
    if (!owner->released)
        stop_test("`released` without release");
    owner->released_events++;
    call(owner->on_released, owner);
}

static const emi_channel_events events = {
    .data = data,
    .room = room,
    .end = end,
    .connected = connected,
    .gather = gather,
    .sent = sent,
    .after_sent = after_sent,
    .ready = ready,
    .accepted = accepted,
    .failed = failed,
    .released = released,
};

/* Channels */

void test_channel_init(test_channel *channel, contract_fixture *contract, char name)
{
    memset(channel, 0, sizeof *channel);
    emi_channel_init(&channel->channel, &events);
    channel->contract = contract;
    channel->name = name;
    channel->span_bytes = SIZE_MAX;
}

void test_channel_clear(test_channel *channel)
{
    bytes_free(&channel->received);
    free(channel->room);
    free(channel->outgoing);
    channel->outgoing = NULL;
}

em_status test_channel_attach(test_channel *channel, emi_channel_kind kind, int descriptor, emi_ownership ownership)
{
    emi_backend *backend = channel->contract->backend;
    channel->channel.offers_room = channel->contract->offers_room;
    return backend->operations->attach(backend, &channel->channel, kind, descriptor, ownership);
}

void test_channel_release(test_channel *channel)
{
    channel->released = true;
    emi_channel_release(&channel->channel);
}

void test_channel_end(test_channel *channel)
{
    if (!channel->released)
        test_channel_release(channel);
    run_until(channel->contract, channel->released_events > 0);
    test_channel_clear(channel);
}

void test_channel_prepare(test_channel *channel, size_t capacity)
{
    channel->outgoing = malloc(capacity);
    if (!channel->outgoing)
        stop_test("no memory");
    pattern_fill(channel->outgoing, capacity, 0);
    channel->outgoing_capacity = capacity;
}

void test_channel_send(test_channel *channel, size_t length)
{
    if (channel->queued + length > channel->outgoing_capacity)
        stop_test("more to send than was prepared");
    channel->queued += length;
    emi_channel_send(&channel->channel);
}
