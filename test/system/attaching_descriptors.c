/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connections over descriptors that are not sockets.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_record.h"
#include "support/system_test.h"

static const em_attach_options stays_open = {.size = sizeof stays_open, .close_descriptor = EM_OFF};
static const em_attach_options keeps_mode = {
    .size = sizeof keeps_mode, .close_descriptor = EM_OFF, .nonblocking = EM_OFF};

static void make_pipe(int ends[2])
{
    assert_return_code(pipe2(ends, O_CLOEXEC), errno);
}

static em_connection *attach_with(em_loop *loop, int descriptor, const em_handler *handler, system_record *record,
                                  em_attach_options options)
{
    em_connection *connection;
    options.size = sizeof options;
    options.user = record;
    assert_int_equal(em_loop_attach(loop, descriptor, handler, &options, &connection), EM_OK);
    return connection;
}

static em_connection *attach(em_loop *loop, int descriptor, const em_handler *handler, system_record *record)
{
    return attach_with(loop, descriptor, handler, record, (em_attach_options){.user = NULL});
}

static void run_to_unbind(em_loop *loop, const system_record *record)
{
    while (!record->unbind)
        system_turn(loop);
}

/* Whether it is still the pipe: the number may be used again. */
static bool is_pipe(int descriptor)
{
    struct stat facts;
    return fstat(descriptor, &facts) == 0 && S_ISFIFO(facts.st_mode);
}

static void a_pipe_s_reading_end_receives_and_ends_with_its_writer(void **state)
{
    int ends[2];
    make_pipe(ends);
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connection *connection = attach(*state, ends[0], &system_recorder, record);
    assert_int_equal(record->post_init, 1);
    assert_int_equal(em_connection_get_descriptor(connection), ends[0]);
    assert_int_equal(em_connection_send_text(connection, "x"), EM_BAD_DESCRIPTOR);
    assert_int_equal(write(ends[1], "hello", 5), 5);
    while (record->bytes < 5)
        system_turn(*state);
    assert_int_equal(write(ends[1], " and bye", 8), 8);
    close(ends[1]);
    run_to_unbind(*state, record);
    assert_string_equal(record->text, "hello and bye");
    assert_int_equal(record->reason, EM_OK);
    assert_int_equal(record->peer_had_ended, 1);
    while (is_pipe(ends[0]))
        system_turn(*state);
    assert_int_equal(record->completed, 0);
}

static void a_reading_end_ends_by_itself_once_its_end_was_received(void **state)
{
    int ends[2];
    make_pipe(ends);
    system_record *record = system_new_record(SYSTEM_NONE);
    attach(*state, ends[0], &system_open_recorder, record);
    close(ends[1]);
    run_to_unbind(*state, record);
    assert_int_equal(record->end, 1);
    assert_int_equal(record->reason, EM_OK);
}

static void a_writing_end_sends_everything_before_it_ends(void **state)
{
    enum { LENGTH = 1000 * 1000 };
    char *bytes = system_memory(LENGTH);
    char buffer[4096];
    memset(bytes, 'w', LENGTH);
    for (int half_close = 0; half_close < 2; half_close++) {
        int ends[2];
        make_pipe(ends);
        system_record *record = system_new_record(SYSTEM_NONE);
        em_connection *connection = attach(*state, ends[1], &system_open_recorder, record);
        assert_int_equal(em_connection_send(connection, bytes, LENGTH), EM_OK);
        if (half_close)
            assert_int_equal(em_connection_close_write(connection), EM_OK);
        else
            assert_int_equal(em_connection_close_after_writing(connection), EM_OK);
        assert_int_equal(em_connection_send_text(connection, "x"), EM_CLOSED);
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        size_t received = 0;
        for (ssize_t length; (length = read(ends[0], buffer, sizeof buffer)) != 0;
             received += length > 0 ? (size_t)length : 0)
            system_turn(*state);
        assert_int_equal(received, LENGTH);
        run_to_unbind(*state, record);
        assert_int_equal(record->reason, EM_OK);
        close(ends[0]);
    }
}

