/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Sending files over connections, where possible without copying them through the memory of this process.
 *
 * A file keeps its place among the data to send: data sent before it leaves before it, and data sent after it leaves
 * after it. Over a plain connection the system takes the bytes from its page cache, by sendfile(2). Over TLS, and where
 * the system does not support that, the file is read in pieces of 64 KiB, only as fast as the peer receives.
 * A slow disk does not block the loop: bytes that are not in the page cache are first read by another thread.
 *
 * The bytes of a file do not count against water marks and limits, because they take no memory. `drained` and
 * EM_UNDER_PRESSURE concern the data before and after it only. The bytes do count in em_connection_get_outbound_bytes,
 * and em_connection_close_after_writing and em_connection_close_write wait for them.
 *
 * All functions here are for the loop's thread, and any callback may call them.
 */
#ifndef EVENTMACHINE_FILE_H
#define EVENTMACHINE_FILE_H

#include <stdint.h>

#include <eventmachine/connection.h>

EM_BEGIN_DECLARATIONS

/** As a length: up to the end of the file at the time of the call. */
#define EM_TO_END_OF_FILE 18446744073709551615ULL

/** Options of em_connection_send_file and em_connection_send_file_descriptor. Begin with `.size = sizeof options`; zero
 * means the default. Copied. */
typedef struct em_file_options {
    size_t size; /**< sizeof (em_file_options) */

    /**
     * Called exactly once for each file that was accepted, at the end of a turn, never within the call that accepts it.
     * EM_OK: the system has taken all bytes of the file, and everything sent before them. Any other status: the
     * connection ended earlier. The status is then unbind's reason, or EM_CLOSED if that is EM_OK, and unbind is called
     * next. user: the pointer below. sent_bytes: how many bytes of the file the system has taken. NULL: nothing is
     * called.
     */
    void (*done)(em_connection *connection, void *user, em_status status, uint64_t sent_bytes);
    void *user; /**< given to `done` as `user` */

    /** Only for em_connection_send_file_descriptor. EM_ON: if the call succeeds, the library owns the descriptor and
     * closes it after its last use. Default: off, the caller keeps it. */
    em_switch close_descriptor;

    /** EM_ON: the file is read in pieces and copies are sent, even where sendfile(2) is available. Then bytes that
     * `done` has reported no longer change with the file. It also helps with file systems whose sendfile(2) is faulty,
     * as some for shared folders of virtual machines have been. It costs about twice the processor time. Default: off.
     */
    em_switch copy;
} em_file_options;

/**
 * Sends a range of a regular file. It is opened now, so a file that is replaced or removed by name later is sent as it
 * was opened. offset_bytes: where the range begins. length_bytes: its length, or EM_TO_END_OF_FILE; 0 is allowed and
 * sends nothing. options: NULL for defaults.
 *
 * Exactly this many bytes are sent. If the file has become shorter by the time it is read, the connection ends with
 * EM_FILE_TRUNCATED; if the disk fails, with EM_IO_ERROR. The peer then sees a reset, so that it cannot mistake a part
 * for the whole. If the file grows, only the given length is sent. If its bytes are changed in place meanwhile, the
 * peer may receive a mixture of old and new ones. This can even happen to bytes that `done` has reported, because the
 * system sends what the file contains when the network takes it. See `copy`.
 *
 * Opening a file may wait for the disk, because directories are read. To open it elsewhere, or to know its length
 * before its bytes leave, use em_connection_send_file_descriptor.
 *
 * Pseudo files, as in /proc, often claim a length of 0: then nothing is sent.
 *
 * While a file is waiting to be sent, em_connection_close_in_background acts as em_connection_close_after_writing, and
 * em_connection_start_tls returns EM_INVALID_STATE. em_connection_detach drops files that are waiting.
 *
 * A call that fails has no effect, and `done` is not called. EM_NO_SUCH_FILE, EM_PERMISSION_DENIED, EM_NOT_A_FILE (a
 * directory, a FIFO, a device), EM_NO_DESCRIPTORS and other errors of open(2); EM_INVALID_ARGUMENT (NULL, invalid
 * options, a range beyond the file's end). em_status_get_detail names the file. EM_CLOSED: the connection has ended or
 * no longer accepts data to send. EM_NO_MEMORY. EM_FORKED, as for em_connection_send.
 */
EM_API em_status em_connection_send_file(em_connection *connection, const char *path, uint64_t offset_bytes,
                                         uint64_t length_bytes, const em_file_options *options);

/**
 * As em_connection_send_file, for a file that the caller has opened for reading. Its file offset is neither used nor
 * changed. The caller keeps the descriptor and may close it as soon as this returns, because the library duplicates it,
 * dup(2). With close_descriptor the library takes it over instead. On failure the caller still owns it.
 * EM_BAD_DESCRIPTOR if it is not open for reading.
 */
EM_API em_status em_connection_send_file_descriptor(em_connection *connection, int descriptor, uint64_t offset_bytes,
                                                    uint64_t length_bytes, const em_file_options *options);

EM_END_DECLARATIONS

#endif
