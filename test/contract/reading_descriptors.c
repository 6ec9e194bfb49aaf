/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The contract of every backend: receiving from descriptors that are not sockets. They are real ones, so this is for
 * kernels only.
 */
#include "support/contract_descriptors.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

static void a_pipe_delivers_what_was_written_and_then_its_end(void **state)
{
    int ends[2];
    test_channel channel;
    open_pipe(ends);
    open_receiving(*state, &channel, 'A', ends[0]);
    settle(*state);
    assert_int_equal(channel.data_events, 0);
    write_text(ends[1], "first");
    run_until(*state, channel.data_events == 1);
    write_text(ends[1], " second");
    close(ends[1]);
    run_until(*state, channel.end_events == 1);
    expect_received(&channel, "first second");
    expect_quiet(*state);
    assert_int_equal(channel.failed_events, 0);
    assert_int_equal(channel.end_events, 1);
    test_channel_end(&channel);
    assert_int_equal(fcntl(ends[0], F_GETFD), -1);
}

static void a_pipe_that_was_filled_and_closed_before_it_was_attached_is_read_to_its_end(void **state)
{
    int ends[2];
    test_channel channel;
    open_pipe(ends);
    write_text(ends[1], "all of it");
    close(ends[1]);
    open_receiving(*state, &channel, 'A', ends[0]);
    run_until(*state, channel.end_events == 1);
    expect_received(&channel, "all of it");
    test_channel_end(&channel);
}

static void a_paused_pipe_that_is_hung_up_costs_nothing_until_it_receives_again(void **state)
{
    int ends[2];
    test_channel channel;
    open_pipe(ends);
    open_receiving(*state, &channel, 'A', ends[0]);
    emi_channel_stop_receiving(&channel.channel);
    write_text(ends[1], "kept");
    close(ends[1]);
    expect_quiet(*state);
    assert_int_equal(channel.data_events, 0);
    assert_int_equal(emi_channel_start_receiving(&channel.channel), EM_OK);
    run_until(*state, channel.end_events == 1);
    expect_received(&channel, "kept");
    test_channel_end(&channel);
}

