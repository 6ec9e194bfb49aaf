/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Regular files that are sent: opening and reading them, and sending their bytes to a socket without a copy. Reading a
 * file waits for the disk unless the page cache holds the bytes, so each function says whether it may.
 */
#ifndef EMI_FILE_H
#define EMI_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <eventmachine/status.h>

/** Opens a file for reading, close-on-exec. Does not wait for the other end of a FIFO, and makes no terminal the
 * process's own. *size: the file's, in bytes. EM_NOT_A_FILE if it is something other than a regular file. */
em_status emi_file_open(const char *path, int *descriptor, uint64_t *size);

/** Gets the size of an open file. EM_BAD_DESCRIPTOR if it is not open for reading; EM_NOT_A_FILE. */
em_status emi_file_get_size(int descriptor, uint64_t *size);

/** Makes a second descriptor of the same open file, close-on-exec. */
em_status emi_file_duplicate(int descriptor, int *copy);

void emi_file_close(int descriptor);

/** Reads up to `capacity` bytes. EM_OK with *length 0 is the end of the file. May wait for the disk. */
em_status emi_file_read(int descriptor, uint64_t offset, void *bytes, size_t capacity, size_t *length);

/** Whether a range seems to be in the page cache. Samples it; false if the system cannot tell. Does not wait. */
bool emi_file_is_cached(int descriptor, uint64_t offset, size_t length);

/** Reads a range into the page cache and drops the bytes; stops at the end of the file. Waits for the disk. */
em_status emi_file_fetch_range(int descriptor, uint64_t offset, size_t length);

/** Stops the system from reading ahead when bytes of this open file are read or sent: who does that would have to wait
 * until the disk's queue has room. emi_file_fetch_range reads as much as it is asked for at once. */
void emi_file_stop_reading_ahead(int descriptor);

/**
 * Sends bytes of a file to a non-blocking socket. *sent: how many the socket took; EM_OK with 0 is the end of the file.
 * EM_WOULD_BLOCK is the socket's. EM_UNSUPPORTED: this file cannot be sent this way. EM_IO_ERROR: it cannot be read.
 * Waits for the disk if the bytes are not in the page cache. Raises no SIGPIPE.
 */
em_status emi_file_send(int socket, int descriptor, uint64_t offset, size_t length, size_t *sent);

#endif
