/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Running out of memory at every single allocation of every operation: the operation fails with EM_NO_MEMORY and
 * nothing else happens, no memory is lost, and the same operation succeeds as soon as there is memory again.
 */
#include "support/simulated_loop.h"
#include "support/sockets.h"

#include <string.h>
#include <unistd.h>

enum { MOST_ALLOCATIONS = 50, LARGE_BYTES = 400000 };

/* One operation; *subject is a connection where there is one. */
typedef em_status (*operation)(simulated_loop *fixture, recorder *told);

static void ignore_call(em_loop *loop, void *user)
{
    unsigned *calls = user;
    (void)loop;
    ++*calls;
}

static void ignore_timer(em_loop *loop, em_timer timer, void *user)
{
    (void)timer;
    ignore_call(loop, user);
}

static unsigned calls;

static em_status next_tick(simulated_loop *fixture, recorder *told)
{
    (void)told;
    return em_loop_next_tick(fixture->loop, ignore_call, &calls, NULL);
}

static em_status post(simulated_loop *fixture, recorder *told)
{
    (void)told;
    return em_loop_post(fixture->loop, ignore_call, &calls, NULL);
}

static unsigned disposals;

static void count_disposal(void *user)
{
    (void)user;
    disposals++;
}

static em_status add_timer_with_dispose(simulated_loop *fixture, recorder *told)
{
    em_timer timer;
    (void)told;
    disposals = 0;
    em_status status = em_loop_add_timer(fixture->loop, 1, ignore_timer, &calls, count_disposal, &timer);
    assert_int_equal(em_loop_cancel_timer(fixture->loop, timer), status == EM_OK ? EM_OK : EM_NOT_FOUND);
    assert_int_equal(disposals, status == EM_OK);
    return status;
}

static em_status add_timer(simulated_loop *fixture, recorder *told)
{
    (void)told;
    return em_loop_add_timer(fixture->loop, 1, ignore_timer, &calls, NULL, NULL);
}

static em_status add_periodic_timer(simulated_loop *fixture, recorder *told)
{
    em_timer timer;
    (void)told;
    em_status status = em_loop_add_periodic_timer(fixture->loop, 1000, ignore_timer, &calls, NULL, &timer);
    if (status == EM_OK) {
        run_for(fixture, 1000);
        assert_int_equal(em_loop_cancel_timer(fixture->loop, timer), EM_OK);
    } else {
        assert_int_equal(timer, 0);
    }
    return status;
}

static em_status start_server(simulated_loop *fixture, recorder *told)
{
    em_server *server;
    (void)told;
    em_status status = em_loop_start_server(fixture->loop, "127.0.0.1", 0, &recording, NULL, &server);
    if (status == EM_OK)
        assert_int_equal(em_server_stop(server), EM_OK);
    else
        assert_null(server);
    return status;
}

static em_status start_server_at_a_name(simulated_loop *fixture, recorder *told)
{
    em_server *server;
    (void)told;
    em_status status = em_loop_start_server(fixture->loop, "localhost", 0, &recording, NULL, &server);
    if (status == EM_OK)
        assert_int_equal(em_server_stop(server), EM_OK);
    else
        assert_null(server);
    return status;
}

static em_status start_server_on_descriptor(simulated_loop *fixture, recorder *told)
{
    em_address address;
    em_server *server;
    (void)told;
    int listener = listen_on_loopback(&address);
    em_status status = em_loop_attach_server(fixture->loop, listener, &recording, NULL, &server);
    if (status == EM_OK)
        assert_int_equal(em_server_stop(server), EM_OK);
    else
        assert_int_equal(close(listener), 0);
    return status;
}

static em_status connect_to(simulated_loop *fixture, recorder *told)
{
    (void)fixture;
    size_t before = told->event_count;
    em_connection *mine = told->connection;
    em_status status = begin_connecting(told, NULL);
    assert_int_equal(told->event_count, before + (status == EM_OK));
    if (status == EM_OK)
        assert_int_equal(em_connection_close(told->connection), EM_OK);
    told->unbinds = 0;
    run_turns(fixture, 2);
    told->unbinds = 0;
    told->connection = mine;
    return status;
}

static em_status send_copy(simulated_loop *fixture, recorder *told)
{
    static char large[LARGE_BYTES];
    (void)fixture;
    size_t before = em_connection_get_outbound_bytes(told->connection);
    em_status status = em_connection_send(told->connection, large, sizeof large);
    size_t after = em_connection_get_outbound_bytes(told->connection);
    assert_int_equal(after, status == EM_OK ? before + sizeof large : before);
    return status;
}

static unsigned releases;

static void count_release(void *user, const void *data)
{
    (void)user;
    (void)data;
    releases++;
}

static em_status send_borrowed(simulated_loop *fixture, recorder *told)
{
    (void)fixture;
    unsigned before = releases;
    em_status status = em_connection_send_borrowed(told->connection, "borrowed", 8, count_release, NULL);
    assert_int_equal(releases, status == EM_OK ? before : before + 1);
    return status;
}

static em_status set_timeout(simulated_loop *fixture, recorder *told)
{
    (void)fixture;
    return em_connection_set_inactivity_timeout_ns(told->connection, EM_SECONDS * 1000000);
}

static em_status set_water_marks(simulated_loop *fixture, recorder *told)
{
    (void)fixture;
    return em_connection_set_water_marks(told->connection, LARGE_BYTES, (size_t)LARGE_BYTES * 2);
}

