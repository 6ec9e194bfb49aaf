/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Deadlines of tests by alarm(2): a test that hangs fails instead.
 */
#include "support/deadline.h"

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void be_late(int signal_number)
{
    static const char message[] = "\ntest: took too long\n";
    (void)signal_number;
    ssize_t ignored = write(STDERR_FILENO, message, sizeof message - 1);
    (void)ignored;
    _exit(124);
}

void deadline_start(unsigned seconds)
{
    struct sigaction action = {.sa_handler = be_late};
    sigaction(SIGALRM, &action, NULL);
    alarm(seconds);
}

void deadline_stop(void)
{
    alarm(0);
}

int deadline_set_up(void **state)
{
    (void)state;
    deadline_start(300);
    return 0;
}

int deadline_tear_down(void **state)
{
    (void)state;
    deadline_stop();
    return 0;
}

void stop_test(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fputs("\ntest: ", stderr);
    vfprintf(stderr, format, arguments); /* NOLINT(clang-analyzer-valist.Uninitialized): a false alarm */
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

bool wait_until_readable(int descriptor, int timeout_ms)
{
    struct pollfd polled = {.fd = descriptor, .events = POLLIN};
    return poll(&polled, 1, timeout_ms) > 0;
}
