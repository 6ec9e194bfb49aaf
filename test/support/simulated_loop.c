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
    recorder *record = em_connection_get_user(connection);
    if (record->unbinds > 0)
        stop_test("event %c after unbind", event);
    if (record->event_count + 1 < sizeof record->events) {
        record->events[record->event_count++] = event;
        record->events[record->event_count] = '\0';
    }
    return record;
}

static void call(recorder_hook hook, recorder *record)
{
    if (hook)
        hook(record);
}

static void post_init(em_connection *connection)
{
    recorder *record = note(connection, 'I');
    record->connection = connection;
    record->signature = em_connection_get_signature(connection);
    call(record->on_init, record);
}

static void connection_completed(em_connection *connection)
{
    recorder *record = note(connection, 'C');
    call(record->on_completed, record);
}

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    recorder *record = note(connection, 'D');
    bytes_append(&record->received, data, length);
    call(record->on_data, record);
}

static void receive_end(em_connection *connection)
{
    recorder *record = note(connection, 'E');
    call(record->on_end, record);
}

static void drained(em_connection *connection)
{
    recorder *record = note(connection, 'R');
    call(record->on_drained, record);
}

static void ssl_handshake_completed(em_connection *connection)
{
    recorder *record = note(connection, 'H');
    call(record->on_handshake, record);
}

static void proxy_completed(em_connection *connection)
{
    recorder *record = note(connection, 'P');
    call(record->on_proxy_completed, record);
}

static void proxy_target_unbound(em_connection *connection)
{
    recorder *record = note(connection, 'T');
    call(record->on_target_unbound, record);
}

static void unbind(em_connection *connection, em_status reason)
{
    recorder *record = note(connection, 'U');
    record->reason = reason;
    record->last_state = em_connection_get_state(connection);
    record->peer_had_ended = em_connection_has_peer_ended(connection);
    call(record->on_unbind, record);
    record->unbinds++;
    record->connection = NULL;
}

const em_handler recording = {
    .post_init = post_init,
    .connection_completed = connection_completed,
    .receive_data = receive_data,
    .receive_end = receive_end,
    .drained = drained,
    .ssl_handshake_completed = ssl_handshake_completed,
    .proxy_completed = proxy_completed,
    .proxy_target_unbound = proxy_target_unbound,
    .unbind = unbind,
};

const em_handler recording_without_end = {
    .post_init = post_init,
    .connection_completed = connection_completed,
    .receive_data = receive_data,
    .drained = drained,
    .ssl_handshake_completed = ssl_handshake_completed,
    .proxy_completed = proxy_completed,
    .proxy_target_unbound = proxy_target_unbound,
    .unbind = unbind,
};

void recorder_init(recorder *record, simulated_loop *fixture)
{
    memset(record, 0, sizeof *record);
    record->fixture = fixture;
}

void recorder_free(recorder *record)
{
    if (record->connection)
        em_connection_close(record->connection);
    while (record->connection)
        run_turns(record->fixture, 1);
    bytes_free(&record->received);
}

simulated_peer *open_accepted(recorder *record, const em_handler *handler, const em_stream_options *stream)
{
    simulated_loop *fixture = record->fixture;
    em_server *server;
    em_server_options options = {.size = sizeof options, .user = record, .stream = stream};
    assert_int_equal(em_loop_start_server(fixture->loop, "127.0.0.1", 0, handler, &options, &server), EM_OK);
    simulated_peer *peer = simulated_connect(fixture->backend, em_server_get_descriptor(server));
    for (unsigned turns = 0; record->event_count == 0; turns++) {
        assert_true(turns < 1000);
        run_for(fixture, 100000);
    }
    assert_int_equal(em_server_stop(server), EM_OK);
    return peer;
}

em_status begin_connecting(recorder *record, const em_connect_options *given)
{
    em_connect_options options = given ? *given : (em_connect_options){.size = sizeof options};
    options.user = record;
    return em_loop_connect(record->fixture->loop, "192.0.2.1", 80, &recording, &options, NULL);
}

simulated_peer *open_connected(recorder *record, const em_connect_options *options)
{
    simulated_loop *fixture = record->fixture;
    assert_int_equal(begin_connecting(record, options), EM_OK);
    simulated_peer *peer = simulated_take_connect(fixture->backend);
    assert_non_null(peer);
    simulated_accept_connect(peer);
    for (unsigned turns = 0; !strchr(record->events, 'C'); turns++) {
        assert_true(turns < 1000);
        run_for(fixture, 100000);
    }
    return peer;
}

void expect_events(const recorder *record, const char *events)
{
    assert_string_equal(record->events, events);
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
