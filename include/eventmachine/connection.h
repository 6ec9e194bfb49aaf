/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connections: streams of bytes over TCP and Unix-domain sockets, pipes, terminals and other descriptors. A server
 * accepts them, em_loop_connect (connect.h) opens them, and em_loop_attach (attach.h) makes them of descriptors that
 * exist already.
 *
 * All functions here are for the loop's thread, and any callback may call them. Once a connection has ended, also
 * within unbind, the functions that send, close, pause, detach or set timeouts and limits return EM_CLOSED. The others
 * still report its last state. If the connection is NULL, functions that return a status return EM_INVALID_ARGUMENT,
 * and the others return 0 or NULL unless stated otherwise.
 */
#ifndef EVENTMACHINE_CONNECTION_H
#define EVENTMACHINE_CONNECTION_H

#include <eventmachine/address.h>
#include <eventmachine/handler.h>
#include <eventmachine/loop.h>

EM_BEGIN_DECLARATIONS

/** The state of a connection. The numbers increase during its life and leave gaps for future states. */
typedef enum em_connection_state {
    EM_STATE_RESOLVING = 10,  /**< its peer's name is being resolved */
    EM_STATE_CONNECTING = 20, /**< being established */
    EM_STATE_OPEN = 40,       /**< established */
    EM_STATE_DRAINING = 50,   /**< closes when everything is sent; accepts no more data to send */
    EM_STATE_RELEASING = 60,  /**< ended; unbind is about to be called, or is being called */
    EM_STATE_CLOSED = 70      /**< unbind has returned */
} em_connection_state;

/**
 * Options of a connection, whether opened by em_loop_connect, attached by em_loop_attach or accepted by a server. Begin
 * with `.size = sizeof options`; zero means the default. Copied. A call that gets invalid values (a low-water mark
 * above the high-water mark, a negative number) returns EM_INVALID_ARGUMENT.
 *
 * The options of TCP (no_delay, keepalive, user_timeout_ns) do not apply to a Unix-domain connection. If the system
 * refuses an option that was given (EM_NO_PROTOCOL_OPTION, EM_NO_BUFFERS and the like), the call returns that status:
 * the server does not start, the socket is not attached, connecting fails. A connection ends with it if its socket was
 * made later, because a name had to be resolved, or was accepted from a socket that the program opened.
 */
typedef struct em_stream_options {
    size_t size; /**< sizeof (em_stream_options) */

    /** Once the connection is established: it ends with EM_INACTIVITY_TIMEOUT if nothing is received or sent for this
     * long. 0: never. It does not end while bytes that have arrived wait to be read, for instance during a pause. */
    uint64_t inactivity_timeout_ns;

    /** The connection ends with EM_WRITE_TIMEOUT if bytes wait to be sent and the system accepts none of them for this
     * long. 0: never. The time does not count during em_connection_pause. The system accepts more only when a large
     * part of its buffer has become free, so a short timeout needs a small send_buffer_bytes. */
    uint64_t write_timeout_ns;

    /** The high-water mark: with more bytes than this waiting to be sent, em_connection_send returns
     * EM_UNDER_PRESSURE. 0: 1 MiB. Bytes that were queued in this turn and have not been offered to the system yet
     * count, too: pieces of less than 4 KiB, whatever follows them, and borrowed ones. So choose marks and a limit that
     * are greater than what one turn sends to a peer that reads well. */
    size_t high_water_bytes;

    /** The low-water mark: `drained` is called when the bytes waiting have fallen to this. 0: a quarter of the
     * high-water mark. */
    size_t low_water_bytes;

    /** The connection ends with EM_OUTBOX_LIMIT if more bytes than this would be waiting to be sent. 0: no limit. The
     * bytes that are added count in full, so the limit must be greater than the largest piece, see high_water_bytes. If
     * the limit is below the high-water mark, there is no EM_UNDER_PRESSURE to warn of it. */
    size_t outbox_limit_bytes;

    em_switch no_delay;  /**< TCP_NODELAY, tcp(7). Default: on */
    em_switch keepalive; /**< SO_KEEPALIVE, socket(7). Default: off. For the times: em_connection_set_keepalive */

    /** SO_LINGER, socket(7). EM_ON: with linger_seconds. Default: off, so that the system sends the contents of its
     * buffer in the background after a close. */
    em_switch linger;

    /** For linger. 0: closing resets the connection. Any other time, set here or by a socket option, does not make the
     * loop wait: the system sends in the background, as without linger. Refused unless linger is EM_ON. */
    int linger_seconds;

    int send_buffer_bytes;    /**< SO_SNDBUF. 0: the system's */
    int receive_buffer_bytes; /**< SO_RCVBUF. 0: the system's */

    /** TCP_USER_TIMEOUT, tcp(7), RFC 5482: how long data that was sent may stay unacknowledged. 0: the system's. Where
     * the system has no such option, the call that gets it returns EM_UNSUPPORTED. */
    uint64_t user_timeout_ns;

    /**
     * How long a connection that is about to end waits for a peer that does not receive the remaining bytes: after
     * em_connection_close_after_writing, after both sides have ended, after em_connection_close_in_background, and
     * while the socket stays open after unbind. A peer that receives 256 bytes per second on average is never given
     * up. One that has done so for a while may be silent for twice this time. When a peer is given up, the connection
     * ends with EM_WRITE_TIMEOUT unless unbind has been called already, and the peer sees a reset. 0: 30 seconds.
     * EM_FOREVER: no limit. The time does not count during em_connection_pause.
     */
    uint64_t drain_timeout_ns;
} em_stream_options;

