/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connections: streams of bytes over TCP and Unix-domain sockets, accepted by a server or opened by em_loop_connect,
 * and the handler, the user's protocol.
 *
 * Life of a connection: post_init → [connection_completed] → receive_data* → [receive_end] → unbind. Every connection
 * that got post_init gets unbind exactly once; the pointer is valid until unbind returns. All functions here are for
 * the loop's thread. Functions on a connection may be called within any callback, also in unbind, where sending and
 * closing return EM_CLOSED and everything else reports the last state.
 */
#ifndef EVENTMACHINE_CONNECTION_H
#define EVENTMACHINE_CONNECTION_H

#include <eventmachine/address.h>
#include <eventmachine/loop.h>

EM_BEGIN_DECLARATIONS

/** A connection. Owned by its loop; valid until its unbind callback returns. */
typedef struct em_connection em_connection;

/**
 * The user's protocol: functions that are called when something happens; any of them may be NULL. The struct must
 * outlive the connections that use it (usually it is static and const). The fields called `reserved` must be NULL: they
 * are for callbacks to come, and a callback that this library does not know is refused with EM_INVALID_ARGUMENT, never
 * ignored. What is no stream (a datagram socket, say) will have a struct of its own.
 */
typedef struct em_handler {
    /** The connection exists: a server accepted it, or em_loop_connect made it (then it is not established yet). */
    void (*post_init)(em_connection *connection);

    /** A connection made by em_loop_connect is established. Not called for accepted ones. */
    void (*connection_completed)(em_connection *connection);

    /** Bytes arrived, in order, length > 0. The memory is lent until the callback returns. */
    void (*receive_data)(em_connection *connection, const void *data, size_t length);

    /**
     * Much arrives: memory of the handler's own for what comes next, of *capacity bytes; NULL: it has none now. It
     * spares a copy where the bytes are kept. The library receives into it before it returns to the loop; if something
     * was there, receive_data follows at once with exactly this pointer. Other receive_data bring memory of the
     * library's, so compare. Asked while pieces of 8 KiB or more arrive.
     */
    void *(*receive_buffer)(em_connection *connection, size_t *capacity);

    /**
     * The peer has sent its last byte (half-close, shutdown(2)); sending goes on until em_connection_close or
     * em_connection_close_after_writing. Without this callback the library acts as em_connection_close_after_writing:
     * what was queued is sent, then comes unbind. With it, the library gives up a peer that does not read only after
     * em_connection_close_write or em_connection_close_after_writing (drain_timeout_ns). Nothing is received any more
     * after it. A reset still ends the connection at once, also during a pause: with EM_CONNECTION_RESET, though
     * nothing is sent. So does a Unix-domain peer that closes its socket, with EM_BROKEN_PIPE. A TCP peer that closes
     * its socket cannot be told from one that only ends its sending; it answers what is sent to it with a reset.
     */
    void (*receive_end)(em_connection *connection);

    /** What waits to be sent has fallen to the low-water mark, after it had been above the high-water mark. */
    void (*drained)(em_connection *connection);

    /**
     * The connection has ended. reason: EM_OK if either side closed it in the normal way, else what went wrong:
     * EM_NAME_NOT_FOUND, EM_RESOLVE_TIMEOUT, EM_CONNECTION_REFUSED, EM_CONNECT_TIMEOUT, EM_CONNECTION_RESET,
     * EM_INACTIVITY_TIMEOUT, EM_WRITE_TIMEOUT, EM_OUTBOX_LIMIT, …
     */
    void (*unbind)(em_connection *connection, em_status reason);

    void (*reserved[9])(void);
} em_handler;

/** The state of a connection. The numbers grow with its life and leave gaps for states to come. */
typedef enum em_connection_state {
    EM_STATE_RESOLVING = 10,  /**< its peer's name is being resolved */
    EM_STATE_CONNECTING = 20, /**< being established */
    EM_STATE_OPEN = 40,       /**< established */
    EM_STATE_DRAINING = 50,   /**< to be closed when everything is sent; takes no more data to send */
    EM_STATE_RELEASING = 60,  /**< ended; unbind is to come, or running */
    EM_STATE_CLOSED = 70      /**< unbound */
} em_connection_state;