static void a_writing_end_whose_reader_leaves_ends_with_broken_pipe_and_no_signal(void **state)
{
    signal(SIGPIPE, SIG_DFL); /* would end this program */
    for (int writes = 0; writes < 3; writes++) {
        int ends[2];
        make_pipe(ends);
        system_record *record = system_new_record(SYSTEM_NONE);
        em_connection *connection = attach(*state, ends[1], &system_recorder, record);
        system_turn(*state);
        char large[8192] = "";
        close(ends[0]);
        if (writes == 1)
            em_connection_send_text(connection, "x");
        if (writes == 2) /* offered to the system at once */
            em_connection_send(connection, large, sizeof large);
        run_to_unbind(*state, record);
        assert_int_equal(record->reason, EM_BROKEN_PIPE);
    }
}

static void a_regular_file_is_delivered_and_ends(void **state)
{
    char path[] = "/tmp/em-attach-XXXXXX";
    int file = mkostemp(path, O_CLOEXEC);
    assert_return_code(file, errno);
    unlink(path);
    assert_int_equal(write(file, "contents", 8), 8);
    lseek(file, 0, SEEK_SET);
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connection *connection = attach(*state, file, &system_recorder, record);
    assert_int_equal(em_connection_close_write(connection), EM_UNSUPPORTED);
    run_to_unbind(*state, record);
    assert_string_equal(record->text, "contents");
    assert_int_equal(record->reason, EM_OK);
}

static void the_null_device_ends_and_later_work_goes_on(void **state)
{
    system_record *record = system_new_record(SYSTEM_NONE);
    attach(*state, open("/dev/null", O_RDWR | O_CLOEXEC), &system_recorder, record);
    run_to_unbind(*state, record);
    assert_int_equal(record->reason, EM_OK);
    system_record *client = system_new_record(SYSTEM_NONE);
    system_record *served = system_new_record(SYSTEM_NONE);
    int port = system_serve(*state, &system_echo, served);
    em_connection *connection = system_dial(*state, port, &system_recorder, client);
    em_connection_send_text(connection, "echo");
    while (client->bytes < 4)
        system_turn(*state);
}

static void a_closed_descriptor_or_a_directory_is_refused(void **state)
{
    em_connection *connection;
    int directory = open("/", O_RDONLY | O_CLOEXEC);
    assert_int_equal(em_loop_attach(*state, directory, &system_recorder, NULL, &connection), EM_INVALID_ARGUMENT);
    assert_null(connection);
    close(directory);
    assert_int_equal(em_loop_attach(*state, directory, &system_recorder, NULL, &connection), EM_BAD_DESCRIPTOR);
    assert_int_equal(em_loop_attach(*state, -1, &system_recorder, NULL, &connection), EM_BAD_DESCRIPTOR);
    assert_int_equal(system_stats(*state).connections_open, 0);
}

static void a_pipe_is_attached_once(void **state)
{
    int ends[2];
    make_pipe(ends);
    system_record *record = system_new_record(SYSTEM_NONE);
    attach(*state, ends[0], &system_recorder, record);
    assert_int_equal(em_loop_attach(*state, ends[0], &system_recorder, NULL, NULL), EM_FILE_EXISTS);
    assert_int_equal(em_loop_attach(*state, ends[0], &system_recorder, &keeps_mode, NULL), EM_FILE_EXISTS);
    close(ends[1]);
    run_to_unbind(*state, record);
}

static void what_only_sockets_have_gets_a_clear_status(void **state)
{
    int ends[2], value = 1;
    size_t bytes = sizeof value;
    em_address address;
    em_stream_options buffers = {.size = sizeof buffers, .send_buffer_bytes = 10000};
    em_attach_options options = {.size = sizeof options, .stream = &buffers};
    make_pipe(ends);
    int flags = fcntl(ends[0], F_GETFL);
    assert_int_equal(em_loop_attach(*state, ends[0], &system_recorder, &options, NULL), EM_NOT_A_SOCKET);
    assert_int_equal(fcntl(ends[0], F_GETFL), flags);
    em_connection *connection = attach(*state, ends[0], &system_recorder, system_new_record(SYSTEM_NONE));
    assert_int_equal(em_connection_get_peer_address(connection, &address), EM_NOT_A_SOCKET);
    assert_int_equal(em_connection_get_local_address(connection, &address), EM_NOT_A_SOCKET);
    assert_int_equal(em_connection_set_socket_option(connection, SOL_SOCKET, SO_KEEPALIVE, &value, bytes),
                     EM_NOT_A_SOCKET);
    assert_int_equal(em_connection_get_socket_option(connection, SOL_SOCKET, SO_KEEPALIVE, &value, &bytes),
                     EM_NOT_A_SOCKET);
    assert_int_equal(em_connection_set_keepalive(connection, EM_ON, 0, 0, 0), EM_NOT_A_SOCKET);
    assert_int_equal(em_connection_take_error(connection), EM_OK);
    close(ends[1]);
}

