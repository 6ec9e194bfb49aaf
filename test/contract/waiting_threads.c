/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The contract of every backend: waiting, waking from other threads and from signal handlers, and whether there
 * is work.
 */
#include "support/contract.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static bool wait_on(contract_fixture *contract, uint64_t timeout_ns)
{
    return contract->backend->operations->wait(contract->backend, timeout_ns);
}

static bool has_work(const contract_fixture *contract)
{
    return contract->backend->operations->has_work(contract->backend);
}

static void *wake(void *argument)
{
    contract_fixture *contract = argument;
    contract->backend->operations->wake(contract->backend);
    return NULL;
}

static void a_wait_of_no_length_returns_at_once(void **state)
{
    /* A wait that took no more than a millisecond each time would be too long: it has to return without any. */
    uint64_t best_ns = UINT64_MAX;
    for (unsigned i = 0; i < 100; i++) {
        uint64_t begin_ns = system_clock_now_ns();
        assert_false(wait_on(*state, 0));
        uint64_t took_ns = system_clock_now_ns() - begin_ns;
        best_ns = took_ns < best_ns ? took_ns : best_ns;
    }
    assert_true(best_ns < 1000000);
}

/* The seeded simulated backends wake without a reason on purpose. */
static void a_short_wait_is_never_early(void **state)
{
    static const uint64_t timeouts_ns[] = {1, 1000, 300000, 1000000, 1500000, 20000000};
    contract_fixture *c = *state;
    for (size_t i = 0; c->is_plain && i < sizeof timeouts_ns / sizeof timeouts_ns[0]; i++) {
        uint64_t begin_ns = system_clock_now_ns();
        assert_false(wait_on(c, timeouts_ns[i]));
        uint64_t waited_ns = system_clock_now_ns() - begin_ns;
        assert_true(waited_ns >= timeouts_ns[i]);
    }
}

static void waits_beyond_what_the_system_can_wait_for_end_when_woken(void **state)
{
    static const uint64_t timeouts_ns[] = {UINT64_MAX, UINT64_MAX - 1, UINT64_MAX / 2, UINT64_C(1) << 62};
    for (size_t i = 0; i < sizeof timeouts_ns / sizeof timeouts_ns[0]; i++) {
        wake(*state);
        wait_on(*state, timeouts_ns[i]);
    }
}

static void a_wake_before_the_wait_ends_it(void **state)
{
    for (unsigned round = 0; round < 10; round++) {
        wake(*state);
        wake(*state);
        wait_on(*state, EM_FOREVER);
    }
}

/* Several wakes may end several waits, but each of them no more than one. */
static void a_wake_is_over_with_the_wait_that_it_ended(void **state)
{
    for (unsigned i = 0; i < 3; i++)
        wake(*state);
    uint64_t waited_ns = 0;
    for (unsigned waits = 0; waited_ns < 5000000; waits++) {
        assert_true(waits < 100);
        uint64_t begin_ns = system_clock_now_ns();
        assert_false(wait_on(*state, 5000000));
        waited_ns = system_clock_now_ns() - begin_ns;
    }
}

static void a_wake_from_another_thread_ends_an_endless_wait(void **state)
{
    for (unsigned round = 0; round < 100; round++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, wake, *state), 0);
        wait_on(*state, EM_FOREVER);
        pthread_join(thread, NULL);
    }
}

static contract_fixture *woken_by_signal;

static void wake_from_handler(int signal_number)
{
    (void)signal_number;
    wake(woken_by_signal);
}

static void a_wake_from_a_signal_handler_ends_an_endless_wait(void **state)
{
    woken_by_signal = *state;
    struct sigaction action = {.sa_handler = wake_from_handler, .sa_flags = SA_RESTART};
    struct sigaction before;
    sigaction(SIGUSR1, &action, &before);
    raise(SIGUSR1);
    wait_on(*state, EM_FOREVER);
    sigaction(SIGUSR1, &before, NULL);
}

