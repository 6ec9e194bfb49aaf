/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connections over descriptors that are open already: sockets, pipes, terminals, files, devices. em_connection_detach
 * does the reverse: it returns the descriptor of a connection.
 *
 * Both functions are for the loop's thread, and any callback may call them.
 */
#ifndef EVENTMACHINE_ATTACH_H
#define EVENTMACHINE_ATTACH_H

#include <eventmachine/connection.h>

EM_BEGIN_DECLARATIONS

/** Options of em_loop_attach. Begin with `.size = sizeof options`; zero means the default. Copied. */
typedef struct em_attach_options {
    size_t size; /**< sizeof (em_attach_options) */
    void *user;  /**< the connection's user pointer, set before post_init */

    /** NULL: all defaults. On a socket the defaults are set as well: no_delay, for instance, is on. The options of
     * sockets do not apply to other descriptors, but buffer sizes and linger are refused there with EM_NOT_A_SOCKET. */
    const em_stream_options *stream;

    /** EM_OFF: the descriptor stays open when the connection ends. It is the caller's from unbind on, so nothing is
     * sent after unbind. Default: on, the library closes it. */
    em_switch close_descriptor;

    /**
     * EM_OFF: the blocking mode is left as it is. This is for open files that other programs use as well, for instance
     * a terminal or standard input. The library then reads once each time that poll(2) reports that a read would not
     * wait. If another process reads those bytes first, the read blocks the loop until more arrive. Such a connection
     * cannot send, because a write could block. Requires close_descriptor EM_OFF. Default: on, O_NONBLOCK is set.
     */
    em_switch nonblocking;
} em_attach_options;

/**
 * Makes a connection of a descriptor that is open already. It may be a connected stream socket, TCP or Unix-domain,
 * such as one end of socketpair(2) or a socket received from another process. Or it may be anything else that is read
 * and written by read(2) and write(2): a pipe, a FIFO, a terminal, the master of a pseudoterminal, a device, a regular
 * file, an eventfd, an inotify descriptor. To be notified only when a descriptor is ready, see descriptor_watch.h.
 *
 * On success the loop owns the descriptor: it makes it non-blocking, and closes it when the connection ends. The
 * program no longer reads, writes or closes it. A socket also becomes close-on-exec. The standard streams, descriptors
 * 0 to 2, get their former blocking mode back when they are detached or left open, because other programs share it. No
 * other mode of them is changed. When this returns, post_init has been called. connection_completed is not called, and
 * receive_data follows later. On failure the caller still owns the descriptor, and its modes are as before. Socket
 * options before the one that the system refused stay set.
 *
 * If the socket has sent its end already (shutdown(2), SHUT_WR), the connection is as after
 * em_connection_close_write. So is a descriptor that is open for reading only, except that sending returns
 * EM_BAD_DESCRIPTOR.
 *
 * What differs for descriptors that are not sockets:
 * - A FIFO without a writer is silent until there is one. It ends when its last writer has closed it. Unread bytes are
 *   delivered first.
 * - A descriptor that is open for writing only never receives. When the last reader of a pipe closes it, the connection
 *   ends with EM_BROKEN_PIPE. SIGPIPE is never raised.
 * - em_connection_close_write ends a connection that only writes. It returns EM_UNSUPPORTED if the connection reads as
 *   well.
 * - A regular file is read and written at its offset. It is always ready, but other connections still get their turn. A
 *   slow disk delays the loop by one piece at a time, at most 256 KiB or receive_buffer_bytes.
 * - The master of a pseudoterminal ends when the last program has closed the terminal. The system stops a background
 *   process that reads or writes its terminal, see SIGTTIN in signal(7).
 * - There are no addresses and no socket options: EM_NOT_A_SOCKET.
 *
 * If the program closes the descriptor by mistake, the connection ends with EM_BAD_DESCRIPTOR or stays silent for ever,
 * depending on the system.
 *
 * handler: required. options: NULL for defaults. connection: set to the handle, NULL on failure; may be NULL.
 * EM_BAD_DESCRIPTOR; EM_INVALID_ARGUMENT (a directory, a listening socket, a socket that is not a stream, invalid
 * options); EM_NOT_CONNECTED (a socket that is still connecting or was reset); EM_FILE_EXISTS (attached to this loop
 * already); EM_NO_MEMORY, EM_FORKED, EM_INVALID_STATE (the loop is being destroyed).
 */
EM_API em_status em_loop_attach(em_loop *loop, int descriptor, const em_handler *handler,
                                const em_attach_options *options, em_connection **connection);

/**
 * Detaches the descriptor from the loop and returns it to the caller: the counterpart of em_loop_attach, for any
 * established connection. unbind(EM_OK) follows at the end of the present turn, as after em_connection_close.
 *
 * When this returns EM_OK, the caller owns *descriptor, and the loop no longer uses it. It is open, its modes are as
 * em_loop_attach says, and it may be used, closed or attached again at once. Bytes waiting to be sent are dropped; to
 * send them first, wait until em_connection_get_outbound_bytes is 0.
 *
 * Bytes that have arrived stay in the descriptor for the caller to read. Those that the library has read already are
 * passed to receive_data before this returns, even during a pause. Within the connection's own receive_data there are
 * none.
 *
 * descriptor: set to the descriptor, -1 on failure. EM_CLOSED if the connection has ended, or ends within that
 * receive_data. EM_INVALID_STATE with TLS, because the caller could not continue it. EM_NOT_CONNECTED while the name is
 * being resolved or the connection is being established. EM_CONNECTION_RESET and the like: the connection has failed
 * already, and unbind will get this reason. EM_FORKED.
 */
EM_API em_status em_connection_detach(em_connection *connection, int *descriptor);

EM_END_DECLARATIONS

#endif
