/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The limit for child processes: posix_spawn(3), three pipes, poll(2), which is enough for two of them, waitpid(2), and
 * nothing else.
 */
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "processes_measure.h"

extern char **environ;

typedef struct bare_child {
    pid_t pid;
    int ends[3]; /* ours */
} bare_child;

static void start(bare_child *child)
{
    char *const arguments[] = {(char[]){"/bin/echo"}, (char[]){"text"}, NULL};
    posix_spawn_file_actions_t actions;
    int theirs[3];
    posix_spawn_file_actions_init(&actions);
    for (int i = 0; i < 3; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0)
            exit(1);
        child->ends[i] = ends[i == 0 ? 1 : 0];
        theirs[i] = ends[i == 0 ? 0 : 1];
        posix_spawn_file_actions_adddup2(&actions, theirs[i], i);
    }
    if (posix_spawn(&child->pid, arguments[0], &actions, NULL, arguments, environ) != 0)
        exit(1);
    posix_spawn_file_actions_destroy(&actions);
    for (int i = 0; i < 3; i++)
        close(theirs[i]);
}

static void finish(bare_child *child)
{
    char buffer[4096];
    int status;
    for (int open = 2; open > 0;) {
        struct pollfd polled[2] = {{.fd = child->ends[1], .events = POLLIN}, {.fd = child->ends[2], .events = POLLIN}};
        poll(polled, 2, -1);
        for (int i = 0; i < 2; i++)
            if (polled[i].revents && read(polled[i].fd, buffer, sizeof buffer) == 0) {
                close(polled[i].fd);
                child->ends[i + 1] = -1; /* which poll(2) ignores */
                open--;
            }
    }
    close(child->ends[0]);
    waitpid(child->pid, &status, 0);
    if (status != 0)
        exit(1);
}

int main(int count, char **arguments)
{
    unsigned children = processes_count(count, arguments);
    processes_begin();
    for (unsigned i = 0; i < children; i++) {
        bare_child child;
        start(&child);
        finish(&child);
    }
    processes_end(children);
    return 0;
}
