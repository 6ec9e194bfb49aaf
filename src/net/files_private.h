/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The files that a connection sends. Each has a mark in the connection's outbox, where its bytes are to leave:
 *
 *   outbox:   bytes ─► mark of A ─► bytes ─► mark of B
 *
 * When a mark is at the front, the backend sends the file (gather_file). If it cannot, or if the bytes must pass
 * through a filter, pieces of the file are read into blocks before the mark. In both cases the bytes must be in the
 * page cache; if they are not, a thread reads them into it first (file_fetch.c).
 *
 * A connection with files has another table of channel events, so a connection without files has no branch for them.
 *
 *   connection_file.c   the public functions
 *   files.c             the queue of files: what is sent, read, finished, given up
 *   file_fetch.c        what is in the page cache, and how it gets there
 */
#ifndef EMI_FILES_PRIVATE_H
#define EMI_FILES_PRIVATE_H

#include <eventmachine/file.h>

#include "base/list.h"
#include "base/span.h"

/** How much is fetched by one job. It is also the most that the loop itself may have to read from a disk in one go:
 * what the page cache holds is found out by samples, and memory may run short before the bytes are sent. */
#define EMI_FILE_WINDOW_BYTES ((size_t)1024 * 1024)

/** How much of a file is read into memory at once. */
#define EMI_FILE_PIECE_BYTES ((size_t)64 * 1024)

/** A job of the pool that reads a range of a file into the page cache. */
typedef struct emi_file_fetch emi_file_fetch;

/** A file that waits to be sent. */
typedef struct emi_outgoing_file {
    emi_list link; /* in `queued` or `finished` */
    em_connection *connection;
    int descriptor;
    uint64_t offset;       /* where the bytes begin that are neither sent nor in memory … */
    uint64_t unread_bytes; /* … and how many they are */
    uint64_t cached_until; /* up to this offset the bytes should be in the page cache */
    uint64_t begin;        /* where the file begins in all that the connection sends, see bytes_sent */
    uint64_t length;
    emi_file_fetch *fetch; /* under way, or NULL */
    bool is_cold;          /* the last fetch had to wait for the disk: the next range is fetched early */
    bool must_be_read;     /* the program wants copies, or the system refuses to send it */
    void (*done)(em_connection *connection, void *user, em_status status, uint64_t sent_bytes);
    void *user;
} emi_outgoing_file;

/** The files of a connection, which has extras then. Once it has one it keeps this until it is freed. */
typedef struct emi_files {
    emi_list queued;       /* the system has not taken all of their bytes */
    emi_list finished;     /* it has, and `done` is to be called */
    uint64_t queued_bytes; /* lengths of `queued` */
    uint64_t unread_bytes; /* those of them that are neither sent nor in memory */
} emi_files;

/* files.c */

/** Appends a file. EM_NO_MEMORY; then nothing has happened. */
em_status emi_files_append(em_connection *connection, const emi_outgoing_file *file);

/** Whether a file waits: not all of its bytes were taken by the system. */
bool emi_files_are_waiting(const em_connection *connection);

/** Whether the next bytes to be sent are a file's that a thread still reads from the disk. */
bool emi_files_await_disk(const em_connection *connection);

/** Bytes of files that the system has not taken … */
uint64_t emi_files_unsent_bytes(const em_connection *connection);

/** … and those of them that are in this process's memory. */
size_t emi_files_bytes_in_memory(const em_connection *connection);

/** Whether the bytes at the front of the outbox are in memory. Reads a piece of a file if that can be done at once. May
 * end the connection. */
bool emi_files_provide(em_connection *connection);

/** For the channel event of the same name. */
bool emi_files_gather(em_connection *connection, emi_file_span *piece);

/** The system has taken `length` bytes of the file at the front of the outbox. */
void emi_files_note_taken(em_connection *connection, size_t length);

/** To be called when bytes_sent has increased. */
void emi_files_note_sent(em_connection *connection);

/** The piece that was gathered last cannot be sent: the file is read instead, or the connection ends. */
void emi_files_refuse(em_connection *connection, em_status reason);

/** A file that was promised cannot be sent: ends the connection, which the peer sees as a reset. */
void emi_files_fail(em_connection *connection, em_status reason);

/** Calls `done` of those that are finished. */
void emi_files_finish(em_connection *connection);

/** The connection has ended: gives up those that wait, with what was to be sent after them, and calls `done`. */
void emi_files_give_up(em_connection *connection);

/** Frees what emi_files_append has allocated, without calling anything. */
void emi_files_free(em_connection *connection);

/* file_fetch.c */

/** Whether the next bytes of a file can be sent or read without waiting for the disk. If not, they are being fetched
 * when this returns, and the connection will send again when they are there. */
bool emi_file_is_ready(emi_outgoing_file *file);

/** Closes the descriptor, after the fetch that uses it. */
void emi_file_leave(emi_outgoing_file *file);

#endif