/**
 * Options of a stream connection, for em_loop_connect and for those that a server accepts. Begin with `.size = sizeof
 * options`; zero means the default. Copied. Values that make no sense (a low-water mark above the high one, a negative
 * number) are refused: the call that gets them returns EM_INVALID_ARGUMENT.
 *
 * The options of TCP (no_delay, keepalive, user_timeout_ns) do not apply to a Unix-domain connection. If the system
 * refuses to set an option that was given (EM_NO_PROTOCOL_OPTION, EM_NO_BUFFERS and the like), the call returns that
 * status: the server does not start, the socket is not attached, connecting fails. A connection ends with it if its
 * socket was made later, because a name had to be resolved, or was accepted from a socket that the program opened.
 */
typedef struct em_stream_options {
    size_t size; /**< sizeof (em_stream_options) */

    /** Ends the connection (EM_INACTIVITY_TIMEOUT) when nothing was received or sent for so long, once established.
     * 0: never. While bytes that have arrived wait to be read, during a pause for instance, it does not end. */
    uint64_t inactivity_timeout_ns;

    /** Ends the connection (EM_WRITE_TIMEOUT) when the system took nothing of what waits to be sent for so long.
     * 0: never; does not count while paused. The system takes more only when a good part of its buffer has become
     * free, so a short timeout wants a small send_buffer_bytes. */
    uint64_t write_timeout_ns;

    /** Above this many bytes waiting to be sent, em_connection_send returns EM_UNDER_PRESSURE. 0: 1 MiB. For the marks
     * and the limit, what waits includes what this turn has queued and the system has not been offered yet: pieces of
     * less than 4 KiB, what follows them, and what is borrowed. So make both greater than what one turn sends to a
     * peer that reads well. */
    size_t high_water_bytes;

    /** `drained` is called when the bytes waiting have fallen to this. 0: a quarter of the high-water mark. */
    size_t low_water_bytes;

    /** If what waits to be sent and what is to be added exceed this, the connection ends with EM_OUTBOX_LIMIT. 0: no
     * limit. The system is not asked first whether it would take it, so the limit must be greater than the largest
     * piece as well, see high_water_bytes. One below the high-water mark ends the connection without a warning before.
     */
    size_t outbox_limit_bytes;

    em_switch no_delay;  /**< TCP_NODELAY, tcp(7). Default: on */
    em_switch keepalive; /**< SO_KEEPALIVE, socket(7). Default: off; times by em_connection_set_keepalive */

    /** SO_LINGER, socket(7). EM_ON: with linger_seconds. Default: off, so the system sends what is left in the
     * background. */
    em_switch linger;

    /** For linger: 0 resets the connection when it is closed. A time, set here or otherwise, never makes the loop wait:
     * the system goes on in the background, as without. Refused without linger. */
    int linger_seconds;

    int send_buffer_bytes;    /**< SO_SNDBUF. 0: the system's */
    int receive_buffer_bytes; /**< SO_RCVBUF. 0: the system's */

    /** TCP_USER_TIMEOUT, tcp(7), RFC 5482: how long sent data may stay unacknowledged. 0: the system's. Where the
     * system has no such option, the call that gets it returns EM_UNSUPPORTED. */
    uint64_t user_timeout_ns;

    /**
     * How long a connection that is about to end waits for a peer that does not take what is left: after
     * em_connection_close_after_writing, after both sides have ended, after em_connection_close_in_background, and
     * while a socket lives on after unbind. A peer that takes 256 bytes per second on average is never given up, and
     * one that has done so for a while may be silent for twice as long. Otherwise the connection ends with
     * EM_WRITE_TIMEOUT, if unbind has not been called yet, and the peer sees a reset. 0: 30 seconds; EM_FOREVER: for
     * ever. Does not count while paused.
     */
    uint64_t drain_timeout_ns;
} em_stream_options;

/**
 * Options of em_loop_connect and em_loop_connect_unix_domain. Begin with `.size = sizeof options`; zero means the
 * default. Copied, and so are the strings and options that it refers to.
 */
typedef struct em_connect_options {
    size_t size;             /**< sizeof (em_connect_options) */
    void *user;              /**< the connection's user pointer from the start, already in post_init */
    const char *bind_host;   /**< local end, a literal address or a name; NULL or "": chosen by the system */
    int bind_port;           /**< local port; 0: chosen by the system */
    em_switch reuse_address; /**< SO_REUSEADDR on the local end when bound. Default: on */

    /** How long resolving and connecting may take together. 0: 20 seconds; EM_FOREVER: as long as the system tries. */
    uint64_t connect_timeout_ns;

    const em_stream_options *stream; /**< NULL: all defaults */
} em_connect_options;