/* Sending */

/**
 * Sends a copy of the bytes, after everything sent before. Small pieces that one callback sends leave together when it
 * returns. A piece of 4 KiB or more, with nothing waiting before it, goes to the system at once, as far as the system
 * accepts it. length: 0 is allowed and does nothing. Returns:
 *
 * - EM_OK: accepted.
 * - EM_UNDER_PRESSURE: accepted, but more than the high-water mark is waiting. Stop sending until `drained` is called.
 * - EM_CLOSED: nothing was accepted, because the connection has ended or no longer accepts data to send.
 * - EM_NO_MEMORY, EM_LOOP_OUTBOX_LIMIT: nothing was accepted, and the connection goes on. If the system had accepted a
 *   part already, it ends with EM_NO_MEMORY.
 * - EM_OUTBOX_LIMIT: nothing was accepted, and the connection ends with this reason.
 * - EM_INVALID_ARGUMENT: `data` is NULL and length is not 0.
 * - EM_FORKED: nothing was accepted, because it has TLS and this is a forked child, see em_connection_start_tls.
 */
EM_API em_status em_connection_send(em_connection *connection, const void *data, size_t length);

/** One piece of memory. It has the layout of struct iovec, writev(2). */
typedef struct em_span {
    const void *data; /**< may be NULL if length is 0 */
    size_t length;    /**< bytes */
} em_span;

/**
 * Sends copies of several pieces in their order, as em_connection_send would send them if they were one: either all are
 * accepted or none, and the water marks and limits are checked once. If they have 4 KiB or more altogether and nothing
 * is waiting before them, the first 16 pieces that are not empty go to the system in one call, as far as the system
 * accepts them. spans: an array of `count`, used during the call only. count: 0 is allowed and does nothing. Returns
 * what em_connection_send returns; EM_INVALID_ARGUMENT also if a length or the sum of the lengths exceeds PTRDIFF_MAX.
 */
EM_API em_status em_connection_send_spans(em_connection *connection, const em_span *spans, size_t count);

/** As em_connection_send, for text that ends with a zero byte. The zero byte is not sent. EM_INVALID_ARGUMENT for NULL.
 */
EM_API em_status em_connection_send_text(em_connection *connection, const char *text);

/**
 * As em_connection_send, but without copying the bytes. They must not change until release(user, data) is called. That
 * happens exactly once, in the loop's thread, when the bytes have been sent, or encrypted by TLS, or will never be:
 * possibly before this function returns, also when it fails, and possibly after unbind. `release` must not send or
 * close. release: NULL for data that is valid for ever.
 */
EM_API em_status em_connection_send_borrowed(em_connection *connection, const void *data, size_t length,
                                             void (*release)(void *user, const void *data), void *user);

/** Returns the number of bytes waiting to be sent in this library, without those in the system's buffers. Those that
 * were queued in this turn count, see high_water_bytes in em_stream_options. 0 once the connection has ended. */
EM_API size_t em_connection_get_outbound_bytes(const em_connection *connection);

/* Ending */

