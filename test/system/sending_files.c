/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sending files: what arrives, in which order, what is counted, and what `done` reports.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/bytes.h"
#include "support/filtered_connections.h"
#include "support/system_file.h"
#include "support/system_peer.h"
#include "support/system_test.h"

enum { KIB = 1024, MIB = 1024 * 1024, FILES = 300 };

#define GIB ((uint64_t)1024 * MIB)

static void files_of_every_size_arrive_whole(void **state)
{
    static const uint64_t sizes[] = {1,   4095,    4096,    65536,       65537,         256 * KIB, MIB - 1,
                                     MIB, MIB + 1, 3 * MIB, 3 * MIB + 7, 256 * KIB + 1, 20 * MIB};
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        system_file *file = system_new_file(sizes[i]);
        system_sent *sent = system_new_sent();
        assert_int_equal(system_send_whole(served->connection, file, sent), EM_OK);
        assert_int_equal(sent->done, 0);
        system_expect_pattern(*state, client, sizes[i], 0);
        while (sent->done == 0)
            system_turn(*state);
        assert_int_equal(sent->status, EM_OK);
        assert_int_equal(sent->bytes, sizes[i]);
        assert_int_equal(em_connection_get_outbound_bytes(served->connection), 0);
        system_file_close(file);
    }
    assert_true(system_is_silent(client));
    close(client);
}

static void what_is_sent_before_and_after_a_file_leaves_before_and_after_it(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_file *file = system_new_file(300 * KIB);
    int client = system_connected_client(*state, &system_recorder, served);
    static char large[20 * KIB];
    memset(large, 'x', sizeof large);
    em_connection_send_text(served->connection, "<");
    system_send_whole(served->connection, file, system_new_sent());
    em_connection_send_text(served->connection, "|");
    system_send_whole(served->connection, file, system_new_sent());
    system_send_whole(served->connection, file, system_new_sent());
    em_connection_send(served->connection, large, sizeof large);
    em_connection_send_borrowed(served->connection, ">", 1, NULL, NULL);
    system_expect_text(*state, client, "<");
    system_expect_pattern(*state, client, 300 * KIB, 0);
    system_expect_text(*state, client, "|");
    system_expect_pattern(*state, client, 300 * KIB, 0);
    system_expect_pattern(*state, client, 300 * KIB, 0);
    system_skim(*state, client, sizeof large);
    system_expect_text(*state, client, ">");
    system_file_close(file);
    close(client);
}

static void a_range_is_sent_to_the_byte(void **state)
{
    static const uint64_t ranges[][2] = {{0, 1}, {5, 10}, {4095, 2}, {MIB - 1, MIB + 2}, {3 * MIB - 1, 1}, {77, 65536}};
    system_record *served = system_new_record(SYSTEM_NONE);
    system_file *file = system_new_file(3 * MIB);
    int client = system_connected_client(*state, &system_recorder, served);
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        assert_int_equal(em_connection_send_file(served->connection, file->path, ranges[i][0], ranges[i][1], NULL),
                         EM_OK);
        system_expect_pattern(*state, client, ranges[i][1], ranges[i][0]);
    }
    assert_int_equal(em_connection_send_file(served->connection, file->path, 2 * MIB + 1, EM_TO_END_OF_FILE, NULL),
                     EM_OK);
    system_expect_pattern(*state, client, MIB - 1, 2 * MIB + 1);
    assert_true(system_is_silent(client));
    system_file_close(file);
    close(client);
}

static void an_empty_file_sends_nothing_and_is_done_in_its_turn(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_file *empty = system_new_file(0);
    system_file *file = system_new_file(10);
    system_sent *sent = system_new_sent();
    em_file_options options = system_file_options(sent);
    int client = system_connected_client(*state, &system_recorder, served);
    assert_int_equal(system_send_whole(served->connection, empty, sent), EM_OK);
    assert_int_equal(em_connection_send_file(served->connection, file->path, 10, EM_TO_END_OF_FILE, &options), EM_OK);
    assert_int_equal(em_connection_send_file(served->connection, file->path, 3, 0, &options), EM_OK);
    assert_int_equal(sent->done, 0);
    while (sent->done < 3)
        system_turn(*state);
    assert_int_equal(sent->status, EM_OK);
    assert_int_equal(sent->bytes, 0);
    /* Behind others it waits for them. */
    system_file *long_file = system_new_file(20 * MIB);
    system_send_whole(served->connection, long_file, system_new_sent());
    assert_int_equal(system_send_whole(served->connection, empty, sent), EM_OK);
    for (unsigned i = 0; i < 10; i++)
        system_turn(*state);
    assert_int_equal(sent->done, 3);
    system_expect_pattern(*state, client, 20 * MIB, 0);
    while (sent->done < 4)
        system_turn(*state);
    system_file_close(empty);
    system_file_close(file);
    system_file_close(long_file);
    close(client);
}