static void many_wakes_from_many_threads_lose_no_data(void **state)
{
    enum { THREADS = 4 };
    test_channel channel;
    test_peer peer;
    pthread_t threads[THREADS];
    open_stream(*state, &channel, 'A', &peer);
    assert_int_equal(emi_channel_start_receiving(&channel.channel), EM_OK);
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, wake, *state), 0);
        peer_send_text(&peer, "!");
        run_until(*state, bytes_length(&channel.received) == round + 1);
        for (unsigned i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
    }
    test_channel_end(&channel);
    peer_close(&peer);
}

/* A host with a lock, such as Ruby's: one thread takes all turns and releases the lock while it waits. */
typedef struct host {
    contract_fixture *contract;
    pthread_mutex_t lock;
    bool is_over;
} host;

static void *take_turns(void *argument)
{
    host *own = argument;
    emi_backend *backend = own->contract->backend;
    const emi_backend_operations *io = backend->operations;
    pthread_mutex_lock(&own->lock);
    while (!own->is_over) {
        io->flush(backend);
        uint64_t timeout_ns = io->has_work(backend) ? 0 : EM_FOREVER;
        pthread_mutex_unlock(&own->lock);
        io->wait(backend, timeout_ns);
        pthread_mutex_lock(&own->lock);
        io->dispatch(backend, 512);
        io->flush(backend);
        io->reap(backend);
    }
    pthread_mutex_unlock(&own->lock);
    return NULL;
}

/* Gives the other thread the lock until it has made a counter move. */
static void let_it_run(host *own, const unsigned *counter)
{
    while (*counter == 0) {
        pthread_mutex_unlock(&own->lock);
        poll(NULL, 0, 1);
        pthread_mutex_lock(&own->lock);
    }
}

/* Within the lock. */
static void use_channels(host *own)
{
    test_channel channels[2];
    test_peer peers[2];
    for (unsigned i = 0; i < 2; i++) {
        open_stream(own->contract, &channels[i], (char)('A' + i), &peers[i]);
        assert_int_equal(emi_channel_start_receiving(&channels[i].channel), EM_OK);
        wake(own->contract);
        peer_send_text(&peers[i], "hello");
        let_it_run(own, &channels[i].data_events);
    }
    test_channel_prepare(&channels[0], 10);
    test_channel_send(&channels[0], 10);
    wake(own->contract);
    let_it_run(own, &channels[0].sent_events);
    for (unsigned i = 0; i < 2; i++) {
        test_channel_release(&channels[i]);
        wake(own->contract);
        let_it_run(own, &channels[i].released_events);
        test_channel_clear(&channels[i]);
        peer_close(&peers[i]);
    }
}

static void channels_may_be_used_while_another_thread_waits(void **state)
{
    host own = {.contract = *state};
    pthread_t thread;
    pthread_mutex_init(&own.lock, NULL);
    assert_int_equal(pthread_create(&thread, NULL, take_turns, &own), 0);
    pthread_mutex_lock(&own.lock);
    for (unsigned round = 0; round < 20; round++)
        use_channels(&own);
    own.is_over = true;
    pthread_mutex_unlock(&own.lock);
    wake(own.contract);
    pthread_join(thread, NULL);
    pthread_mutex_destroy(&own.lock);
}

static void what_arrives_ends_the_wait(void **state)
{
    test_channel channel;
    test_peer peer;
    open_stream(*state, &channel, 'A', &peer);
    assert_int_equal(emi_channel_start_receiving(&channel.channel), EM_OK);
    contract_turn(*state, 0);
    peer_send_text(&peer, "hello");
    for (unsigned waits = 0; bytes_length(&channel.received) < 5; waits++) {
        assert_true(waits < 100);
        contract_turn(*state, EM_FOREVER);
    }
    test_channel_end(&channel);
    peer_close(&peer);
}