static const struct named_operation {
    const char *name;
    operation run;
} operations[] = {
    {"em_loop_next_tick", next_tick},
    {"em_loop_post", post},
    {"em_loop_add_timer", add_timer},
    {"em_loop_add_timer with dispose", add_timer_with_dispose},
    {"em_loop_add_periodic_timer", add_periodic_timer},
    {"em_loop_start_server", start_server},
    {"em_loop_start_server at a name", start_server_at_a_name},
    {"em_loop_attach_server", start_server_on_descriptor},
    {"em_loop_connect", connect_to},
    {"em_connection_send", send_copy},
    {"em_connection_send_borrowed", send_borrowed},
    {"em_connection_set_inactivity_timeout_ns", set_timeout},
    {"em_connection_set_water_marks", set_water_marks},
};

/* Runs the operation with its n-th allocation failing; true if it got by with fewer. */
static bool fail_nth(const struct named_operation *tested, unsigned long n, em_switch all_later_ones)
{
    simulated_loop fixture;
    recorder told;
    simulated_loop_open(&fixture, NULL, NULL);
    recorder_init(&told, &fixture);
    simulated_peer *peer = open_accepted(&told, &recording, NULL);
    unsigned descriptors = count_descriptors();
    unsigned long failures = atomic_load(&fixture.allocator.failures);
    failing_allocator_fail(&fixture.allocator, n, all_later_ones);
    em_status status = tested->run(&fixture, &told);
    bool failed = atomic_load(&fixture.allocator.failures) > failures;
    failing_allocator_fail(&fixture.allocator, 0, EM_DEFAULT);
    if (status != (failed ? EM_NO_MEMORY : EM_OK))
        fail_msg("%s: allocation %lu: %s", tested->name, n, em_status_get_name(status));
    run_turns(&fixture, 2);
    if (count_descriptors() > descriptors + 1) /* the reserve of a server */
        fail_msg("%s: allocation %lu: a descriptor is left open", tested->name, n);
    if (tested->run(&fixture, &told) != EM_OK)
        fail_msg("%s: fails again after allocation %lu", tested->name, n);
    /* What was there before goes on. */
    feed_text(peer, "hello");
    run_turns(&fixture, 3);
    assert_true(bytes_equal_text(&told.received, "hello"));
    recorder_free(&told);
    simulated_loop_close(&fixture);
    return !failed;
}

static void every_operation_survives_the_failure_of_every_allocation(void **state)
{
    (void)state;
    deadline_start(60);
    for (size_t i = 0; i < COUNT(operations); i++) {
        for (unsigned later = EM_ON; later <= EM_OFF; later++) {
            unsigned long n = 1;
            while (!fail_nth(&operations[i], n, (em_switch)later))
                assert_true(++n < MOST_ALLOCATIONS);
            if (n == 1)
                fail_msg("%s allocates nothing, so nothing was tested", operations[i].name);
        }
    }
    deadline_stop();
}

/* A client that connects while there is no memory is turned away, and the server goes on. */
static void accepting_survives_the_failure_of_every_allocation(void **state)
{
    (void)state;
    deadline_start(60);
    bool spared = false;
    for (unsigned long n = 1; !spared; n++) {
        simulated_loop fixture;
        recorder told;
        em_server *server;
        em_stream_options stream = {.size = sizeof stream, .inactivity_timeout_ns = EM_SECONDS * 1000000};
        em_server_options options = {.size = sizeof options, .user = &told, .stream = &stream};
        assert_true(n < MOST_ALLOCATIONS);
        simulated_loop_open(&fixture, NULL, NULL);
        recorder_init(&told, &fixture);
        assert_int_equal(em_loop_start_server(fixture.loop, "127.0.0.1", 0, &recording, &options, &server), EM_OK);
        simulated_peer *peer = simulated_connect(fixture.backend, em_server_get_descriptor(server));
        failing_allocator_fail(&fixture.allocator, n, EM_OFF);
        run_turns(&fixture, 2);
        spared = atomic_load(&fixture.allocator.failures) == 0;
        failing_allocator_fail(&fixture.allocator, 0, EM_DEFAULT);
        expect_events(&told, spared ? "I" : "");
        assert_int_equal(simulated_saw_close(peer), !spared);
        if (!spared)
            simulated_connect(fixture.backend, em_server_get_descriptor(server));
        run_for(&fixture, 2 * EM_SECONDS);
        expect_events(&told, "I");
        recorder_free(&told);
        simulated_loop_close(&fixture);
    }
    deadline_stop();
}

/* The peer has not acknowledged what was sent last, and nobody can wait for it: that is not a good end. */
static void without_memory_to_wait_for_the_peer_the_reason_says_so(void **state)
{
    (void)state;
    simulated_loop fixture;
    recorder told;
    simulated_loop_open(&fixture, NULL, NULL);
    recorder_init(&told, &fixture);
    open_accepted(&told, &recording, NULL);
    run_turns(&fixture, 2);
    assert_int_equal(em_connection_send_text(told.connection, "the answer"), EM_OK);
    assert_int_equal(em_connection_close_after_writing(told.connection), EM_OK);
    failing_allocator_fail(&fixture.allocator, 1, EM_ON);
    run_turns(&fixture, 3);
    failing_allocator_fail(&fixture.allocator, 0, EM_DEFAULT);
    assert_int_equal(told.reason, EM_NO_MEMORY);
    recorder_free(&told);
    simulated_loop_close(&fixture);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_survives_the_failure_of_every_allocation),
        cmocka_unit_test(accepting_survives_the_failure_of_every_allocation),
        cmocka_unit_test(without_memory_to_wait_for_the_peer_the_reason_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
