/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sending files over connections, from the disk to the system without a copy in this process's memory.
 *
 * A file takes its place among the data to send: what was sent before it leaves before it, and what is sent after it
 * leaves after it. Over a plain connection the system takes the bytes from its page cache, by sendfile(2). Over TLS,
 * and where the system cannot do that, the file is read in pieces of 64 KiB, and only as fast as the peer receives.
 * A disk that is slow does not hold up the loop: what is not in the page cache is read by the loop's threads first.
 *
 * The bytes of a file do not count against water marks and limits, because they take no memory: `drained` and
 * EM_UNDER_PRESSURE are about the data before and after it. They do count in em_connection_get_outbound_bytes, and
 * em_connection_close_after_writing and em_connection_close_write wait for them.
 *
 * The functions here are for the loop's thread.
 */
#ifndef EVENTMACHINE_FILE_H
#define EVENTMACHINE_FILE_H

#include <stdint.h>

#include <eventmachine/connection.h>

EM_BEGIN_DECLARATIONS

/** For a length: up to the end that the file has when it is passed. */
#define EM_TO_END_OF_FILE 18446744073709551615ULL

/** Options of em_connection_send_file and em_connection_send_file_descriptor. Begin with `.size = sizeof options`; zero
 * means the default. Copied. */
typedef struct em_file_options {
    size_t size; /**< sizeof (em_file_options) */

    /**
     * Called exactly once for each file that was accepted, at the end of a turn, never within the call that accepts it.
     * EM_OK: the system has taken all bytes of the file, and everything sent before them. Any other status: the
     * connection has ended before that. It is unbind's reason, or EM_CLOSED if that is EM_OK; unbind is called next.
     * sent_bytes: how many bytes of the file the system has taken. NULL: none.
     */
    void (*done)(em_connection *connection, void *user, em_status status, uint64_t sent_bytes);
    void *user; /**< given to it as `user` */

    /** Only for em_connection_send_file_descriptor. EM_ON: the library owns the descriptor if the call succeeds, and
     * closes it after its last use. Default: off, the caller keeps it, see there. */
    em_switch close_descriptor;

    /** EM_ON: the file is read in pieces and copies are sent, also where sendfile(2) would do. Then bytes that `done`
     * has reported no longer change with the file, and it helps with file systems whose sendfile(2) is faulty, as some
     * have been for the shared folders of virtual machines. It costs about twice the processor time. Default: off. */
    em_switch copy;
} em_file_options;

/**
 * Sends a range of a regular file. It is opened now, so a file that is replaced or removed by name later is sent as it
 * was opened. offset_bytes: where the range begins. length_bytes: its length, or EM_TO_END_OF_FILE; 0 is allowed and
 * sends nothing. options: NULL for defaults.
 *
 * Exactly this many bytes are sent. If the file has become shorter by the time that they are read, or if the disk
 * fails, the connection ends with EM_FILE_TRUNCATED or EM_IO_ERROR, and the peer sees a reset, so that it cannot take
 * what it has received for the whole. A file that grows is sent up to the promised length. If its bytes are changed in
 * place meanwhile, the peer may receive old and new ones, even those of bytes that `done` has reported: the system
 * sends what the file contains when the network takes it. See `copy`.
 *
 * Opening a file reads directories and may wait for the disk. To open it elsewhere, or to know its length before its
 * bytes leave, use em_connection_send_file_descriptor.
 *
 * Pseudo files, as in /proc, often claim a length of 0: then nothing is sent.
 *
 * em_connection_close_in_background acts as em_connection_close_after_writing while a file waits. em_connection_detach
 * drops files that wait. em_connection_start_tls returns EM_INVALID_STATE while a file waits.
 *
 * Nothing has happened on failure: EM_NO_SUCH_FILE, EM_PERMISSION_DENIED, EM_NOT_A_FILE (a directory, a FIFO, a
 * device), EM_NO_DESCRIPTORS and what else open(2) fails with; EM_INVALID_ARGUMENT (NULL, invalid options, a range
 * beyond the file's end). em_status_get_detail names the file. EM_CLOSED: the connection has ended or no longer accepts
 * data to send. EM_NO_MEMORY; EM_FORKED, as for em_connection_send.
 */
EM_API em_status em_connection_send_file(em_connection *connection, const char *path, uint64_t offset_bytes,
                                         uint64_t length_bytes, const em_file_options *options);

/**
 * As em_connection_send_file, for a file that the caller has opened for reading. Its file offset is neither used nor
 * changed. The caller keeps the descriptor and may close it as soon as this returns, because the library makes a
 * duplicate of it, dup(2); see also close_descriptor. On failure the caller still owns it. EM_BAD_DESCRIPTOR if it is
 * not open for reading.
 */
EM_API em_status em_connection_send_file_descriptor(em_connection *connection, int descriptor, uint64_t offset_bytes,
                                                    uint64_t length_bytes, const em_file_options *options);

EM_END_DECLARATIONS

#endif
