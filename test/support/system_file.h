/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Files for tests that send them, and what `done` has reported.
 */
#ifndef TEST_SYSTEM_FILE_H
#define TEST_SYSTEM_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include <eventmachine.h>

#include "support/system_record.h"

enum { SYSTEM_PATH_BYTES = 64 };

/** A file that does not exist any more after the test. */
typedef struct system_file {
    char path[SYSTEM_PATH_BYTES];
    int descriptor; /**< open for reading and writing */
} system_file;

/** A file of the pattern (bytes.h) from its beginning. It lives until system_file_close. */
system_file *system_new_file(uint64_t length);

/** A file that is a hole, except for the pattern in its last `tail` bytes. */
system_file *system_new_sparse_file(uint64_t length, uint64_t tail);

/** Closes and removes it. */
void system_file_close(const system_file *file);

/** What `done` has reported for a file, which system_file_options asks for. */
typedef struct system_sent {
    unsigned done;
    em_status status;
    uint64_t bytes;
    unsigned unbinds_before; /* of the connection's record */
} system_sent;

system_sent *system_new_sent(void);

/** Options with such a `done`. */
em_file_options system_file_options(system_sent *sent);

/** Sends all of a file with them. */
em_status system_send_whole(em_connection *connection, const system_file *file, system_sent *sent);

/** Turns the loop and reads so many bytes, which must be the pattern from an offset on. */
void system_expect_pattern(em_loop *loop, int client, uint64_t length, uint64_t offset);

/** The same with a text. */
void system_expect_text(em_loop *loop, int client, const char *text);

/** Turns the loop and drops so many bytes. */
void system_skim(em_loop *loop, int client, uint64_t length);

/** Turns the loop until the connection of a record has ended. */
void system_await_unbind(em_loop *loop, const system_record *record);

#endif