static void invalid_switches_are_refused(void **state)
{
    int ends[2];
    make_pipe(ends);
    em_attach_options closes = {.size = sizeof closes, .nonblocking = EM_OFF};
    em_attach_options unknown = {.size = sizeof unknown, .close_descriptor = (em_switch)7};
    assert_int_equal(em_loop_attach(*state, ends[0], &system_recorder, &closes, NULL), EM_INVALID_ARGUMENT);
    assert_string_equal(em_status_get_detail(EM_INVALID_ARGUMENT),
                        "em_attach_options: nonblocking EM_OFF needs close_descriptor EM_OFF");
    assert_int_equal(em_loop_attach(*state, ends[0], &system_recorder, &unknown, NULL), EM_INVALID_ARGUMENT);
    close(ends[0]);
    close(ends[1]);
}

static void a_descriptor_that_is_not_to_be_closed_stays_open_however_it_ends(void **state)
{
    for (int way = 0; way < 3; way++) {
        int ends[2];
        make_pipe(ends);
        system_record *record = system_new_record(SYSTEM_NONE);
        em_connection *connection = attach_with(*state, ends[0], &system_recorder, record, stays_open);
        if (way == 0)
            close(ends[1]);
        else if (way == 1)
            em_connection_close(connection);
        else
            em_connection_close_in_background(connection);
        run_to_unbind(*state, record);
        assert_true(is_pipe(ends[0]));
        close(ends[0]);
        if (way > 0)
            close(ends[1]);
    }
}

static void a_descriptor_that_is_not_to_be_closed_outlives_the_loop(void **state)
{
    int ends[2];
    make_pipe(ends);
    attach_with(*state, ends[0], &system_recorder, system_new_record(SYSTEM_NONE), stays_open);
    em_loop_destroy(*state);
    *state = NULL;
    assert_true(is_pipe(ends[0]));
    close(ends[0]);
    close(ends[1]);
}

/* If the loop read once too often, it would wait in read(2) for ever. */
static void a_descriptor_can_be_read_without_changing_its_mode(void **state)
{
    int ends[2];
    make_pipe(ends);
    int flags = fcntl(ends[0], F_GETFL);
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connection *connection = attach_with(*state, ends[0], &system_recorder, record, keeps_mode);
    for (size_t i = 1; i < 4; i++) {
        assert_int_equal(write(ends[1], "x", 1), 1);
        while (record->bytes < i)
            system_turn(*state);
        assert_int_equal(fcntl(ends[0], F_GETFL), flags);
    }
    assert_int_equal(em_connection_send_text(connection, "x"), EM_BAD_DESCRIPTOR);
    close(ends[1]);
    run_to_unbind(*state, record);
    assert_int_equal(record->reason, EM_OK);
    assert_int_equal(fcntl(ends[0], F_GETFL), flags);
    close(ends[0]);
}

static void a_socket_in_its_own_mode_receives_only(void **state)
{
    int ends[2];
    assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), errno);
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connection *connection = attach_with(*state, ends[0], &system_recorder, record, keeps_mode);
    assert_int_equal(em_connection_send_text(connection, "x"), EM_BAD_DESCRIPTOR);
    assert_int_equal(write(ends[1], "hello", 5), 5);
    while (record->bytes < 5)
        system_turn(*state);
    close(ends[1]);
    run_to_unbind(*state, record);
    assert_false(fcntl(ends[0], F_GETFL) & O_NONBLOCK);
    close(ends[0]);
}