static void work_is_known_exactly_while_there_is_some(void **state)
{
    contract_fixture *c = *state;
    test_channel channel;
    test_peer peer;
    open_stream(c, &channel, 'A', &peer);
    assert_int_equal(emi_channel_start_receiving(&channel.channel), EM_OK);
    settle(c);
    assert_false(has_work(c));
    test_channel_prepare(&channel, 10);
    test_channel_send(&channel, 10);
    assert_true(has_work(c));
    run_until(c, channel.sent == 10);
    settle(c);
    assert_false(has_work(c));
    test_channel_release(&channel);
    assert_true(has_work(c));
    run_until(c, channel.released_events == 1);
    assert_false(has_work(c));
    test_channel_clear(&channel);
    peer_close(&peer);
}

static void what_one_dispatch_leaves_over_is_known_as_work(void **state)
{
    contract_fixture *c = *state;
    test_channel channel;
    test_peer peer;
    unsigned char junk[CONTRACT_BUFFER_BYTES * 4] = {0};
    open_stream(c, &channel, 'A', &peer);
    channel.channel.burst = 1;
    for (size_t at = 0; at < sizeof junk;)
        at += peer_send(&peer, junk + at, sizeof junk - at);
    assert_int_equal(emi_channel_start_receiving(&channel.channel), EM_OK);
    run_until(c, channel.data_events > 0);
    while (bytes_length(&channel.received) < sizeof junk) {
        assert_true(has_work(c));
        contract_turn(c, EM_FOREVER);
    }
    settle(c);
    assert_false(has_work(c));
    test_channel_end(&channel);
    peer_close(&peer);
}

static bool polls_readable(int descriptor, int timeout_ms)
{
    struct pollfd polled = {.fd = descriptor, .events = POLLIN};
    return poll(&polled, 1, timeout_ms) == 1;
}

static void its_descriptor_polls_readable_when_a_wait_would_find_something(void **state)
{
    contract_fixture *c = *state;
    int descriptor = c->backend->operations->get_descriptor(c->backend);
    if (descriptor < 0)
        return; /* allowed: not every backend has one */
    test_channel channel;
    test_peer peer;
    open_stream(c, &channel, 'A', &peer);
    assert_int_equal(emi_channel_start_receiving(&channel.channel), EM_OK);
    settle(c);
    assert_false(polls_readable(descriptor, 0));
    peer_send_text(&peer, "x");
    assert_true(polls_readable(descriptor, 5000));
    run_until(c, channel.data_events == 1);
    settle(c);
    assert_false(polls_readable(descriptor, 0));
    wake(c);
    assert_true(polls_readable(descriptor, 5000));
    wait_on(c, 0);
    assert_false(polls_readable(descriptor, 0));
    test_channel_end(&channel);
    peer_close(&peer);
}

int main(void)
{
    static const contract_test tests[] = {
        CONTRACT_TEST(a_wait_of_no_length_returns_at_once),
        CONTRACT_TEST(a_short_wait_is_never_early),
        CONTRACT_TEST(waits_beyond_what_the_system_can_wait_for_end_when_woken),
        CONTRACT_TEST(a_wake_before_the_wait_ends_it),
        CONTRACT_TEST(a_wake_is_over_with_the_wait_that_it_ended),
        CONTRACT_TEST(a_wake_from_another_thread_ends_an_endless_wait),
        CONTRACT_TEST(a_wake_from_a_signal_handler_ends_an_endless_wait),
        CONTRACT_TEST(many_wakes_from_many_threads_lose_no_data),
        KERNEL_TEST(channels_may_be_used_while_another_thread_waits),
        CONTRACT_TEST(what_arrives_ends_the_wait),
        CONTRACT_TEST(work_is_known_exactly_while_there_is_some),
        CONTRACT_TEST(what_one_dispatch_leaves_over_is_known_as_work),
        KERNEL_TEST(its_descriptor_polls_readable_when_a_wait_would_find_something),
    };
    return run_contract("waiting", tests, sizeof tests / sizeof tests[0]);
}
