/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The contract of every backend: sending to descriptors that are not sockets, and the blocking modes of descriptors.
 * They are real ones, so this is for kernels only.
 */
#include "support/contract_descriptors.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static void what_is_sent_to_a_pipe_arrives_however_slowly_it_is_read(void **state)
{
    enum { LENGTH = 1000 * 1000 };
    int ends[2];
    unsigned char buffer[5000];
    test_channel channel;
    open_pipe(ends);
    open_receiving(*state, &channel, 'A', ends[1]);
    test_channel_prepare(&channel, LENGTH);
    channel.span_bytes = 70000;
    test_channel_send(&channel, LENGTH);
    settle(*state);
    assert_in_range(channel.sent, 1, LENGTH - 1);
    for (size_t at = 0; at < LENGTH;) {
        contract_turn(*state, 0);
        ssize_t length = read(ends[0], buffer, sizeof buffer);
        assert_true(length > 0 && pattern_matches(buffer, (size_t)length, at));
        at += (size_t)length;
    }
    run_until(*state, channel.sent == LENGTH);
    assert_int_equal(channel.end_events + channel.failed_events, 0);
    expect_quiet(*state);
    test_channel_end(&channel);
    close(ends[0]);
}

static bool sigpipe_is_pending(void)
{
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGPIPE);
}

/* Sends to a pipe without a reader while SIGPIPE has its default action, which would end the test. */
static void send_in_vain(contract_fixture *contract)
{
    int ends[2];
    test_channel channel;
    open_pipe(ends);
    open_other(contract, &channel, 'A', ends[1], EMI_GIVEN);
    test_channel_prepare(&channel, 10);
    close(ends[0]);
    test_channel_send(&channel, 10);
    run_until(contract, channel.failed_events == 1);
    assert_int_equal(channel.failure, EM_BROKEN_PIPE);
    test_channel_end(&channel);
}

static void sending_to_a_pipe_without_a_reader_fails_and_raises_no_signal(void **state)
{
    signal(SIGPIPE, SIG_DFL);
    send_in_vain(*state);
    assert_false(sigpipe_is_pending());
}

