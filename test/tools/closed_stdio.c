/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A library to preload into a test program: it begins with the descriptors 0, 1 and 2 closed, so that its sockets get
 * these numbers, and what it prints goes to the file that EM_TEST_LOG names. For tools/check_environments; no part of
 * any build.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LOWEST_LOG_DESCRIPTOR = 500 };

__attribute__((constructor)) static void close_stdio(void)
{
    const char *path = getenv("EM_TEST_LOG");
    int opened = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644) : -1;
    int log = opened < 0 ? -1 : fcntl(opened, F_DUPFD_CLOEXEC, LOWEST_LOG_DESCRIPTOR);
    FILE *stream = log < 0 ? NULL : fdopen(log, "a");
    if (!stream)
        _exit(126);
    close(opened);
    setvbuf(stream, NULL, _IOLBF, BUFSIZ);
    stdout = stderr = stream;
    for (int descriptor = 0; descriptor <= 2; descriptor++)
        close(descriptor);
    /* Programs that it starts are none of this one's business. */
    unsetenv("LD_PRELOAD");
}
