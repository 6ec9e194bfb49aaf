/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The ends of connections that send files: closing before and after the last byte, resets, the end of the loop; and
 * files that change while they are sent.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/filtered_connections.h"
#include "support/system_file.h"
#include "support/system_peer.h"
#include "support/system_test.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

/* The first pieces are answered by a reset, and a later one of the same sendfile(2) fails. */
static void a_peer_that_has_closed_raises_no_signal_in_the_middle_of_a_file(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_file *file = system_new_file(20 * MIB);
    system_sent *sent = system_new_sent();
    int client = system_connected_client(*state, &system_open_recorder, served);
    signals = 0;
    signal(SIGPIPE, count_signal);
    close(client);
    while (!em_connection_has_peer_ended(served->connection))
        system_turn(*state);
    system_send_whole(served->connection, file, sent);
    system_await_unbind(*state, served);
    assert_int_equal(served->reason, EM_CONNECTION_RESET);
    assert_int_equal(sent->status, EM_CONNECTION_RESET);
    assert_int_equal(signals, 0);
    signal(SIGPIPE, SIG_DFL);
    system_file_close(file);
}

/* Closing */

static void closing_after_writing_waits_for_the_file(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_file *file = system_new_file(20 * MIB);
    system_sent *sent = system_new_sent();
    int client = system_connected_client(*state, &system_recorder, served);
    char byte;
    system_send_whole(served->connection, file, sent);
    assert_int_equal(em_connection_close_after_writing(served->connection), EM_OK);
    system_expect_pattern(*state, client, 20 * MIB, 0);
    system_await_unbind(*state, served);
    assert_int_equal(served->reason, EM_OK);
    assert_int_equal(sent->done, 1);
    assert_int_equal(sent->status, EM_OK);
    assert_int_equal(sent->unbinds_before, 0);
    assert_int_equal(system_read_to_end(*state, client), 0);
    assert_int_equal(system_receive(client, &byte, 1), 0);
    system_file_close(file);
    close(client);
}

static void closing_in_the_background_and_half_closing_wait_for_it_too(void **state)
{
    em_status (*const endings[])(em_connection *) = {em_connection_close_in_background, em_connection_close_write};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        system_record *served = system_new_record(SYSTEM_NONE);
        system_file *file = system_new_file(10 * MIB);
        system_file *empty = system_new_file(0);
        system_sent *sent = system_new_sent();
        int client = system_connected_client(*state, &system_recorder, served);
        system_send_whole(served->connection, file, sent);
        system_send_whole(served->connection, empty, sent);
        assert_int_equal(endings[i](served->connection), EM_OK);
        system_expect_pattern(*state, client, 10 * MIB, 0);
        assert_int_equal(system_read_to_end(*state, client), 0);
        close(client);
        system_await_unbind(*state, served);
        assert_int_equal(served->reason, EM_OK);
        assert_int_equal(sent->done, 2);
        assert_int_equal(sent->status, EM_OK);
        system_file_close(file);
        system_file_close(empty);
    }
}

static void closing_in_the_middle_reports_how_much_was_sent(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_file *file = system_new_file(40 * MIB);
    system_sent *first = system_new_sent();
    system_sent *second = system_new_sent();
    int client = system_connected_client(*state, &system_recorder, served);
    system_send_whole(served->connection, file, first);
    system_send_whole(served->connection, file, second);
    system_skim(*state, client, MIB);
    assert_int_equal(first->done, 0);
    em_connection_close(served->connection);
    assert_int_equal(first->done, 0);
    system_await_unbind(*state, served);
    assert_int_equal(first->done + second->done, 2);
    assert_int_equal(first->status, EM_CLOSED);
    assert_int_equal(second->status, EM_CLOSED);
    assert_int_equal(first->unbinds_before, 0);
    assert_in_range(first->bytes, MIB, 40 * MIB - 1);
    assert_int_equal(second->bytes, 0);
    system_file_close(file);
    close(client);
}

static void a_reset_by_the_peer_is_reported(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_file *file = system_new_file(40 * MIB);
    system_sent *sent = system_new_sent();
    int client = system_connected_client(*state, &system_recorder, served);
    system_send_whole(served->connection, file, sent);
    system_skim(*state, client, MIB);
    system_reset(client);
    system_await_unbind(*state, served);
    assert_int_equal(served->reason, EM_CONNECTION_RESET);
    assert_int_equal(sent->done, 1);
    assert_int_equal(sent->status, EM_CONNECTION_RESET);
    assert_true(sent->bytes < 40 * MIB);
    system_file_close(file);
}