static void standard_input_gets_its_mode_back_when_it_is_detached(void **state)
{
    int ends[2], descriptor;
    int kept = fcntl(0, F_DUPFD_CLOEXEC, 3);
    make_pipe(ends);
    assert_int_equal(dup2(ends[0], 0), 0);
    em_connection *connection = attach(*state, 0, &system_recorder, system_new_record(SYSTEM_NONE));
    assert_true(fcntl(0, F_GETFL) & O_NONBLOCK);
    assert_int_equal(fcntl(0, F_GETFD), 0);
    assert_int_equal(em_connection_detach(connection, &descriptor), EM_OK);
    assert_int_equal(descriptor, 0);
    assert_false(fcntl(0, F_GETFL) & O_NONBLOCK);
    assert_int_equal(dup2(kept, 0), 0);
    close(kept);
    close(ends[0]);
    close(ends[1]);
}

static void a_detached_pipe_goes_on_in_other_hands(void **state)
{
    int ends[2], descriptor;
    char text[8] = "";
    make_pipe(ends);
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connection *connection = attach(*state, ends[0], &system_recorder, record);
    assert_int_equal(em_connection_detach(connection, &descriptor), EM_OK);
    assert_int_equal(descriptor, ends[0]);
    assert_int_equal(write(ends[1], "later", 5), 5);
    run_to_unbind(*state, record);
    assert_int_equal(record->bytes, 0);
    assert_int_equal(read(descriptor, text, sizeof text), 5);
    assert_int_equal(write(ends[1], "again", 5), 5);
    record = system_new_record(SYSTEM_NONE);
    attach(*state, descriptor, &system_recorder, record);
    close(ends[1]);
    run_to_unbind(*state, record);
    assert_string_equal(record->text, "again");
}

static void a_descriptor_closed_by_mistake_does_no_harm(void **state)
{
    int ends[2];
    make_pipe(ends);
    system_record *record = system_new_record(SYSTEM_NONE);
    em_connection *connection = attach_with(*state, ends[0], &system_recorder, record, stays_open);
    system_turn(*state);
    close(ends[0]);
    uint64_t before_ns = system_cpu_ns();
    system_run_for(*state, 100 * EM_MILLISECONDS);
    assert_in_range(system_cpu_ns() - before_ns, 0, 80 * EM_MILLISECONDS);
    if (!record->unbind)
        em_connection_close(connection);
    run_to_unbind(*state, record);
    close(ends[1]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        SYSTEM_TEST(a_pipe_s_reading_end_receives_and_ends_with_its_writer),
        SYSTEM_TEST(a_reading_end_ends_by_itself_once_its_end_was_received),
        SYSTEM_TEST(a_writing_end_sends_everything_before_it_ends),
        SYSTEM_TEST(a_writing_end_whose_reader_leaves_ends_with_broken_pipe_and_no_signal),
        SYSTEM_TEST(a_regular_file_is_delivered_and_ends),
        SYSTEM_TEST(the_null_device_ends_and_later_work_goes_on),
        SYSTEM_TEST(a_closed_descriptor_or_a_directory_is_refused),
        SYSTEM_TEST(a_pipe_is_attached_once),
        SYSTEM_TEST(what_only_sockets_have_gets_a_clear_status),
        SYSTEM_TEST(invalid_switches_are_refused),
        SYSTEM_TEST(a_descriptor_that_is_not_to_be_closed_stays_open_however_it_ends),
        SYSTEM_TEST(a_descriptor_that_is_not_to_be_closed_outlives_the_loop),
        SYSTEM_TEST(a_descriptor_can_be_read_without_changing_its_mode),
        SYSTEM_TEST(a_socket_in_its_own_mode_receives_only),
        SYSTEM_TEST(standard_input_gets_its_mode_back_when_it_is_detached),
        SYSTEM_TEST(a_detached_pipe_goes_on_in_other_hands),
        SYSTEM_TEST(a_descriptor_closed_by_mistake_does_no_harm),
    };
    return SYSTEM_RUN(tests);
}