static void a_pending_sigpipe_of_the_program_is_left_pending(void **state)
{
    sigset_t signals, mask;
    int taken;
    sigemptyset(&signals);
    sigaddset(&signals, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &signals, &mask);
    send_in_vain(*state);
    assert_false(sigpipe_is_pending());
    raise(SIGPIPE);
    send_in_vain(*state);
    assert_true(sigpipe_is_pending());
    assert_int_equal(sigwait(&signals, &taken), 0);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

static void a_pipe_open_for_writing_fails_when_its_last_reader_leaves(void **state)
{
    int ends[2];
    test_channel channel;
    open_pipe(ends);
    open_receiving(*state, &channel, 'A', ends[1]);
    expect_quiet(*state);
    assert_int_equal(channel.failed_events, 0);
    close(ends[0]);
    run_until(*state, channel.failed_events == 1);
    assert_int_equal(channel.failure, EM_BROKEN_PIPE);
    expect_quiet(*state);
    test_channel_end(&channel);
}

static void a_blocked_pipe_fails_when_its_last_reader_leaves(void **state)
{
    int ends[2];
    test_channel channel;
    open_pipe(ends);
    open_other(*state, &channel, 'A', ends[1], EMI_GIVEN);
    test_channel_prepare(&channel, 1000000);
    test_channel_send(&channel, 1000000);
    expect_quiet(*state);
    close(ends[0]);
    run_until(*state, channel.failed_events == 1);
    assert_int_equal(channel.failure, EM_BROKEN_PIPE);
    test_channel_end(&channel);
}

static void a_regular_file_takes_what_is_sent(void **state)
{
    enum { LENGTH = 3 * 1000 * 1000 };
    unsigned char *bytes = malloc(LENGTH);
    test_channel channel;
    int file = open_file();
    int copy = dup(file);
    open_receiving(*state, &channel, 'A', file);
    test_channel_prepare(&channel, LENGTH);
    test_channel_send(&channel, LENGTH);
    run_until(*state, channel.sent == LENGTH);
    assert_true(channel.sent_events > 1); /* in pieces, so that others have their turn */
    test_channel_end(&channel);
    assert_int_equal(pread(copy, bytes, LENGTH, 0), LENGTH);
    assert_true(pattern_matches(bytes, LENGTH, 0));
    close(copy);
    free(bytes);
}

/* Batches: with io_uring, streams that are ready together are read and sent by one call, if they are sockets. */
static void pipes_and_sockets_that_are_ready_together_all_deliver_and_send(void **state)
{
    enum { EACH = 8 };
    test_channel sockets[EACH], readers[EACH], writers[EACH];
    test_peer peers[EACH];
    int in[EACH][2], out[EACH][2];
    char text[16];
    for (unsigned i = 0; i < EACH; i++) {
        open_stream(*state, &sockets[i], 'S', &peers[i]);
        assert_int_equal(emi_channel_start_receiving(&sockets[i].channel), EM_OK);
        open_pipe(in[i]);
        open_pipe(out[i]);
        open_receiving(*state, &readers[i], 'R', in[i][0]);
        open_receiving(*state, &writers[i], 'W', out[i][1]);
        test_channel_prepare(&writers[i], 10);
        test_channel_prepare(&sockets[i], 10);
    }
    settle(*state);
    for (unsigned i = 0; i < EACH; i++) {
        peer_send_text(&peers[i], "socket");
        write_text(in[i][1], "pipe");
        test_channel_send(&writers[i], 10);
        test_channel_send(&sockets[i], 10);
    }
    for (unsigned i = 0; i < EACH; i++) {
        run_until(*state, sockets[i].data_events == 1 && readers[i].data_events == 1);
        run_until(*state, sockets[i].sent == 10 && writers[i].sent == 10);
        expect_received(&sockets[i], "socket");
        expect_received(&readers[i], "pipe");
        assert_int_equal(read(out[i][0], text, sizeof text), 10);
        assert_true(pattern_matches((unsigned char *)text, 10, 0));
    }
    for (unsigned i = 0; i < EACH; i++) {
        close(in[i][1]);
        test_channel_end(&sockets[i]);
        test_channel_end(&readers[i]);
        test_channel_end(&writers[i]);
        peer_close(&peers[i]);
        close(out[i][0]);
    }
}

/* Blocking modes */

static void a_given_descriptor_becomes_nonblocking_and_nothing_else_changes(void **state)
{
    int ends[2];
    test_channel channel;
    assert_int_equal(pipe(ends), 0);
    int flags = fcntl(ends[0], F_GETFL);
    open_receiving(*state, &channel, 'A', ends[0]);
    assert_int_equal(fcntl(ends[0], F_GETFL), flags | O_NONBLOCK);
    assert_int_equal(fcntl(ends[0], F_GETFD), 0);
    test_channel_end(&channel);
    close(ends[1]);
}

static void a_standard_stream_that_stays_open_gets_its_mode_back(void **state)
{
    int ends[2];
    test_channel channel;
    int kept = dup(0);
    for (int blocking = 0; blocking < 2; blocking++) {
        open_pipe(ends);
        assert_int_equal(dup2(ends[0], 0), 0);
        assert_int_equal(emi_descriptor_set_blocking(0, blocking, NULL), EM_OK);
        int flags = fcntl(0, F_GETFL);
        open_receiving(*state, &channel, 'A', 0);
        assert_true(fcntl(0, F_GETFL) & O_NONBLOCK);
        channel.channel.ownership = EMI_SHARED;
        test_channel_end(&channel);
        assert_int_equal(fcntl(0, F_GETFL), flags);
        close(ends[0]);
        close(ends[1]);
    }
    assert_int_equal(dup2(kept, 0), 0);
    close(kept);
}

/* If the backend read once too often, it would wait for ever in read(2). */
static void a_shared_stream_is_read_without_changing_its_mode(void **state)
{
    int ends[2];
    test_channel channel;
    open_pipe(ends);
    int flags = fcntl(ends[0], F_GETFL);
    open_other(*state, &channel, 'A', ends[0], EMI_SHARED);
    assert_int_equal(emi_channel_start_receiving(&channel.channel), EM_OK);
    assert_int_equal(fcntl(ends[0], F_GETFL), flags);
    for (unsigned round = 1; round < 4; round++) {
        expect_quiet(*state);
        write_text(ends[1], "x");
        run_until(*state, channel.data_events == round);
    }
    close(ends[1]);
    run_until(*state, channel.end_events == 1);
    expect_quiet(*state);
    test_channel_end(&channel);
    assert_int_equal(fcntl(ends[0], F_GETFL), flags);
    close(ends[0]);
}

static void bytes_that_others_have_read_of_a_shared_stream_are_not_waited_for(void **state)
{
    int ends[2];
    char byte;
    test_channel channel;
    open_pipe(ends);
    open_other(*state, &channel, 'A', ends[0], EMI_SHARED);
    assert_int_equal(emi_channel_start_receiving(&channel.channel), EM_OK);
    write_text(ends[1], "x");
    assert_true((*(contract_fixture **)state)->backend->operations->wait((*(contract_fixture **)state)->backend, 0));
    assert_int_equal(read(ends[0], &byte, 1), 1);
    expect_quiet(*state);
    assert_int_equal(channel.data_events, 0);
    write_text(ends[1], "y");
    run_until(*state, channel.data_events == 1);
    expect_received(&channel, "y");
    test_channel_end(&channel);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    static const contract_test tests[] = {
        KERNEL_TEST(what_is_sent_to_a_pipe_arrives_however_slowly_it_is_read),
        KERNEL_TEST(sending_to_a_pipe_without_a_reader_fails_and_raises_no_signal),
        KERNEL_TEST(a_pending_sigpipe_of_the_program_is_left_pending),
        KERNEL_TEST(a_pipe_open_for_writing_fails_when_its_last_reader_leaves),
        KERNEL_TEST(a_blocked_pipe_fails_when_its_last_reader_leaves),
        KERNEL_TEST(a_regular_file_takes_what_is_sent),
        KERNEL_TEST(pipes_and_sockets_that_are_ready_together_all_deliver_and_send),
        KERNEL_TEST(a_given_descriptor_becomes_nonblocking_and_nothing_else_changes),
        KERNEL_TEST(a_standard_stream_that_stays_open_gets_its_mode_back),
        KERNEL_TEST(a_shared_stream_is_read_without_changing_its_mode),
        KERNEL_TEST(bytes_that_others_have_read_of_a_shared_stream_are_not_waited_for),
    };
    return run_contract("writing descriptors", tests, sizeof tests / sizeof tests[0]);
}