static void detaching_drops_the_file(void **state)
{
    if (connections_are_filtered()) {
        system_skip("a filtered connection cannot be detached");
        return;
    }
    int socket;
    system_record *served = system_new_record(SYSTEM_NONE);
    system_file *file = system_new_file(40 * MIB);
    system_sent *sent = system_new_sent();
    int client = system_connected_client(*state, &system_recorder, served);
    system_send_whole(served->connection, file, sent);
    system_skim(*state, client, 100);
    assert_int_equal(em_connection_detach(served->connection, &socket), EM_OK);
    system_await_unbind(*state, served);
    assert_int_equal(sent->done, 1);
    assert_int_equal(sent->status, EM_CLOSED);
    system_file_close(file);
    close(socket);
    close(client);
}

static void destroying_the_loop_in_the_middle_calls_done(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_file *file = system_new_file(40 * MIB);
    system_sent *sent = system_new_sent();
    int client = system_connected_client(*state, &system_recorder, served);
    system_send_whole(served->connection, file, sent);
    system_send_whole(served->connection, file, sent);
    system_skim(*state, client, MIB);
    assert_int_equal(em_loop_destroy(*state), EM_OK);
    *state = NULL;
    assert_int_equal(served->unbind, 1);
    assert_int_equal(sent->done, 2);
    assert_int_equal(sent->status, EM_CLOSED);
    system_file_close(file);
    close(client);
}

/* The file changes */

static void a_file_that_becomes_shorter_ends_the_connection_with_a_reset(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_file *file = system_new_file(40 * MIB);
    system_sent *sent = system_new_sent();
    int client = system_connected_client(*state, &system_recorder, served);
    static char buffer[64 * KIB];
    system_send_whole(served->connection, file, sent);
    em_connection_send_text(served->connection, "never sent");
    em_connection_close_after_writing(served->connection);
    system_skim(*state, client, MIB);
    assert_int_equal(ftruncate(file->descriptor, 20 * MIB), 0);
    ssize_t got;
    uint64_t received = MIB;
    while (served->unbind == 0) {
        if ((got = recv(client, buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
            received += (uint64_t)got;
        system_turn(*state);
    }
    assert_int_equal(served->reason, EM_FILE_TRUNCATED);
    assert_int_equal(sent->status, EM_FILE_TRUNCATED);
    assert_int_equal(sent->bytes, 20 * MIB);
    while ((got = recv(client, buffer, sizeof buffer, 0)) > 0)
        received += (uint64_t)got;
    assert_int_equal(got, -1); /* ECONNRESET */
    assert_true(received <= 20 * MIB);
    system_file_close(file);
    close(client);
}

static void a_file_that_grows_is_sent_as_long_as_it_was(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_file *file = system_new_file(10 * MIB);
    int client = system_connected_client(*state, &system_recorder, served);
    system_send_whole(served->connection, file, system_new_sent());
    em_connection_send_text(served->connection, "end");
    assert_int_equal(pwrite(file->descriptor, "more", 4, 10 * MIB), 4);
    system_expect_pattern(*state, client, 10 * MIB, 0);
    system_expect_text(*state, client, "end");
    assert_true(system_is_silent(client));
    system_file_close(file);
    close(client);
}

static void a_file_that_is_replaced_is_sent_in_its_old_version(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_file *file = system_new_file(10 * MIB);
    system_file *other = system_new_file(3);
    int client = system_connected_client(*state, &system_recorder, served);
    system_send_whole(served->connection, file, system_new_sent());
    assert_int_equal(rename(other->path, file->path), 0);
    system_expect_pattern(*state, client, 10 * MIB, 0);
    unlink(file->path);
    assert_true(system_is_silent(client));
    system_file_close(file);
    close(other->descriptor);
    close(client);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_peer_that_has_closed_raises_no_signal_in_the_middle_of_a_file),
        SYSTEM_TEST(closing_after_writing_waits_for_the_file),
        SYSTEM_TEST(closing_in_the_background_and_half_closing_wait_for_it_too),
        SYSTEM_TEST(closing_in_the_middle_reports_how_much_was_sent),
        SYSTEM_TEST(a_reset_by_the_peer_is_reported),
        SYSTEM_TEST(detaching_drops_the_file),
        SYSTEM_TEST(destroying_the_loop_in_the_middle_calls_done),
        SYSTEM_TEST(a_file_that_becomes_shorter_ends_the_connection_with_a_reset),
        SYSTEM_TEST(a_file_that_grows_is_sent_as_long_as_it_was),
        SYSTEM_TEST(a_file_that_is_replaced_is_sent_in_its_old_version),
    };
    return SYSTEM_RUN(tests);
}
