/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Files for tests that send them.
 */
#include "support/system_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/bytes.h"
#include "support/system_peer.h"
#include "support/system_test.h"

enum { PIECE_BYTES = 64 * 1024 };

static unsigned char piece[PIECE_BYTES];

static void write_pattern(int descriptor, uint64_t begin, uint64_t end)
{
    for (uint64_t at = begin; at < end;) {
        size_t length = end - at < PIECE_BYTES ? (size_t)(end - at) : PIECE_BYTES;
        pattern_fill(piece, length, at);
        assert_int_equal(pwrite(descriptor, piece, length, (off_t)at), length);
        at += length;
    }
}

system_file *system_new_sparse_file(uint64_t length, uint64_t tail)
{
    system_file *file = system_memory(sizeof *file);
    snprintf(file->path, sizeof file->path, "/tmp/eventmachine_file_XXXXXX");
    file->descriptor = mkostemp(file->path, O_CLOEXEC);
    assert_true(file->descriptor >= 0);
    assert_int_equal(ftruncate(file->descriptor, (off_t)length), 0);
    write_pattern(file->descriptor, length - tail, length);
    return file;
}

system_file *system_new_file(uint64_t length)
{
    return system_new_sparse_file(length, length);
}

void system_file_close(const system_file *file)
{
    close(file->descriptor);
    unlink(file->path);
}

system_sent *system_new_sent(void)
{
    return system_memory(sizeof(system_sent));
}

static void done(em_connection *connection, void *user, em_status status, uint64_t sent_bytes)
{
    system_sent *sent = user;
    const system_record *record = em_connection_get_user(connection);
    sent->done++;
    sent->status = status;
    sent->bytes = sent_bytes;
    sent->unbinds_before = record ? record->unbind : 0;
}

em_file_options system_file_options(system_sent *sent)
{
    return (em_file_options){.size = sizeof(em_file_options), .done = done, .user = sent};
}

em_status system_send_whole(em_connection *connection, const system_file *file, system_sent *sent)
{
    em_file_options options = system_file_options(sent);
    return em_connection_send_file(connection, file->path, 0, EM_TO_END_OF_FILE, &options);
}

/* Turns the loop until something is there. */
static size_t read_some(em_loop *loop, int client, size_t capacity)
{
    for (;;) {
        ssize_t got = recv(client, piece, capacity < PIECE_BYTES ? capacity : PIECE_BYTES, MSG_DONTWAIT);
        if (got > 0)
            return (size_t)got;
        assert_true(got < 0 && (errno == EAGAIN || errno == EINTR));
        system_turn(loop);
    }
}

void system_expect_pattern(em_loop *loop, int client, uint64_t length, uint64_t offset)
{
    while (length > 0) {
        size_t got = read_some(loop, client, length < PIECE_BYTES ? (size_t)length : PIECE_BYTES);
        assert_true(pattern_matches(piece, got, offset));
        offset += got;
        length -= got;
    }
}

void system_expect_text(em_loop *loop, int client, const char *text)
{
    for (; *text != '\0'; text++) {
        assert_int_equal(read_some(loop, client, 1), 1);
        assert_int_equal(piece[0], *text);
    }
}

void system_skim(em_loop *loop, int client, uint64_t length)
{
    while (length > 0)
        length -= read_some(loop, client, length < PIECE_BYTES ? (size_t)length : PIECE_BYTES);
}

void system_await_unbind(em_loop *loop, const system_record *record)
{
    while (record->unbind == 0)
        system_turn(loop);
}
