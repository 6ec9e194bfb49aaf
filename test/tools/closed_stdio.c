/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * A library to preload into a test program. It closes the descriptors 0, 1 and 2 first, so that sockets get these
 * numbers, and sends output to the file named by EM_TEST_LOG. For tools/check_environments. No build includes it.
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
    /* Programs that it starts keep their own descriptors. */
    unsetenv("LD_PRELOAD");
}