static void a_descriptor_may_be_closed_once_it_is_passed(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_file *file = system_new_file(MIB);
    system_sent *sent = system_new_sent();
    em_file_options options = system_file_options(sent);
    int client = system_connected_client(*state, &system_recorder, served);
    lseek(file->descriptor, 1234, SEEK_SET);
    int mine = dup(file->descriptor);
    assert_int_equal(em_connection_send_file_descriptor(served->connection, mine, 1, 2 * KIB, &options), EM_OK);
    close(mine);
    options.close_descriptor = EM_ON;
    int theirs = dup(file->descriptor);
    assert_int_equal(em_connection_send_file_descriptor(served->connection, theirs, 0, EM_TO_END_OF_FILE, &options),
                     EM_OK);
    system_expect_pattern(*state, client, 2 * KIB, 1);
    system_expect_pattern(*state, client, MIB, 0);
    while (sent->done < 2)
        system_turn(*state);
    assert_true(fcntl(theirs, F_GETFD) < 0);
    assert_int_equal(lseek(file->descriptor, 0, SEEK_CUR), 1234);
    system_file_close(file);
    close(client);
}

static void expect_refusal(em_connection *connection, const char *path, em_status expected, const char *detail)
{
    assert_int_equal(em_connection_send_file(connection, path, 0, EM_TO_END_OF_FILE, NULL), expected);
    assert_string_equal(em_status_get_detail(expected), detail);
    assert_int_equal(em_connection_get_outbound_bytes(connection), 0);
}

static void what_is_no_readable_file_is_refused_by_name(void **state)
{
    char fifo[] = "/tmp/eventmachine_fifo_XXXXXX";
    system_record *served = system_new_record(SYSTEM_NONE);
    int client = system_connected_client(*state, &system_recorder, served);
    em_connection *connection = served->connection;
    close(mkstemp(fifo));
    unlink(fifo);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    expect_refusal(connection, "/nonexistent/file", EM_NO_SUCH_FILE, "/nonexistent/file: No such file or directory");
    expect_refusal(connection, "/tmp", EM_NOT_A_FILE, "/tmp: not a regular file");
    expect_refusal(connection, "/dev/zero", EM_NOT_A_FILE, "/dev/zero: not a regular file");
    assert_int_equal(em_connection_send_file(connection, fifo, 0, 1, NULL), EM_NOT_A_FILE); /* and does not wait */
    unlink(fifo);
    if (geteuid() != 0) {
        system_file *secret = system_new_file(10);
        fchmod(secret->descriptor, 0);
        assert_int_equal(em_connection_send_file(connection, secret->path, 0, 1, NULL), EM_PERMISSION_DENIED);
        system_file_close(secret);
    }
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int write_only = open("/dev/null", O_WRONLY);
    assert_int_equal(em_connection_send_file_descriptor(connection, ends[0], 0, 1, NULL), EM_NOT_A_FILE);
    assert_int_equal(em_connection_send_file_descriptor(connection, client, 0, 1, NULL), EM_NOT_A_FILE);
    assert_int_equal(em_connection_send_file_descriptor(connection, write_only, 0, 1, NULL), EM_BAD_DESCRIPTOR);
    assert_int_equal(em_connection_send_file_descriptor(connection, -1, 0, 1, NULL), EM_BAD_DESCRIPTOR);
    assert_string_equal(em_status_get_detail(EM_BAD_DESCRIPTOR), "descriptor -1: Bad file descriptor");
    close(ends[0]);
    close(ends[1]);
    close(write_only);
    close(client);
}