/**
 * Opens a TCP connection. Returns at once: post_init has been called when it returns, what is sent is kept until the
 * connection is established, connection_completed or unbind follow later, never before it returns.
 * host: a literal IPv4 or IPv6 address, or a name, which is resolved without blocking the loop; all its addresses are
 * tried in turn. Names under localhost mean 127.0.0.1, then ::1 (RFC 6761). port: 1 to 65535. options: NULL for
 * defaults. connection: receives the handle; may be NULL. options->bind_host: a name is resolved beside the peer's,
 * under the same deadline. Each address of the peer is tried from the local end's first address of its family, and left
 * out if there is none. EM_ADDRESS_FAMILY if that leaves none at all, EM_ADDRESS_NOT_AVAILABLE if the local name does
 * not resolve: returned by the call or, after a look-up, unbind's reason. What can be known to be wrong without the
 * network fails at once and nothing was called: EM_INVALID_ARGUMENT, EM_INVALID_PORT, EM_INVALID_ADDRESS (malformed),
 * EM_NAME_NOT_FOUND (a name under .invalid, RFC 6761), EM_ADDRESS_IN_USE and the like for the local end,
 * EM_NO_DESCRIPTORS, EM_NO_MEMORY, EM_LIMIT (no thread can be started to resolve a name), EM_FORKED, EM_INVALID_STATE
 * (the loop is being destroyed). Everything that the network says comes as unbind's reason.
 */
EM_API em_status em_loop_connect(em_loop *loop, const char *host, int port, const em_handler *handler,
                                 const em_connect_options *options, em_connection **connection);

/**
 * The same to a Unix-domain socket, unix(7); path as in em_address_from_path. bind_host and bind_port do not apply.
 * Here the system decides at once, so the errors of connecting come from the call, too: EM_NO_SUCH_FILE,
 * EM_CONNECTION_REFUSED, EM_PERMISSION_DENIED, EM_PATH_TOO_LONG. If the server's backlog is full, connecting is tried
 * again until the connect timeout.
 */
EM_API em_status em_loop_connect_unix_domain(em_loop *loop, const char *path, const em_handler *handler,
                                             const em_connect_options *options, em_connection **connection);

/**
 * The same to an address of whatever family, for instance a Unix-domain name from em_address_from_unix_name.
 * EM_INVALID_ADDRESS for one that is empty or of a family that the library does not know, EM_INVALID_PORT for port 0.
 */
EM_API em_status em_loop_connect_to(em_loop *loop, const em_address *address, const em_handler *handler,
                                    const em_connect_options *options, em_connection **connection);

/** Options of em_loop_attach. Begin with `.size = sizeof options`; zero means the default. Copied. */
typedef struct em_attach_options {
    size_t size;                     /**< sizeof (em_attach_options) */
    void *user;                      /**< the connection's user pointer from the start, already in post_init */
    const em_stream_options *stream; /**< NULL: all defaults. They are set on the socket, so no_delay is, too */
} em_attach_options;

/**
 * Makes a connection of a connected stream socket that others have opened: TCP or Unix-domain, one end of
 * socketpair(2), one that was inherited or received from another process. From now on the loop owns the descriptor,
 * has made it non-blocking and close-on-exec, and closes it in the end; the program does not read, write or close it
 * any more. post_init has been called when this returns, connection_completed is not called, receive_data follows. If
 * the socket has sent its end already (shutdown(2), SHUT_WR), the connection is as after em_connection_close_write.
 * options: NULL for defaults. connection: receives the handle; may be NULL. On failure the descriptor is the caller's
 * and as it was before, except that socket options before the one that the system refused stay set. EM_BAD_DESCRIPTOR,
 * EM_NOT_A_SOCKET; EM_INVALID_ARGUMENT (a listening socket, one that is no stream, bad options); EM_NOT_CONNECTED (also
 * while it is still connecting, or has been reset); EM_FILE_EXISTS (attached to this loop already); EM_NO_MEMORY,
 * EM_FORKED, EM_INVALID_STATE (the loop is being destroyed).
 */
EM_API em_status em_loop_attach(em_loop *loop, int descriptor, const em_handler *handler,
                                const em_attach_options *options, em_connection **connection);

