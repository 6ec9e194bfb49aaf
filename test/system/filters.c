/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connections with a filter over real sockets: the filter's last bytes arrive, whichever side ends, and however.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/gate_private.h"
#include "support/filtered_connections.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"
#include "support/test_filter.h"

enum { LARGE_BYTES = 2 * 1024 * 1024 };

typedef struct fixture {
    em_loop *loop;
    em_connection *connection;
    test_filter_options options;
    test_filter_record record;
    test_filter *filter;
    int client;
    em_status reason;
    bool unbound;
    bool closes; /* within receive_data */
    byte_buffer wire, plain;
    bool client_saw_end;
} fixture;

static void post_init(em_connection *connection)
{
    fixture *set = em_connection_get_user(connection);
    set->connection = connection;
    set->filter = test_filter_create(&set->options, &set->record);
    assert_int_equal(emi_gate_open(connection, &set->filter->filter, 0), EM_OK);
}

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    const fixture *set = em_connection_get_user(connection);
    em_connection_send(connection, data, length);
    if (set->closes)
        em_connection_close_after_writing(connection);
}

static void unbind(em_connection *connection, em_status reason)
{
    fixture *set = em_connection_get_user(connection);
    set->connection = NULL;
    set->unbound = true;
    set->reason = reason;
}

static const em_handler echo = {.post_init = post_init, .receive_data = receive_data, .unbind = unbind};

static fixture *fixture_create(em_loop *loop, const char *last_message)
{
    if (connections_are_filtered())
        system_skip("it has a filter of its own");
    fixture *set = system_memory(sizeof *set);
    set->loop = loop;
    set->options.last_message = last_message;
    set->client = system_connect(system_serve(loop, &echo, set));
    while (!set->connection)
        system_turn(loop);
    system_turn(loop);
    return set;
}

static void fixture_free(fixture *set)
{
    close(set->client);
    bytes_free(&set->wire);
    bytes_free(&set->plain);
}

static void say(fixture *set, const char *text)
{
    byte_buffer wire = {.data = NULL};
    test_filter_write(&wire, text, strlen(text));
    system_write(set->client, bytes_at(&wire), bytes_length(&wire));
    bytes_free(&wire);
}

/* Reads to the end of the wire. */
static void hear_all(fixture *set)
{
    static char piece[65536];
    size_t length;
    while ((length = system_read(set->loop, set->client, piece, sizeof piece)) > 0)
        bytes_append(&set->wire, piece, length);
    test_filter_read(&set->wire, &set->plain, &set->client_saw_end);
}

static void a_close_sends_the_end_of_the_filter(void **state)
{
    fixture *set = fixture_create(*state, NULL);
    assert_int_equal(em_connection_close(set->connection), EM_OK);
    hear_all(set);
    assert_true(set->client_saw_end);
    assert_int_equal(set->reason, EM_OK);
    fixture_free(set);
}

static void a_destroyed_loop_sends_the_end_of_the_filter(void **state)
{
    char end[3];
    fixture *set = fixture_create(*state, NULL);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    assert_int_equal(recv(set->client, end, sizeof end, 0), 2);
    assert_memory_equal(end, "\0\0", 2);
    assert_int_equal(set->record.destroyed, 1);
    close(set->client);
}

static void a_large_response_arrives_whole_before_the_end(void **state)
{
    fixture *set = fixture_create(*state, NULL);
    char *answer = system_memory(LARGE_BYTES);
    pattern_fill(answer, LARGE_BYTES, 0);
    assert_int_equal(em_connection_send(set->connection, answer, LARGE_BYTES), EM_UNDER_PRESSURE);
    em_connection_close_in_background(set->connection);
    system_turn(set->loop);
    assert_true(set->unbound);
    say(set, "too late");
    hear_all(set);
    assert_int_equal(bytes_length(&set->plain), LARGE_BYTES);
    assert_true(pattern_matches(bytes_at(&set->plain), LARGE_BYTES, 0));
    assert_true(set->client_saw_end);
    fixture_free(set);
}

static void the_last_message_of_a_failure_arrives_although_the_peer_sends_on(void **state)
{
    char got[7] = "";
    fixture *set = fixture_create(*state, "alert!");
    set->filter->open_failure = EM_PROTOCOL_ERROR;
    for (unsigned i = 0; i < 1000; i++)
        say(set, "bad");
    assert_int_equal(system_read(set->loop, set->client, got, 6), 6);
    assert_string_equal(got, "alert!");
    assert_true(set->unbound);
    assert_int_equal(set->reason, EM_PROTOCOL_ERROR);
    fixture_free(set);
}

static void data_of_a_client_that_closes_without_reading_is_received(void **state)
{
    fixture *set = fixture_create(*state, NULL);
    byte_buffer end = {.data = NULL};
    test_filter_write_end(&end);
    say(set, "whole");
    system_write(set->client, bytes_at(&end), bytes_length(&end));
    bytes_free(&end);
    close(set->client);
    while (!set->unbound)
        system_turn(set->loop);
    assert_int_equal(system_stats(set->loop).bytes_received, 5);
    assert_true(set->reason == EM_OK || set->reason == EM_CONNECTION_RESET);
}

static void a_connection_ends_although_its_peer_does_not_close(void **state)
{
    fixture *set = fixture_create(*state, NULL);
    byte_buffer end = {.data = NULL};
    set->closes = true;
    test_filter_write(&end, "question", 8);
    test_filter_write_end(&end);
    system_write(set->client, bytes_at(&end), bytes_length(&end));
    bytes_free(&end);
    hear_all(set); /* the client does not close */
    assert_true(bytes_equal_text(&set->plain, "question") && set->client_saw_end);
    while (set->record.destroyed == 0)
        system_turn(set->loop);
    assert_int_equal(set->reason, EM_OK);
    fixture_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_close_sends_the_end_of_the_filter),
        SYSTEM_TEST(a_destroyed_loop_sends_the_end_of_the_filter),
        SYSTEM_TEST(a_large_response_arrives_whole_before_the_end),
        SYSTEM_TEST(the_last_message_of_a_failure_arrives_although_the_peer_sends_on),
        SYSTEM_TEST(data_of_a_client_that_closes_without_reading_is_received),
        SYSTEM_TEST(a_connection_ends_although_its_peer_does_not_close),
    };
    return SYSTEM_RUN(tests);
}
