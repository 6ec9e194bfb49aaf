/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The programs of examples/c as child processes. See example_program.h.
 */
#include "support/example_program.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/system_peer.h"
#include "support/system_test.h"

static void run_program(const char *name, const char *const *arguments, int input, int output)
{
    char self[PATH_MAX] = "";
    char path[PATH_MAX + 64];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    snprintf(path, sizeof path, "%s/../examples/c/%s", length > 0 ? dirname(self) : ".", name);
    dup2(input, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    setenv("EM_BACKEND", system_backend(), 1);
    alarm(EXAMPLE_PATIENCE_MILLISECONDS / 1000);
    char *all[EXAMPLE_MOST_ARGUMENTS + 2] = {path};
    for (unsigned i = 0; i < EXAMPLE_MOST_ARGUMENTS && arguments[i]; i++)
        all[i + 1] = (char *)(uintptr_t)arguments[i];
    execv(path, all);
    perror(path);
    _exit(127);
}

example_program example_start_with(const char *name, const char *const *arguments)
{
    int input[2];
    int output[2];
    assert_return_code(pipe2(input, O_CLOEXEC), errno);
    assert_return_code(pipe2(output, O_CLOEXEC), errno);
    pid_t child = fork();
    if (child == 0)
        run_program(name, arguments, input[0], output[1]);
    assert_true(child > 0);
    close(input[0]);
    close(output[1]);
    return (example_program){.child = child, .input = input[1], .output = output[0]};
}

example_program example_start(const char *name, const char *first, const char *second, const char *third)
{
    const char *const arguments[] = {first, second, third, NULL};
    return example_start_with(name, arguments);
}

bool example_has_output(int fd, int milliseconds)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    int count = poll(&ready, 1, milliseconds);
    while (count < 0 && errno == EINTR)
        count = poll(&ready, 1, milliseconds);
    return count == 1;
}

void example_expect(int fd, const char *text)
{
    char received[4096] = "";
    size_t length = 0;
    while (!strstr(received, text)) {
        assert_true(example_has_output(fd, EXAMPLE_PATIENCE_MILLISECONDS));
        ssize_t more = read(fd, received + length, sizeof received - 1 - length);
        if (more <= 0)
            fail_msg("\"%s\" was expected, \"%s\" was received", text, received);
        length += (size_t)more;
        received[length] = '\0';
    }
}

int example_get_port(example_program *started)
{
    char line[256];
    FILE *output = fdopen(dup(started->output), "r");
    assert_non_null(output);
    assert_non_null(fgets(line, sizeof line, output));
    fclose(output);
    assert_non_null(strstr(line, "listening on 127.0.0.1:"));
    return atoi(strrchr(line, ':') + 1);
}

int example_finish(example_program *started)
{
    close(started->input);
    int status = system_wait(started->child);
    close(started->output);
    return status;
}

void example_end(example_program *started)
{
    int status;
    assert_return_code(kill(started->child, SIGTERM), errno);
    assert_int_equal(waitpid(started->child, &status, 0), started->child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    close(started->input);
    close(started->output);
}

void example_send(int fd, const char *text)
{
    system_write(fd, text, strlen(text));
}