/**
 * Gives the socket back: the counterpart of em_loop_attach, for every connection that is established. When it returns,
 * the loop does not know the descriptor any more; it is open, still non-blocking and close-on-exec, and the caller's to
 * use and to close, also in place of a descriptor that it attaches again at once. unbind(EM_OK) follows at the end of
 * the present turn, as after em_connection_close. What waits to be sent is dropped (see
 * em_connection_get_outbound_bytes and `drained`). What has arrived stays in the socket for the caller to read, but for
 * what the library has read from it already: that is delivered by receive_data before this function returns, also
 * during a pause. It happens only where the call does not come from the connection's own receive_data. descriptor:
 * receives the descriptor; -1 on failure.
 * EM_CLOSED if the connection has ended, also within that receive_data. EM_NOT_CONNECTED while it is being resolved or
 * established. EM_FORKED. EM_CONNECTION_RESET and the like: it has failed already, and unbind will say so.
 */
EM_API em_status em_connection_detach(em_connection *connection, int *descriptor);

/* Sending */

/**
 * Sends a copy of the bytes, after all that was sent before. What one callback sends in small pieces leaves together
 * when it returns; a piece of 4 KiB or more with nothing waiting before it goes to the system at once, as far as that
 * takes it. length 0 is allowed and does nothing. EM_OK; EM_UNDER_PRESSURE: accepted, but more than the high-water mark
 * is waiting, so hold back until `drained`; EM_CLOSED; EM_NO_MEMORY, EM_LOOP_OUTBOX_LIMIT: nothing was accepted, the
 * connection goes on (but it ends with EM_NO_MEMORY if a part had left); EM_OUTBOX_LIMIT: nothing was accepted and the
 * connection ends with this reason.
 */
EM_API em_status em_connection_send(em_connection *connection, const void *data, size_t length);

/** A piece of memory; laid out as struct iovec, writev(2). */
typedef struct em_span {
    const void *data; /**< may be NULL if length is 0 */
    size_t length;    /**< bytes */
} em_span;

/**
 * Sends copies of several pieces, one behind the other, as em_connection_send would send them if they were one: all are
 * accepted or none, and the water marks and limits are looked at once. If there are 4 KiB or more altogether and
 * nothing waits before them, the first 16 that are not empty go to the system in one call, as far as that takes them.
 * spans: used during the call only. count: 0 is allowed and does nothing. The returned status is em_connection_send's;
 * EM_INVALID_ARGUMENT also if a length or their sum exceeds PTRDIFF_MAX.
 */
EM_API em_status em_connection_send_spans(em_connection *connection, const em_span *spans, size_t count);

/** Sends a text that ends with a zero byte, without that byte. As em_connection_send. */
EM_API em_status em_connection_send_text(em_connection *connection, const char *text);

/**
 * Sends bytes without copying them: they must stay as they are until release(user, data) is called, which happens
 * exactly once, when they are sent or will never be, possibly before this function returns (after a failure, too) and
 * possibly after unbind. It must not send or close. release: may be NULL, for data that never goes away. As
 * em_connection_send.
 */
EM_API em_status em_connection_send_borrowed(em_connection *connection, const void *data, size_t length,
                                             void (*release)(void *user, const void *data), void *user);

/** How many bytes wait to be sent in this library (not those in the system's buffers). What this turn has queued is
 * included, see high_water_bytes in em_stream_options. */
EM_API size_t em_connection_get_outbound_bytes(const em_connection *connection);

/* Ending */

/** Closes at the end of the present turn; what waits to be sent is dropped. unbind follows. EM_CLOSED if it has ended.
 */
EM_API em_status em_connection_close(em_connection *connection);

/**
 * Closes when everything is sent. Takes no more data to send from now on; what arrives is still delivered. Also while
 * connecting: then it waits for the connection if there is anything to send. EM_CLOSED if it has ended.
 * A peer that does not read is given up, see drain_timeout_ns in em_stream_options.
 * Over TCP the socket lives on after unbind while the peer has not acknowledged everything, and then for two seconds at
 * most until the peer ends, too: closing it at once could make the peer lose what is under way (RFC 9112, section 9.6).
 */
EM_API em_status em_connection_close_after_writing(em_connection *connection);

/**
 * Closes at the end of the present turn, as em_connection_close does, but what waits to be sent is still sent: before
 * unbind what the system takes at once, the rest after it, until the peer is given up (drain_timeout_ns) or the loop is
 * destroyed. Ends a pause. While connecting it acts as em_connection_close. EM_CLOSED if it has ended.
 */
EM_API em_status em_connection_close_in_background(em_connection *connection);

/**
 * Half-close: sends the peer the end when everything else is sent (shutdown(2), SHUT_WR); receiving goes
 * on. em_connection_send returns EM_CLOSED from now on. EM_CLOSED if it has ended.
 */
