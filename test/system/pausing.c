/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Pausing a connection is exact: nothing is received or sent before it is resumed, and nothing is lost.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

static void nothing_is_received_while_paused_and_nothing_is_lost(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    assert_int_equal(em_connection_pause(served->connection), EM_OK);
    assert_int_equal(em_connection_is_paused(served->connection), 1);
    size_t written = system_write_until_full(*state, client);
    assert_true(written > 0);
    assert_int_equal(served->bytes, 0);
    assert_int_equal(em_connection_resume(served->connection), EM_OK);
    while (served->bytes < written)
        system_turn(*state);
    system_turn(*state);
    assert_int_equal(served->bytes, written);
    close(client);
}

static void a_paused_connection_with_much_to_read_costs_nothing(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    em_connection_pause(served->connection);
    system_write_until_full(*state, client);
    uint64_t turns_before = system_stats(*state).turns;
    system_run_for(*state, 100 * EM_MILLISECONDS);
    assert_in_range(system_stats(*state).turns - turns_before, 1, 5);
    close(client);
}

static void pause_in_receive_data(em_connection *connection, const void *data, size_t length)
{
    system_recorder.receive_data(connection, data, length);
    assert_int_equal(em_connection_pause(connection), EM_OK);
}

static void a_pause_in_receive_data_holds_back_the_very_next_piece(void **state)
{
    static em_handler pausing;
    pausing = system_recorder;
    pausing.receive_data = pause_in_receive_data;
    em_loop *loop = system_create_loop((em_loop_options){.receive_buffer_bytes = 10});
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(loop, &pausing, served);
    system_write(client, "0123456789abcdefghijKLMNO", 25);
    for (unsigned pieces = 1; pieces <= 3; pieces++) {
        while (served->data < pieces)
            system_turn(loop);
        system_turn(loop);
        system_turn(loop);
        assert_int_equal(served->data, pieces);
        assert_int_equal(served->bytes, pieces < 3 ? 10 * pieces : 25);
        assert_int_equal(em_connection_resume(served->connection), EM_OK);
    }
    assert_string_equal(served->text, "0123456789abcdefghijKLMNO");
    close(client);
    assert_int_equal(em_loop_destroy(loop), EM_OK);
    (void)state;
}

static void nothing_is_sent_while_paused_and_all_of_it_afterwards(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    char received[6];
    em_connection_pause(served->connection);
    assert_int_equal(em_connection_send_text(served->connection, "later!"), EM_OK);
    system_run_for(*state, 30 * EM_MILLISECONDS);
    assert_true(system_is_silent(client));
    assert_int_equal(em_connection_get_outbound_bytes(served->connection), 6);
    em_connection_resume(served->connection);
    assert_int_equal(system_read(*state, client, received, sizeof received), 6);
    assert_memory_equal(received, "later!", 6);
    close(client);
}

static void closing_after_writing_waits_for_the_end_of_the_pause(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    em_connection_send_text(served->connection, "bye");
    em_connection_pause(served->connection);
    em_connection_close_after_writing(served->connection);
    system_run_for(*state, 30 * EM_MILLISECONDS);
    assert_int_equal(served->unbind, 0);
    assert_true(system_is_silent(client));
    em_connection_resume(served->connection);
    assert_int_equal(system_read_to_end(*state, client), 3);
    close(client);
}

static void closing_after_writing_waits_for_the_end_of_the_pause_also_with_nothing_to_write(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    em_connection_pause(served->connection);
    em_connection_close_after_writing(served->connection);
    system_run_for(*state, 30 * EM_MILLISECONDS);
    assert_int_equal(served->unbind, 0);
    em_connection_resume(served->connection);
    assert_int_equal(system_read_to_end(*state, client), 0);
    close(client);
}

static void the_peers_end_during_a_pause_is_reported_after_it(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_open_recorder, served);
    em_connection_pause(served->connection);
    system_write(client, "done", 4);
    shutdown(client, SHUT_WR);
    system_run_for(*state, 30 * EM_MILLISECONDS);
    assert_int_equal(served->bytes + served->end, 0);
    em_connection_resume(served->connection);
    while (!served->end)
        system_turn(*state);
    assert_string_equal(served->text, "done");
    close(client);
}

static void pause_at_birth(em_connection *connection)
{
    system_recorder.post_init(connection);
    assert_int_equal(em_connection_pause(connection), EM_OK);
}

static void a_connection_may_be_born_paused(void **state)
{
    static em_handler paused;
    paused = system_recorder;
    paused.post_init = pause_at_birth;
    system_record *served = system_new_record(SYSTEM_NONE);
    system_record *record = system_new_record(SYSTEM_NONE);
    int port = system_serve(*state, &paused, served);
    em_connection *client = system_dial(*state, port, &paused, record);
    em_connection_send_text(client, "held back");
    system_run_for(*state, 30 * EM_MILLISECONDS);
    assert_int_equal(record->completed, 1); /* connecting goes on */
    assert_int_equal(served->bytes, 0);
    em_connection_resume(client);
    system_run_for(*state, 30 * EM_MILLISECONDS);
    assert_int_equal(served->bytes, 0);
    em_connection_resume(served->connection);
    while (served->bytes < 9)
        system_turn(*state);
    assert_string_equal(served->text, "held back");
}

static void pausing_twice_and_resuming_twice_is_refused(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    assert_int_equal(em_connection_resume(served->connection), EM_INVALID_STATE);
    assert_int_equal(em_connection_pause(served->connection), EM_OK);
    assert_int_equal(em_connection_pause(served->connection), EM_INVALID_STATE);
    assert_int_equal(em_connection_resume(served->connection), EM_OK);
    assert_int_equal(em_connection_resume(served->connection), EM_INVALID_STATE);
    em_connection_close(served->connection);
    assert_int_equal(em_connection_pause(served->connection), EM_CLOSED);
    assert_int_equal(em_connection_is_paused(served->connection), 0);
    close(client);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(nothing_is_received_while_paused_and_nothing_is_lost),
        SYSTEM_TEST(a_paused_connection_with_much_to_read_costs_nothing),
        SYSTEM_TEST(a_pause_in_receive_data_holds_back_the_very_next_piece),
        SYSTEM_TEST(nothing_is_sent_while_paused_and_all_of_it_afterwards),
        SYSTEM_TEST(closing_after_writing_waits_for_the_end_of_the_pause),
        SYSTEM_TEST(closing_after_writing_waits_for_the_end_of_the_pause_also_with_nothing_to_write),
        SYSTEM_TEST(the_peers_end_during_a_pause_is_reported_after_it),
        SYSTEM_TEST(a_connection_may_be_born_paused),
        SYSTEM_TEST(pausing_twice_and_resuming_twice_is_refused),
    };
    return SYSTEM_RUN(tests);
}
