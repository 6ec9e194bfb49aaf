/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Half-close, RFC 9293 section 3.6: either side may end its sending and go on receiving.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

enum { REPLY_BYTES = 5 * 1024 * 1024 };

static const char reply[REPLY_BYTES];

static void without_receive_end_what_is_queued_is_sent_before_the_close(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    em_connection_send(served->connection, reply, sizeof reply);
    shutdown(client, SHUT_WR);
    assert_int_equal(system_read_to_end(*state, client), sizeof reply);
    while (!served->unbind)
        system_turn(*state);
    assert_int_equal(served->reason, EM_OK);
    assert_int_equal(served->peer_had_ended, 1);
    close(client);
}

static void a_reply_begun_after_the_peers_end_arrives_whole(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_open_recorder, served);
    system_write(client, "request", 7);
    shutdown(client, SHUT_WR);
    while (!served->end)
        system_turn(*state);
    assert_string_equal(served->text, "request");
    assert_int_equal(em_connection_has_peer_ended(served->connection), 1);
    assert_int_equal(em_connection_get_state(served->connection), EM_STATE_OPEN);
    em_connection_send(served->connection, reply, sizeof reply);
    em_connection_send_text(served->connection, "!");
    assert_int_equal(em_connection_close_after_writing(served->connection), EM_OK);
    assert_int_equal(system_read_to_end(*state, client), sizeof reply + 1);
    while (!served->unbind)
        system_turn(*state);
    assert_int_equal(served->end, 1);
    assert_int_equal(served->reason, EM_OK);
    close(client);
}

static void pause_and_close(em_connection *connection)
{
    assert_int_equal(em_connection_pause(connection), EM_OK);
    assert_int_equal(em_connection_close_after_writing(connection), EM_OK);
}

static void count_unbind(em_connection *connection, em_status reason)
{
    system_record *served = em_connection_get_user(connection);
    served->unbind++;
    served->reason = reason;
}

static void keep(em_connection *connection)
{
    system_record *served = em_connection_get_user(connection);
    served->connection = connection;
}

static void with_both_ends_sent_a_close_during_a_pause_is_a_normal_end(void **state)
{
    static const em_handler handler = {.post_init = keep, .receive_end = pause_and_close, .unbind = count_unbind};
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &handler, served);
    assert_int_equal(em_connection_close_write(served->connection), EM_OK);
    assert_int_equal(system_read_to_end(*state, client), 0);
    close(client);
    while (!served->unbind)
        system_turn(*state);
    assert_int_equal(served->reason, EM_OK);
}

static void a_connection_whose_peer_has_ended_rests_until_it_is_closed(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_open_recorder, served);
    shutdown(client, SHUT_WR);
    while (!served->end)
        system_turn(*state);
    uint64_t turns_before = system_stats(*state).turns;
    system_run_for(*state, 100 * EM_MILLISECONDS);
    assert_in_range(system_stats(*state).turns - turns_before, 1, 5);
    assert_int_equal(served->end, 1);
    assert_int_equal(served->unbind, 0);
    assert_int_equal(em_connection_close(served->connection), EM_OK);
    while (!served->unbind)
        system_turn(*state);
    assert_int_equal(served->reason, EM_OK);
    close(client);
}

static void ending_our_side_sends_the_rest_and_goes_on_receiving(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    em_connection_send(served->connection, reply, sizeof reply);
    assert_int_equal(em_connection_close_write(served->connection), EM_OK);
    assert_int_equal(em_connection_send_text(served->connection, "late"), EM_CLOSED);
    assert_int_equal(system_read_to_end(*state, client), sizeof reply);
    assert_int_equal(served->unbind, 0);
    system_write(client, "still here", 10);
    while (served->bytes < 10)
        system_turn(*state);
    assert_string_equal(served->text, "still here");
    close(client);
    while (!served->unbind)
        system_turn(*state);
    assert_int_equal(served->reason, EM_OK);
    assert_int_equal(served->peer_had_ended, 1);
}

static void when_both_sides_have_ended_the_connection_ends(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_open_recorder, served);
    assert_int_equal(em_connection_close_write(served->connection), EM_OK);
    assert_int_equal(system_read_to_end(*state, client), 0);
    assert_int_equal(served->unbind, 0);
    shutdown(client, SHUT_WR);
    while (!served->unbind)
        system_turn(*state);
    assert_int_equal(served->end, 1);
    assert_int_equal(served->reason, EM_OK);
    close(client);
}

static void the_end_that_comes_with_data_is_reported_after_the_data(void **state)
{
    system_record *served = system_new_record(SYSTEM_END);
    int client = system_connect(system_serve(*state, &system_open_recorder, served));
    system_write(client, "all at once", 11);
    shutdown(client, SHUT_WR);
    assert_int_equal(em_loop_run(*state), EM_OK);
    assert_string_equal(served->text, "all at once");
    assert_int_equal(served->end, 1);
    close(client);
}

static void two_connections_of_the_library_half_close_towards_each_other(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_record *record = system_new_record(SYSTEM_COMPLETED);
    int port = system_serve(*state, &system_open_recorder, served);
    em_connection *client = system_dial(*state, port, &system_open_recorder, record);
    assert_int_equal(em_connection_close_write(client), EM_OK); /* before it is established */
    assert_int_equal(em_loop_run(*state), EM_OK);
    while (!served->end)
        system_turn(*state);
    em_connection_send(served->connection, reply, sizeof reply);
    em_connection_close_write(served->connection);
    while (!record->unbind || !served->unbind)
        system_turn(*state);
    assert_int_equal(record->bytes, sizeof reply);
    assert_int_equal(record->end, 1);
    assert_int_equal(record->reason, EM_OK);
    assert_int_equal(served->reason, EM_OK);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(without_receive_end_what_is_queued_is_sent_before_the_close),
        SYSTEM_TEST(a_reply_begun_after_the_peers_end_arrives_whole),
        SYSTEM_TEST(with_both_ends_sent_a_close_during_a_pause_is_a_normal_end),
        SYSTEM_TEST(a_connection_whose_peer_has_ended_rests_until_it_is_closed),
        SYSTEM_TEST(ending_our_side_sends_the_rest_and_goes_on_receiving),
        SYSTEM_TEST(when_both_sides_have_ended_the_connection_ends),
        SYSTEM_TEST(the_end_that_comes_with_data_is_reported_after_the_data),
        SYSTEM_TEST(two_connections_of_the_library_half_close_towards_each_other),
    };
    return SYSTEM_RUN(tests);
}