EM_API em_status em_connection_close_write(em_connection *connection);

/* Flow */

/**
 * Stops receiving and sending until em_connection_resume; nothing is lost, timeouts go on. Takes effect before the next
 * piece. EM_OK; EM_INVALID_STATE if it is paused already; EM_CLOSED.
 */
EM_API em_status em_connection_pause(em_connection *connection);

/** Ends a pause. EM_OK; EM_INVALID_STATE if it is not paused; EM_CLOSED. */
EM_API em_status em_connection_resume(em_connection *connection);

/** 1 while paused by em_connection_pause, else 0. */
EM_API int em_connection_is_paused(const em_connection *connection);

/**
 * Stops receiving only, until em_connection_resume_receiving; sending goes on. For a protocol that must not take more
 * requests before its replies have left. It is independent of em_connection_pause: bytes are received only while
 * neither holds. Takes effect before the next piece, also within receive_data and receive_buffer. While connecting it
 * holds from the first byte on. Nothing is lost: what has arrived, the peer's end (receive_end) and a reset are
 * reported after the pause. Timeouts go on, but bytes that wait to be read hold off the inactivity timeout. If sending
 * fails meanwhile, as it does after a reset, the connection ends at once, and what was not read is lost.
 * em_connection_close_after_writing does not wait for the end of this pause. EM_OK; EM_INVALID_STATE if receiving is
 * paused already; EM_CLOSED.
 */
EM_API em_status em_connection_pause_receiving(em_connection *connection);

/** Ends a pause of receiving. EM_OK; EM_INVALID_STATE if receiving is not paused; EM_CLOSED. */
EM_API em_status em_connection_resume_receiving(em_connection *connection);

/** 1 while paused by em_connection_pause_receiving, else 0. */
EM_API int em_connection_is_receiving_paused(const em_connection *connection);

/**
 * Sets the water marks in bytes, as in em_stream_options; with more than high_bytes waiting already `drained` will be
 * called. EM_INVALID_ARGUMENT if low > high or high is 0; EM_CLOSED; EM_NO_MEMORY.
 */
EM_API em_status em_connection_set_water_marks(em_connection *connection, size_t low_bytes, size_t high_bytes);

/**
 * Sets the hard limit of bytes waiting to be sent; 0: none. As in em_stream_options, so what this turn has
 * queued counts, see high_water_bytes. It is looked at from the next em_connection_send on. EM_CLOSED; EM_NO_MEMORY.
 */
EM_API em_status em_connection_set_outbox_limit_bytes(em_connection *connection, size_t limit_bytes);

/*
 * Timeouts: in nanoseconds, 0 for none. Setting one returns EM_CLOSED if the connection has ended, or EM_NO_MEMORY.
 * All count from when things happened, however long callbacks take. Before one ends a connection the kernel is asked
 * whether something has arrived meanwhile. Where the loop itself was late, because of a long callback or because the
 * process was stopped, more time is granted: at most one more timeout for each silence.
 */

/** See em_stream_options. Measured from the last activity. */
EM_API em_status em_connection_set_inactivity_timeout_ns(em_connection *connection, uint64_t timeout_ns);
EM_API uint64_t em_connection_get_inactivity_timeout_ns(const em_connection *connection);

/** See em_stream_options. */
EM_API em_status em_connection_set_write_timeout_ns(em_connection *connection, uint64_t timeout_ns);
EM_API uint64_t em_connection_get_write_timeout_ns(const em_connection *connection);

/** See em_stream_options. Setting 0 restores the default. */
EM_API em_status em_connection_set_drain_timeout_ns(em_connection *connection, uint64_t timeout_ns);
EM_API uint64_t em_connection_get_drain_timeout_ns(const em_connection *connection);

/** See em_connect_options; measured from em_loop_connect; 20 seconds at first. EM_INVALID_ARGUMENT for 0. No effect
 * once established. */
EM_API em_status em_connection_set_connect_timeout_ns(em_connection *connection, uint64_t timeout_ns);
EM_API uint64_t em_connection_get_connect_timeout_ns(const em_connection *connection);

/* What is known of it */

/** The loop that it belongs to. */
EM_API em_loop *em_connection_get_loop(const em_connection *connection);

/** The user's pointer; the library does nothing with it. Accepted connections begin with their server's. */
EM_API void *em_connection_get_user(const em_connection *connection);
EM_API void em_connection_set_user(em_connection *connection, void *user);