static void a_fifo_is_quiet_until_a_writer_has_come_and_ends_when_it_has_gone(void **state)
{
    char directory[] = "/tmp/em-descriptor-XXXXXX";
    char path[64];
    test_channel channel;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/fifo", directory);
    assert_int_equal(mkfifo(path, 0600), 0);
    for (unsigned round = 0; round < 2; round++) {
        open_receiving(*state, &channel, 'A', open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        expect_quiet(*state);
        assert_int_equal(channel.end_events, 0);
        int writer = open(path, O_WRONLY | O_CLOEXEC);
        expect_quiet(*state);
        assert_int_equal(channel.end_events, 0);
        write_text(writer, "hello");
        run_until(*state, channel.data_events == 1);
        assert_int_equal(channel.end_events, 0);
        close(writer);
        run_until(*state, channel.end_events == 1);
        expect_received(&channel, "hello");
        expect_quiet(*state);
        test_channel_end(&channel);
    }
    unlink(path);
    rmdir(directory);
}

static void a_regular_file_is_delivered_and_then_its_end(void **state)
{
    enum { LENGTH = 1000 * 1000 };
    test_channel channel;
    int file = open_file();
    fill_file(file, LENGTH);
    open_receiving(*state, &channel, 'A', file);
    run_until(*state, channel.end_events == 1);
    assert_int_equal(bytes_length(&channel.received), LENGTH);
    assert_true(pattern_matches(bytes_at(&channel.received), LENGTH, 0));
    expect_quiet(*state);
    test_channel_end(&channel);
}

static void a_paused_regular_file_costs_nothing_and_goes_on_where_it_was(void **state)
{
    enum { LENGTH = 1000 * 1000 };
    test_channel channel;
    int file = open_file();
    fill_file(file, LENGTH);
    open_receiving(*state, &channel, 'A', file);
    run_until(*state, channel.data_events > 0);
    emi_channel_stop_receiving(&channel.channel);
    size_t received = bytes_length(&channel.received);
    expect_quiet(*state);
    assert_int_equal(bytes_length(&channel.received), received);
    assert_int_equal(emi_channel_start_receiving(&channel.channel), EM_OK);
    run_until(*state, channel.end_events == 1);
    assert_true(pattern_matches(bytes_at(&channel.received), LENGTH, 0));
    test_channel_end(&channel);
}

static void a_stream_without_end_leaves_others_their_turn(void **state)
{
    test_channel zeros, pipe_channel;
    int ends[2];
    open_pipe(ends);
    open_receiving(*state, &zeros, 'Z', open("/dev/zero", O_RDONLY | O_CLOEXEC));
    open_receiving(*state, &pipe_channel, 'P', ends[0]);
    contract_turn(*state, 0);
    write_text(ends[1], "x");
    unsigned before = zeros.data_events;
    run_until(*state, pipe_channel.data_events == 1);
    assert_in_range(zeros.data_events - before, 0, 4 * EMI_CHANNEL_BURST);
    close(ends[1]);
    test_channel_end(&zeros);
    test_channel_end(&pipe_channel);
}

static void the_null_device_ends_at_once_and_takes_everything(void **state)
{
    test_channel channel;
    open_receiving(*state, &channel, 'A', open("/dev/null", O_RDWR | O_CLOEXEC));
    run_until(*state, channel.end_events == 1);
    test_channel_prepare(&channel, 100000);
    test_channel_send(&channel, 100000);
    run_until(*state, channel.sent == 100000);
    expect_quiet(*state);
    test_channel_end(&channel);
}

static void an_eventfd_delivers_its_counter(void **state)
{
    uint64_t count = 0;
    test_channel channel;
    int descriptor = eventfd(0, EFD_CLOEXEC);
    open_receiving(*state, &channel, 'A', descriptor);
    for (uint64_t round = 1; round < 4; round++) {
        assert_int_equal(write(descriptor, &round, sizeof round), sizeof round);
        run_until(*state, channel.data_events == round);
        assert_int_equal(bytes_length(&channel.received), round * sizeof count);
        memcpy(&count, bytes_at(&channel.received) + (round - 1) * sizeof count, sizeof count);
        assert_int_equal(count, round);
    }
    expect_quiet(*state);
    test_channel_end(&channel);
}

static void an_inotify_descriptor_delivers_its_events(void **state)
{
    char directory[] = "/tmp/em-descriptor-XXXXXX";
    test_channel channel;
    assert_non_null(mkdtemp(directory));
    int descriptor = inotify_init1(IN_CLOEXEC);
    assert_true(inotify_add_watch(descriptor, directory, IN_DELETE_SELF) >= 0);
    open_receiving(*state, &channel, 'A', descriptor);
    settle(*state);
    assert_int_equal(channel.data_events, 0);
    rmdir(directory);
    run_until(*state, bytes_length(&channel.received) >= sizeof(struct inotify_event));
    test_channel_end(&channel);
}

/* Terminals */

static int open_terminal(int *master)
{
    char name[64];
    struct termios settings;
    *master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(*master >= 0);
    assert_int_equal(grantpt(*master) + unlockpt(*master) + ptsname_r(*master, name, sizeof name), 0);
    int terminal = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(terminal >= 0);
    tcgetattr(terminal, &settings);
    cfmakeraw(&settings);
    tcsetattr(terminal, TCSANOW, &settings);
    return terminal;
}

static void the_master_of_a_terminal_ends_when_the_last_program_has_closed_it(void **state)
{
    int master;
    char text[16] = "";
    test_channel channel;
    int terminal = open_terminal(&master);
    open_receiving(*state, &channel, 'A', master);
    test_channel_prepare(&channel, 8);
    test_channel_send(&channel, 8);
    run_until(*state, channel.sent == 8);
    assert_int_equal(read(terminal, text, sizeof text), 8);
    write_text(terminal, "bye");
    close(terminal);
    run_until(*state, channel.end_events == 1);
    expect_received(&channel, "bye");
    expect_quiet(*state);
    assert_int_equal(channel.failed_events, 0);
    test_channel_end(&channel);
}

static void a_terminal_delivers_what_is_typed_and_ends_with_a_hang_up(void **state)
{
    int master;
    test_channel channel;
    int terminal = open_terminal(&master);
    open_receiving(*state, &channel, 'A', terminal);
    settle(*state);
    write_text(master, "typed");
    run_until(*state, bytes_length(&channel.received) == 5);
    close(master);
    run_until(*state, channel.end_events + channel.failed_events == 1);
    expect_quiet(*state);
    test_channel_end(&channel);
}

/* What cannot be attached */

static void descriptors_that_can_do_nothing_are_recognized(void **state)
{
    (void)state;
    emi_descriptor found;
    int ends[2];
    int directory = open("/", O_RDONLY | O_CLOEXEC);
    int path = open("/dev/null", O_PATH | O_CLOEXEC);
    open_pipe(ends);
    assert_int_equal(emi_descriptor_examine(-1, &found), EM_BAD_DESCRIPTOR);
    assert_int_equal(emi_descriptor_examine(directory, &found), EM_INVALID_ARGUMENT);
    assert_int_equal(emi_descriptor_examine(path, &found), EM_BAD_DESCRIPTOR);
    assert_int_equal(emi_descriptor_examine(ends[1], &found), EM_OK);
    assert_true(found.kind == EMI_PIPE && found.can_send && !found.can_receive);
    assert_int_equal(emi_descriptor_examine(ends[0], &found), EM_OK);
    assert_true(found.kind == EMI_PIPE && found.can_receive && !found.can_send);
    close(ends[0]);
    close(ends[1]);
    close(path);
    close(directory);
}

static void a_descriptor_closed_behind_the_backend_s_back_does_no_harm(void **state)
{
    int ends[2];
    test_channel channel;
    open_pipe(ends);
    open_other(*state, &channel, 'A', ends[0], EMI_SHARED);
    assert_int_equal(emi_channel_start_receiving(&channel.channel), EM_OK);
    close(ends[0]);
    for (unsigned i = 0; i < 5; i++)
        contract_turn(*state, 1000000);
    assert_in_range(channel.failed_events, 0, 1); /* epoll does not report it */
    if (channel.failed_events)
        assert_int_equal(channel.failure, EM_BAD_DESCRIPTOR);
    expect_quiet(*state);
    test_channel_end(&channel);
    close(ends[1]);
}

int main(void)
{
    static const contract_test tests[] = {
        KERNEL_TEST(a_pipe_delivers_what_was_written_and_then_its_end),
        KERNEL_TEST(a_pipe_that_was_filled_and_closed_before_it_was_attached_is_read_to_its_end),
        KERNEL_TEST(a_paused_pipe_that_is_hung_up_costs_nothing_until_it_receives_again),
        KERNEL_TEST(a_fifo_is_quiet_until_a_writer_has_come_and_ends_when_it_has_gone),
        KERNEL_TEST(a_regular_file_is_delivered_and_then_its_end),
        KERNEL_TEST(a_paused_regular_file_costs_nothing_and_goes_on_where_it_was),
        KERNEL_TEST(a_stream_without_end_leaves_others_their_turn),
        KERNEL_TEST(the_null_device_ends_at_once_and_takes_everything),
        KERNEL_TEST(an_eventfd_delivers_its_counter),
        KERNEL_TEST(an_inotify_descriptor_delivers_its_events),
        KERNEL_TEST(the_master_of_a_terminal_ends_when_the_last_program_has_closed_it),
        KERNEL_TEST(a_terminal_delivers_what_is_typed_and_ends_with_a_hang_up),
        KERNEL_TEST(descriptors_that_can_do_nothing_are_recognized),
        KERNEL_TEST(a_descriptor_closed_behind_the_backend_s_back_does_no_harm),
    };
    return run_contract("reading descriptors", tests, sizeof tests / sizeof tests[0]);
}
