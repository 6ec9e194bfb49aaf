/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Pausing only receiving, over real sockets: exact, lossless, and sending goes on.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/filtered_connections.h"
#include "support/bytes.h"
#include "support/deadline.h"
#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

static int paused_client(em_loop *loop, const em_handler *handler, system_record *served)
{
    int client = system_connected_client(loop, handler, served);
    assert_int_equal(em_connection_pause_receiving(served->connection), EM_OK);
    return client;
}

static void sending_goes_on_and_nothing_that_arrives_is_lost(void **state)
{
    char reply[4];
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = paused_client(*state, &system_recorder, served);
    size_t written = system_write_until_full(*state, client);
    assert_true(written > 0);
    assert_int_equal(em_connection_send_text(served->connection, "pong"), EM_OK);
    assert_int_equal(system_read(*state, client, reply, sizeof reply), 4);
    assert_memory_equal(reply, "pong", 4);
    assert_int_equal(served->bytes, 0);
    assert_int_equal(em_connection_resume_receiving(served->connection), EM_OK);
    while (served->bytes < written)
        system_turn(*state);
    assert_int_equal(served->bytes, written);
    close(client);
}

static void much_that_waits_to_be_read_costs_no_turns(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = paused_client(*state, &system_recorder, served);
    system_write_until_full(*state, client);
    uint64_t turns_before = system_stats(*state).turns;
    system_run_for(*state, 100 * EM_MILLISECONDS);
    assert_in_range(system_stats(*state).turns - turns_before, 1, 5);
    close(client);
}

static void pause_in_receive_data(em_connection *connection, const void *data, size_t length)
{
    system_recorder.receive_data(connection, data, length);
    assert_int_equal(em_connection_pause_receiving(connection), EM_OK);
}

static void a_pause_in_receive_data_holds_back_the_very_next_piece(void **state)
{
    static em_handler pausing;
    pausing = system_recorder;
    pausing.receive_data = pause_in_receive_data;
    em_loop *loop = system_create_loop((em_loop_options){.receive_buffer_bytes = 10});
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connect(system_serve(loop, &pausing, served));
    system_write(client, "0123456789abcdefghijKLMNO", 25);
    for (unsigned pieces = 1; pieces <= 3; pieces++) {
        while (served->data < pieces)
            system_turn(loop);
        system_turn(loop);
        system_turn(loop);
        assert_int_equal(served->data, pieces);
        assert_int_equal(em_connection_resume_receiving(served->connection), EM_OK);
    }
    assert_string_equal(served->text, "0123456789abcdefghijKLMNO");
    close(client);
    assert_int_equal(em_loop_destroy(loop), EM_OK);
    (void)state;
}

/* Several clients at once, so that a backend with batches has read for all of them before the first callback. */
enum { CLIENTS = 8 };

typedef struct group_of_clients {
    em_connection *all[CLIENTS];
    unsigned count;
    unsigned pieces;
    bool is_first;
} group_of_clients;

static void join(em_connection *connection)
{
    group_of_clients *group = em_connection_get_user(connection);
    group->all[group->count++] = connection;
}

static void pause_all_others(em_connection *connection, const void *data, size_t length)
{
    group_of_clients *group = em_connection_get_user(connection);
    (void)data;
    (void)length;
    group->pieces++;
    for (unsigned i = 0; i < CLIENTS && group->is_first; i++)
        if (group->all[i] != connection)
            assert_int_equal(em_connection_pause_receiving(group->all[i]), EM_OK);
    group->is_first = false;
}

static void one_callback_pauses_all_other_connections_of_the_batch(void **state)
{
    static const em_handler handler = {.post_init = join, .receive_data = pause_all_others};
    group_of_clients *group = system_memory(sizeof *group);
    int clients[CLIENTS];
    int port = system_serve(*state, &handler, group);
    for (unsigned i = 0; i < CLIENTS; i++)
        clients[i] = system_connect(port);
    while (group->count < CLIENTS)
        system_turn(*state);
    group->is_first = true;
    for (unsigned i = 0; i < CLIENTS; i++)
        system_write(clients[i], "x", 1);
    while (group->pieces == 0)
        system_turn(*state);
    system_run_for(*state, 20 * EM_MILLISECONDS);
    assert_int_equal(group->pieces, 1);
    for (unsigned i = 0; i < CLIENTS; i++)
        if (em_connection_is_receiving_paused(group->all[i]))
            assert_int_equal(em_connection_resume_receiving(group->all[i]), EM_OK);
    while (group->pieces < CLIENTS)
        system_turn(*state);
    for (unsigned i = 0; i < CLIENTS; i++) {
        uint64_t received;
        em_connection_get_byte_counts(group->all[i], &received, NULL);
        assert_int_equal(received, 1);
        close(clients[i]);
    }
}

/* Its own memory for what comes, and a pause every other time that it is asked for it. */
typedef struct owner {
    em_connection *connection;
    byte_buffer received;
    unsigned asked;
    char memory[65536];
} owner;

static void remember(em_connection *connection)
{
    owner *own = em_connection_get_user(connection);
    own->connection = connection;
}

static void *pause_in_receive_buffer(em_connection *connection, size_t *capacity)
{
    owner *own = em_connection_get_user(connection);
    if (own->asked++ % 2 == 0)
        assert_int_equal(em_connection_pause_receiving(connection), EM_OK);
    *capacity = sizeof own->memory;
    return own->memory;
}

static void keep(em_connection *connection, const void *data, size_t length)
{
    owner *own = em_connection_get_user(connection);
    if (em_connection_is_receiving_paused(connection))
        stop_test("received during the pause");
    bytes_append(&own->received, data, length);
}