/**
 * Closes at the end of the present turn, when unbind is called. Bytes waiting to be sent are dropped, and nothing is
 * received any more. Of the handler's callbacks, only unbind is called after this, except that proxy_target_unbound is
 * called before it if the target of this connection's proxy ends in the same turn. EM_CLOSED if the connection has
 * ended already.
 */
EM_API em_status em_connection_close(em_connection *connection);

/**
 * Closes when everything has been sent; unbind follows. From now on no more data to send is accepted. Data that arrives
 * meanwhile is still delivered, but receive_end is not called. While connecting, it first waits for the connection if
 * there is anything to send. A peer that does not read is given up, see drain_timeout_ns in em_stream_options.
 * EM_CLOSED if the connection has ended already.
 *
 * Over TCP the socket stays open after unbind until the peer has acknowledged everything, and then for at most two
 * seconds until the peer ends, too. Closing it at once could make the peer lose data on the way (RFC 9112, section
 * 9.6).
 */
EM_API em_status em_connection_close_after_writing(em_connection *connection);

/**
 * Closes at the end of the present turn, as em_connection_close does, but the bytes waiting are still sent: what the
 * system accepts at once before unbind, and the rest after it, until the peer is given up (drain_timeout_ns) or the
 * loop is destroyed. Nothing is received any more. Ends a pause by em_connection_pause. While connecting it acts as
 * em_connection_close. It acts as em_connection_close_after_writing during a TLS handshake, if bytes are waiting, and
 * in the middle of a TLS message of the peer's, because bytes can only be sent after it.
 * EM_CLOSED if the connection has ended already.
 */
EM_API em_status em_connection_close_in_background(em_connection *connection);

/**
 * Half-close: ends sending when everything has been sent (shutdown(2), SHUT_WR). Receiving goes on. From now on
 * em_connection_send returns EM_CLOSED. When both sides have ended, the connection ends. A connection whose descriptor
 * is open for writing only ends as well. EM_CLOSED if it has ended already. EM_UNSUPPORTED if the descriptor is not a
 * socket and is open for both reading and writing.
 */
EM_API em_status em_connection_close_write(em_connection *connection);

/* Flow */

/**
 * Stops receiving and sending until em_connection_resume. Nothing is lost. Takes effect before the next piece is
 * received. The connect timeout and the inactivity timeout go on; the write timeout and the drain timeout do not count
 * meanwhile (see em_stream_options). EM_INVALID_STATE if it is paused already; EM_CLOSED.
 */
EM_API em_status em_connection_pause(em_connection *connection);

/** Ends a pause of both directions. EM_INVALID_STATE if it is not paused; EM_CLOSED. */
EM_API em_status em_connection_resume(em_connection *connection);

/** Returns 1 while paused by em_connection_pause, otherwise 0. */
EM_API int em_connection_is_paused(const em_connection *connection);

/**
 * Stops receiving until em_connection_resume_receiving; sending goes on. It is meant for protocols that accept no more
 * requests until their replies have been sent. It is independent of em_connection_pause: bytes are received only while
 * neither pause is in effect. Takes effect before the next piece, also within receive_data and receive_buffer, and
 * while connecting from the first byte on.
 *
 * Bytes that have arrived, the peer's end (receive_end) and a reset are reported after the pause. But if sending fails
 * meanwhile, as it does after a reset, the connection ends at once, and bytes that were not read are lost. Timeouts go
 * on, but the inactivity timeout does not end the connection while bytes wait to be read.
 * em_connection_close_after_writing does not wait for the end of this pause. EM_INVALID_STATE if receiving is paused
 * already; EM_CLOSED.
 */
EM_API em_status em_connection_pause_receiving(em_connection *connection);

/** Ends a pause of receiving. EM_INVALID_STATE if receiving is not paused; EM_CLOSED. */
EM_API em_status em_connection_resume_receiving(em_connection *connection);

/** Returns 1 while paused by em_connection_pause_receiving, otherwise 0. */
EM_API int em_connection_is_receiving_paused(const em_connection *connection);

/**
 * Sets the water marks in bytes, see em_stream_options. If more than high_bytes are waiting already, `drained` will be
 * called when they have fallen to low_bytes. EM_INVALID_ARGUMENT if low_bytes > high_bytes or high_bytes is 0;
 * EM_CLOSED; EM_NO_MEMORY.
 */
