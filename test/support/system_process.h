/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Child processes in tests: a recorder of what is reported about one, and short ways to start a shell.
 */
#ifndef TEST_SYSTEM_PROCESS_H
#define TEST_SYSTEM_PROCESS_H

#include <eventmachine.h>

#include "support/system_record.h"

/** What happened to the processes whose user pointer this is. */
typedef struct system_process {
    em_process *process; /* the last one; NULL after its unbind */
    unsigned exited;
    unsigned unbind;
    em_process_status status; /* in the last callback */
    uint64_t exited_ns;       /* when it was called, by the loop's time */
    uint64_t unbind_ns;
    unsigned open_streams; /* at exited */
    system_record *input;  /* of the connections */
    system_record *output;
    system_record *error;
} system_process;

/** Records into the user pointer. */
extern const em_process_handler system_process_recorder;

/** A process's record; lives until the test's loop is gone. */
system_process *system_new_process(void);

/** Starts `/bin/sh -c command` with pipes for all three streams, recorded. */
system_process *system_start_shell(em_loop *loop, const char *command);

/** The same with the options given; those of command and streams are filled in unless they are set. */
system_process *system_start_shell_with(em_loop *loop, const char *command, em_process_options options);

/** Turns the loop until unbind was called. */
void system_await_process_unbind(em_loop *loop, const system_process *process);

/** Starts a command, waits for its end, and returns its exit status. */
int system_run_shell(em_loop *loop, const char *command);

#endif