static void arguments_that_make_no_sense_are_refused(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_file *file = system_new_file(100);
    int client = system_connected_client(*state, &system_recorder, served);
    em_connection *connection = served->connection;
    em_file_options options = {.size = sizeof options};
    assert_int_equal(em_connection_send_file(NULL, file->path, 0, 1, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_send_file(connection, NULL, 0, 1, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_send_file(connection, file->path, 101, EM_TO_END_OF_FILE, NULL),
                     EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_send_file(connection, file->path, 1, 100, NULL), EM_INVALID_ARGUMENT);
    assert_non_null(
        strstr(em_status_get_detail(EM_INVALID_ARGUMENT), ": the range ends beyond the file, which has 100 bytes"));
    assert_int_equal(em_connection_send_file(connection, file->path, 100, UINT64_MAX - 1, NULL), EM_INVALID_ARGUMENT);
    assert_int_equal(em_connection_send_file(connection, file->path, UINT64_MAX, 1, NULL), EM_INVALID_ARGUMENT);
    options.close_descriptor = EM_ON;
    assert_int_equal(em_connection_send_file(connection, file->path, 0, 1, &options), EM_INVALID_ARGUMENT);
    options.close_descriptor = (em_switch)3;
    assert_int_equal(em_connection_send_file_descriptor(connection, file->descriptor, 0, 1, &options),
                     EM_INVALID_ARGUMENT);
    options = (em_file_options){.size = sizeof options, .copy = (em_switch)-1};
    assert_int_equal(em_connection_send_file(connection, file->path, 0, 1, &options), EM_INVALID_ARGUMENT);
    options = (em_file_options){.size = 0};
    assert_int_equal(em_connection_send_file(connection, file->path, 0, 1, &options), EM_INVALID_ARGUMENT);
    assert_true(fcntl(file->descriptor, F_GETFD) >= 0);
    em_connection_close_after_writing(connection);
    assert_int_equal(em_connection_send_file(connection, file->path, 0, 1, NULL), EM_CLOSED);
    system_await_unbind(*state, served);
    system_file_close(file);
    close(client);
}

/* Flow */

static void a_pause_holds_up_the_file(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_file *file = system_new_file(40 * MIB);
    system_sent *sent = system_new_sent();
    int client = system_connected_client(*state, &system_recorder, served);
    system_send_whole(served->connection, file, sent);
    system_expect_pattern(*state, client, 100, 0);
    assert_int_equal(em_connection_pause(served->connection), EM_OK);
    size_t waiting = em_connection_get_outbound_bytes(served->connection);
    assert_in_range(waiting, 1, 40 * MIB);
    uint64_t received = 100;
    static char buffer[64 * KIB];
    for (unsigned i = 0; i < 5; i++) {
        ssize_t got;
        while ((got = recv(client, buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
            received += (uint64_t)got;
        system_turn(*state);
    }
    assert_int_equal(em_connection_get_outbound_bytes(served->connection), waiting);
    assert_int_equal(em_connection_resume(served->connection), EM_OK);
    system_expect_pattern(*state, client, 40 * MIB - received, received);
    system_file_close(file);
    close(client);
}

static void a_file_counts_as_waiting_but_against_no_mark_and_no_limit(void **state)
{
    em_loop *loop = system_create_loop((em_loop_options){.outbox_limit_bytes = MIB});
    em_stream_options stream = {.size = sizeof stream,
                                .high_water_bytes = 100 * KIB,
                                .low_water_bytes = 50 * KIB,
                                .outbox_limit_bytes = 200 * KIB};
    system_record *served = system_new_record(SYSTEM_NONE);
    system_file *file = system_new_file(40 * MIB);
    static char block[60 * KIB];
    int client = system_connect(
        system_serve_with(loop, &system_recorder, (em_server_options){.user = served, .stream = &stream}, NULL));
    while (!served->connection)
        system_turn(loop);
    em_connection *connection = served->connection;
    assert_int_equal(system_send_whole(connection, file, system_new_sent()), EM_OK);
    assert_int_equal(em_connection_get_outbound_bytes(connection), 40 * MIB);
    assert_int_equal(system_stats(loop).outbox_bytes, 0);
    assert_int_equal(em_connection_send(connection, block, sizeof block), EM_OK);
    system_skim(loop, client, MIB);
    assert_true(system_stats(loop).outbox_bytes <= sizeof block + 128 * KIB);
    assert_int_equal(em_connection_send(connection, block, sizeof block), EM_UNDER_PRESSURE);
    assert_int_equal(em_connection_send(connection, block, sizeof block), EM_UNDER_PRESSURE);
    assert_int_equal(served->drained, 0);
    system_skim(loop, client, 39 * MIB + 3 * sizeof block);
    while (served->drained == 0)
        system_turn(loop);
    assert_int_equal(em_connection_get_outbound_bytes(connection), 0);
    system_file_close(file);
    close(client);
    assert_int_equal(em_loop_destroy(loop), EM_OK);
    (void)state;
}

static void a_peer_that_reads_slowly_gets_every_byte_once(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_file *file = system_new_file(MIB);
    em_stream_options stream = {.size = sizeof stream, .send_buffer_bytes = 128 * KIB};
    int small = 64 * KIB;
    int client = system_connect(
        system_serve_with(*state, &system_recorder, (em_server_options){.user = served, .stream = &stream}, NULL));
    setsockopt(client, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    while (!served->connection)
        system_turn(*state);
    system_send_whole(served->connection, file, system_new_sent());
    for (uint64_t at = 0; at < MIB;) {
        uint64_t length = MIB - at < 3001 ? MIB - at : 3001;
        system_expect_pattern(*state, client, length, at);
        at += length;
    }
    system_file_close(file);
    close(client);
}

static void a_file_may_be_sent_before_the_connection_is_established(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_record *dialled = system_new_record(SYSTEM_NONE);
    system_file *file = system_new_file(2 * MIB);
    system_sent *sent = system_new_sent();
    int port = system_serve(*state, &system_recorder, served);
    em_connection *connection = system_dial(*state, port, &system_recorder, dialled);
    em_connection_send_text(connection, "first");
    assert_int_equal(system_send_whole(connection, file, sent), EM_OK);
    em_connection_close_after_writing(connection);
    system_await_unbind(*state, served);
    system_await_unbind(*state, dialled);
    assert_int_equal(served->bytes, 2 * MIB + 5);
    assert_int_equal(sent->status, EM_OK);
    /* And if it never is: */
    system_record *refused = system_new_record(SYSTEM_NONE);
    connection = system_dial(*state, system_closed_port(), &system_recorder, refused);
    assert_int_equal(system_send_whole(connection, file, sent), EM_OK);
    system_await_unbind(*state, refused);
    assert_int_equal(refused->reason, EM_CONNECTION_REFUSED);
    assert_int_equal(sent->status, EM_CONNECTION_REFUSED);
    assert_int_equal(sent->bytes, 0);
    system_file_close(file);
}

static void expect_file_through(em_loop *loop, const int ends[2])
{
    system_record *record = system_new_record(SYSTEM_NONE);
    em_attach_options options = {.size = sizeof options, .user = record};
    system_file *file = system_new_file(MIB);
    system_sent *sent = system_new_sent();
    unsigned char *all = system_memory(MIB + 11);
    assert_int_equal(em_loop_attach(loop, ends[1], &system_recorder, &options, NULL), EM_OK);
    em_connection_send_text(record->connection, "before");
    assert_int_equal(system_send_whole(record->connection, file, sent), EM_OK);
    em_connection_send_text(record->connection, "after");
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    for (size_t received = 0; received < MIB + 11; system_turn(loop)) {
        ssize_t got = read(ends[0], all + received, MIB + 11 - received);
        received += got > 0 ? (size_t)got : 0;
    }
    assert_memory_equal(all, "before", 6);
    assert_true(pattern_matches(all + 6, MIB, 0));
    assert_memory_equal(all + 6 + MIB, "after", 5);
    assert_int_equal(sent->status, EM_OK);
    em_connection_close(record->connection);
    system_await_unbind(loop, record);
    system_file_close(file);
    close(ends[0]);
}

static void a_file_leaves_through_a_unix_socket(void **state)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    expect_file_through(*state, ends);
}

static void a_file_leaves_through_a_pipe(void **state)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    expect_file_through(*state, ends);
}

/* The file changes after its last byte was taken and before the peer has received anything. */
static void copies_do_not_change_with_the_file(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_file *file = system_new_file(100);
    system_sent *sent = system_new_sent();
    em_file_options options = system_file_options(sent);
    options.copy = EM_ON;
    int client = system_connected_client(*state, &system_recorder, served);
    assert_int_equal(em_connection_send_file(served->connection, file->path, 0, 100, &options), EM_OK);
    while (sent->done == 0)
        system_turn(*state);
    assert_int_equal(pwrite(file->descriptor, "changed", 7, 0), 7);
    system_expect_pattern(*state, client, 100, 0);
    system_file_close(file);
    close(client);
}

static void a_pseudo_file_that_claims_to_be_empty_sends_nothing(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_sent *sent = system_new_sent();
    em_file_options options = system_file_options(sent);
    int client = system_connected_client(*state, &system_recorder, served);
    if (em_connection_send_file(served->connection, "/proc/self/maps", 0, EM_TO_END_OF_FILE, &options) == EM_OK) {
        while (sent->done == 0)
            system_turn(*state);
        assert_int_equal(sent->bytes, 0);
    }
    assert_true(system_is_silent(client));
    close(client);
}

static void many_files_on_one_connection_arrive_in_order_and_leave_no_descriptor(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_file *file = system_new_file(5000);
    system_sent *sent = system_new_sent();
    int client = system_connected_client(*state, &system_recorder, served);
    unsigned descriptors = system_descriptors();
    em_file_options options = system_file_options(sent);
    for (uint64_t i = 0; i < FILES; i++)
        assert_int_equal(em_connection_send_file(served->connection, file->path, i, 1 + i, &options), EM_OK);
    for (uint64_t i = 0; i < FILES; i++)
        system_expect_pattern(*state, client, 1 + i, i);
    while (sent->done < FILES)
        system_turn(*state);
    assert_int_equal(system_descriptors(), descriptors);
    system_file_close(file);
    close(client);
}

static void the_end_of_a_file_beyond_two_gigabytes_arrives(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_file *file = system_new_sparse_file(5 * GIB, 3 * MIB);
    int client = system_connected_client(*state, &system_recorder, served);
    assert_int_equal(
        em_connection_send_file(served->connection, file->path, 5 * GIB - 3 * MIB, EM_TO_END_OF_FILE, NULL), EM_OK);
    system_expect_pattern(*state, client, 3 * MIB, 5 * GIB - 3 * MIB);
    system_file_close(file);
    close(client);
}

static void more_than_two_gigabytes_arrive_whole(void **state)
{
    if (connections_are_filtered()) {
        system_skip("a filter takes too long for this");
        return;
    }
    system_record *served = system_new_record(SYSTEM_NONE);
    system_file *file = system_new_sparse_file(2 * GIB + 3 * MIB, MIB);
    system_sent *sent = system_new_sent();
    int client = system_connected_client(*state, &system_recorder, served);
    system_send_whole(served->connection, file, sent);
    em_connection_send_text(served->connection, "end");
    system_skim(*state, client, 2 * GIB + 2 * MIB);
    system_expect_pattern(*state, client, MIB, 2 * GIB + 2 * MIB);
    system_expect_text(*state, client, "end");
    while (sent->done == 0)
        system_turn(*state);
    assert_true(sent->bytes == 2 * GIB + 3 * MIB);
    system_file_close(file);
    close(client);
}

static void others_are_served_while_a_fast_client_gets_a_file(void **state)
{
    system_record *served = system_new_record(SYSTEM_NONE);
    system_record *echoing = system_new_record(SYSTEM_NONE);
    system_file *file = system_new_file(60 * MIB);
    int client = system_connected_client(*state, &system_recorder, served);
    int other = system_connected_client(*state, &system_echo, echoing);
    system_send_whole(served->connection, file, system_new_sent());
    char answer;
    for (unsigned i = 0; i < 10; i++) {
        system_skim(*state, client, MIB);
        system_write(other, "?", 1);
        assert_int_equal(system_read(*state, other, &answer, 1), 1);
        assert_true(em_connection_get_outbound_bytes(served->connection) > 0);
    }
    system_file_close(file);
    close(client);
    close(other);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(files_of_every_size_arrive_whole),
        SYSTEM_TEST(what_is_sent_before_and_after_a_file_leaves_before_and_after_it),
        SYSTEM_TEST(a_range_is_sent_to_the_byte),
        SYSTEM_TEST(an_empty_file_sends_nothing_and_is_done_in_its_turn),
        SYSTEM_TEST(a_descriptor_may_be_closed_once_it_is_passed),
        SYSTEM_TEST(what_is_no_readable_file_is_refused_by_name),
        SYSTEM_TEST(arguments_that_make_no_sense_are_refused),
        SYSTEM_TEST(a_pause_holds_up_the_file),
        SYSTEM_TEST(a_file_counts_as_waiting_but_against_no_mark_and_no_limit),
        SYSTEM_TEST(a_peer_that_reads_slowly_gets_every_byte_once),
        SYSTEM_TEST(a_file_may_be_sent_before_the_connection_is_established),
        SYSTEM_TEST(a_file_leaves_through_a_unix_socket),
        SYSTEM_TEST(a_file_leaves_through_a_pipe),
        SYSTEM_TEST(copies_do_not_change_with_the_file),
        SYSTEM_TEST(a_pseudo_file_that_claims_to_be_empty_sends_nothing),
        SYSTEM_TEST(many_files_on_one_connection_arrive_in_order_and_leave_no_descriptor),
        SYSTEM_TEST(the_end_of_a_file_beyond_two_gigabytes_arrives),
        SYSTEM_TEST(more_than_two_gigabytes_arrive_whole),
        SYSTEM_TEST(others_are_served_while_a_fast_client_gets_a_file),
    };
    return SYSTEM_RUN(tests);
}