EM_API em_status em_connection_set_water_marks(em_connection *connection, size_t low_bytes, size_t high_bytes);

/**
 * Sets the limit on the bytes waiting to be sent, see outbox_limit_bytes in em_stream_options; 0: no limit. It is
 * checked from the next em_connection_send on. EM_CLOSED; EM_NO_MEMORY.
 */
EM_API em_status em_connection_set_outbox_limit_bytes(em_connection *connection, size_t limit_bytes);

/*
 * Timeouts: in nanoseconds; 0 means none, unless something else is said. Setting one returns EM_CLOSED if the
 * connection has ended, or EM_NO_MEMORY.
 *
 * Each is measured by the clock from the moment of the last event, however long callbacks take. Before one ends a
 * connection, the library asks the kernel whether something has arrived meanwhile. If the loop itself was late, because
 * of a long callback or because the process was stopped, the connection gets more time: usually at most one more
 * timeout for each silence.
 */

/** See inactivity_timeout_ns in em_stream_options. Measured from the last time that bytes were received or sent. */
EM_API em_status em_connection_set_inactivity_timeout_ns(em_connection *connection, uint64_t timeout_ns);
EM_API uint64_t em_connection_get_inactivity_timeout_ns(const em_connection *connection);

/** See write_timeout_ns in em_stream_options. */
EM_API em_status em_connection_set_write_timeout_ns(em_connection *connection, uint64_t timeout_ns);
EM_API uint64_t em_connection_get_write_timeout_ns(const em_connection *connection);

/** See drain_timeout_ns in em_stream_options. 0: the default, 30 seconds. */
EM_API em_status em_connection_set_drain_timeout_ns(em_connection *connection, uint64_t timeout_ns);
EM_API uint64_t em_connection_get_drain_timeout_ns(const em_connection *connection);

/** See connect_timeout_ns in em_connect_options. Measured from em_loop_connect; 20 seconds if it was not given.
 * EM_INVALID_ARGUMENT for 0. It has no effect once the connection is established. */
EM_API em_status em_connection_set_connect_timeout_ns(em_connection *connection, uint64_t timeout_ns);
EM_API uint64_t em_connection_get_connect_timeout_ns(const em_connection *connection);

/* Looking at a connection */

/** Returns the loop that the connection belongs to. NULL for NULL. */
EM_API em_loop *em_connection_get_loop(const em_connection *connection);

/** Returns the user's pointer, at first that of the options: of em_loop_connect, em_loop_attach or the server. The
 * library does not use it. NULL for NULL. */
EM_API void *em_connection_get_user(const em_connection *connection);

/** Sets the user's pointer. Does nothing for NULL. */
EM_API void em_connection_set_user(em_connection *connection, void *user);

/**
 * Changes the handler, for protocols that change during a connection. Takes effect with the next event. The handler
 * must outlive the connection. EM_INVALID_ARGUMENT for NULL, or if a `reserved` field is not NULL.
 */
EM_API em_status em_connection_set_handler(em_connection *connection, const em_handler *handler);

/** Returns the connection's signature; 0 for NULL. */
EM_API em_signature em_connection_get_signature(const em_connection *connection);

/** Returns the connection with this signature; NULL if its unbind has returned or it never existed. */
EM_API em_connection *em_loop_find_connection(const em_loop *loop, em_signature signature);

/** Returns the connection's state; EM_STATE_CLOSED for NULL. */
EM_API em_connection_state em_connection_get_state(const em_connection *connection);

/** Returns 1 if the peer's end has been received, otherwise 0. In unbind with EM_OK it tells whether the peer has
 * closed. */
EM_API int em_connection_has_peer_ended(const em_connection *connection);

/** Why a connection has ended. Set `size` before the call. New fields are added at the end only. */
typedef struct em_reason {
    size_t size;      /**< sizeof (em_reason) */
    em_status status; /**< unbind's reason */
    int system_error; /**< the system's error number behind it, errno(3); 0 if there is none */

    /**
     * What was being done, and how it ended, for logs: "connect to 127.0.0.1:81: Connection refused", "resolve
     * www.example.org: timed out while resolving the name", "connection with 127.0.0.1:5000: closed by the peer". If
     * several addresses were tried, the text lists them: "connect to www.example.org (192.0.2.1:80, 192.0.2.2:80):
     * Connection refused; [2001:db8::1]:80: Network is unreachable".
     *
     * Errors of the system are worded by strerror(3). The wording may change, so do not compare it. At most 2047 bytes,
     * in UTF-8 if the name is. Never NULL; owned by the connection and valid until its unbind has returned.
     */
    const char *text;
} em_reason;

