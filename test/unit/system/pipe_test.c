/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Pipes that move bytes between sockets.
 */
#include "system/pipe.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/features.h"
#include "support/sockets.h"
#include "support/unit.h"

enum { PIPE_BYTES = 64 * 1024 };

static unsigned signals;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

static emi_pipe open_pipe(void)
{
    emi_pipe pipe;
    if (!EMI_HAVE_SPLICE) {
        print_message("skipped: there is no splice(2)\n");
        skip();
    }
    assert_int_equal(emi_pipe_open(&pipe, PIPE_BYTES), EM_OK);
    assert_in_range(pipe.capacity_bytes, PIPE_BYTES, PIPE_BYTES * 16);
    assert_int_equal(pipe.bytes, 0);
    return pipe;
}

static void bytes_move_from_socket_to_socket_and_are_counted(void **state)
{
    int from[2], to[2];
    size_t length;
    char text[6] = "";
    emi_pipe pipe = open_pipe();
    (void)state;
    tcp_pair(from);
    tcp_pair(to);
    assert_int_equal(emi_pipe_fill(&pipe, from[0], 100, &length), EM_WOULD_BLOCK);
    send_now(from[1], "hello!", 6);
    assert_int_equal(emi_pipe_fill(&pipe, from[0], 5, &length), EM_OK);
    assert_int_equal(length, 5);
    assert_int_equal(pipe.bytes, 5);
    assert_int_equal(emi_pipe_drain(&pipe, to[0], &length), EM_OK);
    assert_int_equal(length, 5);
    assert_int_equal(pipe.bytes, 0);
    assert_int_equal(receive_now(to[1], text, 5, NULL), 5);
    assert_string_equal(text, "hello");
    emi_pipe_close(&pipe);
    for (unsigned i = 0; i < 2; i++) {
        close(from[i]);
        close(to[i]);
    }
}

static void bytes_can_be_read_out_of_it(void **state)
{
    int from[2];
    size_t length;
    char text[8] = "";
    emi_pipe pipe = open_pipe();
    (void)state;
    tcp_pair(from);
    send_now(from[1], "hello", 5);
    assert_int_equal(emi_pipe_fill(&pipe, from[0], 100, &length), EM_OK);
    assert_int_equal(emi_pipe_read(&pipe, text, 2), 2);
    assert_int_equal(pipe.bytes, 3);
    assert_int_equal(emi_pipe_read(&pipe, text + 2, 5), 3);
    assert_string_equal(text, "hello");
    assert_int_equal(emi_pipe_read(&pipe, text, 5), 0);
    emi_pipe_close(&pipe);
    close(from[0]);
    close(from[1]);
}

/* Fills the pipe and closes the socket that it is to be drained to, on the other side. */
static em_status drain_into_closed(void)
{
    int from[2], to[2];
    size_t length;
    emi_pipe pipe = open_pipe();
    unix_pair(from);
    unix_pair(to);
    send_now(from[1], "hello", 5);
    assert_int_equal(emi_pipe_fill(&pipe, from[0], 100, &length), EM_OK);
    close(to[1]);
    em_status status = emi_pipe_drain(&pipe, to[0], &length);
    assert_int_equal(pipe.bytes, 5);
    emi_pipe_close(&pipe);
    close(from[0]);
    close(from[1]);
    close(to[0]);
    return status;
}

static void a_closed_peer_is_an_error_and_no_signal(void **state)
{
    (void)state;
    signals = 0;
    signal(SIGPIPE, count_signal);
    assert_int_equal(drain_into_closed(), EM_BROKEN_PIPE);
    assert_int_equal(signals, 0);
    signal(SIGPIPE, SIG_DFL);
}

/* A socket whose peer has closed: the first piece is answered by a reset, and the second one fails. */
static void a_failure_in_the_middle_of_a_call_raises_no_signal(void **state)
{
    static const char zeros[PIPE_BYTES];
    int from[2], to[2];
    size_t length;
    emi_pipe pipe = open_pipe();
    emi_pipe_close(&pipe);
    (void)state;
    assert_int_equal(emi_pipe_open(&pipe, PIPE_BYTES * 8), EM_OK);
    tcp_pair(from);
    tcp_pair(to);
    signals = 0;
    signal(SIGPIPE, count_signal);
    close(to[1]);
    for (unsigned i = 0; i < 6; i++) {
        send_now(from[1], zeros, sizeof zeros);
        emi_pipe_fill(&pipe, from[0], sizeof zeros, &length);
    }
    while (emi_pipe_drain(&pipe, to[0], &length) == EM_OK)
        ;
    assert_int_equal(signals, 0);
    signal(SIGPIPE, SIG_DFL);
    emi_pipe_close(&pipe);
    close(from[0]);
    close(from[1]);
    close(to[0]);
}

static void a_signal_that_the_program_has_blocked_stays_pending(void **state)
{
    sigset_t set, before, pending;
    (void)state;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    signals = 0;
    signal(SIGPIPE, count_signal);
    sigprocmask(SIG_BLOCK, &set, &before);
    raise(SIGPIPE);
    assert_int_equal(drain_into_closed(), EM_BROKEN_PIPE);
    sigpending(&pending);
    assert_true(sigismember(&pending, SIGPIPE));
    sigprocmask(SIG_SETMASK, &before, NULL);
    assert_int_equal(signals, 1);
    signal(SIGPIPE, SIG_DFL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_move_from_socket_to_socket_and_are_counted),
        cmocka_unit_test(bytes_can_be_read_out_of_it),
        cmocka_unit_test(a_closed_peer_is_an_error_and_no_signal),
        cmocka_unit_test(a_failure_in_the_middle_of_a_call_raises_no_signal),
        cmocka_unit_test(a_signal_that_the_program_has_blocked_stays_pending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
