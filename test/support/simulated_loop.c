/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Loops over the simulated backend and recorders of callbacks.
 */
#include "support/simulated_loop.h"

#include <stdlib.h>
#include <string.h>

#include "loop/loop_private.h"
#include "system/clock.h"

enum { SECONDS_PER_TEST = 60 };

static void count_message(void *user, em_log_level level, const char *message)
{
    simulated_loop *fixture = user;
    (void)level;
    assert_non_null(message);
    fixture->log_messages++;
}

void simulated_loop_open(simulated_loop *fixture, const simulated_options *simulated, const em_loop_options *given)
{
    em_loop_options options = given ? *given : (em_loop_options){.size = sizeof options};
    memset(fixture, 0, sizeof *fixture);
    failing_allocator_init(&fixture->allocator);
    simulated_maker maker = {.options = simulated ? *simulated : (simulated_options){.seed = 0}};
    options.allocator = &fixture->allocator.allocator;
    options.log = count_message;
    options.log_user = fixture;
    test_clock_stop();
    if (emi_loop_create_over(&options, simulated_make, &maker, &fixture->loop) != EM_OK)
        stop_test("no loop");
    fixture->backend = maker.made;
}

void simulated_loop_close(simulated_loop *fixture)
{
    failing_allocator_fail(&fixture->allocator, 0, EM_DEFAULT);
    if (em_loop_destroy(fixture->loop) != EM_OK)
        stop_test("the loop cannot be destroyed");
    test_clock_resume();
    if (atomic_load(&fixture->allocator.live) != 0)
        stop_test("%ld allocations were not given back", atomic_load(&fixture->allocator.live));
}

int set_up_loop(void **state)
{
    simulated_loop *fixture = malloc(sizeof *fixture);
    if (!fixture)
        return -1;
    deadline_start(SECONDS_PER_TEST);
    simulated_loop_open(fixture, NULL, NULL);
    *state = fixture;
    return 0;
}

int tear_down_loop(void **state)
{
    simulated_loop_close(*state);
    free(*state);
    deadline_stop();
    return 0;
}

void run_turns(simulated_loop *fixture, unsigned turns)
{
    for (unsigned i = 0; i < turns; i++)
        assert_int_equal(em_loop_run_once(fixture->loop, 0), EM_OK);
}

void run_for(simulated_loop *fixture, uint64_t ns)
{
    uint64_t end_ns = emi_clock_now_ns() + ns;
    do {
        uint64_t now_ns = emi_clock_now_ns();
        assert_int_equal(em_loop_run_once(fixture->loop, end_ns - now_ns), EM_OK);
    } while (emi_clock_now_ns() < end_ns);
    run_turns(fixture, 2);
}

em_loop_stats stats_of(const simulated_loop *fixture)
{
    em_loop_stats stats;
    assert_int_equal(em_loop_get_stats(fixture->loop, &stats, sizeof stats), EM_OK);
    return stats;
}

/* Recorders */

static recorder *note(em_connection *connection, char event)
{
    recorder *told = em_connection_get_user(connection);
    if (told->unbinds > 0)
        stop_test("event %c after unbind", event);
    if (told->event_count + 1 < sizeof told->events) {
        told->events[told->event_count++] = event;
        told->events[told->event_count] = '\0';
    }
    return told;
}

static void call(recorder_hook hook, recorder *told)
{
    if (hook)
        hook(told);
}

static void post_init(em_connection *connection)
{
    recorder *told = note(connection, 'I');
    told->connection = connection;
    told->signature = em_connection_get_signature(connection);
    call(told->on_init, told);
}

static void connection_completed(em_connection *connection)
{
    recorder *told = note(connection, 'C');
    call(told->on_completed, told);
}

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    recorder *told = note(connection, 'D');
    bytes_append(&told->received, data, length);
    call(told->on_data, told);
}

static void receive_end(em_connection *connection)
{
    recorder *told = note(connection, 'E');
    call(told->on_end, told);
}

static void drained(em_connection *connection)
{
    recorder *told = note(connection, 'R');
    call(told->on_drained, told);
}

static void unbind(em_connection *connection, em_status reason)
{
    recorder *told = note(connection, 'U');
    told->reason = reason;
    told->last_state = em_connection_get_state(connection);
    told->peer_had_ended = em_connection_has_peer_ended(connection);
    call(told->on_unbind, told);
    told->unbinds++;
    told->connection = NULL;
}

const em_handler recording = {
    .post_init = post_init,
    .connection_completed = connection_completed,
    .receive_data = receive_data,
    .receive_end = receive_end,
    .drained = drained,
    .unbind = unbind,
};

const em_handler recording_without_end = {
    .post_init = post_init,
    .connection_completed = connection_completed,
    .receive_data = receive_data,
    .drained = drained,
    .unbind = unbind,
};

void recorder_init(recorder *told, simulated_loop *fixture)
{
    memset(told, 0, sizeof *told);
    told->fixture = fixture;
}

void recorder_free(recorder *told)
{
    if (told->connection)
        em_connection_close(told->connection);
    while (told->connection)
        run_turns(told->fixture, 1);
    bytes_free(&told->received);
}

simulated_peer *open_accepted(recorder *told, const em_handler *handler, const em_stream_options *stream)
{
    simulated_loop *fixture = told->fixture;
    em_server *server;
    em_server_options options = {.size = sizeof options, .user = told, .stream = stream};
    assert_int_equal(em_loop_start_server(fixture->loop, "127.0.0.1", 0, handler, &options, &server), EM_OK);
    simulated_peer *peer = simulated_knock(fixture->backend, em_server_get_descriptor(server));
    for (unsigned turns = 0; told->event_count == 0; turns++) {
        assert_true(turns < 1000);
        run_for(fixture, 100000);
    }
    assert_int_equal(em_server_stop(server), EM_OK);
    return peer;
}

em_status begin_connecting(recorder *told, const em_connect_options *given)
{
    em_connect_options options = given ? *given : (em_connect_options){.size = sizeof options};
    options.user = told;
    return em_loop_connect(told->fixture->loop, "192.0.2.1", 80, &recording, &options, NULL);
}

simulated_peer *open_connected(recorder *told, const em_connect_options *options)
{
    simulated_loop *fixture = told->fixture;
    assert_int_equal(begin_connecting(told, options), EM_OK);
    simulated_peer *peer = simulated_take_connect(fixture->backend);
    assert_non_null(peer);
    simulated_accept_connect(peer);
    for (unsigned turns = 0; !strchr(told->events, 'C'); turns++) {
        assert_true(turns < 1000);
        run_for(fixture, 100000);
    }
    return peer;
}

void expect_events(const recorder *told, const char *events)
{
    assert_string_equal(told->events, events);
}

void expect_sent(simulated_peer *peer, const char *text)
{
    char buffer[4096];
    size_t length = simulated_take(peer, buffer, sizeof buffer - 1);
    buffer[length] = '\0';
    assert_string_equal(buffer, text);
}

void feed_text(simulated_peer *peer, const char *text)
{
    simulated_feed(peer, text, strlen(text));
}