static void a_pause_in_receive_buffer_holds_back_what_it_was_asked_for(void **state)
{
    if (connections_are_filtered())
        system_skip("a filter does not receive into memory of the handler");
    static const em_handler handler = {
        .post_init = remember, .receive_data = keep, .receive_buffer = pause_in_receive_buffer};
    owner *own = system_memory(sizeof *own);
    int client = system_connect(system_serve(*state, &handler, own));
    enum { BYTES = 1024 * 1024 };
    unsigned char *pattern = malloc(BYTES);
    assert_non_null(pattern);
    pattern_fill(pattern, BYTES, 0);
    size_t written = 0;
    while (bytes_length(&own->received) < BYTES) {
        if (written < BYTES) {
            ssize_t taken = send(client, pattern + written, BYTES - written, MSG_DONTWAIT | MSG_NOSIGNAL);
            written += taken > 0 ? (size_t)taken : 0;
        }
        system_turn(*state);
        em_connection_resume_receiving(own->connection);
    }
    assert_true(own->asked > 0);
    assert_true(pattern_matches(bytes_at(&own->received), BYTES, 0));
    bytes_free(&own->received);
    free(pattern);
    close(client);
}

static void the_peers_end_is_reported_after_the_pause(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = paused_client(*state, &system_open_recorder, served);
    system_write(client, "done", 4);
    shutdown(client, SHUT_WR);
    system_run_for(*state, 30 * EM_MILLISECONDS);
    assert_int_equal(served->bytes + served->end, 0);
    assert_int_equal(em_connection_resume_receiving(served->connection), EM_OK);
    while (!served->end)
        system_turn(*state);
    assert_string_equal(served->text, "done");
    close(client);
}

static void a_reset_is_reported_after_the_pause_behind_what_arrived(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = paused_client(*state, &system_recorder, served);
    system_write(client, "kept", 4);
    system_reset(client);
    uint64_t turns_before = system_stats(*state).turns;
    system_run_for(*state, 50 * EM_MILLISECONDS);
    assert_in_range(system_stats(*state).turns - turns_before, 1, 10);
    assert_int_equal(served->unbind, 0);
    assert_int_equal(em_connection_resume_receiving(served->connection), EM_OK);
    while (!served->unbind)
        system_turn(*state);
    assert_string_equal(served->text, "kept");
    assert_int_equal(served->reason, EM_CONNECTION_RESET);
}

static void a_reset_with_much_left_to_send_ends_the_connection_also_during_the_pause(void **state)
{
    enum { MUCH_BYTES = 16 * 1024 * 1024 };
    static const char much[MUCH_BYTES];
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = paused_client(*state, &system_recorder, served);
    em_connection_send_borrowed(served->connection, much, sizeof much, NULL, NULL);
    system_await(*state, client);
    system_reset(client);
    while (!served->unbind)
        system_turn(*state);
    assert_int_equal(served->reason, EM_CONNECTION_RESET);
}

/* So much goes to the system within the call, where no event can be reported. */
static void a_large_send_that_fails_ends_the_connection_also_during_the_pause(void **state)
{
    static const char large[8192];
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = paused_client(*state, &system_recorder, served);
    system_reset(client);
    assert_int_equal(em_connection_send(served->connection, large, sizeof large), EM_OK);
    assert_int_equal(served->unbind, 0);
    while (!served->unbind)
        system_turn(*state);
    assert_int_equal(served->reason, EM_CONNECTION_RESET);
}

static void a_pause_that_ends_before_the_failure_is_reported_brings_first_what_arrived(void **state)
{
    static const char large[8192];
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = paused_client(*state, &system_recorder, served);
    system_write(client, "kept", 4);
    system_reset(client);
    assert_int_equal(em_connection_send(served->connection, large, sizeof large), EM_OK);
    assert_int_equal(em_connection_resume_receiving(served->connection), EM_OK);
    while (!served->unbind)
        system_turn(*state);
    assert_string_equal(served->text, "kept");
    assert_int_equal(served->reason, EM_CONNECTION_RESET);
}

static void closing_after_writing_does_not_wait_for_the_end_of_the_pause(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = paused_client(*state, &system_recorder, served);
    em_connection_send_text(served->connection, "bye");
    assert_int_equal(em_connection_close_after_writing(served->connection), EM_OK);
    assert_int_equal(system_read_to_end(*state, client), 3);
    while (!served->unbind)
        system_turn(*state);
    assert_int_equal(served->reason, EM_OK);
    close(client);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(sending_goes_on_and_nothing_that_arrives_is_lost),
        SYSTEM_TEST(much_that_waits_to_be_read_costs_no_turns),
        SYSTEM_TEST(a_pause_in_receive_data_holds_back_the_very_next_piece),
        SYSTEM_TEST(one_callback_pauses_all_other_connections_of_the_batch),
        SYSTEM_TEST(a_pause_in_receive_buffer_holds_back_what_it_was_asked_for),
        SYSTEM_TEST(the_peers_end_is_reported_after_the_pause),
        SYSTEM_TEST(a_reset_is_reported_after_the_pause_behind_what_arrived),
        SYSTEM_TEST(a_reset_with_much_left_to_send_ends_the_connection_also_during_the_pause),
        SYSTEM_TEST(a_large_send_that_fails_ends_the_connection_also_during_the_pause),
        SYSTEM_TEST(a_pause_that_ends_before_the_failure_is_reported_brings_first_what_arrived),
        SYSTEM_TEST(closing_after_writing_does_not_wait_for_the_end_of_the_pause),
    };
    return SYSTEM_RUN(tests);
}