/**
 * Changes the handler, for protocols that switch midway. Takes effect with the next event. The handler must outlive the
 * connection. EM_INVALID_ARGUMENT for NULL.
 */
EM_API em_status em_connection_set_handler(em_connection *connection, const em_handler *handler);

/** Its number; 0 for NULL. */
EM_API em_signature em_connection_get_signature(const em_connection *connection);

/** The connection of a number; NULL if it has ended or never was. */
EM_API em_connection *em_loop_find_connection(em_loop *loop, em_signature signature);

/** Its state; EM_STATE_CLOSED for NULL. */
EM_API em_connection_state em_connection_get_state(const em_connection *connection);

/** 1 if the peer has sent its last byte, else 0. In unbind with EM_OK it shows who closed first. */
EM_API int em_connection_has_peer_ended(const em_connection *connection);

/** Why a connection has ended. The caller sets size; the struct grows at its end. */
typedef struct em_reason {
    size_t size;      /**< sizeof (em_reason) */
    em_status status; /**< unbind's reason */
    int system_error; /**< the system's error number that belongs to it, errno(3); 0: it has none */

    /** What was under way and what came of it, for a log: "connect to 127.0.0.1:81: Connection refused", "resolve
     * www.example.org: the name was not resolved in time", "connection with 127.0.0.1:5000: closed by the peer". An
     * error of the system is named as strerror(3) does. Its wording may change, so do not compare it. UTF-8 if the name
     * is; never NULL; valid until unbind returns. */
    const char *text;
} em_reason;

/**
 * The detail of unbind's reason, in unbind or between the call that ends a connection and unbind. The statuses of calls
 * that fail otherwise have em_status_get_system_error. A size smaller than ours gets the first fields; in a greater one
 * the rest is zeroed. EM_INVALID_STATE if the connection has not ended; EM_INVALID_ARGUMENT for NULL and for a size
 * that is none. Without memory for the text it is em_status_get_text's.
 */
EM_API em_status em_connection_get_reason(em_connection *connection, em_reason *reason);

/**
 * The addresses of both ends. Remembered for TCP, so the peer's is known in unbind, too, even after a reset.
 * EM_NOT_CONNECTED before the connection is established, and where the system does not know any more.
 */
EM_API em_status em_connection_get_peer_address(em_connection *connection, em_address *address);
EM_API em_status em_connection_get_local_address(em_connection *connection, em_address *address);

/** Nanoseconds of loop time since the last bytes were received or sent, or since it was made; accurate to one turn of
 * the loop. */
EM_API uint64_t em_connection_get_idle_ns(const em_connection *connection);

/** Bytes received and sent so far. Either pointer may be NULL. */
EM_API void em_connection_get_byte_counts(const em_connection *connection, uint64_t *received, uint64_t *sent);

/** The socket's descriptor, -1 if there is none (any more). Owned by the library: do not read, write or close it. */
EM_API int em_connection_get_descriptor(const em_connection *connection);

/**
 * Takes the pending error off the socket (SO_ERROR, socket(7)). EM_OK if there is none; EM_CLOSED if it has ended.
 */
EM_API em_status em_connection_take_error(em_connection *connection);

/* Socket options */

/**
 * Sets an option by the system's numbers, setsockopt(2); value_bytes: the length of the value. EM_CLOSED if there is no
 * socket (not yet, while a name is resolved, or any more), EM_INVALID_ARGUMENT, EM_NO_PROTOCOL_OPTION.
 */
EM_API em_status em_connection_set_socket_option(em_connection *connection, int level, int option, const void *value,
                                                 size_t value_bytes);

/** Gets one, getsockopt(2); value_bytes: in, the capacity; out, the length of the value. Errors as for setting. */
EM_API em_status em_connection_get_socket_option(em_connection *connection, int level, int option, void *value,
                                                 size_t *value_bytes);

/**
 * Keepalive probes, tcp(7): after idle_seconds of silence one every interval_seconds, count of them without answer end
 * the connection (EM_TIMED_OUT). Values of 0 leave the system's. enable: EM_ON or EM_OFF. EM_CLOSED;
 * EM_INVALID_ARGUMENT, also for negative numbers; EM_UNSUPPORTED for numbers where the system lets none be set.
 */
EM_API em_status em_connection_set_keepalive(em_connection *connection, em_switch enable, int idle_seconds,
                                             int interval_seconds, int count);

EM_END_DECLARATIONS

#endif
