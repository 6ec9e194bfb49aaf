/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * The handler of a connection: the user's protocol.
 *
 * Life of a connection: post_init → [connection_completed] → receive_data* → [receive_end] → unbind. Every connection
 * that gets post_init gets unbind exactly once. The pointer is valid until its unbind has returned.
 */
#ifndef EVENTMACHINE_HANDLER_H
#define EVENTMACHINE_HANDLER_H

#include <stddef.h>

#include <eventmachine/export.h>
#include <eventmachine/status.h>

EM_BEGIN_DECLARATIONS

/** A connection. Owned by its loop; valid until its unbind has returned. */
typedef struct em_connection em_connection;

/**
 * The user's protocol: the callbacks of a connection, which the loop's thread calls. Any of them may be NULL. The
 * struct is not copied and must outlive the connections that use it; usually it is static and const. The `reserved`
 * fields are for future callbacks and must be NULL. A callback that this library does not know is refused with
 * EM_INVALID_ARGUMENT, never ignored. This struct is for streams; datagram sockets have their own, see datagram.h.
 */
typedef struct em_handler {
    /** The connection exists. From a server or em_loop_attach it is established already; from em_loop_connect it is
     * not. */
    void (*post_init)(em_connection *connection);

    /** A connection opened by em_loop_connect is established, and secured if em_connect_options has `tls`. Not called
     * for those accepted or attached. */
    void (*connection_completed)(em_connection *connection);

    /** Bytes have arrived, in the order in which they were sent. length: at least 1. `data` is valid until the callback
     * returns. */
    void (*receive_data)(em_connection *connection, const void *data, size_t length);

    /**
     * Returns memory for the library to receive into, and sets *capacity to its size in bytes; NULL: none now. This
     * saves a copy for a handler that keeps the bytes. It is called only while pieces of 8 KiB or more arrive, and not
     * on connections with TLS. The library receives into the memory before it returns to the loop. If there were bytes
     * to receive, receive_data is called next, with exactly this pointer. In other calls of receive_data the bytes are
     * in the library's own memory, so compare the pointers.
     */
    void *(*receive_buffer)(em_connection *connection, size_t *capacity);

    /**
     * The peer has sent its last byte (half-close, shutdown(2)). Nothing is received after this. Sending goes on until
     * em_connection_close or em_connection_close_after_writing is called. Not called after
     * em_connection_close_after_writing.
     *
     * If this callback is NULL, the library calls em_connection_close_after_writing instead: what is waiting is sent,
     * then the connection ends. With this callback, the library gives up a peer that does not read (drain_timeout_ns)
     * only after em_connection_close_write or em_connection_close_after_writing.
     *
     * After this callback a reset still ends the connection at once, with EM_CONNECTION_RESET, even during a pause and
     * even if nothing is being sent. A Unix-domain peer that closes its socket ends it likewise, with EM_BROKEN_PIPE. A
     * TCP peer that closes its socket looks like one that only stops sending, until it answers the next data with a
     * reset.
     */
    void (*receive_end)(em_connection *connection);

    /** The bytes waiting to be sent have fallen to the low-water mark, after they had exceeded the high-water mark. */
    void (*drained)(em_connection *connection);

    /**
     * The connection has ended. reason: EM_OK if either side closed it normally, otherwise what went wrong:
     * EM_NAME_NOT_FOUND, EM_RESOLVE_TIMEOUT, EM_CONNECTION_REFUSED, EM_CONNECT_TIMEOUT, EM_CONNECTION_RESET,
     * EM_INACTIVITY_TIMEOUT, EM_WRITE_TIMEOUT, EM_OUTBOX_LIMIT and others. em_connection_get_reason has the details.
     */
    void (*unbind)(em_connection *connection, em_status reason);

    /**
     * The TLS handshake is complete, see em_connection_start_tls. Called before the first receive_data with decrypted
     * bytes, and before anything leaves that was sent during the handshake. Also called during a pause, because a pause
     * does not stop a handshake.
     */
    void (*ssl_handshake_completed)(em_connection *connection);

    /** The proxy of this connection has relayed length_bytes, see em_connection_start_proxy, and has ended. Bytes
     * received after them go to receive_data next, or to a proxy that is started here. */
    void (*proxy_completed)(em_connection *connection);

    /** The target of this connection's proxy has ended: its unbind has just returned. The proxy has ended, and bytes
     * received from now on go to receive_data. Also called if this connection is closed already but its unbind has not
     * been called: a program may close it in the target's unbind. */
    void (*proxy_target_unbound)(em_connection *connection);

    void (*reserved[6])(void);
} em_handler;

EM_END_DECLARATIONS

#endif