/**
 * Fills in the details of unbind's reason: within unbind, or between the call that ended the connection and unbind. For
 * the status of a call that failed, use em_status_get_system_error.
 *
 * If reason->size is smaller than this library's em_reason, only the fields that fit are set; if it is larger, the rest
 * is set to zero. If there is no memory for the text, it is that of em_status_get_text. EM_INVALID_STATE if the
 * connection has not ended. EM_INVALID_ARGUMENT for NULL, or if reason->size is too small to be one.
 */
EM_API em_status em_connection_get_reason(em_connection *connection, em_reason *reason);

/**
 * Gets the peer's address. For TCP it is remembered, so it is known in unbind, too, even after a reset.
 * EM_NOT_CONNECTED before the connection is established, or when the system no longer knows the address.
 * EM_NOT_A_SOCKET if the descriptor is not a socket and so has no address.
 */
EM_API em_status em_connection_get_peer_address(em_connection *connection, em_address *address);

/** Gets the address of this end, getsockname(2). EM_NOT_CONNECTED if there is no socket, EM_NOT_A_SOCKET if the
 * descriptor is not a socket, and what getsockname(2) returns. */
EM_API em_status em_connection_get_local_address(em_connection *connection, em_address *address);

/** Returns the nanoseconds of loop time since bytes were last received or sent, or since the connection was created.
 * Accurate to one turn of the loop. */
EM_API uint64_t em_connection_get_idle_ns(const em_connection *connection);

/** Gets the numbers of bytes received and sent so far. Either pointer may be NULL. 0 for a connection of NULL. */
EM_API void em_connection_get_byte_counts(const em_connection *connection, uint64_t *received, uint64_t *sent);

/** Returns the descriptor; -1 if there is none (not yet, or no longer). The library owns it: do not read, write or
 * close it. */
EM_API int em_connection_get_descriptor(const em_connection *connection);

/**
 * Returns the pending error of the socket and clears it (SO_ERROR, socket(7)). EM_OK if there is none, and always for a
 * descriptor that is not a socket; EM_CLOSED if the connection has ended. An error of a connection that is not
 * established yet ends it, with this reason.
 */
EM_API em_status em_connection_take_error(em_connection *connection);

/* Socket options */

/**
 * Sets a socket option by the system's numbers, setsockopt(2). value_bytes: the length of the value. EM_CLOSED if there
 * is no socket any more; EM_NOT_A_SOCKET if the descriptor is not a socket; EM_INVALID_ARGUMENT;
 * EM_NO_PROTOCOL_OPTION.
 *
 * While a name is being resolved or several addresses are being tried, there is no socket yet. The option is then set
 * on the socket of each attempt before it connects, so the winner has it. An option of one address family is left out
 * for the other. What the value points to is not copied. EM_LIMIT for more than 64 options, or 256 bytes for one.
 */
EM_API em_status em_connection_set_socket_option(em_connection *connection, int level, int option, const void *value,
                                                 size_t value_bytes);

/** Gets a socket option, getsockopt(2). value_bytes: the capacity of `value`; set to the length of the value. While
 * there is no socket yet, it is what a socket would have. Errors as for em_connection_set_socket_option. */
EM_API em_status em_connection_get_socket_option(em_connection *connection, int level, int option, void *value,
                                                 size_t *value_bytes);

/**
 * Turns keepalive probes on or off, tcp(7). After idle_seconds of silence, a probe is sent every interval_seconds. If
 * `count` probes remain unanswered, the connection ends with EM_TIMED_OUT. A value of 0 keeps the system's. enable:
 * EM_ON or EM_OFF. EM_CLOSED if there is no socket any more; before there is one, as em_connection_set_socket_option.
 * EM_INVALID_ARGUMENT for other values of `enable` and negative numbers; EM_UNSUPPORTED for times where the system lets
 * none be set.
 */
EM_API em_status em_connection_set_keepalive(em_connection *connection, em_switch enable, int idle_seconds,
                                             int interval_seconds, int count);

EM_END_DECLARATIONS

#endif
