/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The programs of examples/c, run as child processes. They are beside the tests in the build folder.
 */
#ifndef TEST_EXAMPLE_PROGRAM_H
#define TEST_EXAMPLE_PROGRAM_H

#include <stdbool.h>
#include <sys/types.h>

enum { EXAMPLE_MOST_ARGUMENTS = 4, EXAMPLE_PATIENCE_MILLISECONDS = 20000 };

typedef struct example_program {
    pid_t child;
    int input;  /* what it reads */
    int output; /* what it prints, errors included */
} example_program;

/** Starts one. arguments: EXAMPLE_MOST_ARGUMENTS at most, then NULL. */
example_program example_start_with(const char *name, const char *const *arguments);
example_program example_start(const char *name, const char *first, const char *second, const char *third);

/** Returns whether there is something to read in time. A signal or the ring of the test's loop may interrupt a wait. */
bool example_has_output(int fd, int milliseconds);

/** Reads until the text was read; the test fails at the end. */
void example_expect(int fd, const char *text);

/** Reads its first line, and returns the port in it on which it listens. */
int example_get_port(example_program *started);

/** Closes its input, waits until it has ended, and returns its exit status. */
int example_finish(example_program *started);

/** Ends it by SIGTERM. */
void example_end(example_program *started);

void example_send(int fd, const char *text);

#endif
